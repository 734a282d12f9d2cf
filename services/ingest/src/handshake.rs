//! What providers ask before they send events.

use actix_web::http::header::{ALLOW, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use crate::door::Rate;

const ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// Answers the validation request of the CloudEvents webhook specification (section 4). The source is configured, so
/// delivery is agreed to; who may really post is the signature's matter.
pub(crate) fn cloud_events(request: &HttpRequest, rate: Option<Rate>) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((ALLOW, HeaderValue::from_static("POST, OPTIONS")));
    if let Some(origin) = request.headers().get(ORIGIN) {
        answer.insert_header((ALLOWED_ORIGIN, origin.clone()));
        answer.insert_header((ALLOWED_RATE, rate.map_or_else(|| "*".to_owned(), per_minute)));
    }
    answer.finish()
}

/// The specification counts requests per minute, and at least one.
fn per_minute(rate: Rate) -> String {
    let per_minute = f64::from(rate.requests.get()) * 60.0 / rate.per.as_secs_f64();
    format!("{:.0}", per_minute.floor().max(1.0))
}
