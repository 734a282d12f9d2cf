//! The CRM's HTTP side, on a thread and runtime of its own, so that a busy test cannot make it slow.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::{Value, json};

use super::state::{Call, Fault, State};

type Shared = Arc<Mutex<State>>;

#[expect(clippy::disallowed_methods, reason = "a test double keeps its own clock and thread")]
pub(super) fn start(state: Shared) -> (SocketAddr, ServerHandle, std::thread::JoinHandle<()>) {
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(Data::new(Arc::clone(&state)))
                    .route("/api/tasks", web::post().to(create))
                    .route("/api/tasks", web::get().to(find))
                    .route("/api/tasks/{id}", web::delete().to(withdraw))
                    .route("/api", web::head().to(HttpResponse::NoContent))
            })
            .workers(1)
            .disable_signals()
            .shutdown_timeout(0)
            .bind("127.0.0.1:0")
            .expect("a free port on this machine");
            let address = server.addrs()[0];
            let running = server.run();
            tell.send((address, running.handle())).expect("the test waits for the address");
            running.await.expect("the fake CRM serves");
        });
    });
    let (address, handle) = told.recv().expect("the fake CRM starts");
    (address, handle, thread)
}

#[expect(clippy::disallowed_methods, reason = "a test double keeps its own clock")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// A request under way: noted when it comes in, so that one whose sender dies is not forgotten.
struct Open {
    state: Shared,
    /// Its place in the list of calls.
    place: usize,
}

impl Open {
    fn begin(state: &Shared, request: &HttpRequest, body: &Bytes) -> Self {
        let header =
            |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let call = Call {
            method: request.method().to_string(),
            path: request.uri().to_string().trim_start_matches("/api").to_owned(),
            key: header("Idempotency-Key"),
            attempt: header("Drumbeat-Attempt").and_then(|text| text.parse().ok()),
            body: body.to_vec(),
            status: None,
            at: now(),
        };
        let mut inner = state.lock().unwrap_or_else(PoisonError::into_inner);
        let place = inner.calls.len();
        inner.calls.push(call);
        inner.open += 1;
        inner.most_open = inner.most_open.max(inner.open);
        drop(inner);
        Self { state: Arc::clone(state), place }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while answers are held back.
    async fn wait(&self) {
        let mut held = self.state().held.subscribe();
        // The sender lives as long as the state does.
        let _ = held.wait_for(|held| !held).await;
    }

    async fn answer(self, answer: HttpResponse) -> HttpResponse {
        self.wait().await;
        self.state().calls[self.place].status = Some(answer.status().as_u16());
        answer
    }

    async fn drop_connection(self, answer: HttpResponse) -> HttpResponse {
        self.wait().await;
        answer
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.state().open -= 1;
    }
}

async fn create(state: Data<Shared>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let open = Open::begin(&state, &request, &body);
    let fault = open.state().next_fault();
    if let Some(Fault::Slow(wait)) = &fault {
        tokio::time::sleep(*wait).await;
    }
    match fault {
        Some(Fault::Status(status, retry_after)) => {
            open.answer(refused(status, retry_after.as_deref())).await
        }
        Some(Fault::Html) => {
            let page = "<html><body>We'll be right back</body></html>";
            open.answer(HttpResponse::Ok().content_type("text/html").body(page)).await
        }
        Some(Fault::Drop) => open.drop_connection(cut()).await,
        Some(Fault::LoseReply) => {
            carry_out(&open);
            open.drop_connection(cut()).await
        }
        Some(Fault::HalfBody) => {
            carry_out(&open);
            open.answer(half()).await
        }
        Some(Fault::Slow(_)) | None => {
            let answer = match carry_out(&open) {
                Some(id) => HttpResponse::Created().json(json!({ "id": id })),
                None => {
                    HttpResponse::BadRequest().json(json!({ "message": "expected a JSON object and a key" }))
                }
            };
            open.answer(answer).await
        }
    }
}

fn carry_out(open: &Open) -> Option<String> {
    let mut state = open.state();
    let call = state.calls[open.place].clone();
    let body: Value = serde_json::from_slice(&call.body).ok()?;
    Some(state.create(call.key?, body, call.at))
}

fn refused(status: u16, retry_after: Option<&str>) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::build(status);
    if let Some(wait) = retry_after {
        answer.insert_header(("Retry-After", wait));
    }
    answer.json(json!({ "message": "told to misbehave" }))
}

/// A body that breaks off at its first byte: the client sees the connection end.
fn cut() -> HttpResponse {
    broken(Vec::new())
}

fn half() -> HttpResponse {
    broken(b"{\"id\":\"t-".to_vec())
}

fn broken(first: Vec<u8>) -> HttpResponse {
    let parts = [Ok(Bytes::from(first)), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
    HttpResponse::Created().content_type("application/json").streaming(futures::stream::iter(parts))
}

async fn find(state: Data<Shared>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let open = Open::begin(&state, &request, &body);
    let wanted =
        request.query_string().split('&').find_map(|pair| pair.strip_prefix("key=")).unwrap_or_default();
    let results: Vec<Value> = open
        .state()
        .records
        .iter()
        .filter(|record| record.key == wanted)
        .map(|record| json!({ "id": record.id }))
        .collect();
    open.answer(HttpResponse::Ok().json(json!({ "results": results }))).await
}

async fn withdraw(
    state: Data<Shared>,
    id: web::Path<String>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let open = Open::begin(&state, &request, &body);
    let found = match open.state().records.iter_mut().find(|record| record.id == *id) {
        Some(record) => {
            record.withdrawn = true;
            true
        }
        None => false,
    };
    let answer = if found {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::NotFound().json(json!({ "message": "no such task" }))
    };
    open.answer(answer).await
}
