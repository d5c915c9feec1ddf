//! Requests for progress: how far the watches of a resource have to be, and who is to be woken for it.

use std::collections::BTreeMap;
use std::task::Waker;

use parking_lot::Mutex;

use crate::revision::Revision;

/// The requests of one resource.
#[derive(Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    asked: Asked,
    /// Who waits, by the number of the watch.
    waiting: BTreeMap<u64, Waker>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// How often.
    pub(super) times: u64,
    /// The newest revision at the last time: the answer is not below it.
    pub(super) at: Revision,
}

impl Progress {
    /// What was asked for so far.
    pub(super) fn asked(&self) -> Asked {
        self.0.lock().asked
    }

    /// Asks, and wakes who waits.
    pub(super) fn ask(&self, now: Revision) {
        let waiting = {
            let mut state = self.0.lock();
            let Asked { times, at } = state.asked;
            state.asked = Asked { times: times + 1, at: at.max(now) };
            std::mem::take(&mut state.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }

    /// Wakes this watch at the next request, and says what was asked for so far. One lock for both, so that
    /// no request is missed.
    pub(super) fn wait(&self, watcher: u64, waker: &Waker) -> Asked {
        let mut state = self.0.lock();
        let replaced = state.waiting.insert(watcher, waker.clone());
        let asked = state.asked;
        drop(state);
        drop(replaced);
        asked
    }

    /// A watch is gone.
    pub(super) fn forget(&self, watcher: u64) {
        let forgotten = self.0.lock().waiting.remove(&watcher);
        drop(forgotten);
    }
}
