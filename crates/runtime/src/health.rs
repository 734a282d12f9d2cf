//! Liveness, readiness and metrics on the admin port of every role.
//!
//! `/healthz` answers 200 as long as the process runs at all: it looks at no dependency, since an outage of
//! one must not restart everything. `/readyz` answers 200 when every component that registered is ready and
//! the process is not shutting down, else 503 with what is missing. `/metrics` is the Prometheus text format.

mod readiness;
mod server;

#[cfg(test)]
mod tests;

pub use readiness::Check;
pub use readiness::Readiness;
pub use readiness::Report;
pub use readiness::Status;
pub use server::AdminServer;
