//! A writer and readers, in every interleaving. A picture is the revision that it is of.

use super::*;
use crate::sync::explore::{explore, spawn};

fn publish(published: &Published<u64>, revision: u64) {
    published.swap(Arc::new(revision));
    published.advance(Revision::new(revision));
}

#[test]
fn who_reads_a_revision_has_all_that_is_published_up_to_it() {
    explore(|| {
        let published = Arc::new(Published::new(0));
        let writing = Arc::clone(&published);
        let writer = spawn(move || {
            publish(&writing, 1);
            publish(&writing, 2);
        });
        let (first, first_at) = published.newest();
        assert!(*first >= first_at.get(), "the picture of {first} at {first_at}");
        let (second, second_at) = published.newest();
        assert!(*second >= second_at.get(), "the picture of {second} at {second_at}");
        assert!(second_at >= first_at && second >= first, "what was there is gone");
        writer.join().unwrap();
        assert_eq!(published.newest(), (Arc::new(2), Revision::new(2)));
    });
}

#[test]
fn what_is_published_never_goes_back() {
    explore(|| {
        let published = Arc::new(Published::new(0));
        let advancing = Arc::clone(&published);
        // A cache that is filled anew from a list that is older than what it has come to.
        let refill = spawn(move || advancing.advance(Revision::new(1)));
        published.advance(Revision::new(2));
        assert_eq!(published.revision(), Revision::new(2));
        refill.join().unwrap();
        assert_eq!(published.revision(), Revision::new(2));
    });
}

/// As [`crate::shared::Shared`] does: first it is published, and then who waits for a revision is told.
#[test]
fn who_is_told_that_the_cache_is_fresh_finds_it_so() {
    explore(|| {
        let published = Arc::new(Published::new(0));
        let told = Arc::new(AtomicU64::new(0));
        let (writing, telling) = (Arc::clone(&published), Arc::clone(&told));
        let writer = spawn(move || {
            for revision in [1, 2] {
                publish(&writing, revision);
                telling.store(revision, Ordering::Release);
            }
        });
        let fresh = told.load(Ordering::Acquire);
        let (picture, revision) = published.newest();
        assert!(*picture >= fresh && revision.get() >= fresh, "told {fresh}, found {picture} at {revision}");
        writer.join().unwrap();
    });
}
