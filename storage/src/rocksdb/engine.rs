//! The engine of a store while it is open, while it is being opened again, and when it is closed.
//!
//! A read takes the engine for one step. The writer takes it away to open it anew after a failed write
//! (`reopen`): reads that come meanwhile wait, on threads that may block.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use ::rocksdb::DB;
use parking_lot::{Condvar, Mutex};

use crate::error::Error;

/// The engine, for who reads.
pub(super) struct Engine {
    place: Mutex<Place>,
    changed: Condvar,
    /// How many checkpoints have the engine, which may take minutes. Relaxed: only the count matters.
    copies: AtomicUsize,
}

/// The engine while it is copied.
pub(super) struct Copied<'a> {
    engine: &'a Engine,
    pub(super) db: Arc<OpenDb>,
}

impl Drop for Copied<'_> {
    fn drop(&mut self) {
        self.engine.copies.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An open engine. It is shut when the last read that has it ends.
pub(super) struct OpenDb {
    db: DB,
    /// Goes after the engine, in the order of the fields: whoever holds the other end learns that the
    /// directory is free.
    _shut: Sender<()>,
}

impl Deref for OpenDb {
    type Target = DB;

    fn deref(&self) -> &DB {
        &self.db
    }
}

enum Place {
    Open(Arc<OpenDb>, Receiver<()>),
    /// The writer has taken it, and brings it back.
    Away,
    /// It could not be opened again; the writer tries it later.
    Failed(String),
    Closed,
}

impl Engine {
    /// An open engine.
    pub(super) fn new(db: DB) -> Self {
        Self { place: Mutex::new(Place::open(db)), changed: Condvar::new(), copies: AtomicUsize::new(0) }
    }

    /// The engine, if it is there now.
    pub(super) fn try_get(&self) -> Result<Option<Arc<OpenDb>>, Error> {
        match &*self.place.lock() {
            Place::Open(db, _) => Ok(Some(Arc::clone(db))),
            Place::Away => Ok(None),
            Place::Failed(reason) => Err(Error::NotReady { reason: reason.clone() }),
            Place::Closed => Err(closed()),
        }
    }

    /// The engine. Blocks while it is being opened again.
    pub(super) fn get(&self) -> Result<Arc<OpenDb>, Error> {
        let mut place = self.place.lock();
        loop {
            match &*place {
                Place::Open(db, _) => return Ok(Arc::clone(db)),
                Place::Away => self.changed.wait(&mut place),
                Place::Failed(reason) => return Err(Error::NotReady { reason: reason.clone() }),
                Place::Closed => return Err(closed()),
            }
        }
    }

    /// The engine, for who keeps it for long: it is not taken away meanwhile.
    pub(super) fn copy(&self) -> Result<Copied<'_>, Error> {
        self.copies.fetch_add(1, Ordering::Relaxed);
        match self.get() {
            Ok(db) => Ok(Copied { engine: self, db }),
            Err(error) => {
                self.copies.fetch_sub(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Whether somebody keeps the engine for long.
    pub(super) fn is_copied(&self) -> bool {
        self.copies.load(Ordering::Relaxed) > 0
    }

    /// Whether the store is closed.
    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.place.lock(), Place::Closed)
    }

    /// Takes the engine away and waits until it is shut, which is when the reads that have it have ended.
    /// Puts it back and returns false where that takes longer than `patience`.
    pub(super) fn take(&self, patience: Duration) -> bool {
        let Place::Open(db, shut) = std::mem::replace(&mut *self.place.lock(), Place::Away) else {
            return true;
        };
        let weak = Arc::downgrade(&db);
        drop(db);
        if shut.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected) {
            return true;
        }
        match weak.upgrade() {
            Some(db) => {
                self.set(Place::Open(db, shut));
                false
            }
            // The last read ended just now, and its thread may still be shutting the engine.
            None => shut.recv().is_err(),
        }
    }

    /// Brings an engine back.
    pub(super) fn put(&self, db: DB) {
        self.set(Place::open(db));
    }

    /// Tells why there is none.
    pub(super) fn fail(&self, reason: String) {
        self.set(Place::Failed(reason));
    }

    /// Gives the engine up for good.
    pub(super) fn close(&self) {
        self.set(Place::Closed);
    }

    fn set(&self, place: Place) {
        let before = std::mem::replace(&mut *self.place.lock(), place);
        self.changed.notify_all();
        // Shutting an engine takes a while, and the lock is free by now.
        drop(before);
    }
}

impl Place {
    fn open(db: DB) -> Self {
        let (shut, is_shut) = mpsc::channel();
        Self::Open(Arc::new(OpenDb { db, _shut: shut }), is_shut)
    }
}

/// What is said of a closed store.
pub(super) fn closed() -> Error {
    Error::NotReady { reason: "the store is closed".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use ::rocksdb::Options;

    use super::*;

    fn open(directory: &std::path::Path) -> DB {
        let mut options = Options::default();
        options.create_if_missing(true);
        DB::open(&options, directory).unwrap()
    }

    #[test]
    fn the_directory_is_free_when_the_engine_was_taken() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::new(open(directory.path()));
        let read = engine.get().unwrap();
        assert!(!engine.take(Duration::from_millis(1)), "a read has it");
        assert!(engine.try_get().unwrap().is_some(), "it was put back");
        drop(read);
        assert!(engine.take(Duration::from_secs(20)));
        engine.put(open(directory.path()));
        assert!(engine.get().is_ok());
    }

    #[test]
    fn a_read_waits_while_the_engine_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::new(open(directory.path()));
        assert!(engine.take(Duration::from_secs(20)));
        assert!(engine.try_get().unwrap().is_none());
        thread::scope(|scope| {
            let reads: Vec<_> = (0..4).map(|_| scope.spawn(|| engine.get().is_ok())).collect();
            engine.put(open(directory.path()));
            assert!(reads.into_iter().all(|read| read.join().unwrap()));
        });
        engine.fail("no room".to_owned());
        assert!(matches!(engine.get(), Err(Error::NotReady { reason }) if reason == "no room"));
        engine.close();
        assert!(engine.is_closed() && engine.get().is_err() && engine.try_get().is_err());
    }
}
