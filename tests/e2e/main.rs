//! The built binary from outside: webhooks in over HTTP, tasks out to a CRM over HTTP, the command line for the rest.
//!
//! Every scenario runs on `up` with its embedded defaults and, where servers are named by `DRUMBEAT_TEST_KAFKA` and
//! `DRUMBEAT_TEST_POSTGRES`, with one process a role. No scenario sleeps for effect: each waits for what must become
//! true, and fails after a generous time.

mod audit;
mod deployment;
mod faults;
mod scenarios;
mod store;
mod stub;
mod webhook;

use deployment::{Deployment, Shape};

/// Runs one scenario on each shape that can be had here.
fn on_each_shape<F>(name: &str, scenario: impl Fn(Deployment) -> F)
where
    F: Future<Output = Deployment>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for shape in Shape::available(name) {
        eprintln!("{name} on {shape:?}");
        runtime.block_on(async {
            let deployment = Deployment::prepare(name, shape);
            scenario(deployment).await.finish();
        });
    }
}
