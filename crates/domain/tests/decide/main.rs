//! What events, timers and results do to enrollments: tables that read like the cadence language, and rules that hold
//! whatever happens.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod attempts;
mod completion;
mod dispatch;
mod entry;
mod exits;
mod jumps;
mod pauses;
mod play;
mod properties;
mod said;
mod suppression;
mod task;
mod timing;
mod writing;
