use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;

use crate::config::values::ByteSize;
use crate::config::values::Endpoint;
use crate::config::values::Name;
use crate::config::values::Rate;
use crate::config::values::Secret;
use crate::config::values::Tolerance;

/// `[[sources]]`: who may post webhooks, each to `/hooks/NAME`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The last part of the URL; unique in the deployment.
    pub name: Name,
    /// What sends: "generic", "standard-webhooks", "cloudevents", or a provider's name.
    pub provider: String,
    /// The workspace that the events belong to; "main" when absent.
    #[serde(default = "Name::main")]
    pub workspace: Name,
    /// References to the secrets or public keys that verify deliveries; any may match, so that they can be
    /// rotated.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// true: deliveries are taken without any verification. Anybody who knows the URL can then enroll and
    /// stop contacts.
    #[serde(default)]
    pub allow_unsigned: bool,
    /// The URL that the provider calls, as it calls it, for providers that sign it.
    pub public_url: Option<Endpoint>,
    /// How far a signed timestamp may be from now, or "off"; absent: what suits the provider, five minutes
    /// for most.
    pub tolerance: Option<Tolerance>,
    /// The largest body taken; `ingest.max_body` when absent.
    pub max_body: ByteSize,
    /// The most requests taken; absent: no limit.
    pub rate: Option<Rate>,
    /// How deliveries are verified, for "generic" and "cloudevents" sources; the others have a way of their
    /// own, which this replaces.
    #[serde(default)]
    #[schemars(with = "Verify")]
    pub verify: Option<Map<String, Value>>,
    /// How the body becomes events: for each target a JSON pointer ("/person/email"), `{ const = … }`,
    /// `{ first = [ … ] }`, `{ table = { … }, at = … }` or a template.
    #[serde(default)]
    #[schemars(with = "Mapping")]
    pub map: Option<Map<String, Value>>,
}

/// The keys of `verify`; their values are read by the verifier itself.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes keys; the values stay as written")]
struct Verify {
    /// A signature: "hmac-sha256", "hmac-sha1", "hmac-sha512", "ed25519", "ecdsa-p256" or
    /// "standard-webhooks". Or a shared secret: "bearer", "basic", "header", "query" or "body".
    scheme: Option<Value>,
    /// The header that carries the signature or the secret.
    header: Option<Value>,
    /// The query parameter that carries the secret.
    param: Option<Value>,
    /// The user name of scheme "basic".
    username: Option<Value>,
    /// Where the body holds the secret, for scheme "body": a JSON pointer.
    at: Option<Value>,
    /// How the signature is written: "hex", "base64" or "base64url".
    encoding: Option<Value>,
    /// Text before the signature, for example "sha256=".
    prefix: Option<Value>,
    /// What stands between several signatures in one header.
    separator: Option<Value>,
    /// What is signed, with `{id}`, `{ts}`, `{body}`, `{method}` and `{url}` filled in.
    signed: Option<Value>,
    /// How the secret is written: "raw", "base64" or "hex".
    key_encoding: Option<Value>,
    /// The header that carries the delivery's id.
    id_header: Option<Value>,
    /// The header that carries the timestamp.
    timestamp_header: Option<Value>,
    /// Text before the timestamp, where signature and timestamp share a header, for example "t=".
    timestamp_prefix: Option<Value>,
    /// The timestamp's unit: "s" or "ms".
    timestamp_unit: Option<Value>,
}

/// The targets of `map`; their values are read by the translator itself.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes keys; the values stay as written")]
struct Mapping {
    /// The array of which each element becomes an event; absent: the body is one event.
    each: Option<Value>,
    /// The kind of the event.
    kind: Option<Value>,
    /// The provider's id of the event, by which repeats are recognised.
    id: Option<Value>,
    /// When it happened.
    occurred_at: Option<Value>,
    /// The contact's email address.
    email: Option<Value>,
    /// The contact's phone number.
    phone: Option<Value>,
    /// The contact's id in the CRM.
    crm_id: Option<Value>,
    /// The account's domain.
    account_domain: Option<Value>,
    /// The account's id in the CRM.
    account_id: Option<Value>,
    /// The owner.
    owner: Option<Value>,
    /// The task: our key, or the CRM's id of it.
    task: Option<Value>,
    /// The record in the CRM: its type and id.
    record: Option<Value>,
    /// The name of a custom event.
    name: Option<Value>,
    /// The channel.
    channel: Option<Value>,
    /// The classification of a reply.
    classification: Option<Value>,
    /// Until when an out-of-office reply holds.
    until: Option<Value>,
    /// The outcome of a call.
    outcome: Option<Value>,
    /// Whether a bounce is "hard" or "soft".
    bounce: Option<Value>,
    /// A score.
    score: Option<Value>,
    /// Whether a machine opened or clicked.
    machine: Option<Value>,
    /// The reason.
    reason: Option<Value>,
    /// Attributes of the contact, by any name.
    contact: Option<Map<String, Value>>,
    /// Attributes of the account, by any name.
    account: Option<Map<String, Value>>,
    /// Attributes of the deal, by any name.
    deal: Option<Map<String, Value>>,
    /// Everything else that rules and templates may use, by any name.
    data: Option<Map<String, Value>>,
}
