//! sea-orm's entities, for tables that are read or written seldom. Hot paths have statements of their own.

pub(crate) mod aside;
pub(crate) mod document;
pub(crate) mod offset;
