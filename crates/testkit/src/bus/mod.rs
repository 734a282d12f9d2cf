//! The conformance suite of the bus: what every adapter of `ports::bus` must do.
//!
//! An adapter's tests implement [`BusFixture`] and call [`bus_conformance!`](crate::bus_conformance), which makes one test
//! of each case:
//!
//! ```ignore
//! mod embedded {
//!     testkit::bus_conformance!(crate::embedded_fixture);
//! }
//! ```
//!
//! where `embedded_fixture(case: &str, needs: Needs) -> Option<F>` is async and makes a fresh, empty log; `None` means that
//! it cannot do what the case needs, and it has said so.

mod content;
mod drive;
mod flow;
mod membership;
mod retention;
mod starts;

use std::sync::Arc;

use async_trait::async_trait;
use ports::bus::{Consumers, Publisher, Topic, TopicAdmin};

pub use content::*;
pub use drive::{Positions, Reader, message, message_of, payload_of};
pub use flow::*;
pub use membership::*;
pub use retention::*;
pub use starts::*;

/// The three faces of a bus.
#[derive(Clone)]
pub struct Bus {
    /// Appends.
    pub publisher: Arc<dyn Publisher>,
    /// Reads as a group.
    pub consumers: Arc<dyn Consumers>,
    /// Looks after topics.
    pub admin: Arc<dyn TopicAdmin>,
}

impl Bus {
    /// Of an adapter that has all three.
    pub fn of<B: Publisher + Consumers + TopicAdmin + Clone + 'static>(bus: &B) -> Self {
        Self {
            publisher: Arc::new(bus.clone()),
            consumers: Arc::new(bus.clone()),
            admin: Arc::new(bus.clone()),
        }
    }
}

/// What a case needs beyond publishing and reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// [`BusFixture::expire`].
    Expiry,
    /// Topics that `TopicAdmin::ensure` itself makes and compares.
    TopicAdmin,
}

/// A log under test, of its own and empty, with all topics made.
#[async_trait]
pub trait BusFixture: Send + Sync {
    /// The log.
    fn bus(&self) -> Bus;

    /// The largest message that it takes.
    fn max_message_bytes(&self) -> usize;

    /// Closes it and opens it again.
    async fn reopen(&mut self);

    /// Makes all records expire that a topic holds now.
    async fn expire(&mut self, topic: Topic);

    /// Tidies up after a passed case.
    async fn finish(&mut self) {}
}

/// Makes one test of each case for a log that `$make` opens. See the [module](crate::bus).
#[macro_export]
macro_rules! bus_conformance {
    ($make:path) => {
        $crate::bus_conformance! { @cases $make;
            an_answer_says_where_each_message_is: Nothing,
            order_is_kept_for_each_key: Nothing,
            key_headers_and_payload_come_back_byte_for_byte: Nothing,
            two_topics_are_kept_apart: Nothing,
            many_publishers_at_once_lose_nothing: Nothing,
            a_message_up_to_the_limit_is_taken_and_a_larger_one_rejected: Nothing,
            a_rejected_message_does_not_keep_others_of_its_call: Nothing,
            what_was_answered_is_there_after_reopening: Nothing,
            the_admin_sees_what_was_published: Nothing,
            topics_can_be_made_again: TopicAdmin,
            a_fresh_log_is_read_from_its_beginning: Nothing,
            reading_starts_where_the_store_says: Nothing,
            an_offset_outside_of_the_log_stops_the_partition: Nothing,
            a_stopped_partition_goes_on_once_a_person_has_decided: Nothing,
            another_record_before_the_offset_stops_only_that_partition: Nothing,
            a_truncated_log_without_a_stored_offset_stops: Expiry,
            an_expired_record_before_the_offset_does_not_stop: Expiry,
            nothing_is_delivered_while_the_store_is_away: Nothing,
            leaving_while_the_store_is_away_takes_no_time: Nothing,
            a_paused_partition_waits_and_the_others_go_on: Nothing,
            seeking_back_delivers_again_and_on_skips: Nothing,
            what_was_read_ahead_does_not_outlast_a_pause_or_a_seek: Nothing,
            what_was_not_stored_is_delivered_again: Nothing,
            a_wait_given_up_loses_nothing: Nothing,
            new_records_end_a_wait: Nothing,
            batches_are_no_larger_than_asked: Nothing,
            progress_can_be_noted: Nothing,
            what_was_noted_can_be_read_and_lasts: Nothing,
            a_group_can_be_told_of_an_earlier_place: Nothing,
            the_next_member_goes_on_where_the_store_says: Nothing,
            two_groups_read_independently: Nothing,
            the_cluster_has_one_lasting_name: Nothing,
            flushed_and_ready_after_publishing: Nothing,
            expired_records_are_gone_and_their_offsets_never_come_back: Expiry,
            a_reader_overtaken_by_retention_stops: Expiry,
        }
    };
    (@cases $make:path; $($case:ident: $needs:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let needs = $crate::bus::Needs::$needs;
                if let Some(mut fixture) = $make(stringify!($case), needs).await {
                    $crate::bus::$case(&mut fixture).await;
                    $crate::bus::BusFixture::finish(&mut fixture).await;
                }
            }
        )*
    };
}
