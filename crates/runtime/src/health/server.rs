//! The admin port.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;

use actix_web::App;
use actix_web::HttpResponse;
use actix_web::HttpServer;
use actix_web::web;
use serde_json::json;

use super::Readiness;
use crate::lifecycle::Shutdown;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::problem::ProblemId;

/// Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The admin port, bound and not yet served.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
    readiness: Readiness,
    metrics: Metrics,
}

impl AdminServer {
    /// Takes the port; 0 takes a free one, see [`Self::address`].
    ///
    /// # Errors
    /// When the address cannot be had, usually because somebody else has it.
    pub fn bind(address: SocketAddr, readiness: Readiness, metrics: Metrics) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        tracing::info!(admin.address = %address, "health and metrics are served");
        Ok(Self { listener, address, readiness, metrics })
    }

    /// The address that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until everything else in the process is gone, so that `/readyz` can be asked while it drains.
    /// Run it with [`crate::lifecycle::Tasks::support`].
    ///
    /// # Errors
    /// When the port cannot be served.
    pub async fn run(self, shutdown: Shutdown) -> io::Result<()> {
        let Self { listener, readiness, metrics, .. } = self;
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(readiness.clone()))
                .app_data(web::Data::new(metrics.clone()))
                .route("/healthz", web::get().to(healthz))
                .route("/readyz", web::get().to(readyz))
                .route("/metrics", web::get().to(exposition))
                .default_service(web::to(nowhere))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?
        .run();
        let handle = server.handle();
        tokio::pin!(server);
        tokio::select! {
            ended = &mut server => return ended,
            () = shutdown.drained() => {}
        }
        let ((), ended) = tokio::join!(handle.stop(true), server);
        ended
    }
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "alive": true }))
}

async fn readyz(readiness: web::Data<Readiness>) -> HttpResponse {
    let report = readiness.report();
    let mut answer = if report.ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(report)
}

async fn exposition(metrics: web::Data<Metrics>, readiness: web::Data<Readiness>) -> HttpResponse {
    metrics.ready(&readiness.report());
    match metrics.render() {
        Ok(text) => HttpResponse::Ok().content_type(EXPOSITION).body(text),
        Err(error) => {
            tracing::error!(error = %error, "metrics cannot be rendered");
            Problem::new(ProblemId::Internal).into_response()
        }
    }
}

async fn nowhere() -> Problem {
    Problem::new(ProblemId::NotFound)
}
