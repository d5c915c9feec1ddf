//! A request, the writer that comes to what was asked for, and the watch that has to answer, in every
//! interleaving.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::sync::AtomicU64;
use crate::sync::explore::{Woken, explore, spawn};

const AT: Revision = Revision::new(5);

#[test]
fn a_watch_that_cannot_answer_yet_is_woken_when_it_can() {
    explore(|| {
        let (progress, published) = (Arc::new(Progress::default()), Arc::new(AtomicU64::new(0)));
        let (asking, at) = (Arc::clone(&progress), AT);
        let asker = spawn(move || asking.ask(at));
        let (reaching, publishing) = (Arc::clone(&progress), Arc::clone(&published));
        let writer = spawn(move || {
            let mut wakers = Vec::new();
            publishing.store(AT.get(), Ordering::Release);
            reaching.reached(AT, &mut wakers);
            wakers.into_iter().for_each(Waker::wake);
        });
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        // As a watch does: it goes on to what is published, and then looks what was asked for.
        let look = || {
            let position = Revision::new(published.load(Ordering::Acquire));
            let now = || Revision::new(published.load(Ordering::Acquire));
            progress.answer(1, (0, position), now, &waker)
        };
        let mut answer = look();
        let mut polls = 0;
        asker.join().unwrap();
        writer.join().unwrap();
        while answer.is_none() && polls < woken.times() {
            polls += 1;
            answer = look();
        }
        assert_eq!(answer, Some(1), "after {polls} wake-ups");
    });
}

#[test]
fn a_watch_that_ends_while_progress_is_asked_for_leaves_no_place() {
    explore(|| {
        let progress = Arc::new(Progress::default());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let asking = Arc::clone(&progress);
        let asker = spawn(move || asking.ask(AT));
        let answered = progress.answer(1, (0, AT), || AT, &waker);
        assert!(answered.is_none_or(|times| times == 1));
        progress.forget(1);
        asker.join().unwrap();
        assert_eq!(progress.len(), 0);
        assert!(woken.times() <= 1);
        // Who comes later answers what is asked later.
        let answered = progress.asked().times;
        progress.ask(AT);
        assert_eq!(progress.answer(2, (answered, AT), || AT, &waker), Some(answered + 1));
    });
}
