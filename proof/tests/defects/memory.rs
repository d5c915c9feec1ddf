//! Defects of the memory backend.

use std::sync::Arc;

use watchkeep_proof::worlds::MemoryWorld;
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::conformance::{MemoryHarness, compaction, watch};
use watchkeep_storage::defect::Defect;
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
use watchkeep_storage::{Backend as _, Environment, Expect, Outcome, ResourcePrefix, Schema};

use crate::catch::{by_a_scenario, by_conformance, by_the_model, by_the_model_once, expect};

#[test]
fn memory_equal_bytes_never_conflict() {
    by_a_scenario(Defect::MemoryEqualBytesNeverConflict, "COMMIT-CONFLICT", &async |_| {
        let backend = MemoryBackend::new(MemoryOptions::default(), Environment::system());
        let prefix = ResourcePrefix::new("/pods").unwrap();
        let pods = Resource::new(backend.resource(prefix, Arc::new(Schema::default())).await.unwrap());
        let [before, object] = ["1", "2"].map(|mark| pod("ns", "a").mark(mark));
        let outdated = pods.put(&before).await.revision;
        pods.put(&object).await;
        let outcome = pods.try_put(&object, Expect::Revision(outdated)).await.unwrap();
        expect(matches!(outcome, Outcome::Conflict { .. }), "COMMIT-CONFLICT", format!("{outcome:?}"))
    });
}

#[test]
fn memory_trims_unmarked() {
    let name = "history_that_outgrows_its_bound_is_given_up_early";
    by_conformance(Defect::MemoryTrimsUnmarked, &MemoryHarness, name, async |harness| {
        compaction::history_that_outgrows_its_bound_is_given_up_early(harness).await;
    });
}

#[test]
fn memory_wakes_first_reader() {
    let name = "a_watch_wakes_its_latest_reader";
    by_conformance(Defect::MemoryWakesFirstReader, &MemoryHarness, name, async |harness| {
        watch::a_watch_wakes_its_latest_reader(harness).await;
    });
}

#[test]
fn memory_compacts_one_too_many() {
    by_the_model::<MemoryWorld>(
        Defect::MemoryCompactsOneTooMany,
        &["COMPACT-WATCHES", "COMPACT-READS", "WATCH-RELIABLE"],
    );
}

#[test]
fn memory_reads_below_compacted() {
    by_the_model::<MemoryWorld>(Defect::MemoryReadsBelowCompacted, &["COMPACT-READS", "LIST-OPTIONS"]);
}

#[test]
fn memory_watch_skips_lost_history() {
    by_the_model::<MemoryWorld>(Defect::MemoryWatchSkipsLostHistory, &["WATCH-RELIABLE", "WATCH-RESUMABLE"]);
}

#[test]
fn memory_watch_repeats_its_start() {
    by_the_model::<MemoryWorld>(
        Defect::MemoryWatchRepeatsItsStart,
        &["WATCH-RESUMABLE", "WATCH-OPTIONS", "WATCH-UNIQUE"],
    );
}

#[test]
fn memory_watch_registers_late() {
    by_the_model::<MemoryWorld>(Defect::MemoryWatchRegistersLate, &["WATCH-RELIABLE", "WATCH-RESUMABLE"]);
}

#[test]
fn memory_progress_is_the_head() {
    by_the_model::<MemoryWorld>(
        Defect::MemoryProgressIsTheHead,
        &["WATCH-BOOKMARKABLE", "WATCH-RESUMABLE", "WATCH-RELIABLE"],
    );
}

#[test]
fn memory_page_repeats_last() {
    by_the_model::<MemoryWorld>(Defect::MemoryPageRepeatsLast, &["LIST-CONTINUATION", "LIST-ATOMIC"]);
}

#[test]
fn memory_page_skips_one() {
    by_the_model::<MemoryWorld>(Defect::MemoryPageSkipsOne, &["LIST-CONTINUATION", "LIST-ATOMIC"]);
}

#[test]
fn memory_remaining_one_too_few() {
    by_the_model::<MemoryWorld>(Defect::MemoryRemainingOneTooFew, &["LIST-CONTINUATION"]);
}

#[test]
fn memory_page_reads_latest() {
    by_the_model::<MemoryWorld>(Defect::MemoryPageReadsLatest, &["LIST-ATOMIC"]);
}

#[test]
fn memory_rewrite_keeps_deadline() {
    by_the_model::<MemoryWorld>(Defect::MemoryRewriteKeepsDeadline, &["TTL-DROPPED"]);
}

#[test]
fn memory_expires_silently() {
    // The model waits long for what does not expire. Or an update meets a key that nothing has deleted.
    let promises = ["TTL-EVENT", "TTL-LOWER-BOUND", "COMMIT-CONFLICT"];
    by_the_model_once::<MemoryWorld>(Defect::MemoryExpiresSilently, &[], &promises);
}
