//! Requests for progress: watches that were told to answer them do, once they have come to the revision that
//! was current when they were asked.

use std::collections::BTreeMap;
use std::task::Waker;

use watchkeep_storage::Revision;

use crate::sync::Mutex;

/// What was asked for, and who waits to answer.
#[derive(Default)]
pub(crate) struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    asked: Asked,
    /// Whether the cache has still to come to what was asked for.
    pending: bool,
    /// By the number of the watch: an order, so that a seed replays it.
    wakers: BTreeMap<u64, Waker>,
}

/// A request for progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// How many requests there were.
    pub(crate) times: u64,
    /// The revision that the last one is about.
    pub(crate) at: Revision,
}

impl Progress {
    /// Asks every watch for a bookmark at or above a revision. Who can answer at once is woken.
    pub(crate) fn ask(&self, at: Revision) {
        let wakers = {
            let mut state = self.0.lock();
            state.asked = Asked { times: state.asked.times + 1, at: state.asked.at.max(at) };
            state.pending = true;
            std::mem::take(&mut state.wakers)
        };
        wakers.into_values().for_each(Waker::wake);
    }

    /// The last request.
    pub(crate) fn asked(&self) -> Asked {
        self.0.lock().asked
    }

    /// How many requests a watch that has come to `position` answers now, if there is one that it has not
    /// answered. It is woken for the next one, and when it can answer this one. `published` tells how far the
    /// cache is.
    pub(crate) fn answer(
        &self,
        watch: u64,
        (answered, position): (u64, Revision),
        published: impl FnOnce() -> Revision,
        waker: &Waker,
    ) -> Option<u64> {
        let asked = self.wait(watch, waker);
        if answered >= asked.times {
            return None;
        }
        if position < asked.at && published() >= asked.at {
            // The cache came there after the watch had looked, and before it said that it waits.
            waker.wake_by_ref();
        }
        (position >= asked.at).then_some(asked.times)
    }

    fn wait(&self, watch: u64, waker: &Waker) -> Asked {
        let mut state = self.0.lock();
        let replaced = state.wakers.insert(watch, waker.clone());
        let asked = state.asked;
        drop(state);
        drop(replaced);
        asked
    }

    /// A watch has ended.
    pub(crate) fn forget(&self, watch: u64) {
        let waker = self.0.lock().wakers.remove(&watch);
        drop(waker);
    }

    /// How many watches wait.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().wakers.len()
    }

    /// The cache has come to a revision: who could not answer before is to be woken.
    pub(crate) fn reached(&self, revision: Revision, wakers: &mut Vec<Waker>) {
        let mut state = self.0.lock();
        if state.pending && revision >= state.asked.at {
            // Answered from now on by who looks. Whoever waits next finds the revision published.
            state.pending = false;
            wakers.extend(std::mem::take(&mut state.wakers).into_values());
        }
    }
}

#[cfg(test)]
#[path = "progress/tests.rs"]
mod tests;
