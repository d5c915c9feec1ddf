//! The storage contract of a Kubernetes API server, its reference backend and its conformance suite.
//!
//! A store keeps objects under keys, remembers for a while what they were, and tells whoever watches what
//! they become. Servers, caches and controllers are written against the trait [`Interface`]; engines are
//! written below it.
//!
//! ```text
//!   a server, a controller in the same process
//!      │ create · guaranteed_update · delete · list · Typed     written once, for every backend
//!      ▼
//!   Interface   commit · get · list · watch · compact · …       one per resource, from a Backend
//!      ▲
//!      ├── memory         in this crate: the reference
//!      ├── an engine      on disk, or elsewhere
//!      └── a cache        an Interface over an Interface
//! ```
//!
//! Every commit of a store has a [`Revision`]: one sequence over all its resources. A [`Record`] is made by
//! the commit, once, and is what readers, watchers and caches share. A list is a picture of one revision;
//! a watch is the sequence of [`Event`]s after one. So a client that lists at a revision and watches from
//! it knows the state at every moment, and misses nothing.
//!
#![cfg_attr(feature = "memory", doc = "```")]
#![cfg_attr(not(feature = "memory"), doc = "```ignore")]
//! use std::sync::Arc;
//!
//! use futures_util::StreamExt;
//! use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
//! use watchkeep_storage::{
//!     Backend, Environment, Error, EventType, ListOptions, ResourcePrefix, Schema, Update, UpdateOptions,
//!     Value, WatchEvent, WatchOptions, collect, create, guaranteed_update, list,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let backend = MemoryBackend::new(MemoryOptions::default(), Environment::system());
//! let pods = backend.resource(ResourcePrefix::new("/pods")?, Arc::new(Schema::default())).await?;
//! let pod = |image: &str| {
//!     let json = format!(
//!         r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"web"}},"spec":{{"image":"{image}"}}}}"#
//!     );
//!     Value::new(json, pods.schema())
//! };
//!
//! // Create an object, and watch from its revision.
//! let key = pods.prefix().object(Some("default"), "web")?;
//! let created = create(&*pods, key.clone(), pod("web:1")?, None).await?;
//! let options = WatchOptions { resource_version: created.revision.to_string(), ..WatchOptions::default() };
//! let mut watch = pods.watch(options.resolve(pods.prefix().under(None)?)?).await?;
//!
//! // Update it: the closure gets what is stored, and again if somebody else was faster.
//! let newer = pod("web:2")?;
//! let update = |_| std::future::ready(Ok::<_, Error>(Update::Put { value: newer.clone(), ttl: None }));
//! guaranteed_update(&*pods, &key, UpdateOptions::default(), update).await?;
//! let Some(Ok(WatchEvent::Change(change))) = watch.next().await else { panic!("the watch ended") };
//! assert_eq!(change.event_type, EventType::Modified);
//!
//! // List: one object, as the watch showed it.
//! let page = list(&*pods, pods.prefix().under(Some("default"))?, &ListOptions::default()).await?;
//! assert!(page.revision >= change.revision());
//! assert_eq!(collect(page.cursor).await?.first(), change.record());
//! # Ok(())
//! # }
//! ```
//!
//! # What a caller guarantees
//! - Keys and scopes were made by the interface's [`Interface::prefix`], values with its
//!   [`Interface::schema`].
//! - Values are canonical: two spellings of one object are the same bytes ([`Value::new`] refuses what it
//!   can tell).
//! - An update function may be called several times, and has no effects of its own.
//! - Whoever drops the future of a write accepts that it may have happened.
//!
//! # The clauses
//! What a backend promises. Each clause has an id, under which the code that upholds it, and the tests of
//! the conformance suite that hold it, can be found.
//!
//! ## Keys and revisions
//!
//! - **\[KEYS\]** Only a text that begins with the prefix of the resource and has no empty segment and
//!   none that is `.` or `..` is a key; no key belongs to two resources. A scope covers what begins with it and a slash, not what merely begins alike.
//!
//!   Tests: `only_keys_of_the_resource_are_keys`, `every_legal_key_can_be_used`,
//!   `a_scope_covers_the_keys_that_it_contains`, `resources_do_not_overlap`,
//!   `a_prefix_is_no_object_and_an_object_no_prefix`.
//! - **\[REVISION-MONOTONIC\]** A revision is never issued twice and never goes back, also not over a
//!   restart.
//!
//!   Tests: `commits_of_all_resources_are_one_sequence`, `revisions_start_above_zero_and_never_go_back`,
//!   `a_restarted_store_does_not_issue_a_revision_again`.
//!
//! ## Commits
//!
//! - **\[COMMIT-ORDERED\]** Every commit gets a revision above all before it, in one sequence over all
//!   resources of a store.
//!
//!   Tests: `commits_of_all_resources_are_one_sequence`, `a_commit_answers_with_what_it_did`,
//!   `a_commit_of_equal_bytes_gets_a_revision`, `a_resource_opened_twice_is_one`,
//!   `every_watch_shows_exactly_the_commits_after_its_start`.
//! - **\[COMMIT-VISIBLE\]** A commit is visible to readers and watchers before it is acknowledged.
//!
//!   Tests: `an_acknowledged_commit_is_there_for_readers`,
//!   `an_acknowledged_commit_is_there_for_open_watches`, `whoever_sees_an_event_can_read_it`,
//!   `all_watchers_see_the_same_events`.
//! - **\[COMMIT-CONFLICT\]** A commit whose expectation does not hold changes nothing and answers with
//!   what is stored.
//!
//!   Tests: `a_conflict_changes_nothing_and_answers_with_what_is_stored`,
//!   `one_of_many_concurrent_creations_wins`, `a_deletion_that_lost_a_race_is_validated_again`,
//!   `an_update_that_lost_a_race_sees_the_winner`.
//! - **\[COMMIT-SIZE\]** An object over the limit is refused; the limit is the same for every backend.
//!
//!   Tests: `an_object_over_the_limit_is_refused`.
//! - **\[CREATE\]** An object is created only under a free key, and its bytes hold no resourceVersion.
//!
//!   Tests: `a_created_object_is_read_back_with_its_revision`, `stored_bytes_hold_no_resource_version`,
//!   `a_value_with_a_resource_version_cannot_be_made`, `a_taken_key_cannot_be_created`,
//!   `a_deleted_key_can_be_created_again`, `one_of_many_concurrent_creations_wins`,
//!   `a_typed_object_with_a_resource_version_cannot_be_created`.
//! - **\[PRECONDITIONS\]** An object that does not meet the preconditions is neither changed nor deleted.
//!
//!   Tests: `a_deletion_of_another_uid_is_refused`, `a_deletion_of_another_revision_is_refused`,
//!   `preconditions_are_held_against_what_is_stored`, `an_update_of_another_uid_is_refused`,
//!   `an_update_of_another_revision_is_refused`, `a_precondition_that_only_the_suggestion_fails_holds`,
//!   `a_missing_object_meets_no_precondition`.
//! - **\[UPDATE-CURRENT\]** An update is made from what is stored when it is written: who loses a race
//!   sees the winner.
//!
//!   Tests: `a_typed_update_that_lost_a_race_is_made_again`,
//!   `an_update_of_a_missing_object_is_not_found`, `an_update_may_create_a_missing_object`,
//!   `an_update_gets_a_new_revision`, `an_update_that_lost_a_race_sees_the_winner`,
//!   `concurrent_updates_lose_nothing`, `an_update_that_lost_to_a_deletion_is_not_found_or_creates`,
//!   `an_update_may_delete`, `an_update_that_deletes_a_missing_object_changes_nothing`,
//!   `a_deleting_update_that_lost_to_a_deletion_is_not_found`.
//! - **\[UPDATE-NOOP\]** An update to what is stored already writes nothing and uses no revision.
//!
//!   Tests: `an_update_to_what_is_stored_writes_nothing`,
//!   `an_update_that_changes_only_what_is_stored_is_written`, `an_update_is_compared_with_the_stored_bytes`.
//! - **\[UPDATE-SUGGESTION\]** A suggested record may save a read; it is never trusted with a refusal or
//!   with a "nothing changes".
//!
//!   Tests: `a_precondition_that_only_the_suggestion_fails_holds`, `a_fresh_suggestion_saves_the_read`,
//!   `a_stale_suggestion_does_not_overwrite`, `a_suggestion_of_a_deleted_object_is_not_found`,
//!   `a_refusal_of_a_stale_suggestion_is_tried_on_what_is_stored`,
//!   `a_refusal_of_what_is_stored_ends_the_update`, `an_update_is_compared_with_the_stored_bytes`.
//! - **\[DELETE-CURRENT\]** What is deleted was validated as it was, and comes back with the revision of
//!   its deletion.
//!
//!   Tests: `a_deleted_object_carries_the_revision_of_its_deletion`,
//!   `a_missing_object_cannot_be_deleted`, `a_deletion_that_lost_a_race_is_validated_again`,
//!   `a_deletion_that_lost_a_race_may_be_refused`, `a_deletion_that_lost_to_a_deletion_is_not_found`.
//! - **\[DELETE-SUGGESTION\]** As for updates: a stale suggestion neither deletes nor refuses.
//!
//!   Tests: `a_fresh_suggestion_saves_the_read_before_a_deletion`,
//!   `a_stale_suggestion_deletes_what_is_stored`, `a_suggestion_of_a_deleted_object_cannot_be_deleted`,
//!   `a_stale_suggestion_that_is_refused_is_read_again`, `a_refusal_of_what_is_stored_stands`,
//!   `a_suggestion_that_passes_does_not_delete_what_would_be_refused`,
//!   `preconditions_are_held_against_what_is_stored`.
//! - **\[TTL-LOWER-BOUND\]** An object with a time-to-live is not deleted before the time has passed, and
//!   soon after.
//!
//!   Tests: `an_object_lives_for_its_ttl_and_not_much_longer`, `a_put_with_a_ttl_counts_from_then`.
//! - **\[TTL-DROPPED\]** The last write decides: without a time-to-live it stays, with one it counts from
//!   then.
//!
//!   Tests: `a_put_without_a_ttl_stays`, `a_put_with_a_ttl_counts_from_then`,
//!   `a_recreated_object_does_not_inherit_the_ttl`, `an_update_without_a_ttl_drops_the_one_there_was`,
//!   `an_update_with_a_ttl_ends_in_a_deletion`.
//! - **\[TTL-EVENT\]** An expiry is a commit like any other, with its own revision and its own event.
//!
//!   Tests: `an_object_created_with_a_ttl_is_deleted_on_the_watch`,
//!   `an_expiry_is_a_deletion_with_a_revision_of_its_own`, `many_objects_expire_each_by_its_own_commit`,
//!   `an_update_with_a_ttl_ends_in_a_deletion`, `a_typed_object_expires`.
//!
//! ## Reads
//!
//! - **\[GET-FRESH\]** A get is at least as fresh as demanded; what the store has not reached is refused.
//!
//!   Tests: `a_get_returns_what_was_written_last`, `a_get_is_at_least_as_fresh_as_demanded`,
//!   `a_get_from_the_future_is_refused`, `a_missing_key_is_no_error`, `a_deleted_object_is_gone`,
//!   `the_latest_list_sees_every_acknowledged_write`.
//! - **\[LIST-ATOMIC\]** A list is the state of one revision, however long it is read and whatever
//!   happens meanwhile.
//!
//!   Tests: `what_is_kept_reads_as_before`, `a_picture_stays_while_writes_go_on`,
//!   `the_latest_list_sees_every_acknowledged_write`, `a_list_is_the_state_of_one_revision`,
//!   `a_list_read_again_at_its_revision_is_the_same`, `every_kept_revision_can_be_listed`,
//!   `a_token_continues_at_its_revision_or_at_the_latest`, `a_list_of_one_key_has_one_object_or_none`,
//!   `an_object_added_between_pages_is_not_in_them`, `pages_are_one_picture_while_everything_changes`.
//! - **\[LIST-ORDERED\]** Records come in the order of their keys, byte by byte, and only those of the
//!   scope.
//!
//!   Tests: `records_come_in_the_order_of_their_keys`, `a_list_returns_nothing_from_outside_its_scope`,
//!   `a_prefix_is_no_object_and_an_object_no_prefix`, `a_list_covers_its_scope`.
//! - **\[LIST-CONTINUATION\]** A page continues if and only if the scope holds records after it; without
//!   a selector or a shard it tells how many. All pages are of one revision.
//!
//!   Tests: `a_limit_counts_over_batches`, `a_page_says_where_the_next_begins_and_how_many_follow`,
//!   `a_filtered_page_continues_while_anything_follows`, `every_kept_revision_can_be_listed`,
//!   `a_token_continues_at_its_revision_or_at_the_latest`, `pages_of_every_size_make_up_the_list`,
//!   `a_page_continues_without_a_limit`, `filtered_pages_are_full_and_share_a_revision`,
//!   `a_rare_object_is_found_in_one_page`, `an_object_added_between_pages_is_not_in_them`,
//!   `pages_are_one_picture_while_everything_changes`,
//!   `a_compacted_token_is_replaced_by_one_that_goes_on_at_the_latest`, `pages_of_a_shard_make_it_up`.
//! - **\[LIST-OPTIONS\]** resourceVersion, its match, limit and continue mean what they mean to
//!   Kubernetes clients.
//!
//!   Tests: `a_list_of_namespaced_objects_returns_its_part`, `a_list_selects_by_labels`,
//!   `lists_that_cannot_be_had_are_refused`, `a_list_covers_its_scope`,
//!   `a_token_continues_at_its_revision_or_at_the_latest`, `a_list_of_one_key_has_one_object_or_none`,
//!   `pages_may_begin_at_an_older_revision`, `each_object_is_listed_in_one_shard`.
//! - **\[SHARDED\]** A shard is the objects whose uid, or whose namespace, has its FNV-1a hash in its ranges: in
//!   lists and in watches, in every store and over a restart. Shards that share all hashes show each object in
//!   one of them. An object stays in its shard while it lives, as neither its uid nor its namespace change.
//!
//!   Tests: `each_object_is_listed_in_one_shard`,
//!   `an_object_without_the_field_is_in_the_shard_of_the_empty_text`,
//!   `a_shard_is_of_what_the_selectors_select`, `pages_of_a_shard_make_it_up`,
//!   `a_watch_shows_the_events_of_its_shard`, `an_object_does_not_leave_its_shard`.
//! - **\[CURSOR\]** A cursor hands out bounded batches, then nothing; its deadline frees the picture.
//!
//!   Tests: `a_cursor_hands_out_batches_and_then_nothing`, `a_batch_is_empty_only_at_the_end`,
//!   `a_limit_counts_over_batches`, `a_picture_stays_while_writes_go_on`,
//!   `a_cursor_ends_with_an_error_after_its_deadline`, `a_cursor_at_its_end_does_not_expire`,
//!   `the_deadline_frees_the_picture_of_a_sleeping_reader`,
//!   `a_stalled_watch_lets_go_of_its_initial_events`.
//! - **\[COMPACT-READS\]** Below the compacted revision exact reads are refused; at and above it they are
//!   as before.
//!
//!   Tests: `reads_below_the_compacted_revision_are_refused`, `a_compaction_concerns_all_resources`,
//!   `a_compaction_never_goes_back`, `the_future_cannot_be_compacted`, `what_is_kept_reads_as_before`,
//!   `history_that_outgrows_its_bound_is_given_up_early`,
//!   `history_stays_in_its_bound_when_objects_expire`,
//!   `a_compacted_token_is_replaced_by_one_that_goes_on_at_the_latest`.
//! - **\[STATS\]** Objects and bytes are counted per resource.
//!
//!   Tests: `stats_count_the_objects_of_the_resource`, `stats_tell_the_mean_size_of_a_value`.
//!
//! ## Watches
//!
//! - **\[WATCH-ORDERED\]** Events come in the order of their revisions.
//!
//!   Tests: `a_watch_that_is_read_late_shows_everything`,
//!   `every_watch_shows_exactly_the_commits_after_its_start`.
//! - **\[WATCH-UNIQUE\]** No event comes twice.
//!
//!   Tests: `every_watch_shows_exactly_the_commits_after_its_start`, `all_watchers_see_the_same_events`,
//!   `changes_during_the_initial_events_follow_them`.
//! - **\[WATCH-RELIABLE\]** No event is left out; where one would be, the watch ends with an error. A
//!   slow reader slows nobody.
//!
//!   Tests: `a_watch_that_is_read_late_shows_everything`, `stuck_watchers_slow_no_reader_down`,
//!   `every_watch_shows_exactly_the_commits_after_its_start`, `a_watch_wakes_its_latest_reader`,
//!   `every_waiting_reader_is_woken`, `changes_during_the_initial_events_follow_them`.
//! - **\[WATCH-RESUMABLE\]** A watch begins with the first event after its revision, also in the future.
//!
//!   Tests: `a_watch_of_any_state_begins_with_the_object`, `a_watch_begins_exactly_after_its_revision`,
//!   `a_deletion_after_the_revision_is_shown`, `every_watch_shows_exactly_the_commits_after_its_start`,
//!   `a_watch_resumes_from_the_last_event`, `a_watch_from_the_future_waits`,
//!   `a_watch_shows_the_events_of_its_shard`.
//! - **\[WATCH-ATOMIC\]** Initial events are the state of one revision, whole, as a list of it is.
//!
//!   Tests: `a_watch_begins_as_its_options_say`, `the_initial_events_match_the_selector`,
//!   `changes_during_the_initial_events_follow_them`, `a_watch_shows_the_events_of_its_shard`.
//! - **\[WATCH-FILTERED\]** A watch shows its scope through its selectors and its shard: what comes into view is
//!   added, what leaves it deleted.
//!
//!   Tests: `events_have_the_type_that_the_watcher_sees`,
//!   `a_watch_of_cluster_scoped_objects_shows_its_part`, `a_watch_of_namespaced_objects_shows_its_part`,
//!   `a_watch_shows_no_other_resource`, `a_watch_list_of_one_name_shows_only_it`,
//!   `the_initial_events_match_the_selector`, `a_watch_shows_the_events_of_its_shard`,
//!   `an_object_does_not_leave_its_shard`.
//! - **\[WATCH-DELETED-REVISION\]** A deletion shows the last state with the revision of the deletion.
//!
//!   Tests: `events_have_the_type_that_the_watcher_sees`, `a_deletion_after_the_revision_is_shown`,
//!   `a_deletion_shows_the_last_state_with_the_revision_of_the_deletion`.
//! - **\[WATCH-OPTIONS\]** resourceVersion and sendInitialEvents mean what they mean to Kubernetes
//!   clients.
//!
//!   Tests: `a_watch_begins_as_its_options_say`, `a_watch_list_of_one_name_shows_only_it`,
//!   `the_initial_events_match_the_selector`, `the_initial_events_of_nothing_may_do_without_a_mark`,
//!   `initial_events_from_the_future_are_refused`.
//! - **\[WATCH-BOOKMARKABLE\]** A bookmark is never ahead of what was delivered. It moves on with the
//!   store, not with the scope.
//!
//!   Tests: `a_watch_begins_as_its_options_say`,
//!   `the_end_of_the_initial_events_carries_the_revision_of_the_store`,
//!   `the_initial_events_of_nothing_end_with_a_mark`, `progress_is_never_ahead_of_what_was_delivered`,
//!   `progress_grows_while_other_resources_change`.
//! - **\[WATCH-PROGRESS\]** Progress that is asked for is a bookmark at or above the revision of that
//!   moment.
//!
//!   Tests: `requested_progress_is_a_bookmark_at_the_current_revision`,
//!   `requested_progress_wakes_an_idle_watch`, `progress_is_never_ahead_of_what_was_delivered`.
//! - **\[WATCH-ERROR-LAST\]** Nothing follows an error.
//!
//!   Tests: `nothing_follows_the_error_of_a_watch`, `history_that_outgrows_its_bound_is_given_up_early`.
//! - **\[COMPACT-WATCHES\]** A watch from below the compacted revision is refused; one that is up to date
//!   does not notice.
//!
//!   Tests: `watches_from_below_the_compacted_revision_are_refused`,
//!   `a_compaction_concerns_all_resources`, `an_idle_watch_that_is_up_to_date_survives`,
//!   `nothing_follows_the_error_of_a_watch`, `history_that_outgrows_its_bound_is_given_up_early`,
//!   `a_watch_of_any_state_begins_with_the_object`.
//!
//! ## Futures and types
//!
//! - **\[CANCEL-READ\]** A dropped read has no effect; a dropped batch is not skipped; a dropped watch
//!   keeps nothing.
//!
//!   Tests: `dropped_reads_have_no_effect`, `a_dropped_batch_is_not_skipped`,
//!   `a_dropped_watch_lets_go_of_its_reader`, `an_interrupted_watch_misses_nothing`.
//! - **\[CANCEL-COMMIT\]** A dropped write is done or not done, and the store goes on.
//!
//!   Tests: `a_dropped_commit_is_done_or_not_done`,
//!   `dropped_updates_and_deletions_leave_the_store_consistent`,
//!   `a_dropped_compaction_leaves_the_store_consistent`.
//! - **\[TYPED\]** The typed view is the same store: selectors, revisions and conflicts apply.
//!
//!   Tests: `typed_objects_come_back_with_their_revision`,
//!   `a_typed_object_with_a_resource_version_cannot_be_created`,
//!   `a_typed_update_that_lost_a_race_is_made_again`, `what_is_not_of_the_type_is_corrupt`,
//!   `a_typed_object_expires`, `typed_lists_and_watches_show_what_the_store_does`.
//!
//! # Adding a backend
//! 1. Implement [`Backend`] and [`Interface`]. [`memory`] is the shortest reading of what they mean; the
//!    loops of [`create`], [`guaranteed_update`], [`delete`] and [`list`] need nothing more.
//! 2. Implement a [`WatchSource`] for [`Watcher::new`]: a place in the history and a wake-up, no queue.
//! 3. Take an [`Environment`], and ask nobody else for the time, for chance, or for tasks.
//! 4. Enable the feature `conformance`, implement its `Harness`, and put the line
//!    `conformance_tests!(…)` into a test. What the engine cannot do is listed in the harness, with the
//!    reason.
//! 5. Test what the suite cannot see: crashes, disks, races inside of one operation.

mod attributes;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod continue_token;
mod create;
// Without the feature they are for the cache alone, which has defects and points of its own, and do nothing.
#[cfg_attr(not(feature = "failpoints"), doc(hidden))]
pub mod defect;
mod delete;
mod environment;
mod error;
#[cfg(feature = "etcd3")]
pub mod etcd3;
mod event;
mod extract;
#[cfg_attr(not(feature = "failpoints"), doc(hidden))]
pub mod failpoint;
mod interface;
mod key;
mod list;
#[cfg(feature = "memory")]
pub mod memory;
mod precondition;
mod predicate;
mod record;
mod revision;
#[cfg(feature = "rocksdb")]
pub mod rocksdb;
mod schema;
pub mod selector;
mod status;
mod typed;
mod update;
mod watch;

pub use self::attributes::Attributes;
pub use self::create::create;
pub use self::delete::{Deleted, delete};
pub use self::environment::Environment;
pub use self::error::{CompactedDuring, Error, OBJECT_BYTES_MAX};
pub use self::event::{Bookmark, Change, Event, EventType, WatchEvent};
pub use self::interface::{
    Backend, BoxFuture, Commit, Committed, Expect, Found, Freshness, Interface, Operation, Outcome, Stats,
};
pub use self::key::{KEY_BYTES_MAX, Key, KeyError, ResourcePrefix, Scope};
pub use self::list::{
    BATCH_RECORDS_MAX, Continuation, Cursor, ListOptions, ListPage, ListRequest, Listing, ReadAt, collect,
    list,
};
pub use self::precondition::Preconditions;
pub use self::predicate::Predicate;
pub use self::record::{LayoutError, Record, Value};
pub use self::revision::{InvalidResourceVersion, Revision};
pub use self::schema::{Schema, SelectableField};
pub use self::status::{ApiStatus, ObjectName, StatusFor};
pub use self::typed::{Typed, TypedEvent, TypedPage, Versioned};
pub use self::update::{Update, UpdateOptions, Updated, guaranteed_update};
pub use self::watch::{WatchOptions, WatchRequest, WatchSource, WatchStart, Watcher};
