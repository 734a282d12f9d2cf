//! A client for collectors that speak plain HTTP.

use std::time::Duration;

use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::{Builder, Runtime};

/// Sends from the SDK's thread, which has no reactor, on one of its own.
#[derive(Debug)]
pub(super) struct Plain {
    client: HyperClient,
    /// `None` only while it is dropped.
    reactor: Option<Runtime>,
}

impl Plain {
    /// One request may take so long.
    pub(super) fn new(limit: Duration) -> std::io::Result<Self> {
        let reactor = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { client: HyperClient::with_default_connector(limit, None), reactor: Some(reactor) })
    }
}

#[async_trait::async_trait]
impl HttpClient for Plain {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        match &self.reactor {
            Some(reactor) => reactor.block_on(self.client.send_bytes(request)),
            None => Err("the exporter has ended".into()),
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        if let Some(reactor) = self.reactor.take() {
            // Whoever drops it may be on a reactor that must not wait.
            reactor.shutdown_background();
        }
    }
}
