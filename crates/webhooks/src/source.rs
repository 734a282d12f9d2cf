//! One configured sender.

use domain::event::Event;
use domain::id::{Digest, SourceName, Workspace};
use jiff::Timestamp;
use serde_json::Value;

use crate::event::{Frame, build};
use crate::fields::{Fields, Target};
use crate::item::{Item, Malformed, Part, Unsupported, Untranslatable};
use crate::mapping::{Mapping, MappingError, near};
use crate::pointer::Pointer;
use crate::profile::Profile;
use crate::provider::{NAMES, Provider, Reading, by_name};
use crate::request::Request;
use crate::verify::{Defaults, Secret, Tolerance, Verified, Verifier, VerifyError, compile};
use crate::{convert, digest, json};

/// The settings of a source, as configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name, the last part of its URL.
    pub name: SourceName,
    /// To whom its events belong.
    pub workspace: Workspace,
    /// The name of its provider.
    pub provider: String,
    /// Its secrets or public keys; any may match.
    pub secrets: Vec<Secret>,
    /// Whether requests are taken without any proof; then there are neither secrets nor a `verify` table.
    pub allow_unsigned: bool,
    /// Its `verify` table; none: the provider's own scheme.
    pub verify: Option<Value>,
    /// Its `map` table.
    pub map: Option<Value>,
    /// The address that the sender calls, for schemes that sign it.
    pub public_url: Option<String>,
    /// How far a signed time may be off; none: the provider's default.
    pub tolerance: Option<Tolerance>,
}

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No such provider.
    #[error("provider: {0}")]
    Provider(String),
    /// The `verify` table, or the secrets under the provider's own scheme.
    #[error("verify: {0}")]
    Verify(String),
    /// The `map` table.
    #[error(transparent)]
    Map(#[from] MappingError),
    /// The URL is signed and not known, or no URL.
    #[error("public_url: {0}")]
    PublicUrl(String),
}

/// One configured sender, compiled.
#[derive(Debug, Clone)]
pub struct Source {
    name: SourceName,
    workspace: Workspace,
    provider: &'static dyn Provider,
    verifier: Verifier,
    tolerance: Option<Tolerance>,
    mapping: Option<Mapping>,
    public_url: Option<String>,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The provider's id of the item, else its digest: what the answer names.
    pub id: String,
    /// What makes it the same item however often it is delivered.
    pub digest: Digest,
    /// The event, or why there is none.
    pub result: Result<Translated, Untranslatable>,
}

/// What an item says.
#[derive(Debug, Clone, PartialEq)]
pub enum Translated {
    /// Something that happened.
    Event(Box<Event>),
    /// Nothing that concerns a cadence: it is acknowledged, and counted under this name.
    Ignored(&'static str),
}

impl Source {
    /// Compiles settings.
    ///
    /// # Errors
    /// When the provider is unknown, a table cannot be read, or the source could not be verified.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let provider = by_name(&settings.provider)
            .ok_or_else(|| SettingsError::Provider(near::unknown("provider", &settings.provider, NAMES)))?;
        let defaults = Defaults { secrets: &settings.secrets, tolerance: settings.tolerance };
        let verifier = match &settings.verify {
            _ if settings.allow_unsigned && settings.secrets.is_empty() && settings.verify.is_none() => {
                Ok(Verifier::unsigned())
            }
            _ if settings.allow_unsigned => {
                Err("`allow_unsigned` takes anything: remove it, or `secrets` and `verify`".to_owned())
            }
            Some(table) => compile(table, defaults),
            None => provider.own_scheme(defaults).unwrap_or_else(|| {
                Err("missing: say how requests are verified, or `allow_unsigned = true` to take anything"
                    .to_owned())
            }),
        };
        let verifier = verifier.map_err(SettingsError::Verify)?;
        let mapping = settings.map.as_ref().map(Mapping::parse).transpose()?;
        if mapping.is_none() && provider.needs_map() {
            let problem =
                format!("missing: provider {:?} knows nothing of the body by itself", settings.provider);
            return Err(MappingError { at: "map".to_owned(), problem }.into());
        }
        if let Some(url) = &settings.public_url {
            let fits = url::Url::parse(url).is_ok_and(|parsed| matches!(parsed.scheme(), "http" | "https"));
            if !fits {
                return Err(SettingsError::PublicUrl("expected an http or https URL".to_owned()));
            }
        } else if verifier.needs_url() {
            return Err(SettingsError::PublicUrl("missing: `signed` holds {url}".to_owned()));
        }
        Ok(Self {
            name: settings.name,
            workspace: settings.workspace,
            provider,
            verifier,
            tolerance: settings.tolerance,
            mapping,
            public_url: settings.public_url,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &SourceName {
        &self.name
    }

    /// To whom its events belong.
    #[must_use]
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The name of its provider.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.provider.name()
    }

    /// How its provider wants to be answered.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.provider.profile()
    }

    /// What is allowed and should be known to who runs this.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.verifier.is_unsigned() {
            warnings.push("anyone who knows the address can post: nothing is verified".to_owned());
        }
        if self.tolerance == Some(Tolerance::Off) {
            warnings.push("requests of any age are accepted: `tolerance` is off".to_owned());
        }
        warnings
    }

    /// Checks that a request comes from this source, over its raw bytes.
    ///
    /// # Errors
    /// When the proof is missing, wrong or outside of the replay window.
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified, VerifyError> {
        let missing = |name: &&str| !request.headers.contains(name);
        if self.profile().required_headers.iter().any(missing) {
            return Err(VerifyError::Missing);
        }
        let url = self.public_url.as_ref().map(|url| {
            if request.query.is_empty() || url.contains('?') {
                url.clone()
            } else {
                format!("{url}?{}", request.query)
            }
        });
        self.verifier.check(request, url.as_deref())
    }

    /// Checks the content type and encoding.
    ///
    /// # Errors
    /// When the provider sends no such bodies.
    pub fn check_media(&self, request: &Request<'_>) -> Result<(), Unsupported> {
        let encoding = request.headers.get("content-encoding").unwrap_or("identity");
        if request.headers.contains("content-encoding") && !encoding.eq_ignore_ascii_case("identity") {
            return Err(Unsupported { expected: "a body without Content-Encoding" });
        }
        self.provider.check_media(request)
    }

    /// Reads the body into its items, in order.
    ///
    /// # Errors
    /// When it is not what the provider sends.
    pub fn decode(&self, request: &Request<'_>, verified: &Verified) -> Result<Vec<Item>, Malformed> {
        let parts = self.provider.decode(request, verified)?;
        Ok(parts.into_iter().flat_map(|part| self.take_apart(part)).collect())
    }

    /// A kept item, as items to translate again: one that could not be taken apart then may be now.
    #[must_use]
    pub fn reopen(&self, item: Item) -> Vec<Item> {
        if item.index.is_some() || self.steps().is_none() {
            return vec![item];
        }
        let Item { body, message, kind, occurred_at, .. } = item;
        self.take_apart(Part { body, raw: None, message, kind, occurred_at, problem: None })
    }

    fn steps(&self) -> Option<&[Pointer]> {
        self.mapping.as_ref().and_then(Mapping::each).or_else(|| self.provider.each())
    }

    fn take_apart(&self, part: Part<'_>) -> Vec<Item> {
        let Part { body, raw, message, kind, occurred_at, problem } = part;
        let whole = |body: Value, problem: Option<String>| {
            let written = raw.map_or_else(|| body.to_string(), str::to_owned);
            let bytes = digest::of_bytes(&self.name, written.as_bytes());
            let (message, kind, occurred_at) = (message.clone(), kind.clone(), occurred_at.clone());
            vec![Item { body, message, index: None, bytes, kind, occurred_at, problem }]
        };
        let Some(steps) = self.steps().filter(|_| problem.is_none()) else {
            return whole(body, problem);
        };
        let Some(elements) = elements(&body, steps) else {
            let place = steps.iter().map(Pointer::as_str).collect::<Vec<_>>().join(" then ");
            let place = if place.is_empty() { "the body".to_owned() } else { place };
            return whole(body, Some(format!("each: {place} is not an array")));
        };
        // The bytes as sent are looked up only where they decide: a message with an id needs none.
        let written = raw.filter(|_| message.is_none()).and_then(|raw| json::raw_elements(raw, steps));
        let mut items = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            let sent = written.as_ref().and_then(|written| written.get(index));
            let bytes = sent.map_or_else(|| element.to_string(), |sent| (*sent).to_owned());
            items.push(Item {
                body: element.clone(),
                message: message.clone(),
                index: Some(u32::try_from(index).unwrap_or(u32::MAX)),
                bytes: digest::of_bytes(&self.name, bytes.as_bytes()),
                kind: kind.clone(),
                occurred_at: occurred_at.clone(),
                problem: None,
            });
        }
        items
    }

    /// Makes a canonical event of an item.
    #[must_use]
    pub fn translate(&self, item: &Item, received_at: Timestamp) -> Outcome {
        let read = self.read(item);
        let own_id = match &read {
            Ok(Reading::Fields(fields)) => fields.get(Target::Id).and_then(convert::text),
            _ => None,
        };
        let (digest, id) = self.identify(item, own_id);
        let result = read.and_then(|reading| match reading {
            Reading::Ignore(reason) => Ok(Translated::Ignored(reason)),
            Reading::Fields(fields) => {
                let frame =
                    Frame { workspace: &self.workspace, source: &self.name, digest, id: &id, received_at };
                build(fields, frame).map(|event| Translated::Event(Box::new(event)))
            }
        });
        Outcome { id, digest, result }
    }

    fn identify(&self, item: &Item, own_id: Option<String>) -> (Digest, String) {
        let (digest, id) = match (own_id, &item.message, item.index) {
            (Some(id), ..) => (digest::of_id(&self.name, "", &id), Some(id)),
            (None, Some(message), None) => {
                (digest::of_id(&self.name, &message.scope, &message.id), Some(message.id.clone()))
            }
            (None, Some(message), Some(index)) => (digest::of_message(&self.name, message, index), None),
            (None, None, _) => (item.bytes, None),
        };
        let id = id.filter(|id| domain::id::EventId::new(id).is_ok()).unwrap_or_else(|| digest.to_hex());
        (digest, id)
    }

    fn read(&self, item: &Item) -> Result<Reading, Untranslatable> {
        if let Some(problem) = &item.problem {
            return Err(Untranslatable::wrong_shape(problem.clone()));
        }
        let mut reading = self.provider.read(item, self.mapping.as_ref())?;
        if let (Reading::Fields(fields), Some(mapping)) = (&mut reading, &self.mapping) {
            apply(mapping, item, fields)?;
        }
        Ok(reading)
    }

    /// The body of an item without its secrets, for keeping.
    #[must_use]
    pub fn redact(&self, item: Item) -> Item {
        let mut body = crate::redact::redact(item.body);
        if let Some(pointer) = self.verifier.secret_in_body()
            && let Some(secret) = body.pointer_mut(pointer.as_str())
        {
            *secret = Value::String("[redacted]".to_owned());
        }
        Item { body, ..item }
    }
}

fn apply(mapping: &Mapping, item: &Item, fields: &mut Fields) -> Result<(), Untranslatable> {
    mapping
        .apply(&item.body, fields)
        .map_err(|group| Untranslatable::wrong_shape(format!("{}: expected an object", group.as_str())))
}

fn elements<'v>(body: &'v Value, steps: &[Pointer]) -> Option<Vec<&'v Value>> {
    let mut found = vec![body];
    for step in steps {
        let mut next = Vec::new();
        for element in found {
            next.extend(step.get(element)?.as_array()?);
        }
        found = next;
    }
    Some(found)
}
