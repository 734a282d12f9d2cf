//! What is stopped until a person decides.

use std::time::Duration;

/// How often a stopped partition is judged again, so that `drumbeat offsets set` needs no restart.
pub(crate) const JUDGE_EVERY: Duration = Duration::from_secs(2);
