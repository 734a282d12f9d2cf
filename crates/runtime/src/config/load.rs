//! Reading, layering and typing.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Config;
use super::DEFAULTS;
use super::finding::Finding;
use super::finding::Findings;
use super::layers;
use super::layers::EnvironmentLayer;
use super::layers::FlagLayer;
use super::layers::TomlLayer;
use super::merged;
use super::merged::Merged;
use super::origin;
use super::origin::Origin;
use super::origin::Provenance;
use super::schema;
use super::schema::Shape;
use super::settle;
use super::show;
use super::vocabulary::Vocabulary;
use super::vocabulary::near;

/// The name that is looked for when no file is named.
const USUAL: &str = "drumbeat.toml";

/// The key that the customary variable of Rust programs sets, unless ours does.
const FILTER: &str = "telemetry.filter";
const RUST_LOG: &str = "RUST_LOG";

/// Which file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// `drumbeat.toml` in the working folder, when there is one.
    Usual,
    /// This one, which must exist.
    Named(PathBuf),
    /// None.
    None,
}

/// Everything that the configuration is made of.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The file.
    pub file: ConfigFile,
    /// The environment's variables, all of them: `DRUMBEAT__…` are keys, the others may be named by
    /// `env:NAME`.
    pub environment: BTreeMap<String, String>,
    /// Flags as key and value, for example `("admin.listen", "127.0.0.1:0")`; later ones win.
    pub overrides: Vec<(String, String)>,
    /// The working folder: relative paths are from here when there is no file.
    pub folder: PathBuf,
    /// What providers, connectors and channels there are.
    pub vocabulary: Vocabulary,
}

impl LoadOptions {
    /// Of this process: its working folder and its environment.
    ///
    /// # Errors
    /// When the working folder is gone.
    pub fn of_process() -> io::Result<Self> {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let environment = std::env::vars_os().filter_map(unicode).collect();
        Ok(Self { environment, file: ConfigFile::Usual, ..Self::bare(std::env::current_dir()?) })
    }

    /// Without a file, an environment or flags.
    #[must_use]
    pub fn bare(folder: impl Into<PathBuf>) -> Self {
        Self {
            file: ConfigFile::None,
            environment: BTreeMap::new(),
            overrides: Vec::new(),
            folder: folder.into(),
            vocabulary: Vocabulary::default(),
        }
    }

    /// With this file.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = ConfigFile::Named(path.into());
        self
    }

    /// With one more flag.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.overrides.push((key.into(), value.into()));
        self
    }

    /// With one more environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }
}

/// The file as read: its path, text and the folder that relative paths are from.
struct Read {
    path: PathBuf,
    text: Option<String>,
    base: PathBuf,
}

pub(super) fn load(options: &LoadOptions) -> Result<Config, Findings> {
    let read = read(options).map_err(|finding| Findings(vec![finding]))?;
    let schema = schema::whole();
    let mut findings = Vec::new();
    let mut notes = Vec::new();

    let mut builder = config::Config::builder();
    builder = builder.add_source(TomlLayer::defaults(DEFAULTS).expect("a test parses the defaults"));
    if let Some(text) = &read.text {
        match TomlLayer::file(text) {
            Ok(layer) => builder = builder.add_source(layer),
            Err(error) => {
                let origin = Origin::File { path: read.path.clone(), line: error.line };
                return Err(Findings(vec![
                    Finding::error("", format!("not TOML: {}", error.message)).at(origin),
                ]));
            }
        }
    }
    let mut variables = known_variables(options, &schema, &mut findings, &mut notes);
    let habit = rust_log(options);
    variables.extend(habit.iter().map(|filter| (merged::variable(FILTER), filter.clone())));
    let flags = known_flags(options, &schema, &mut findings);
    let layered = builder
        .add_source(EnvironmentLayer::new(variables))
        .add_source(FlagLayer::new(flags))
        .build()
        .map_err(|error| Findings(vec![Finding::error("", error.to_string())]))?;

    let mut merged = merged::merge(&layered.cache, &schema, &read.path);
    findings.append(&mut merged.findings);
    if habit.is_some() && matches!(merged.origins.get(FILTER), Some(Origin::Environment(_))) {
        merged.origins.insert(FILTER.to_owned(), Origin::Environment(RUST_LOG.to_owned()));
    }
    inherit(&mut merged, "sources", &[("max_body", "ingest.max_body")]);
    inherit(
        &mut merged,
        "connectors",
        &[("timeout", "dispatch.timeout"), ("connect_timeout", "dispatch.connect_timeout")],
    );

    let typed = assemble(&merged, &schema, &mut findings);
    let Some(mut config) = typed.filter(|_| findings.is_empty()) else { return Err(Findings(findings)) };
    settle::settle(&mut config, &read.base, &|name| options.environment.get(name).cloned());
    let entries = show::entries(&merged, &config);
    config.provenance = Arc::new(Provenance {
        origins: merged.origins,
        notes,
        entries,
        vocabulary: options.vocabulary.clone(),
    });
    Ok(config)
}

fn read(options: &LoadOptions) -> Result<Read, Finding> {
    let path = match &options.file {
        ConfigFile::Named(path) => options.folder.join(path),
        ConfigFile::Usual if options.folder.join(USUAL).exists() => options.folder.join(USUAL),
        ConfigFile::Usual | ConfigFile::None => {
            return Ok(Read { path: PathBuf::new(), text: None, base: options.folder.clone() });
        }
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Finding::error("", format!("the configuration file {} cannot be read: {error}", path.display()))
    })?;
    let base = path.parent().map_or_else(|| options.folder.clone(), Path::to_owned);
    Ok(Read { path, text: Some(text), base })
}

/// The value of `RUST_LOG`, where it counts.
fn rust_log(options: &LoadOptions) -> Option<String> {
    let set = |name: &str| options.environment.get(name).filter(|value| !value.is_empty());
    if set(&merged::variable(FILTER)).is_some() { None } else { set(RUST_LOG).cloned() }
}

/// The variables that are keys. Others with our prefix are findings; near misses of the prefix are remarked.
fn known_variables(
    options: &LoadOptions,
    schema: &Value,
    findings: &mut Vec<Finding>,
    notes: &mut Vec<Finding>,
) -> Vec<(String, String)> {
    let mut known = Vec::new();
    for (name, value) in &options.environment {
        let upper = name.to_uppercase();
        let origin = || Origin::Environment(name.clone());
        if let Some(rest) = upper.strip_prefix(layers::PREFIX) {
            let key = rest.to_lowercase().replace("__", ".");
            match judge(&key, schema) {
                Ok(()) => known.push((name.clone(), value.clone())),
                Err(message) => {
                    let meant = message.1.map(|path| format!("; did you mean {}?", merged::variable(&path)));
                    let message = format!("{}{}", message.0, meant.unwrap_or_default());
                    findings.push(Finding::error(key, message).at(origin()));
                }
            }
        } else if let Some(rest) = upper.strip_prefix("DRUMBEAT_") {
            let word = rest.to_lowercase();
            let meant = schema::paths(schema)
                .into_iter()
                .find(|path| path.contains('.') && path.replace('.', "_") == word);
            if let Some(path) = meant {
                let message = format!("this variable is not read; did you mean {}?", merged::variable(&path));
                notes.push(Finding::warning("", message).at(origin()));
            }
        }
    }
    known
}

fn known_flags(options: &LoadOptions, schema: &Value, findings: &mut Vec<Finding>) -> Vec<(String, String)> {
    let mut known = Vec::new();
    for (key, value) in &options.overrides {
        match judge(key, schema) {
            Ok(()) => known.push((key.clone(), value.clone())),
            Err((message, meant)) => {
                let meant = meant.map(|path| format!("; did you mean {path}?")).unwrap_or_default();
                findings.push(Finding::error(key.clone(), format!("{message}{meant}")).at(Origin::Flag));
            }
        }
    }
    known
}

/// Says whether a variable or flag can set `key`; else why not, and the key that was probably meant.
fn judge(key: &str, schema: &Value) -> Result<(), (String, Option<String>)> {
    let mut shape = Shape::of(schema);
    for segment in key.split('.') {
        if shape.items().is_some() && shape.properties().next().is_none() {
            let list = key.split('.').next().unwrap_or(key);
            return Err((format!("what is in the list {list} can only be written in the file"), None));
        }
        match shape.key(segment) {
            Some(below) => shape = below,
            None => {
                let all = schema::paths(schema);
                let meant = near(key, all.iter().map(String::as_str).filter(|path| !path.contains('[')));
                return Err(("there is no such key".to_owned(), meant.map(ToOwned::to_owned)));
            }
        }
    }
    Ok(())
}

/// Gives the items of a list the values of another section for keys that they leave out.
fn inherit(merged: &mut Merged, list: &str, keys: &[(&str, &str)]) {
    for (key, from) in keys {
        let pointer = format!("/{}", from.replace('.', "/"));
        let Some(value) = merged.root.pointer(&pointer).cloned() else { continue };
        let origin = origin::nearest(&merged.origins, from);
        let Some(items) = merged.root.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for (index, item) in items.iter_mut().enumerate() {
            let Some(item) = item.as_object_mut() else { continue };
            if !item.contains_key(*key) {
                item.insert((*key).to_owned(), value.clone());
                merged.origins.insert(format!("{list}[{index}].{key}"), origin.clone());
            }
        }
    }
}

fn assemble(merged: &Merged, schema: &Value, findings: &mut Vec<Finding>) -> Option<Config> {
    let mut typist = Typist { merged, schema, findings };
    // Every section is read before any is missed, so that all mistakes are reported at once.
    let data = typist.section("data");
    let ingest = typist.section("ingest");
    let console = typist.section("console");
    let admin = typist.section("admin");
    let store = typist.section("store");
    let bus = typist.section("bus");
    let clock = typist.section("clock");
    let telemetry = typist.section("telemetry");
    let security = typist.section("security");
    let dispatch = typist.section("dispatch");
    let limits = typist.section("limits");
    let defaults = typist.section("defaults");
    let sources = typist.list("sources");
    let connectors = typist.list("connectors");
    Some(Config {
        data: data?,
        ingest: ingest?,
        console: console?,
        admin: admin?,
        store: store?,
        bus: bus?,
        clock: clock?,
        telemetry: telemetry?,
        security: security?,
        dispatch: dispatch?,
        limits: limits?,
        defaults: defaults?,
        sources: sources?,
        connectors: connectors?,
        provenance: Arc::default(),
    })
}

struct Typist<'a> {
    merged: &'a Merged,
    schema: &'a Value,
    findings: &'a mut Vec<Finding>,
}

impl Typist<'_> {
    fn section<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.merged.root.get(name).cloned().unwrap_or(Value::Null);
        let shape = Shape::of(self.schema).key(name)?;
        self.read(value, name, &shape)
    }

    fn list<T: DeserializeOwned>(&mut self, name: &str) -> Option<Vec<T>> {
        let shape = Shape::of(self.schema).key(name)?.items()?;
        let items = match self.merged.root.get(name) {
            None => return Some(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => {
                let origin = origin::nearest(&self.merged.origins, name);
                let message = format!("this is a list of tables; write [[{name}]]");
                self.findings.push(Finding::error(name, message).at(origin));
                return None;
            }
        };
        // Not lazily: every item is read, even after one that is wrong.
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.read(item.clone(), &format!("{name}[{index}]"), &shape))
            .collect();
        read.into_iter().collect()
    }

    fn read<T: DeserializeOwned>(&mut self, value: Value, place: &str, shape: &Shape<'_>) -> Option<T> {
        match serde_path_to_error::deserialize(value) {
            Ok(typed) => Some(typed),
            Err(error) => {
                let below = error.path().to_string();
                let (key, shape) = match below.as_str() {
                    "." => (place.to_owned(), Some(shape.clone())),
                    below => (join(place, below), descend(shape, error.path())),
                };
                if self.findings.iter().any(|finding| finding.key.starts_with(&key)) {
                    // A stray key below it says more than the type that came out without it.
                    return None;
                }
                let secret = shape.is_none_or(|shape| shape.holds_secret());
                let message = explain(&error.inner().to_string(), secret);
                let origin = origin::nearest(&self.merged.origins, &key);
                self.findings.push(Finding::error(key, message).at(origin));
                None
            }
        }
    }
}

fn join(place: &str, below: &str) -> String {
    if below.starts_with('[') { format!("{place}{below}") } else { format!("{place}.{below}") }
}

/// The shape at a path of the deserializer; `None` where it leaves the schema.
fn descend<'a>(shape: &Shape<'a>, path: &serde_path_to_error::Path) -> Option<Shape<'a>> {
    use serde_path_to_error::Segment;
    path.iter().try_fold(shape.clone(), |shape, segment| match segment {
        Segment::Seq { .. } => shape.items(),
        Segment::Map { key } => shape.key(key),
        Segment::Enum { variant } => Some(shape.key(variant).unwrap_or(shape)),
        Segment::Unknown => None,
    })
}

/// Turns a message of the deserializer into one for people; near a secret it does not repeat what it read.
fn explain(message: &str, secret: bool) -> String {
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return format!("the key {field} is missing");
    }
    let quotes = ["invalid type", "invalid value", "unknown variant", "unknown field"];
    let (seen, expected) = message.rsplit_once(", expected ").map_or((message, None), |(a, b)| (a, Some(b)));
    if secret && quotes.iter().any(|start| message.starts_with(start)) {
        return match expected {
            Some(expected) => format!("expected {}", plain(expected)),
            None => "it has the wrong form".to_owned(),
        };
    }
    match (seen.split_once(": "), expected) {
        (Some(("invalid type" | "invalid value", seen)), Some(expected)) => {
            format!("expected {}, saw {}", plain(expected), seen.replace('`', ""))
        }
        _ => message.to_owned(),
    }
}

/// What the deserializer expects, in the words of TOML and YAML rather than of Rust.
fn plain(expected: &str) -> &str {
    match expected {
        "a sequence" => r#"a list, such as ["one", "two"]"#,
        "a map" => "a table of keys",
        "path string" => "a path",
        "a boolean" => "true or false",
        "a nonzero u16" => "a whole number from 1 to 65535",
        "a nonzero u32" | "a nonzero usize" | "a nonzero u64" => "a whole number from 1 on",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "usize" | "u64" => "a whole number from 0 on",
        other if other.starts_with("struct ") => "a table of keys",
        other => other,
    }
}
