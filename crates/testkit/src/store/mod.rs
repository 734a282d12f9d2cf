//! What every store must do, as tests over its ports. An adapter runs them through [`store_conformance`](crate::store_conformance).
//!
//! Decisions are made by a small fold of this module ([`Mini`]), so that the suite needs nothing of the domain's own.
#![expect(clippy::unwrap_used, reason = "the cases are tests: what fails fails the test")]

mod build;
mod clock;
#[doc(hidden)]
pub mod commands;
#[doc(hidden)]
pub mod concurrency;
#[doc(hidden)]
pub mod content;
#[doc(hidden)]
pub mod dedupe;
#[doc(hidden)]
pub mod dispatch;
#[doc(hidden)]
pub mod erasure;
#[doc(hidden)]
pub mod flags;
#[doc(hidden)]
pub mod growth;
mod mini;
#[doc(hidden)]
pub mod offsets;
#[doc(hidden)]
pub mod people;
#[doc(hidden)]
pub mod relay;
#[doc(hidden)]
pub mod retention;
#[doc(hidden)]
pub mod survey;
#[doc(hidden)]
pub mod takeover;
#[doc(hidden)]
pub mod units;
#[doc(hidden)]
pub mod workers;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::identity::{HashKey, HashKeys};
use ports::content::Content;
use ports::dispatch::{Commands, Dispatch, Flags, Permits, Workers};
use ports::queries::Queries;
use ports::relay::{Asides, Outbox};
use ports::survey::Survey;
use ports::unit::{Housekeeping, Offsets, Units};

pub use build::{Form, event, events, form, stop};
pub use clock::ManualClock;
pub use mini::{Closure, Mini, enrolled, settle};

/// All ports of a store.
pub trait StorePorts:
    Units
    + Offsets
    + Housekeeping
    + Dispatch
    + Commands
    + Workers
    + Permits
    + Flags
    + Content
    + Outbox
    + Asides
    + Queries
    + Survey
{
}

impl<T> StorePorts for T where
    T: Units
        + Offsets
        + Housekeeping
        + Dispatch
        + Commands
        + Workers
        + Permits
        + Flags
        + Content
        + Outbox
        + Asides
        + Queries
        + Survey
{
}

/// One database of its own, empty and migrated, that any number of stores may be opened on.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens a store, as a process would.
    async fn open(&self) -> Arc<dyn StorePorts>;

    /// Opens a store with these secrets.
    ///
    /// # Errors
    /// The store's own, when it refuses them.
    async fn open_with(&self, keys: HashKeys) -> ports::StoreResult<Arc<dyn StorePorts>>;

    /// Lets time pass: moves the clock, or makes what is stored older.
    async fn elapse(&self, by: Duration);

    /// Runs a statement past the store, as a damaged disk or a careless hand would.
    async fn tamper(&self, statement: &str);

    /// Every place, as `table.column`, of which some row holds these bytes.
    async fn holding(&self, bytes: &str) -> Vec<String>;

    /// How many rows a table has.
    async fn count(&self, table: &str) -> i64;

    /// How many statements the stores of this fixture have run.
    fn statements(&self) -> u64;

    /// Whether several units can be under way at once.
    fn is_concurrent(&self) -> bool;
}

/// The secret of all stores of the suite.
#[must_use]
pub fn keys() -> HashKeys {
    HashKeys::new(HashKey::new([7; 32]), Vec::new())
}

/// Runs every case on a fixture: `store_conformance!(make_fixture)` with a function that makes one for a name, or `None`
/// to skip. Each case is a test of its own.
#[macro_export]
macro_rules! store_conformance {
    ($make:path) => {
        $crate::store_conformance! { @cases $make;
            dedupe::an_event_is_fresh_once,
            dedupe::twins_within_one_unit_are_told_apart,
            dedupe::an_old_event_is_marked_unless_redriven,
            dedupe::an_event_that_lies_ahead_is_taken_as_of_now,
            dedupe::digests_expire_in_slices,
            offsets::the_offset_moves_with_the_unit_or_not_at_all,
            offsets::a_zombie_cannot_apply_twice,
            offsets::partitions_of_one_unit_move_together,
            offsets::one_stale_offset_holds_back_all_of_its_unit,
            offsets::of_units_that_race_for_partitions_one_wins,
            offsets::offsets_can_be_set_by_hand,
            units::what_is_written_is_read_back,
            units::a_unit_of_many_takes_as_many_statements_as_a_unit_of_one,
            units::a_panic_is_the_inputs_fault_and_writes_nothing,
            units::a_panic_outside_of_the_fold_is_refused_and_ends_nothing,
            units::a_fold_gets_more_ids_when_it_needs_them,
            units::a_timer_fires_once,
            units::an_input_that_names_nothing_changes_nothing,
            units::an_overtaken_timer_is_dropped,
            units::letters_go_out_with_the_offset,
            units::a_damaged_row_is_told_apart_from_a_damaged_store,
            units::a_timer_that_cannot_be_read_keeps_no_other_back,
            units::two_workspaces_never_meet,
            units::a_task_key_leads_to_its_touch_in_its_own_workspace_only,
            growth::an_account_wide_event_reaches_its_siblings,
            growth::an_alias_leads_to_the_contact_that_stayed,
            growth::a_contact_brings_its_other_identities,
            growth::an_older_secret_still_finds_its_identities,
            growth::an_unknown_secret_is_refused,
            dispatch::due_touches_are_picked_oldest_first,
            dispatch::a_workspace_with_much_to_do_hides_no_other,
            dispatch::what_is_not_due_or_held_is_not_picked,
            dispatch::a_view_holds_what_rendering_needs,
            dispatch::a_mark_takes_the_touch_out_and_gives_the_bytes,
            dispatch::a_touch_is_marked_once,
            dispatch::a_stop_before_the_mark_wins,
            dispatch::a_stop_after_the_mark_sees_it_sending,
            dispatch::a_repeat_sends_the_first_bytes_and_reserves_nothing,
            dispatch::a_void_mark_gives_its_budgets_back,
            dispatch::a_budget_is_kept_while_nobody_knows,
            dispatch::a_touch_that_never_left_an_ended_enrollment_gives_its_budgets_back,
            dispatch::a_full_budget_names_its_uses,
            dispatch::a_sliding_budget_is_exact,
            flags::a_flag_holds_and_its_lifting_releases,
            flags::every_flag_stops_what_it_names_only,
            flags::every_held_touch_is_looked_at_in_turn,
            flags::touches_of_an_unknown_connector_are_held_until_it_is_back,
            takeover::attempts_of_a_worker_without_a_row_are_taken,
            takeover::old_attempts_are_taken_though_their_worker_lives,
            takeover::a_settled_attempt_is_not_taken,
            takeover::an_attempt_of_a_touch_that_was_taken_back_meanwhile_is_taken_and_settled_too,
            takeover::an_attempt_taken_and_not_settled_comes_again,
            workers::workers_have_a_place_among_the_living,
            workers::a_silent_worker_is_reaped_by_one_that_beats,
            workers::a_connectors_rate_is_shared_out_and_never_exceeded,
            workers::a_worker_that_was_taken_for_dead_marks_nothing,
            commands::a_command_is_given_to_one_and_leased,
            commands::a_withdraw_waits_while_its_touch_is_sending,
            commands::an_answered_command_is_gone,
            commands::a_connector_gets_its_own_commands_only,
            commands::having_been_told_to_wait_is_no_try,
            commands::a_command_fails_since_its_first_failure,
            commands::a_withdrawal_that_was_given_up_is_listed_and_can_be_tried_again,
            commands::commands_of_an_unknown_connector_say_so_and_are_given_up_at_last,
            relay::the_outbox_keeps_the_order_of_a_key,
            relay::what_was_acknowledged_does_not_come_again,
            relay::what_one_transaction_leaves_in_a_shard_is_one_row,
            relay::only_shards_that_hold_messages_have_a_head,
            relay::what_cannot_be_read_of_one_shard_is_no_trouble_of_the_others,
            relay::a_shard_is_leased_to_one,
            relay::things_set_aside_are_shown_once,
            survey::what_waits_is_counted,
            retention::what_ended_long_ago_goes_but_for_what_re_entry_asks,
            retention::what_is_still_under_way_of_an_ended_enrollment_stays,
            erasure::nothing_is_left_of_an_erased_person_but_hashes,
            erasure::an_older_event_of_an_erased_person_leaves_no_trace,
            erasure::an_event_of_somebody_else_that_named_them_goes_too,
            erasure::an_erasure_waits_for_the_attempt_that_is_in_flight,
            content::an_unchanged_text_makes_no_version,
            content::a_draft_is_not_in_force,
            content::a_version_with_live_enrollments_stays_in_force,
            people::a_contact_is_explained,
            people::an_event_that_changes_nothing_is_shown_and_takes_one_row,
            people::tasks_are_listed_for_their_owner,
            people::what_there_is_can_be_named,
            concurrency::units_on_the_same_contacts_end_with_one_contact_each,
            concurrency::two_dispatchers_never_mark_a_touch_twice,
            concurrency::budgets_hold_under_concurrent_marks,
            concurrency::a_stop_is_seen_by_the_mark_or_sees_it,
            concurrency::no_mark_commits_after_a_flag,
            concurrency::row_ids_never_meet,
        }
    };
    (@cases $make:path; $($module:ident :: $case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(fixture) = $make(stringify!($case)).await {
                    $crate::store::$module::$case(&fixture).await;
                }
            }
        )*
    };
}
