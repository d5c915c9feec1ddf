//! A watch, and a cache that ends it, in every interleaving.

use std::sync::Arc;
use std::task::Waker;

use watchkeep_storage::Schema;

use super::*;
use crate::sync::explore::{Woken, explore, spawn};
use crate::topic::{Look, Topic, Topics, Waiting};

/// What ends watches, and where they wait.
struct Cache {
    endings: Endings,
    topics: Topics,
}

impl Cache {
    fn new() -> Arc<Self> {
        Arc::new(Self { endings: Endings::default(), topics: Topics::new("/pods/", &Schema::default()) })
    }

    /// As [`crate::shared::Shared`] does it: it is so, and then who waits is woken.
    fn end(&self, how: impl Fn(&Endings)) {
        how(&self.endings);
        let mut wakers = Vec::new();
        self.topics.reset(Revision::ZERO, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn is_told_in_every_interleaving(how: fn(&Endings)) {
    explore(move || {
        let cache = Cache::new();
        let opened = cache.endings.open();
        let ending = Arc::clone(&cache);
        let ender = spawn(move || ending.end(how));
        let log = cache.topics.follow(&Topic::All);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut waiting = Waiting::default();
        // A watch leaves its waker, and then looks whether it is over.
        let look = log.look(Revision::ZERO, 1, &waker, &mut waiting);
        assert!(matches!(look, Look::Nothing));
        let is_told = cache.endings.check(opened, Revision::ZERO).is_err();
        ender.join().unwrap();
        assert!(is_told || woken.times() > 0, "it sleeps for ever");
        assert!(cache.endings.check(opened, Revision::ZERO).is_err(), "it was woken and is not told");
    });
}

#[test]
fn a_watch_of_a_cache_that_is_closed_is_told() {
    is_told_in_every_interleaving(Endings::close);
}

#[test]
fn a_watch_of_a_cache_that_was_wrong_is_told() {
    is_told_in_every_interleaving(|endings| endings.distrust(Revision::new(1)));
}

#[test]
fn who_comes_again_to_a_cache_that_was_wrong_is_told_from_where_it_is_right() {
    explore(|| {
        let endings = Arc::new(Endings::default());
        let opened = endings.open();
        let distrusting = Arc::clone(&endings);
        let finder = spawn(move || distrusting.distrust(Revision::new(5)));
        // Whoever is told that the cache was wrong cannot resume from what it showed.
        if endings.check(opened, Revision::new(3)).is_err() {
            assert!(endings.check_resumable(Revision::new(3)).is_err());
        }
        finder.join().unwrap();
        assert!(endings.check_resumable(Revision::new(4)).is_err());
        endings.check_resumable(Revision::new(5)).unwrap();
    });
}
