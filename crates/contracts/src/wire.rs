//! The messages of `proto/drumbeat/event/v1`, as generated. Their meaning is in the schema's comments; the rest of this
//! crate turns them into values of the domain, and is what callers use.

#![expect(clippy::trivially_copy_pass_by_ref, reason = "the generator writes its accessors with `&self`")]

include!("generated/drumbeat.event.v1.rs");
