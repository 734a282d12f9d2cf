//! The types that configuration values are made of: sizes, durations, names, references to secrets.

mod duration;
mod endpoint;
mod listen;
mod name;
mod rate;
mod secret;
mod size;

pub use duration::Period;
pub use duration::Tolerance;
pub use endpoint::Endpoint;
pub(crate) use listen::listen;
pub use name::Name;
pub use rate::Rate;
pub use secret::Reference;
pub use secret::Secret;
pub use secret::SecretError;
pub use size::ByteSize;

/// Lets a type be read from a string with its `FromStr`, and describes it as a string in the JSON Schema.
macro_rules! read_from_text {
    ($type:ty, $format:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $format.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": $format })
            }
        }
    };
}

pub(crate) use read_from_text;
