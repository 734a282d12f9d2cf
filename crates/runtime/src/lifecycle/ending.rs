//! How a process ended.

use std::fmt;

/// A task that ended as it should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// The task.
    pub task: &'static str,
    /// What happened to it.
    pub why: String,
}

/// Why the process did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failed {
    /// Tasks that died, the first one first: it is usually the cause of the others.
    pub deaths: Vec<Death>,
    /// Tasks that had not ended when the time was up.
    pub stuck: Vec<&'static str>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> =
            self.deaths.iter().map(|death| format!("{} {}", death.task, death.why)).collect();
        if !self.stuck.is_empty() {
            parts.push(format!("did not end in time: {}", self.stuck.join(", ")));
        }
        f.write_str(&parts.join("; "))
    }
}

pub(super) fn judge(deaths: Vec<Death>, stuck: Vec<&'static str>) -> Result<(), Failed> {
    if deaths.is_empty() && stuck.is_empty() { Ok(()) } else { Err(Failed { deaths, stuck }) }
}
