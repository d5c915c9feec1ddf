//! Defects of the loops and types that all backends share.

use watchkeep_proof::worlds::MemoryWorld;
use watchkeep_storage::conformance::{MemoryHarness, delete, update};
use watchkeep_storage::defect::Defect;

use crate::catch::{by_conformance, by_the_model, by_the_model_once};

#[test]
fn update_trusts_suggested_refusal() {
    let name = "a_refusal_of_a_stale_suggestion_is_tried_on_what_is_stored";
    by_conformance(Defect::UpdateTrustsSuggestedRefusal, &MemoryHarness, name, async |harness| {
        update::a_refusal_of_a_stale_suggestion_is_tried_on_what_is_stored(harness).await;
    });
}

#[test]
fn update_trusts_suggested_noop() {
    by_the_model::<MemoryWorld>(Defect::UpdateTrustsSuggestedNoop, &["UPDATE-NOOP"]);
}

#[test]
fn update_overwrites_winner() {
    by_the_model::<MemoryWorld>(Defect::UpdateOverwritesWinner, &["UPDATE-CURRENT"]);
}

#[test]
fn delete_trusts_suggested_refusal() {
    let name = "a_stale_suggestion_that_is_refused_is_read_again";
    by_conformance(Defect::DeleteTrustsSuggestedRefusal, &MemoryHarness, name, async |harness| {
        delete::a_stale_suggestion_that_is_refused_is_read_again(harness).await;
    });
}

#[test]
fn delete_takes_winner() {
    by_the_model::<MemoryWorld>(Defect::DeleteTakesWinner, &["DELETE-CURRENT"]);
}

#[test]
fn token_without_revision() {
    by_the_model::<MemoryWorld>(Defect::TokenWithoutRevision, &["LIST-CONTINUATION", "LIST-ATOMIC"]);
}

#[test]
fn selector_ignores_leaving() {
    by_the_model::<MemoryWorld>(
        Defect::SelectorIgnoresLeaving,
        &["WATCH-FILTERED", "WATCH-RELIABLE", "WATCH-RESUMABLE"],
    );
}

#[test]
fn selector_adds_as_modified() {
    by_the_model::<MemoryWorld>(Defect::SelectorAddsAsModified, &["WATCH-FILTERED"]);
}

#[test]
fn deletion_shows_old_revision() {
    by_the_model_once::<MemoryWorld>(
        Defect::DeletionShowsOldRevision,
        &[],
        &["WATCH-DELETED-REVISION", "WATCH-UNIQUE", "WATCH-ORDERED"],
    );
}
