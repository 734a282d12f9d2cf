//! The public port.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use ports::bus::{Consumers, Publisher};
use ports::clock::Clock;
use runtime::health::Readiness;
use runtime::lifecycle::Shutdown;
use runtime::metrics::Metrics;
use tokio::net::TcpSocket;

use crate::accept::{Entry, State, hook, nowhere};
use crate::config::Config;
use crate::deliveries;
use crate::readiness;
use crate::redeliver::Redeliveries;

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Connections that one worker thread serves at once; more wait in the kernel.
const CONNECTIONS: usize = 8192;
/// How long requests under way may take once the shutdown has begun, in seconds. The lifecycle's budget is longer.
const FINISH_SECONDS: u64 = 4;
/// Connections that wait to be accepted; the kernel may allow fewer (`net.core.somaxconn`).
const QUEUE: u32 = 2048;
/// How long the bus may take for what is under way at the very end.
const FLUSH: Duration = Duration::from_secs(1);

/// What this service is wired to.
#[derive(Clone)]
pub struct Deps {
    /// Makes events durable.
    pub publisher: Arc<dyn Publisher>,
    /// Reads redeliveries; none: nothing is translated again here.
    pub consumers: Option<Arc<dyn Consumers>>,
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Where this component says whether it is ready.
    pub readiness: Readiness,
    /// What is counted.
    pub metrics: Metrics,
}

/// Why ingest ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had, usually because somebody else has it.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The port cannot be served.
    #[error("cannot serve webhooks: {0}")]
    Serve(#[source] io::Error),
}

/// The public port, bound and not yet served.
pub struct Ingest {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
    deps: Deps,
}

/// Binds and serves until the shutdown begins and what is under way is finished.
///
/// # Errors
/// When the address cannot be had or served.
pub async fn run(config: Config, deps: Deps, shutdown: Shutdown) -> Result<(), Error> {
    Ingest::bind(config, deps)?.run(shutdown).await
}

/// Listens with room for a burst: the standard library's queue of 128 makes the others wait for a second SYN.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)?.into_std()
}

impl Ingest {
    /// Takes the port; 0 takes a free one, see [`Self::address`].
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(config: Config, deps: Deps) -> Result<Self, Error> {
        let address = config.listen;
        let failed = |source| Error::Bind { address, source };
        let listener = listen(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        deps.readiness.register(readiness::NAME);
        tracing::info!(ingest.address = %address, sources = config.doors.len(), "webhooks are taken");
        for door in &config.doors {
            for warning in door.source.warnings() {
                tracing::warn!(source.name = %door.source.name(), "{warning}");
            }
        }
        Ok(Self { listener, address, config, deps })
    }

    /// The address that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the shutdown begins. In its soft phase no connection is accepted and requests under way are
    /// finished; in its hard phase they are given up. What was answered is durable in either case.
    ///
    /// # Errors
    /// When the port cannot be served.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let Self { listener, config, deps, .. } = self;
        let Deps { publisher, consumers, clock, readiness, metrics } = deps;
        let sources: HashMap<_, _> = config
            .doors
            .iter()
            .map(|door| (door.source.name().as_str().to_owned(), door.source.clone()))
            .collect();
        let entry =
            |door: crate::door::Door| (door.source.name().as_str().to_owned(), Entry::new(door, &clock));
        let (deliveries, reporter) = deliveries::channel();
        let state = web::Data::new(State {
            entries: config.doors.into_iter().map(entry).collect(),
            publisher: Arc::clone(&publisher),
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
            deliveries,
            shutdown: shutdown.clone(),
            body_time: config.body_time,
        });
        let redelivering = {
            let (publisher, shutdown) = (Arc::clone(&publisher), shutdown.clone());
            async move {
                if let Some(consumers) = consumers {
                    Redeliveries { consumers, publisher, sources, metrics }.run(shutdown).await;
                }
            }
        };
        let beside = async {
            tokio::join!(
                reporter.run(Arc::clone(&publisher)),
                readiness::watch(Arc::clone(&publisher), readiness, shutdown.clone()),
                redelivering,
            );
        };
        tokio::pin!(beside);
        let serving = serve(listener, state, config.head_time, shutdown.clone());
        tokio::pin!(serving);
        let served = tokio::select! {
            served = &mut serving => {
                // Without a shutdown the port has failed, and nothing else is worth waiting for.
                if shutdown.is_soft() && tokio::time::timeout(FLUSH, beside).await.is_err() {
                    tracing::debug!("the last verdicts of deliveries were not published in time");
                }
                served
            }
            () = &mut beside => serving.await,
        };
        if let Err(error) = publisher.flush(FLUSH).await {
            tracing::warn!(error = %error, "the bus did not finish in time");
        }
        served.map_err(Error::Serve)
    }
}

/// Serves `state`, and lets go of it at the end.
async fn serve(
    listener: TcpListener,
    state: web::Data<State>,
    head_time: Duration,
    shutdown: Shutdown,
) -> io::Result<()> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .route("/hooks/{source}", web::to(hook))
            .default_service(web::to(nowhere))
    })
    .client_request_timeout(head_time)
    .keep_alive(KEEP_ALIVE)
    .max_connections(CONNECTIONS)
    .disable_signals()
    .shutdown_timeout(FINISH_SECONDS)
    .listen(listener)?
    .run();
    let handle = server.handle();
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => return ended,
        () = shutdown.soft() => {}
    }
    let stopping = async {
        tokio::select! {
            () = handle.stop(true) => {}
            () = shutdown.hard() => handle.stop(false).await,
        }
    };
    let ((), ended) = tokio::join!(stopping, server);
    ended
}
