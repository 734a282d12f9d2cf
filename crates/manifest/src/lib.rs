//! Cadence files: YAML documents of the kinds Cadence, Template, Segment and Calendar, read, checked and compiled to the
//! domain's types.
//!
//! [`parse`] reads one file, [`lint()`] judges documents in the company of others, [`compile()`] makes the domain's values of
//! them, [`content()`] does so with texts that the store holds, and [`json_schema`] describes the files to editors. All that
//! is wrong with a file is said at once, each at its line and column.
//!
//! This crate never does I/O: texts come in, values and findings go out. It never drops what it does not know: an unknown
//! key, and a construct that this release does not carry yet, is an error.

mod compile;
mod content;
mod diagnostic;
mod document;
mod known;
mod lint;
mod model;
mod schema;
mod source;
mod yaml;

pub use compile::{Compiled, Content, Version, compile};
pub use content::{Contents, Stored, content};
pub use diagnostic::{Code, Diagnostic, Severity};
pub use document::{API_VERSION, Document, Kind, Parsed, parse};
pub use known::Known;
pub use lint::{Loaded, lint, load};
pub use schema::json_schema;
pub use source::Source;
