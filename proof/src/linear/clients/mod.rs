//! Concurrent clients of a store, over the trait, who write down what they are told.
//!
//! Writers create, replace, count, delete, read and list few keys, and at times drop a write in the middle.
//! Watchers list and then watch: one that is always there and sees everything, and others that are slow, go away
//! and come back, or list anew. Beside them history is given up, as far as the one has come.
//!
//! Their chances are those of a seed. On a runtime of one thread, over a store in memory, the seed replays the
//! whole run.

mod content;
mod watcher;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use watchkeep_storage::{Environment, Error, Interface, Revision};

use self::watcher::{Manner, Watcher};
use self::writer::Writer;
use super::history::{History, Input, Output, Scope};
use super::recorder::Recorder;

/// How often watchers are asked for at the end of a round to tell how far they have come.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Where a round ends that is cut short: wherever it is.
const CUT: u64 = u64::MAX;

/// How long they may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many write at once.
    pub writers: usize,
    /// On how many keys.
    pub keys: usize,
    /// How much each does in a round.
    pub operations: usize,
    /// Whether the store may fail meanwhile: what clients are told then counts as nothing.
    pub faults: bool,
}

/// Clients, and what they were told so far.
pub struct Clients {
    load: Load,
    recorder: Recorder,
    chance: StdRng,
    watchers: Vec<Watcher>,
    /// How far the watcher of everything has come.
    watched: Arc<AtomicU64>,
}

/// What all clients of a round share.
#[derive(Clone)]
struct Shared {
    store: Arc<dyn Interface>,
    environment: Environment,
    recorder: Recorder,
    load: Load,
}

impl Clients {
    /// Clients whose chances are those of a seed. Their keys hold nothing yet.
    pub fn new(seed: u64, load: Load) -> Self {
        let recorder = Recorder::default();
        let mut chance = StdRng::seed_from_u64(seed);
        let watched = Arc::new(AtomicU64::new(0));
        let manners = [
            (Scope::All, Manner::Faithful),
            (Scope::All, Manner::Slow),
            (Scope::All, Manner::Fickle),
            (Scope::Under(format!("{}/", writer::NAMESPACES[0])), Manner::Forgetful),
            (Scope::One(writer::key(0)), Manner::Slow),
            (Scope::All, Manner::Streaming),
        ];
        let watchers = manners.into_iter().enumerate().map(|(number, (scope, manner))| {
            let chance = StdRng::seed_from_u64(chance.random());
            Watcher::new(load.writers + number, scope, manner, chance, Arc::clone(&watched))
        });
        let watchers = watchers.collect();
        Self { load, recorder, chance, watchers, watched }
    }

    /// What they were told.
    pub fn history(self) -> History {
        // What a watcher saw is written down when it is gone.
        drop(self.watchers);
        self.recorder.history()
    }

    /// Lets all of them work on a store for a while: until all is done and seen, or, cut short, until everything is
    /// dropped where it is. A later round may be on another opening of the same store.
    ///
    /// # Errors
    /// What a client was told that no client may be told.
    pub async fn round(
        &mut self,
        store: Arc<dyn Interface>,
        environment: &Environment,
        cut: Option<Duration>,
    ) -> Result<(), String> {
        let shared = Shared {
            store,
            environment: environment.clone(),
            recorder: self.recorder.clone(),
            load: self.load,
        };
        let (finish, finished) = watch::channel(0);
        let (ready, mut witness) = watch::channel(false);
        let mut ready = Some(ready);
        let mut watching = Vec::new();
        for watcher in self.watchers.drain(..) {
            let (shared, finished) = (shared.clone(), finished.clone());
            watching.push(environment.spawn(watcher.follow(shared, finished, ready.take())));
        }
        // Before anything is written, somebody watches.
        let _ = witness.wait_for(|ready| *ready).await;
        let (stop, stopped) = watch::channel(false);
        let compacting = environment.spawn(compact(
            shared.clone(),
            StdRng::seed_from_u64(self.chance.random()),
            Arc::clone(&self.watched),
            stopped,
        ));
        let writers: Vec<_> = (0..self.load.writers)
            .map(|client| {
                let chance = StdRng::seed_from_u64(self.chance.random());
                environment.spawn(Writer::new(client, chance, shared.clone()).work())
            })
            .collect();
        if let Some(after) = cut {
            environment.sleep(after).await;
            writers.iter().for_each(JoinHandle::abort);
        }
        let mut worked = Ok(());
        for writer in writers {
            worked = worked.and(joined(writer).await);
        }
        let _ = stop.send(true);
        worked = worked.and(joined(compacting).await);
        let end = if cut.is_some() { CUT } else { newest(&shared).await?.get() };
        let _ = finish.send(end);
        let asking = environment.spawn(ask_for_progress(shared));
        for watcher in watching {
            match watcher.await {
                Ok(Ok(watcher)) => self.watchers.push(watcher),
                Ok(Err(reason)) => worked = worked.and(Err(reason)),
                Err(error) => worked = worked.and_then(|()| Err(error.to_string())),
            }
        }
        asking.abort();
        let _ = asking.await;
        worked
    }
}

/// What a task ended with, if it was not cut short. One that panicked is the end of the test.
async fn joined(task: JoinHandle<Result<(), String>>) -> Result<(), String> {
    match task.await {
        Ok(ended) => ended,
        Err(error) if error.is_cancelled() => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The newest revision, as soon as the store tells it.
async fn newest(shared: &Shared) -> Result<Revision, String> {
    let deadline = shared.environment.uptime() + PATIENCE;
    loop {
        let call = shared.recorder.invoke(shared.load.writers, Input::Current);
        match shared.store.current_revision().await {
            Ok(revision) => {
                call.returned(Output::Revision(revision.get()));
                return Ok(revision);
            }
            Err(error) => shared.tolerate(&error)?,
        }
        if shared.environment.uptime() > deadline {
            return Err(format!("no revision after {PATIENCE:?}"));
        }
        shared.environment.sleep(ASK_AGAIN).await;
    }
}

/// Has watches tell how far they are.
async fn ask_for_progress(shared: Shared) {
    loop {
        let _ = shared.store.request_progress().await;
        shared.environment.sleep(ASK_AGAIN).await;
    }
}

/// Gives history up, often all that the watcher of everything has seen: the others lose their place.
async fn compact(
    shared: Shared,
    mut chance: StdRng,
    watched: Arc<AtomicU64>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), String> {
    loop {
        let pause = shared.environment.sleep(Duration::from_millis(chance.random_range(1..30)));
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            () = pause => {}
        }
        let back = if chance.random_bool(0.5) { 0 } else { chance.random_range(0..20) };
        let revision = watched.load(Ordering::SeqCst).saturating_sub(back);
        match shared.store.compact(Revision::new(revision)).await {
            Ok(()) | Err(Error::Compacted { .. }) => {}
            Err(error) => shared.tolerate(&error)?,
        }
    }
}

impl Shared {
    /// An error that a client may be told while the store fails.
    fn tolerate(&self, error: &Error) -> Result<(), String> {
        let passing = error.outcome_is_unknown()
            || matches!(error, Error::NotReady { .. } | Error::WritesRefused { .. })
            // Nothing holds an engine elsewhere back from that, under a list that is being read.
            || matches!(error, Error::Compacted { .. });
        if self.load.faults && passing { Ok(()) } else { Err(error.to_string()) }
    }
}
