//! The stated mix of events as signed webhooks, made as they are posted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::event::Event;
use jiff::Timestamp;
use ports::clock::Clock;
use runtime::lifecycle::Tasks;
use serde_json::{Map, Value, json};

use super::arrivals::Requests;
use super::http::{Connection, signed};
use super::mix::{Mix, cadence};
use crate::exit::Failure;

/// People of this load, apart from those of the other measurements.
const GROUP: usize = 7;

/// One of the mix's cadences, whose first touch goes at once: the load is to reach the CRM too.
pub(super) fn cadence_at_once(number: usize) -> String {
    cadence(number).replacen(" after: 1h,", "", 1)
}

/// A source of signed webhooks; cheap to clone.
#[derive(Clone)]
pub(super) struct Webhooks {
    to: SocketAddr,
    mix: Arc<Mutex<Mix>>,
}

impl Webhooks {
    pub(super) fn new(to: SocketAddr) -> Result<Self, Failure> {
        Ok(Self { to, mix: Arc::new(Mutex::new(Mix::new(GROUP)?)) })
    }

    fn next(&self) -> Result<Bytes, Failure> {
        let event = self.mix.lock().unwrap_or_else(PoisonError::into_inner).next(Timestamp::UNIX_EPOCH)?;
        signed(self.to, &body(&event))
    }

    /// For a load by the clock. A webhook that cannot be made is sent empty, and counts as a failure.
    pub(super) fn requests(&self) -> Requests {
        let webhooks = self.clone();
        Arc::new(move |_| webhooks.next().unwrap_or_default())
    }

    /// Posts as fast as the connections allow, for so long; gives how many were answered 2xx.
    pub(super) async fn post_for(
        &self,
        clock: &Arc<dyn Clock>,
        (connections, time): (usize, Duration),
    ) -> Result<usize, Failure> {
        let until = clock.monotonic() + time;
        let clock = Arc::clone(clock);
        self.post_while(connections, move |_| clock.monotonic() < until).await
    }

    /// Posts so many as fast as the connections allow; gives how many were answered 2xx.
    pub(super) async fn post_all(&self, connections: usize, count: usize) -> Result<usize, Failure> {
        self.post_while(connections, move |index| index < count).await
    }

    async fn post_while(
        &self,
        connections: usize,
        more: impl Fn(usize) -> bool + Clone + Send + 'static,
    ) -> Result<usize, Failure> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut running = Vec::new();
        for _ in 0..connections {
            let mut connection = Connection::open(self.to).await?;
            let (webhooks, next, more) = (self.clone(), Arc::clone(&next), more.clone());
            running.push(Tasks::detached().spawn("bench.webhooks", async move {
                let mut answered = 0;
                while more(next.fetch_add(1, Ordering::Relaxed)) {
                    let status = connection.post(&webhooks.next()?).await?;
                    answered += usize::from((200..300).contains(&status));
                }
                Ok::<usize, Failure>(answered)
            }));
        }
        let mut answered = 0;
        for one in running {
            answered += one.await.map_err(|error| Failure::Refused(error.to_string()))??;
        }
        Ok(answered)
    }
}

/// An event as its source would post it.
fn body(event: &Event) -> Value {
    let mut person: Map<String, Value> =
        event.detail.contact.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let email = event.subject.email.as_ref().map(|email| json!(email.as_str()));
    person.extend(email.map(|email| ("email".to_owned(), email)));
    let data: Map<String, Value> =
        event.detail.data.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let mut body =
        json!({ "id": event.id.as_str(), "type": event.kind.as_str(), "person": person, "data": data });
    if let Some(classification) = event.detail.classification {
        body["classification"] = json!(classification.as_str());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_posted_with_all_that_it_says() {
        let event = Mix::new(GROUP).unwrap().entry(Timestamp::UNIX_EPOCH).unwrap();

        let body = body(&event);

        assert_eq!(body["type"], "form_submitted");
        assert_eq!(body["person"]["email"], "person-7-0@bench.example");
        assert_eq!(body["person"]["first_name"], "Ada");
        assert_eq!(body["data"]["form"], "form-00");
    }

    #[test]
    fn the_first_touch_of_the_loads_cadences_goes_at_once() {
        let first = |text: &str| text.lines().find(|line| line.contains("id: hello")).unwrap().to_owned();

        assert!(first(&cadence(3)).contains("after: 1h"));
        assert!(!first(&cadence_at_once(3)).contains("after"));
    }
}
