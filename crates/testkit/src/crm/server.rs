//! The CRM's HTTP side, on a thread and runtime of its own, so that a busy test cannot make it slow.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

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

fn call(request: &HttpRequest, body: &Bytes) -> Call {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Call {
        method: request.method().to_string(),
        path: request.uri().to_string().trim_start_matches("/api").to_owned(),
        key: header("Idempotency-Key"),
        attempt: header("Drumbeat-Attempt").and_then(|text| text.parse().ok()),
        body: body.to_vec(),
        status: None,
        at: now(),
    }
}

async fn create(state: Data<Shared>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let mut call = call(&request, &body);
    let fault = state.lock().unwrap_or_else(PoisonError::into_inner).next_fault();
    if let Some(Fault::Slow(wait)) = &fault {
        tokio::time::sleep(*wait).await;
    }
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = match &fault {
        Some(Fault::Status(status, retry_after)) => refused(*status, retry_after.as_deref()),
        Some(Fault::Html) => {
            HttpResponse::Ok().content_type("text/html").body("<html><body>We'll be right back</body></html>")
        }
        Some(Fault::Drop) => cut(),
        Some(Fault::LoseReply) => {
            carry_out(&mut state, &call);
            cut()
        }
        Some(Fault::HalfBody) => {
            carry_out(&mut state, &call);
            half()
        }
        Some(Fault::Slow(_)) | None => match carry_out(&mut state, &call) {
            Some(id) => HttpResponse::Created().json(json!({ "id": id })),
            None => HttpResponse::BadRequest().json(json!({ "message": "expected a JSON object and a key" })),
        },
    };
    let dropped = matches!(fault, Some(Fault::Drop | Fault::LoseReply));
    call.status = (!dropped).then(|| answer.status().as_u16());
    state.calls.push(call);
    answer
}

fn carry_out(state: &mut State, call: &Call) -> Option<String> {
    let body: Value = serde_json::from_slice(&call.body).ok()?;
    let key = call.key.clone()?;
    Some(state.create(key, body, call.at))
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
    let mut call = call(&request, &body);
    call.status = Some(200);
    let wanted =
        request.query_string().split('&').find_map(|pair| pair.strip_prefix("key=")).unwrap_or_default();
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let results: Vec<Value> = state
        .records
        .iter()
        .filter(|record| record.key == wanted)
        .map(|record| json!({ "id": record.id }))
        .collect();
    state.calls.push(call);
    HttpResponse::Ok().json(json!({ "results": results }))
}

async fn withdraw(
    state: Data<Shared>,
    id: web::Path<String>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let mut call = call(&request, &body);
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let found = state.records.iter_mut().find(|record| record.id == *id);
    let answer = match found {
        Some(record) => {
            record.withdrawn = true;
            HttpResponse::NoContent().finish()
        }
        None => HttpResponse::NotFound().json(json!({ "message": "no such task" })),
    };
    call.status = Some(answer.status().as_u16());
    state.calls.push(call);
    answer
}
