//! Every log keeps the contract of `ports::bus`.

mod clock;
mod embedded;
mod kafka;
