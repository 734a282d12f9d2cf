//! A small CRM over HTTP: it keeps the tasks that it is asked to show its reps, and tells of each.
//!
//! Like a good CRM it honours idempotency keys: the same key again is the same task.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::{self, Data, Json, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use jiff::Timestamp;
use runtime::lifecycle::Shutdown;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::print::{Teller, Voice};

/// A task as the CRM keeps it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Record {
    /// Its id here.
    pub(super) id: String,
    /// The idempotency key that it came with.
    pub(super) key: String,
    /// What was asked for.
    pub(super) task: Value,
    /// Why it was taken back, if it was.
    pub(super) withdrawn: Option<String>,
    /// How it went, once a rep worked it.
    pub(super) result: Option<String>,
}

impl Record {
    pub(super) fn text(&self, name: &str) -> &str {
        self.task[name].as_str().unwrap_or_default()
    }

    pub(super) fn email(&self) -> &str {
        self.task["contact"]["email"].as_str().unwrap_or_default()
    }

    /// Who, for people.
    pub(super) fn who(&self) -> &str {
        self.task["contact"]["name"].as_str().filter(|name| !name.is_empty()).unwrap_or_else(|| self.email())
    }
}

#[derive(Debug, Default)]
struct Book {
    records: Vec<Record>,
}

/// The CRM.
pub(super) struct Crm {
    book: Mutex<Book>,
    changed: watch::Sender<usize>,
    teller: Teller,
}

impl Crm {
    pub(super) fn new(teller: Teller) -> Arc<Self> {
        Arc::new(Self { book: Mutex::default(), changed: watch::Sender::new(0), teller })
    }

    /// What it holds, withdrawn tasks too, in the order in which they came.
    pub(super) fn records(&self) -> Vec<Record> {
        self.book().records.clone()
    }

    /// Counts up with every change.
    pub(super) fn changes(&self) -> watch::Receiver<usize> {
        self.changed.subscribe()
    }

    /// Notes how a task went.
    pub(super) fn worked(&self, key: &str, result: &str) {
        if let Some(record) = self.book().records.iter_mut().find(|record| record.key == key) {
            record.result = Some(result.to_owned());
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Serves until nobody sends to it any more.
    pub(super) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: Shutdown,
    ) -> std::io::Result<()> {
        let crm = Data::from(self);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(crm.clone())
                .route("/api", web::head().to(HttpResponse::NoContent))
                .route("/api/tasks", web::get().to(list))
                .route("/api/tasks", web::post().to(create))
                .route("/api/tasks/{id}/withdraw", web::post().to(withdraw))
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
        let ((), ended) = tokio::join!(handle.stop(false), server);
        ended
    }

    fn create(&self, key: String, task: Value) -> String {
        let mut book = self.book();
        if let Some(known) = book.records.iter().find(|record| record.key == key) {
            return known.id.clone();
        }
        let id = format!("T-{}", book.records.len() + 1);
        let record = Record { id: id.clone(), key, task, withdrawn: None, result: None };
        self.tell("+", &record, record.text("subject"));
        book.records.push(record);
        drop(book);
        self.changed.send_modify(|count| *count += 1);
        id
    }

    fn take_back(&self, id: &str, reason: &str) -> bool {
        let mut book = self.book();
        let Some(record) = book.records.iter_mut().find(|record| record.id == id) else {
            return false;
        };
        if record.withdrawn.is_none() {
            record.withdrawn = Some(reason.to_owned());
            self.tell("-", record, &format!("withdrawn: {reason}"));
        }
        drop(book);
        self.changed.send_modify(|count| *count += 1);
        true
    }

    /// New tasks at the time at which they are due, others now.
    fn tell(&self, sign: &str, record: &Record, what: &str) {
        let text = format!(
            "{sign} {:<5} {:<10} {what:<44} {}, {}",
            record.id,
            record.text("channel"),
            record.who(),
            record.text("step")
        );
        let due = (sign == "+").then(|| record.text("due_at").parse::<Timestamp>().ok()).flatten();
        // A line that cannot be printed is no reason to refuse a task.
        drop(self.teller.at(due.unwrap_or_else(|| self.teller.now()), Voice::Crm, &text));
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn list(crm: Data<Crm>) -> HttpResponse {
    HttpResponse::Ok().json(crm.records())
}

async fn create(crm: Data<Crm>, request: HttpRequest, task: Json<Value>) -> HttpResponse {
    let key = request.headers().get("Idempotency-Key").and_then(|key| key.to_str().ok());
    match key {
        Some(key) => {
            HttpResponse::Created().json(json!({ "id": crm.create(key.to_owned(), task.into_inner()) }))
        }
        None => {
            HttpResponse::BadRequest().json(json!({ "message": "the header Idempotency-Key is missing" }))
        }
    }
}

async fn withdraw(crm: Data<Crm>, id: Path<String>, about: Json<Value>) -> HttpResponse {
    if crm.take_back(&id, about["reason"].as_str().unwrap_or("no reason given")) {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::NotFound().json(json!({ "message": "there is no such task" }))
    }
}
