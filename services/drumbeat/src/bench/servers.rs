//! The servers beside what is measured: the bare one of the reference, and a CRM that takes everything.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ports::clock::Clock;
use runtime::lifecycle::Tasks;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::watch;

use super::setup::SECRET;
use crate::exit::Failure;

/// A server of the bench; stopped when dropped.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    handle: ServerHandle,
}

impl Running {
    pub(super) fn start(listener: &TcpListener, server: Server) -> std::io::Result<Self> {
        let handle = server.handle();
        drop(Tasks::detached().spawn("bench.server", server));
        Ok(Self { address: listener.local_addr()?, handle })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it.
    pub(super) async fn stop(self) {
        self.handle.stop(false).await;
    }
}

/// `R_http`: takes a signed webhook, verifies it in constant time, parses it, and answers. Nothing is kept.
pub(super) fn bare() -> Result<Running, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let app = || App::new().route("/hooks/{source}", web::post().to(take));
    let server = HttpServer::new(app).disable_signals().listen(listener.try_clone()?)?.run();
    Ok(Running::start(&listener, server)?)
}

async fn take(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let signature = request.headers().get("X-Signature").and_then(|value| value.to_str().ok());
    let signature =
        signature.and_then(|text| hex::decode(text.trim_start_matches("sha256=")).ok()).unwrap_or_default();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else {
        return HttpResponse::InternalServerError().finish();
    };
    mac.update(&body);
    if mac.verify_slice(&signature).is_err() {
        return HttpResponse::Unauthorized().finish();
    }
    match serde_json::from_slice::<Value>(&body) {
        Ok(event) => HttpResponse::Accepted().json(json!({ "ids": [event["id"]] })),
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}

/// A CRM that takes every task and keeps nothing.
pub(super) fn sink() -> Result<Running, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let app = || App::new().default_service(web::to(|_: web::Bytes| async { created(0) }));
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener.try_clone()?)?.run();
    Ok(Running::start(&listener, server)?)
}

fn created(number: u64) -> HttpResponse {
    HttpResponse::Created().json(json!({ "id": format!("task-{number}") }))
}

/// A CRM that takes every task, and knows when the first one for each contact came.
pub(super) struct Crm {
    pub(super) running: Running,
    arrivals: watch::Receiver<Arrivals>,
}

type Arrivals = HashMap<String, Arrival>;

/// A task that arrived.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    /// When, by the monotonic clock.
    pub(super) at: Duration,
    /// The enrollment that it belongs to.
    pub(super) enrollment: String,
}

struct Desk {
    clock: Arc<dyn Clock>,
    arrivals: watch::Sender<Arrivals>,
    next: Mutex<u64>,
}

impl Crm {
    pub(super) fn start(clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (sender, arrivals) = watch::channel(Arrivals::new());
        let desk = web::Data::new(Desk { clock, arrivals: sender, next: Mutex::default() });
        let app = move || App::new().app_data(desk.clone()).default_service(web::to(create));
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener.try_clone()?)?.run();
        Ok(Self { running: Running::start(&listener, server)?, arrivals })
    }

    pub(super) fn url(&self) -> String {
        self.running.url()
    }

    /// Waits for the first task for a contact.
    pub(super) async fn arrival(&mut self, email: &str, at_most: Duration) -> Option<Arrival> {
        let there = self.arrivals.wait_for(|arrivals| arrivals.contains_key(email));
        let arrivals = tokio::time::timeout(at_most, there).await.ok()?.ok()?;
        arrivals.get(email).cloned()
    }
}

async fn create(desk: web::Data<Desk>, body: web::Bytes) -> HttpResponse {
    let at = desk.clock.monotonic();
    let task: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (email, enrollment) = (&task["contact"]["email"], &task["enrollment"]);
    // Of the load beside the probes nothing is kept.
    let email = email.as_str().filter(|email| email.starts_with("probe-"));
    if let (Some(email), Some(enrollment)) = (email, enrollment.as_str()) {
        let arrival = Arrival { at, enrollment: enrollment.to_owned() };
        desk.arrivals.send_modify(|arrivals| {
            arrivals.entry(email.to_owned()).or_insert(arrival);
        });
    }
    let id = {
        let mut next = desk.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next += 1;
        *next
    };
    created(id)
}
