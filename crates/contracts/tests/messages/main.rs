//! Every message comes back as it went, whatever is in it, and bytes that are wrong say where.

mod broken;
mod build;
mod log;
mod round_trips;
