//! End-to-end tests with the built binary, in `main.rs`: roles as separate processes on Kafka and PostgreSQL, and `up` on
//! the embedded defaults, against a stateful CRM over HTTP. This library is empty.
