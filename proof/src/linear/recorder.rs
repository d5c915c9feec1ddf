//! Writes a history down while it happens. One counter is the clock: no two moments are the same, and what is
//! ordered by it is ordered for every observer.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::history::{
    Event, History, Input, Key, Moment, Observed, Operation, Output, Scope, Session, Version,
};

/// A history that is being written. Clones write the same one.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    clock: AtomicU64,
    tags: AtomicU64,
    written: Mutex<History>,
}

impl Recorder {
    /// A tag that nothing else is written with.
    pub fn tag(&self) -> u64 {
        self.0.tags.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Begins an operation, which has to be called right before the store is.
    pub fn invoke(&self, client: usize, input: Input) -> Call {
        let invoked = self.tick();
        Call { recorder: self.clone(), begun: Some((client, invoked, input)) }
    }

    /// Begins to write down what a client sees that watches from a revision on.
    pub fn watch(&self, client: usize, scope: Scope, after: u64, base: Option<Vec<(Key, Version)>>) -> Watch {
        let session = Session { client, scope, after, base, seen: Vec::new() };
        Watch { recorder: self.clone(), session, reached: after }
    }

    /// What was written so far. Calls and watches that are still open are not in it.
    pub fn history(&self) -> History {
        self.written(|history| history.clone())
    }

    fn tick(&self) -> Moment {
        self.0.clock.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn written<T>(&self, write: impl FnOnce(&mut History) -> T) -> T {
        write(&mut self.0.written.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An operation that was begun. Dropped, its outcome is unknown: a write may take effect later.
#[derive(Debug)]
#[must_use]
pub struct Call {
    recorder: Recorder,
    begun: Option<(usize, Moment, Input)>,
}

impl Call {
    /// Writes the answer down, which has to be called right after the store has given it.
    pub fn returned(mut self, output: Output) {
        let returned = self.recorder.tick();
        self.write((output != Output::Unknown).then_some(returned), output);
    }

    fn write(&mut self, returned: Option<Moment>, output: Output) {
        let Some((client, invoked, input)) = self.begun.take() else { return };
        // A read that told nothing says nothing.
        if output != Output::Unknown || input.written().is_some() {
            let operation = Operation { client, invoked, returned, input, output };
            self.recorder.written(|history| history.operations.push(operation));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.write(None, Output::Unknown);
    }
}

/// What a client sees that watches. Dropped, it is in the history.
#[derive(Debug)]
pub struct Watch {
    recorder: Recorder,
    session: Session,
    reached: u64,
}

impl Watch {
    /// Writes down what came.
    pub fn saw(&mut self, event: Event) {
        self.reached = self.reached.max(event.revision().unwrap_or(0));
        self.session.seen.push(Observed { at: self.recorder.tick(), event });
    }

    /// The revision from which to go on.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// What a list showed at its beginning.
    pub fn base(&self) -> &[(Key, Version)] {
        self.session.base.as_deref().unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let empty = Session { client: 0, scope: Scope::All, after: 0, base: None, seen: Vec::new() };
        let session = mem::replace(&mut self.session, empty);
        self.recorder.written(|history| history.sessions.push(session));
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::{Change, Expect, ReadAt};
    use super::*;

    fn deletion() -> Input {
        Input::Write { key: "n/a".into(), expect: Expect::Present, change: Change::Delete }
    }

    #[test]
    fn moments_follow_what_was_called() {
        let recorder = Recorder::default();
        let (first, second) = (recorder.invoke(1, Input::Current), recorder.invoke(2, Input::Current));
        second.returned(Output::Revision(1));
        first.returned(Output::Revision(2));
        let told = recorder.history().operations;
        let moments: Vec<_> = told.iter().map(|told| (told.client, told.invoked, told.returned)).collect();
        assert_eq!(moments, [(2, 2, Some(3)), (1, 1, Some(4))]);
    }

    #[test]
    fn a_write_without_an_answer_is_of_unknown_outcome_and_a_read_says_nothing() {
        let recorder = Recorder::default();
        drop(recorder.invoke(1, deletion()));
        recorder.invoke(1, deletion()).returned(Output::Unknown);
        drop(recorder.invoke(1, Input::Get { key: "n/a".into(), at: ReadAt::Latest }));
        let told = recorder.history().operations;
        assert_eq!(told.len(), 2);
        assert!(
            told.iter().all(|told| told.returned.is_none() && told.output == Output::Unknown),
            "{told:?}"
        );
    }

    #[test]
    fn what_a_watch_saw_is_there_when_it_is_gone() {
        let recorder = Recorder::default();
        let mut watch = recorder.watch(1, Scope::All, 5, None);
        assert_eq!(watch.reached(), 5);
        watch.saw(Event::Bookmark(7));
        watch.saw(Event::Resumed);
        assert_eq!((watch.reached(), recorder.history().sessions.len()), (7, 0));
        drop(watch);
        assert_eq!(recorder.history().sessions[0].seen.len(), 2);
    }
}
