//! A CRM that can let requests wait, and knows when which task was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use ports::clock::Clock;
use serde_json::json;
use tokio::sync::watch;

use super::servers::Running;
use crate::exit::Failure;

/// Whether requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// At once.
    Now,
    /// When that changes, or never.
    Later,
}

/// The server.
pub(super) struct Desk {
    pub(super) running: Running,
    shared: web::Data<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    answer: watch::Sender<Answer>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When each key was last asked for, by the monotonic clock.
    asked: BTreeMap<String, Duration>,
    waiting: BTreeSet<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    pub(super) fn start(clock: &Arc<dyn Clock>) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let shared = web::Data::new(Shared {
            clock: Arc::clone(clock),
            answer: watch::Sender::new(Answer::Now),
            state: Mutex::default(),
        });
        let data = shared.clone();
        let app = move || App::new().app_data(data.clone()).default_service(web::to(take));
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener.try_clone()?)?.run();
        Ok(Self { running: Running::start(&listener, server)?, shared })
    }

    /// From now on, and for those that wait.
    pub(super) fn answer(&self, answer: Answer) {
        self.shared.answer.send_replace(answer);
    }

    /// The keys of those that wait.
    pub(super) fn waiting(&self) -> BTreeSet<String> {
        self.shared.state().waiting.clone()
    }

    /// When a key was last asked for.
    pub(super) fn asked(&self, key: &str) -> Option<Duration> {
        self.shared.state().asked.get(key).copied()
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.shared.state() = State::default();
    }
}

async fn take(shared: web::Data<Shared>, request: HttpRequest, _: web::Bytes) -> HttpResponse {
    let key = request.headers().get("Idempotency-Key").and_then(|value| value.to_str().ok());
    let key = key.unwrap_or_default().to_owned();
    {
        let at = shared.clock.monotonic();
        let mut state = shared.state();
        state.asked.insert(key.clone(), at);
        state.waiting.insert(key.clone());
    }
    // The sender lives in what is held here, so this ends well, or with the connection.
    let mut answers = shared.answer.subscribe();
    drop(answers.wait_for(|answer| *answer == Answer::Now).await);
    shared.state().waiting.remove(&key);
    HttpResponse::Created().json(json!({ "id": key }))
}
