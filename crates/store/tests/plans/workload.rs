//! Everything that a store does, so that its statements are heard: the conformance suite's cases, each on a database of its own.

macro_rules! work {
    ($make:path) => {{
        $crate::workload::work!(@cases $make;
            dedupe::an_old_event_is_marked_unless_redriven,
            dedupe::digests_expire_in_slices,
            offsets::the_offset_moves_with_the_unit_or_not_at_all,
            offsets::partitions_of_one_unit_move_together,
            offsets::offsets_can_be_set_by_hand,
            units::what_is_written_is_read_back,
            units::a_timer_fires_once,
            units::letters_go_out_with_the_offset,
            units::a_task_key_leads_to_its_touch_in_its_own_workspace_only,
            growth::an_account_wide_event_reaches_its_siblings,
            growth::an_alias_leads_to_the_contact_that_stayed,
            growth::an_older_secret_still_finds_its_identities,
            dispatch::due_touches_are_picked_oldest_first,
            dispatch::a_workspace_with_much_to_do_hides_no_other,
            dispatch::a_view_holds_what_rendering_needs,
            dispatch::a_stop_after_the_mark_sees_it_sending,
            dispatch::a_repeat_sends_the_first_bytes_and_reserves_nothing,
            dispatch::a_void_mark_gives_its_budgets_back,
            dispatch::a_full_budget_names_its_uses,
            flags::a_flag_holds_and_its_lifting_releases,
            takeover::attempts_of_a_worker_without_a_row_are_taken,
            workers::workers_have_a_place_among_the_living,
            workers::a_connectors_rate_is_shared_out_and_never_exceeded,
            workers::a_silent_worker_is_reaped_by_one_that_beats,
            commands::a_command_is_given_to_one_and_leased,
            commands::an_answered_command_is_gone,
            commands::a_command_fails_since_its_first_failure,
            commands::a_withdrawal_that_was_given_up_is_listed_and_can_be_tried_again,
            commands::commands_of_an_unknown_connector_say_so_and_are_given_up_at_last,
            flags::touches_of_an_unknown_connector_are_held_until_it_is_back,
            retention::what_ended_long_ago_goes_but_for_what_re_entry_asks,
            retention::what_is_still_under_way_of_an_ended_enrollment_stays,
            erasure::nothing_is_left_of_an_erased_person_but_hashes,
            erasure::an_older_event_of_an_erased_person_leaves_no_trace,
            erasure::an_event_of_somebody_else_that_named_them_goes_too,
            erasure::an_erasure_waits_for_the_attempt_that_is_in_flight,
            survey::what_waits_is_counted,
            relay::what_was_acknowledged_does_not_come_again,
            relay::what_one_transaction_leaves_in_a_shard_is_one_row,
            relay::a_shard_is_leased_to_one,
            relay::things_set_aside_are_shown_once,
            content::an_unchanged_text_makes_no_version,
            content::a_draft_is_not_in_force,
            people::a_contact_is_explained,
            people::an_event_that_changes_nothing_is_shown_and_takes_one_row,
            people::tasks_are_listed_for_their_owner,
            people::what_there_is_can_be_named,
        );
    }};
    (@cases $make:path; $($module:ident :: $case:ident,)*) => {
        $({
            let fixture = $make(stringify!($case)).await.expect("it was made before");
            testkit::store::$module::$case(&fixture).await;
            fixture.opened.close().await;
        })*
    };
}
pub(crate) use work;
