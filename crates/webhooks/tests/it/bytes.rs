//! No bytes make any provider panic, whatever they are posted as.

use domain::id::{SourceName, Workspace};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use webhooks::{Headers, Item, PROVIDERS, Request, Settings, Source, Verified};

fn sources() -> Vec<Source> {
    let with_map = PROVIDERS.into_iter().map(|provider| (provider, true));
    let without = PROVIDERS.into_iter().filter(|name| *name != "generic").map(|provider| (provider, false));
    let map = json!({
        "kind": { "first": ["/kind", "/type", { "const": "custom" }] }, "id": "/id", "occurred_at": "/at",
        "email": { "first": ["/email", "/person/email"] }, "phone": "/phone", "crm_id": "/crm", "record": "/record",
        "channel": "/channel", "until": "/until", "score": "/score", "machine": "/machine", "name": "/name",
        "task": { "template": "{/task}-{/id}" }, "contact": "/contact", "data": { "all": "" },
    });
    let settings = |(provider, with_map): (&str, bool)| Settings {
        name: SourceName::new("test").unwrap(),
        workspace: Workspace::main(),
        provider: provider.to_owned(),
        secrets: Vec::new(),
        allow_unsigned: true,
        verify: None,
        map: with_map.then(|| map.clone()),
        public_url: None,
        tolerance: None,
    };
    with_map.chain(without).map(|one| Source::new(settings(one)).unwrap()).collect()
}

/// Posts to every source; what is translated must also survive being kept and restored.
fn post(body: &[u8], content_type: &str) {
    let headers: Headers = [
        ("content-type", content_type),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "s"),
        ("ce-type", "replied"),
    ]
    .into_iter()
    .collect();
    let now = Timestamp::from_second(1_772_805_600).unwrap();
    for source in sources() {
        let request = Request { method: "POST", query: "a=%", headers: &headers, body, received_at: now };
        let _ = source.verify(&request);
        if source.check_media(&request).is_err() {
            continue;
        }
        for item in source.decode(&request, &Verified::default()).unwrap_or_default() {
            let outcome = source.translate(&item, now);
            let restored =
                Item::restore(item.body.to_string().as_bytes(), &item.envelope(), item.index).unwrap();
            assert_eq!(source.translate(&restored, now), outcome);
            let _ = source.redact(item);
        }
    }
}

const TYPES: [&str; 5] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "text/plain",
];

/// JSON that looks a little like what providers send.
fn lookalike() -> impl Strategy<Value = serde_json::Value> {
    let names = prop::sample::select(vec![
        "kind",
        "type",
        "id",
        "at",
        "email",
        "phone",
        "crm",
        "record",
        "channel",
        "until",
        "score",
        "machine",
        "name",
        "task",
        "contact",
        "data",
        "event",
        "event_type",
        "form_response",
        "answers",
        "hidden",
        "definition",
        "fields",
        "specversion",
        "source",
        "timestamp",
        "sg_event_id",
        "reason",
        "field",
        "ref",
        "choice",
        "properties",
    ]);
    let words = prop::sample::select(vec![
        "replied",
        "bounce",
        "1.0",
        "form_response",
        "a@b.co",
        "email",
        "dropped",
        "",
        " ",
        "+15551234567",
        "2026-03-06",
        "true",
        "hard",
        "deal:1",
        "\u{0}",
        "custom",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        words.prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::hash_map(names.clone(), inner, 0..8).prop_map(|members| {
                serde_json::Value::Object(
                    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                )
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_bytes_make_a_provider_panic(body in prop::collection::vec(any::<u8>(), 0..300), kind in 0..TYPES.len()) {
        post(&body, TYPES[kind]);
    }

    #[test]
    fn no_json_makes_a_provider_panic(body in lookalike(), kind in 0..TYPES.len()) {
        post(body.to_string().as_bytes(), TYPES[kind]);
    }
}
