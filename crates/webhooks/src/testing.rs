//! Builders for this crate's own tests.

use domain::event::Event;
use domain::id::{SourceName, Workspace};
use jiff::Timestamp;
use serde_json::Value;

use crate::{Headers, Item, Malformed, Outcome, Request, Secret, Settings, Source, Translated, Verified};

/// When test requests arrive.
pub(crate) fn noon() -> Timestamp {
    "2026-03-06T12:00:00Z".parse().unwrap()
}

/// Settings of a source that takes anything.
pub(crate) fn open(provider: &str) -> Settings {
    Settings {
        name: SourceName::new("test").unwrap(),
        workspace: Workspace::main(),
        provider: provider.to_owned(),
        secrets: Vec::new(),
        allow_unsigned: true,
        verify: None,
        map: None,
        public_url: None,
        tolerance: None,
    }
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

/// A source that takes anything, with a map.
pub(crate) fn mapped(provider: &str, map: Value) -> Source {
    Source::new(Settings { map: Some(map), ..open(provider) }).unwrap()
}

pub(crate) fn plain(provider: &str) -> Source {
    Source::new(open(provider)).unwrap()
}

/// A delivery in the making.
pub(crate) struct Delivery {
    headers: Headers,
    body: Vec<u8>,
    pub(crate) verified: Verified,
}

pub(crate) fn delivery(body: impl Into<Vec<u8>>) -> Delivery {
    Delivery { headers: Headers::new(), body: body.into(), verified: Verified::default() }
}

pub(crate) fn json(body: &Value) -> Delivery {
    delivery(body.to_string()).header("content-type", "application/json")
}

impl Delivery {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }

    pub(crate) fn message(mut self, id: &str) -> Self {
        self.verified.message_id = Some(id.to_owned());
        self
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request { method: "POST", query: "", headers: &self.headers, body: &self.body, received_at: noon() }
    }

    pub(crate) fn items(&self, source: &Source) -> Result<Vec<Item>, Malformed> {
        source.check_media(&self.request()).expect("a content type of the provider");
        source.decode(&self.request(), &self.verified)
    }

    pub(crate) fn outcomes(&self, source: &Source) -> Vec<Outcome> {
        self.items(source).unwrap().iter().map(|item| source.translate(item, noon())).collect()
    }

    /// The only event that it makes.
    pub(crate) fn event(&self, source: &Source) -> Event {
        let mut outcomes = self.outcomes(source);
        assert_eq!(outcomes.len(), 1);
        match outcomes.remove(0).result {
            Ok(Translated::Event(event)) => *event,
            other => panic!("no event: {other:?}"),
        }
    }

    /// Why its only item is quarantined: class and detail.
    pub(crate) fn refusal(&self, source: &Source) -> String {
        let refused = self.outcomes(source).remove(0).result.expect_err("it is translated");
        format!("{}: {}", refused.reason.as_str(), refused.detail)
    }
}
