//! The requests of a connector, rendered from its templates.

use bytes::Bytes;
use egress::Method;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use ports::connector::ConnectorError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::settings::{FollowUp, RequestTemplate, Settings, SettingsError};

/// A request as it is stored and repeated byte for byte. Credentials are added when it is sent and never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rendered {
    method: String,
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Rendered {
    pub(super) fn bare(method: Method, path: String) -> Self {
        Self { method: method.as_str().to_owned(), path, headers: Vec::new(), body: String::new() }
    }

    pub(super) fn method(&self) -> Method {
        self.method.parse().unwrap_or(Method::Post)
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        // A struct of strings always becomes JSON.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("the stored request cannot be read: {error}"))
    }
}

/// How much work a template may do.
const FUEL: u64 = 50_000;

/// The compiled templates of a connector.
pub(super) struct Requests {
    bodies: Environment<'static>,
    paths: Environment<'static>,
    plain: Environment<'static>,
    create: Shape,
    withdraw: Option<Shape>,
    lookup: Option<String>,
}

/// A request's parts that are not templates, and which templates it has.
struct Shape {
    name: &'static str,
    method: Method,
    headers: Vec<String>,
    body: Body,
    needs_id: NeedsId,
}

enum Body {
    Template,
    Canonical,
    Empty,
}

#[derive(PartialEq, Eq)]
enum NeedsId {
    Yes,
    No,
}

impl Requests {
    pub(super) fn compile(settings: &Settings) -> Result<Self, SettingsError> {
        let mut requests = Self {
            bodies: environment(AutoEscape::Json),
            paths: environment(AutoEscape::None),
            plain: environment(AutoEscape::None),
            create: Shape {
                name: "create",
                method: Method::Post,
                headers: Vec::new(),
                body: Body::Canonical,
                needs_id: NeedsId::No,
            },
            withdraw: None,
            lookup: None,
        };
        requests.paths.set_formatter(percent_encoded);
        let wrong = |setting: &'static str, why: String| SettingsError {
            connector: settings.name.to_string(),
            setting,
            why,
        };

        let create = settings.create.clone().unwrap_or_default();
        requests.create =
            requests.add("create", &create, ("POST", "/tasks")).map_err(|why| wrong("create", why))?;
        requests.withdraw = match &settings.withdraw {
            FollowUp::Off => None,
            FollowUp::Standard => {
                let standard = RequestTemplate {
                    method: Some("DELETE".to_owned()),
                    path: Some("/tasks/{{ id }}".to_owned()),
                    ..RequestTemplate::default()
                };
                Some(
                    requests
                        .add("withdraw", &standard, ("DELETE", ""))
                        .map_err(|why| wrong("withdraw", why))?,
                )
            }
            FollowUp::Custom(template) => Some(
                requests
                    .add("withdraw", template, ("POST", "/tasks/{{ id }}"))
                    .map_err(|why| wrong("withdraw", why))?,
            ),
        };
        if let Some(lookup) = &settings.lookup {
            check_pointer(&lookup.id).map_err(|why| wrong("lookup.id", why))?;
            check_path(&lookup.path).map_err(|why| wrong("lookup.path", why))?;
            requests
                .paths
                .add_template_owned("lookup", lookup.path.clone())
                .map_err(|error| wrong("lookup.path", error.to_string()))?;
            requests.lookup = Some(lookup.id.clone());
        }
        Ok(requests)
    }

    fn add(
        &mut self,
        name: &'static str,
        template: &RequestTemplate,
        (method, path): (&str, &str),
    ) -> Result<Shape, String> {
        let method_text = template.method.as_deref().unwrap_or(method);
        let method = method_text.parse().map_err(|()| format!("{method_text:?} is no HTTP method"))?;
        let path = template.path.as_deref().unwrap_or(path);
        check_path(path)?;
        if let Some(id) = &template.id {
            check_pointer(id)?;
        }
        self.paths.add_template_owned(name, path.to_owned()).map_err(|error| format!("path: {error}"))?;
        for (header, value) in &template.headers {
            let name = format!("{name}/{header}");
            self.plain
                .add_template_owned(name, value.clone())
                .map_err(|error| format!("header {header}: {error}"))?;
        }
        let body = match &template.body {
            Some(body) => {
                self.bodies
                    .add_template_owned(name, body.clone())
                    .map_err(|error| format!("body: {error}"))?;
                Body::Template
            }
            None if name == "create" => Body::Canonical,
            None => Body::Empty,
        };
        let uses_id = path.contains("id")
            && self
                .paths
                .get_template(name)
                .is_ok_and(|template| template.undeclared_variables(false).contains("id"));
        Ok(Shape {
            name,
            method,
            headers: template.headers.keys().cloned().collect(),
            body,
            needs_id: if name != "create" && uses_id { NeedsId::Yes } else { NeedsId::No },
        })
    }

    /// The request that creates a task.
    pub(super) fn create(&self, task: &Value) -> Result<Rendered, String> {
        self.render(&self.create, task)
    }

    /// The request that takes a task back; `None` when the connector does not. Without the id that it needs there is
    /// nothing to send, and a person is to know that the task may still be there.
    pub(super) fn withdraw(&self, about: &Value) -> Result<Option<Rendered>, ConnectorError> {
        let Some(shape) = &self.withdraw else {
            return Ok(None);
        };
        if shape.needs_id == NeedsId::Yes && about["id"].is_null() {
            let why = "the CRM never said the task's id: if the task is there, it can only be closed by hand";
            return Err(ConnectorError::Rejected(why.to_owned()));
        }
        self.render(shape, about).map(Some).map_err(ConnectorError::Rejected)
    }

    /// The request that finds a task, with the pointer to its id in the answer.
    pub(super) fn look_up(&self, about: &Value) -> Result<Option<(Rendered, &str)>, ConnectorError> {
        let Some(pointer) = &self.lookup else {
            return Ok(None);
        };
        let path = render(&self.paths, "lookup", about).map_err(ConnectorError::Rejected)?;
        Ok(Some((Rendered::bare(Method::Get, path), pointer)))
    }

    fn render(&self, shape: &Shape, with: &Value) -> Result<Rendered, String> {
        let mut headers = Vec::with_capacity(shape.headers.len());
        for header in &shape.headers {
            let value = render(&self.plain, &format!("{}/{header}", shape.name), with)?;
            if value.chars().any(char::is_control) {
                return Err(format!("header {header} would hold a control character"));
            }
            headers.push((header.clone(), value));
        }
        let body = match shape.body {
            Body::Template => {
                let body = render(&self.bodies, shape.name, with)?;
                serde_json::from_str::<serde::de::IgnoredAny>(&body)
                    .map_err(|error| format!("the body template gives no JSON: {error}"))?;
                body
            }
            Body::Canonical => with.to_string(),
            Body::Empty => String::new(),
        };
        let path = render(&self.paths, shape.name, with)?;
        Ok(Rendered { method: shape.method.as_str().to_owned(), path, headers, body })
    }
}

fn environment(escape: AutoEscape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment
}

fn render(environment: &Environment<'static>, name: &str, with: &Value) -> Result<String, String> {
    environment
        .get_template(name)
        .and_then(|template| template.render(minijinja::value::Serde(with)))
        .map_err(|error| format!("{name}: {error}"))
}

/// Else what is added could change the host: `.example.net`, `@example.net`, `:81`.
fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() || path.starts_with(['/', '?']) {
        return Ok(());
    }
    Err(format!("path {path:?} must start with '/': it is added to base_url"))
}

fn check_pointer(pointer: &str) -> Result<(), String> {
    if pointer.is_empty() || pointer.starts_with('/') {
        return Ok(());
    }
    Err(format!("{pointer:?} is no JSON pointer: write it like \"/data/id\""))
}

fn percent_encoded(
    out: &mut minijinja::Output,
    _: &mut minijinja::State,
    value: &minijinja::Value,
) -> Result<(), minijinja::Error> {
    use std::fmt::Write as _;
    if value.is_undefined() {
        return Err(minijinja::Error::from(minijinja::ErrorKind::UndefinedError));
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for byte in text.bytes() {
        let written = if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.write_char(char::from(byte))
        } else {
            write!(out, "%{byte:02X}")
        };
        written.map_err(|_| minijinja::Error::from(minijinja::ErrorKind::WriteFailure))?;
    }
    Ok(())
}
