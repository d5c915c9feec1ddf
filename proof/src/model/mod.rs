//! The model test: a program of steps is carried out on a store, one after the other, and every answer is held
//! against the [`Oracle`].
//!
//! Steps do not overlap, so that the oracle knows what each answer has to be; what overlaps all the same is
//! what lasts: watches, lists that are open, pages, times-to-live. Concurrent clients are the business of the
//! histories in [`crate::linear`].
//!
//! Two *witnesses*, watches of everything that are never cut off, tell the oracle of commits that no step made:
//! expiries, and writes whose outcome was unknown. They are held against every promise as all watches are.

mod events;
mod reads;
mod store;
mod updates;
mod watches;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use watchkeep_storage::{Error, Interface, Record, ResourcePrefix, Revision};

use self::reads::{OpenList, Pages};
use self::watches::Open;
use crate::broken::{Broken, ensure};
use crate::checkers;
use crate::objects::{Content, Look, Place, RESOURCES, View, schema};
use crate::oracle::{Oracle, Version};
use crate::step::{SLOTS, Step};
use crate::stream::{Start, Stream};
use crate::worlds::World;

/// A program that is being carried out.
pub struct Model<W> {
    world: W,
    oracle: Oracle,
    stores: Vec<Arc<dyn Interface>>,
    witnesses: Vec<Open>,
    watches: [Option<Open>; SLOTS],
    pages: [Option<Pages>; SLOTS],
    open_lists: [Option<OpenList>; SLOTS],
    /// The streams of watches that were cut off or have ended.
    finished: Vec<Stream>,
    /// Records that writes have returned, by place, oldest first: what a caller may still have at hand.
    known: BTreeMap<String, Vec<Arc<Record>>>,
    marks: u32,
    /// What happened, for a comparison of two runs.
    transcript: Vec<String>,
}

/// Carries a program out on a fresh store, and checks everything that it was answered.
///
/// Returns what happened, line by line: on a store whose chance and time come from the seed, the same for the
/// same seed and program.
///
/// # Errors
/// [`Broken`], with the number of the step.
pub async fn run<W: World>(program: &[Step], seed: u64) -> Result<Vec<String>, Broken> {
    let mut model = Model::<W>::open(seed).await?;
    for (number, step) in program.iter().enumerate() {
        let at =
            |broken: Broken| Broken { what: format!("step {number}, {step:?}: {}", broken.what), ..broken };
        model.transcript.push(format!("{number}: {step:?}"));
        model.take(step).await.map_err(at)?;
    }
    model.finish().await.map_err(|broken| Broken { what: format!("at the end: {}", broken.what), ..broken })
}

impl<W: World> Model<W> {
    async fn open(seed: u64) -> Result<Self, Broken> {
        let world = W::open(seed).await;
        let mut model = Self {
            world,
            oracle: Oracle::default(),
            stores: Vec::new(),
            witnesses: Vec::new(),
            watches: Default::default(),
            pages: Default::default(),
            open_lists: Default::default(),
            finished: Vec::new(),
            known: BTreeMap::new(),
            marks: 0,
            transcript: Vec::new(),
        };
        model.open_stores().await?;
        model.begin_empty().await?;
        Ok(model)
    }

    /// Opens the resources.
    async fn open_stores(&mut self) -> Result<(), Broken> {
        let backend = self.world.backend();
        for prefix in RESOURCES {
            let prefix = ResourcePrefix::new(prefix).map_err(|error| unexpected("KEYS", &error.into()))?;
            let opened = backend.resource(prefix, schema()).await;
            self.stores.push(opened.map_err(|error| unexpected("KEYS", &error))?);
        }
        Ok(())
    }

    /// Begins with a store that holds nothing.
    async fn begin_empty(&mut self) -> Result<(), Broken> {
        let origin = self.current().await?;
        self.oracle = Oracle::of_empty(origin);
        self.witness(origin).await
    }

    /// Opens the witnesses.
    async fn witness(&mut self, after: Revision) -> Result<(), Broken> {
        for resource in 0..RESOURCES.len() {
            let opened = self.open_watch(View::everything(resource), Start::After(after), true).await?;
            let witness = opened.map_err(|error| unexpected("WATCH-RESUMABLE", &error))?;
            self.witnesses.push(witness);
        }
        Ok(())
    }

    async fn take(&mut self, step: &Step) -> Result<(), Broken> {
        match *step {
            Step::Commit { place, expect, look, ttl } => self.commit(place, expect, look, ttl).await,
            Step::Create { place, look, ttl } => self.create(place, look, ttl).await,
            Step::Update { place, change, how, create_missing, raced } => {
                self.update(place, change, how, create_missing, raced).await
            }
            Step::Delete { place, how, raced } => self.delete(place, how, raced).await,
            Step::Get { place, at } => self.get(place, at).await,
            Step::List { view, at, limit, slot } => self.list(view, at, limit, slot).await,
            Step::NextPage { slot, limit } => self.next_page(slot, limit).await,
            Step::OpenList { view, at, slot } => self.open_list(view, at, slot).await,
            Step::ReadList { slot } => self.read_list(slot).await,
            Step::Watch { slot, view, start, progress } => self.watch(slot, view, start, progress).await,
            Step::Read { slot, events_max } => self.read(slot, events_max).await,
            Step::Resume { slot } => self.resume(slot).await,
            Step::Progress { resource } => self.progress(resource).await,
            Step::Compact { at } => self.compact(at).await,
            Step::Stats { resource } => self.stats(resource).await,
            Step::Advance { by } => self.advance(by).await,
            Step::Restart => self.restart(false).await,
            Step::Crash => self.restart(true).await,
            Step::Disturb => self.disturb().await,
        }
    }

    /// Reads every watch to its end, and holds all streams against all promises.
    async fn finish(mut self) -> Result<Vec<String>, Broken> {
        self.drain_all().await?;
        self.check_streams()?;
        Ok(self.transcript)
    }

    /// Cuts all watches off and checks what they have shown.
    fn check_streams(&mut self) -> Result<(), Broken> {
        let open = self.watches.iter_mut().filter_map(Option::take).chain(self.witnesses.drain(..));
        self.finished.extend(open.map(|open| open.stream));
        for stream in self.finished.drain(..) {
            checkers::check(&stream, &self.oracle).map_err(|broken| Broken {
                what: format!("a watch of {:?} from {:?}: {}", stream.view, stream.start, broken.what),
                ..broken
            })?;
        }
        Ok(())
    }

    /// The interface of a resource.
    fn store(&self, resource: usize) -> Arc<dyn Interface> {
        match self.stores.get(resource) {
            Some(store) => Arc::clone(store),
            None => unreachable!("steps name the resources that there are"),
        }
    }

    /// The revision of the store, which must not go back.
    async fn current(&self) -> Result<Revision, Broken> {
        let store = self.store(0);
        let current = store.current_revision().await.map_err(|error| unexpected("COMMIT-ORDERED", &error))?;
        let head = self.oracle.head();
        ensure!(current >= head, "REVISION-MONOTONIC", "the store is at {current}, and was at {head}");
        Ok(current)
    }

    /// Lets the witnesses catch up with the store, so that the oracle knows everything up to the revision that
    /// is returned.
    async fn settle(&mut self) -> Result<Revision, Broken> {
        let now = self.current().await?;
        self.settle_to(now).await?;
        Ok(now)
    }

    /// A content that no write had before.
    fn content(&mut self, look: Look) -> Content {
        self.marks += 1;
        Content { look, mark: self.marks }
    }

    /// What is at a place, as far as the oracle knows.
    fn now_at(&self, place: Place) -> Option<Version> {
        self.oracle.object_at(place, self.oracle.head())
    }

    fn unix_time(&self) -> Duration {
        self.world.environment().unix_time()
    }

    fn note(&mut self, what: impl Into<String>) {
        self.transcript.push(what.into());
    }
}

/// An error where the contract knows none.
fn unexpected(promise: &'static str, error: &Error) -> Broken {
    Broken::new(promise, format!("unexpected: {error}"))
}
