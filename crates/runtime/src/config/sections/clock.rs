use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

/// `[clock]`: how fast business time runs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Seconds of business time in a second: 1 is real, 86400 is a day per second, for demonstrations. Only
    /// with the embedded store, and fixed at its first start.
    pub speed: NonZeroU32,
}

impl Clock {
    /// Whether business time is real time.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.speed == NonZeroU32::MIN
    }
}
