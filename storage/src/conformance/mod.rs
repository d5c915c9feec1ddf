//! The conformance suite: what every backend has to pass, and the cache over each of them.
//!
//! # Running it
//! A backend brings a [`Harness`], which opens a fresh store, and has one line in a file of its tests:
//!
#![cfg_attr(feature = "memory", doc = "```")]
#![cfg_attr(not(feature = "memory"), doc = "```ignore")]
//! # use watchkeep_storage::conformance::MemoryHarness as MyHarness;
//! watchkeep_storage::conformance_tests!(MyHarness);
//! ```
//!
//! Every test is then listed and run by `cargo test`, under its topic: `watch::…`, `ttl::…`. What engines
//! force upon a backend is written down in one place, [`Harness::exemptions`], with the reason.
//! [`MemoryHarness`] is the shortest example.
//!
//! # How the tests are made
//! A test is a function of a harness; its documentation names the clauses of the contract that it holds,
//! and the essay of this crate lists them. There are no mocks: [`interleave`] decorates a real store, so
//! that a conflict happens exactly when a test wants it, and [`instrument`] reads watches with bounded
//! patience. Nothing sleeps to wait for something: a test waits for the thing itself, and only to see
//! that nothing comes does it let a little time pass.
//!
//! Other writers may use the same store (a server keeps its own leases there). No test knows an absolute
//! revision, or expects two of its writes to have neighbouring ones.
//!
//! # What it is bad at
//! - Races within one operation of a backend: the tests interleave at awaits, on one thread. Models and
//!   stress tests of the backend's own parts have to find those.
//! - Durability. It restarts a store politely ([`Harness::restart`]); kills and full disks are for the
//!   backends' own tests.
//! - Speed and memory: it sees that a sleeping reader keeps nothing, not what a list costs.
//! - Corrupt data: there is no way to plant it through the interface.
//! - Sequences that nobody thought of: a random walk against a model finds those.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "these are tests: what does not hold panics, and the harness says in which test"
)]

pub mod cancel;
pub mod commit;
pub mod compaction;
pub mod create;
pub mod cursor;
pub mod decorate;
pub mod delete;
pub mod get;
pub mod harness;
pub mod instrument;
pub mod interleave;
pub mod keys;
pub mod list;
pub mod list_table;
#[cfg(feature = "memory")]
pub mod memory;
pub mod object;
pub mod paging;
pub mod seed;
pub mod shard;
pub mod stats;
pub mod ttl;
pub mod typed;
pub mod update;
pub mod watch;
pub mod watch_semantics;

pub use self::decorate::Decorator;
pub use self::harness::{Clock, Harness, Setup, Store, run};
#[cfg(feature = "memory")]
pub use self::memory::MemoryHarness;

/// Makes a `#[test]` of every test of the suite, in modules by topic, for the [`Harness`] of the expression.
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::__conformance_modules! { $harness;
            keys {
                only_keys_of_the_resource_are_keys
                every_legal_key_can_be_used
                a_scope_covers_the_keys_that_it_contains
                resources_do_not_overlap
            }
            create {
                a_created_object_is_read_back_with_its_revision
                stored_bytes_hold_no_resource_version
                a_value_with_a_resource_version_cannot_be_made
                a_taken_key_cannot_be_created
                a_deleted_key_can_be_created_again
                one_of_many_concurrent_creations_wins
                an_object_created_with_a_ttl_is_deleted_on_the_watch
            }
            get {
                a_get_returns_what_was_written_last
                a_get_is_at_least_as_fresh_as_demanded
                a_get_from_the_future_is_refused
                a_missing_key_is_no_error
                a_deleted_object_is_gone
            }
            list {
                records_come_in_the_order_of_their_keys
                a_list_returns_nothing_from_outside_its_scope
                a_prefix_is_no_object_and_an_object_no_prefix
                the_latest_list_sees_every_acknowledged_write
                a_list_is_the_state_of_one_revision
                a_list_read_again_at_its_revision_is_the_same
                a_list_of_namespaced_objects_returns_its_part
                a_list_selects_by_labels
            }
            list_table {
                lists_that_cannot_be_had_are_refused
                a_list_covers_its_scope
                a_page_says_where_the_next_begins_and_how_many_follow
                a_filtered_page_continues_while_anything_follows
                every_kept_revision_can_be_listed
                a_token_continues_at_its_revision_or_at_the_latest
                a_list_of_one_key_has_one_object_or_none
            }
            paging {
                pages_of_every_size_make_up_the_list
                a_page_continues_without_a_limit
                filtered_pages_are_full_and_share_a_revision
                a_rare_object_is_found_in_one_page
                an_object_added_between_pages_is_not_in_them
                pages_are_one_picture_while_everything_changes
                a_compacted_token_is_replaced_by_one_that_goes_on_at_the_latest
                pages_may_begin_at_an_older_revision
            }
            shard {
                each_object_is_listed_in_one_shard
                an_object_without_the_field_is_in_the_shard_of_the_empty_text
                a_shard_is_of_what_the_selectors_select
                pages_of_a_shard_make_it_up
                a_watch_shows_the_events_of_its_shard
                an_object_does_not_leave_its_shard
            }
            update {
                an_update_of_a_missing_object_is_not_found
                an_update_may_create_a_missing_object
                a_missing_object_meets_no_precondition
                an_update_gets_a_new_revision
                an_update_to_what_is_stored_writes_nothing
                an_update_that_changes_only_what_is_stored_is_written
                an_update_is_compared_with_the_stored_bytes
                an_update_of_another_uid_is_refused
                an_update_of_another_revision_is_refused
                a_precondition_that_only_the_suggestion_fails_holds
                an_update_that_lost_a_race_sees_the_winner
                concurrent_updates_lose_nothing
                an_update_that_lost_to_a_deletion_is_not_found_or_creates
                a_fresh_suggestion_saves_the_read
                a_stale_suggestion_does_not_overwrite
                a_suggestion_of_a_deleted_object_is_not_found
                a_refusal_of_a_stale_suggestion_is_tried_on_what_is_stored
                a_refusal_of_what_is_stored_ends_the_update
                an_update_may_delete
                an_update_that_deletes_a_missing_object_changes_nothing
                a_deleting_update_that_lost_to_a_deletion_is_not_found
                an_update_without_a_ttl_drops_the_one_there_was
            }
            delete {
                a_deleted_object_carries_the_revision_of_its_deletion
                a_missing_object_cannot_be_deleted
                a_deletion_of_another_uid_is_refused
                a_deletion_of_another_revision_is_refused
                a_fresh_suggestion_saves_the_read_before_a_deletion
                a_stale_suggestion_deletes_what_is_stored
                a_suggestion_of_a_deleted_object_cannot_be_deleted
                a_stale_suggestion_that_is_refused_is_read_again
                a_refusal_of_what_is_stored_stands
                a_suggestion_that_passes_does_not_delete_what_would_be_refused
                preconditions_are_held_against_what_is_stored
                a_deletion_that_lost_a_race_is_validated_again
                a_deletion_that_lost_a_race_may_be_refused
                a_deletion_that_lost_to_a_deletion_is_not_found
            }
            watch {
                events_have_the_type_that_the_watcher_sees
                a_watch_of_any_state_begins_with_the_object
                a_watch_begins_exactly_after_its_revision
                a_deletion_after_the_revision_is_shown
                a_deletion_shows_the_last_state_with_the_revision_of_the_deletion
                a_watch_that_is_read_late_shows_everything
                stuck_watchers_slow_no_reader_down
                a_watch_of_cluster_scoped_objects_shows_its_part
                a_watch_of_namespaced_objects_shows_its_part
                a_watch_shows_no_other_resource
                every_watch_shows_exactly_the_commits_after_its_start
                a_watch_wakes_its_latest_reader
                every_waiting_reader_is_woken
                all_watchers_see_the_same_events
                a_watch_resumes_from_the_last_event
            }
            watch_semantics {
                a_watch_begins_as_its_options_say
                the_end_of_the_initial_events_carries_the_revision_of_the_store
                the_initial_events_of_nothing_end_with_a_mark
                the_initial_events_of_nothing_may_do_without_a_mark
                a_watch_list_of_one_name_shows_only_it
                the_initial_events_match_the_selector
                changes_during_the_initial_events_follow_them
                a_watch_from_the_future_waits
                initial_events_from_the_future_are_refused
                requested_progress_is_a_bookmark_at_the_current_revision
                requested_progress_wakes_an_idle_watch
                progress_is_never_ahead_of_what_was_delivered
                progress_grows_while_other_resources_change
            }
            ttl {
                an_object_lives_for_its_ttl_and_not_much_longer
                an_expiry_is_a_deletion_with_a_revision_of_its_own
                a_put_without_a_ttl_stays
                a_put_with_a_ttl_counts_from_then
                an_update_with_a_ttl_ends_in_a_deletion
                a_recreated_object_does_not_inherit_the_ttl
                many_objects_expire_each_by_its_own_commit
            }
            compaction {
                reads_below_the_compacted_revision_are_refused
                watches_from_below_the_compacted_revision_are_refused
                a_compaction_concerns_all_resources
                a_compaction_never_goes_back
                the_future_cannot_be_compacted
                what_is_kept_reads_as_before
                an_idle_watch_that_is_up_to_date_survives
                nothing_follows_the_error_of_a_watch
                history_that_outgrows_its_bound_is_given_up_early
                history_stays_in_its_bound_when_objects_expire
            }
            commit {
                commits_of_all_resources_are_one_sequence
                a_commit_answers_with_what_it_did
                a_commit_of_equal_bytes_gets_a_revision
                a_conflict_changes_nothing_and_answers_with_what_is_stored
                an_acknowledged_commit_is_there_for_readers
                an_acknowledged_commit_is_there_for_open_watches
                whoever_sees_an_event_can_read_it
                an_object_over_the_limit_is_refused
                a_resource_opened_twice_is_one
                revisions_start_above_zero_and_never_go_back
                a_restarted_store_does_not_issue_a_revision_again
            }
            cursor {
                a_cursor_hands_out_batches_and_then_nothing
                a_batch_is_empty_only_at_the_end
                a_limit_counts_over_batches
                a_picture_stays_while_writes_go_on
                a_cursor_ends_with_an_error_after_its_deadline
                a_cursor_at_its_end_does_not_expire
                the_deadline_frees_the_picture_of_a_sleeping_reader
                a_stalled_watch_lets_go_of_its_initial_events
            }
            cancel {
                dropped_reads_have_no_effect
                a_dropped_batch_is_not_skipped
                a_dropped_commit_is_done_or_not_done
                dropped_updates_and_deletions_leave_the_store_consistent
                a_dropped_compaction_leaves_the_store_consistent
                a_dropped_watch_lets_go_of_its_reader
                an_interrupted_watch_misses_nothing
            }
            stats {
                stats_count_the_objects_of_the_resource
                stats_tell_the_mean_size_of_a_value
            }
            typed {
                typed_objects_come_back_with_their_revision
                a_typed_object_with_a_resource_version_cannot_be_created
                a_typed_update_that_lost_a_race_is_made_again
                what_is_not_of_the_type_is_corrupt
                a_typed_object_expires
                typed_lists_and_watches_show_what_the_store_does
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_modules {
    ($harness:expr; $($topic:ident { $($test:ident)* })*) => {
        $crate::__conformance_modules! { @ $harness; $($topic { $($test)* })* }
    };
    (@ $harness:expr; $topic:ident { $($test:ident)* } $($rest:tt)*) => {
        mod $topic {
            #[allow(unused_imports, reason = "the harness may be named by a path of the caller's")]
            use super::*;
            $(
                #[test]
                fn $test() {
                    $crate::conformance::run(stringify!($test), &$harness, async |harness| {
                        $crate::conformance::$topic::$test(harness).await
                    });
                }
            )*
        }
        $crate::__conformance_modules! { @ $harness; $($rest)* }
    };
    (@ $harness:expr;) => {};
}
