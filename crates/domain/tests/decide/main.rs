//! What events, timers and results do to enrollments: tables that read like the cadence language, and rules that hold
//! whatever happens.

mod completion;
mod dispatch;
mod entry;
mod exits;
mod jumps;
mod pauses;
mod play;
mod properties;
mod suppression;
mod timing;
