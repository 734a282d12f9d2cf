//! Cadence files.
mod diagnostic;
mod source;
mod yaml;
pub use diagnostic::{Code, Diagnostic, Severity};
pub use source::Source;
