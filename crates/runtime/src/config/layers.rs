//! The sources of configuration, in the form that crate `config` layers: each value knows where it was
//! written.

use config::ConfigError;
use config::Environment;
use config::Map;
use config::Source;
use config::Value;
use config::ValueKind;
use toml::de::DeTable;
use toml::de::DeValue;

/// Marks in the origin of a `config` value.
pub(super) const FROM_DEFAULTS: &str = "default";
pub(super) const FROM_FILE: &str = "file:";
pub(super) const FROM_ENVIRONMENT: &str = "the environment";
pub(super) const FROM_FLAG: &str = "flag";

/// The prefix of the environment names that are read.
pub(super) const PREFIX: &str = "DRUMBEAT__";

/// Options of librdkafka: their names have dots where environment names have underscores.
const OPTIONS: &str = "bus.options.";

/// A TOML text that was parsed already.
#[derive(Clone, Debug)]
pub(super) struct TomlLayer(Map<String, Value>);

/// A TOML text that is none: the line, and what the parser said.
#[derive(Debug)]
pub(super) struct NotToml {
    pub(super) line: usize,
    pub(super) message: String,
}

impl TomlLayer {
    /// The compiled-in defaults.
    pub(super) fn defaults(text: &str) -> Result<Self, NotToml> {
        Self::parse(text, |_| FROM_DEFAULTS.to_owned())
    }

    /// The text of a file; every value remembers its line.
    pub(super) fn file(text: &str) -> Result<Self, NotToml> {
        Self::parse(text, |line| format!("{FROM_FILE}{line}"))
    }

    fn parse(text: &str, origin: impl Fn(usize) -> String) -> Result<Self, NotToml> {
        let line = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let table = DeTable::parse(text).map_err(|error| NotToml {
            line: error.span().map_or(1, |span| line(span.start)),
            message: error.message().to_owned(),
        })?;
        Ok(Self(convert_table(table.get_ref(), &|offset| origin(line(offset)))))
    }
}

fn convert_table(table: &DeTable<'_>, origin: &dyn Fn(usize) -> String) -> Map<String, Value> {
    table
        .iter()
        .map(|(key, value)| {
            let written = origin(key.span().start);
            (key.get_ref().to_string(), Value::new(Some(&written), convert(value.get_ref(), origin)))
        })
        .collect()
}

fn convert(value: &DeValue<'_>, origin: &dyn Fn(usize) -> String) -> ValueKind {
    match value {
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| ValueKind::String(integer.as_str().to_owned()), ValueKind::I64),
        DeValue::Float(float) => float
            .as_str()
            .parse()
            .map_or_else(|_| ValueKind::String(float.as_str().to_owned()), ValueKind::Float),
        DeValue::Boolean(flag) => ValueKind::Boolean(*flag),
        DeValue::Datetime(moment) => ValueKind::String(moment.to_string()),
        DeValue::Array(items) => ValueKind::Array(
            items
                .iter()
                .map(|item| {
                    let inner = origin(item.span().start);
                    Value::new(Some(&inner), convert(item.get_ref(), origin))
                })
                .collect(),
        ),
        DeValue::Table(table) => ValueKind::Table(convert_table(table, origin)),
    }
}

impl Source for TomlLayer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// The environment. Values stay text here; their key's type decides later what they mean.
#[derive(Clone, Debug)]
pub(super) struct EnvironmentLayer(Map<String, String>);

impl EnvironmentLayer {
    /// Of these variables, whose names are known to be keys.
    pub(super) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl Source for EnvironmentLayer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        // Both separators are named: with one alone `config` takes it for the other too, and then `_` inside
        // a key could be taken for a level.
        let variables = Environment::with_prefix("DRUMBEAT")
            .prefix_separator("__")
            .separator("__")
            .ignore_empty(true)
            .source(Some(self.0.clone()))
            .collect()?;
        Ok(nest_options(variables))
    }
}

/// Flags, as `key=value`.
#[derive(Clone, Debug)]
pub(super) struct FlagLayer(Map<String, Value>);

impl FlagLayer {
    pub(super) fn new(flags: impl IntoIterator<Item = (String, String)>) -> Self {
        let origin = FROM_FLAG.to_owned();
        let values =
            flags.into_iter().map(|(key, text)| (key, Value::new(Some(&origin), ValueKind::String(text))));
        Self(values.collect())
    }
}

impl Source for FlagLayer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(nest_options(self.0.clone()))
    }
}

/// Turns `bus.options.security_protocol` and `bus.options.security.protocol` into one key of the table
/// `bus.options`, which `config` would otherwise take for further levels.
fn nest_options(values: Map<String, Value>) -> Map<String, Value> {
    let mut options = Map::new();
    let mut rest = Map::new();
    for (key, value) in values {
        match key.strip_prefix(OPTIONS) {
            Some(name) => options.insert(name.replace('_', "."), value),
            None => rest.insert(key, value),
        };
    }
    if !options.is_empty() {
        let options = Value::new(None, ValueKind::Table(options));
        let bus = Value::new(None, ValueKind::Table([("options".to_owned(), options)].into_iter().collect()));
        rest.insert("bus".to_owned(), bus);
    }
    rest
}
