//! The crate from outside: signatures computed by another implementation, mutations, and bytes of any kind.

mod bytes;
mod forged;
mod published;
mod signatures;
