//! Watches of a program: opened, read a little, cut off and resumed, and in the end read to where the store is.

use watchkeep_storage::{Error, Freshness, Revision, WatchRequest, WatchStart, Watcher};

use super::{Model, unexpected};
use crate::broken::{Broken, ensure};
use crate::objects::{Content, Place, RESOURCES, View};
use crate::step::{At, Beginning};
use crate::stream::{Item, Seen, Start, Stream};
use crate::worlds::World;

/// A watch that is open, and what it has shown.
pub(super) struct Open {
    pub(super) watcher: Watcher,
    pub(super) stream: Stream,
    pub(super) progress: bool,
}

impl<W: World> Model<W> {
    /// Opens a watch in a slot; the one that was there is cut off.
    pub(super) async fn watch(
        &mut self,
        slot: usize,
        view: View,
        start: Beginning,
        progress: bool,
    ) -> Result<(), Broken> {
        self.cut(slot);
        let (start, fresh) = match start {
            Beginning::After(back) => (Start::After(self.oracle.back(back)), None),
            Beginning::Now => (Start::Now, None),
            Beginning::Initial { at, bookmark } => {
                let current = self.current().await?;
                let not_before = match at {
                    At::Latest => current,
                    At::Any => self.oracle.back(usize::MAX),
                    At::NotOlder(back) | At::Exactly(back) => self.oracle.back(back),
                    At::Future => Revision::new(current.get() + 1_000_000),
                };
                (Start::Initial { not_before, bookmark }, Some(at))
            }
        };
        let opened = self.open_watch_at(view, start, fresh, progress).await?;
        let compacted = self.oracle.compacted();
        match (opened, start) {
            (Ok(open), Start::After(revision)) => {
                // Who does not know yet how far others have compacted says so with the first event.
                ensure!(
                    revision >= compacted || !self.world.compaction_is_remembered(),
                    "COMPACT-WATCHES",
                    "{compacted} is compacted, and it begins after {revision}"
                );
                self.put(slot, open);
            }
            (Ok(open), start) => {
                ensure!(
                    fresh.is_none_or(|at| !matches!(at, At::Future)),
                    "WATCH-OPTIONS",
                    "it begins in the future: {start:?}"
                );
                self.put(slot, open);
            }
            (Err(Error::Compacted { requested, oldest, .. }), Start::After(revision)) => {
                let fits = requested == revision && requested < oldest && self.may_say_compacted(oldest);
                ensure!(
                    fits,
                    "COMPACT-WATCHES",
                    "{compacted} is compacted, after {revision} it says {requested} < {oldest}"
                );
            }
            (Err(Error::FutureRevision { .. }), Start::Initial { .. })
                if matches!(fresh, Some(At::Future)) => {}
            (Err(error), _) => return Err(unexpected("WATCH-RESUMABLE", &error)),
        }
        Ok(())
    }

    /// Opens a watch.
    pub(super) async fn open_watch(
        &mut self,
        view: View,
        start: Start,
        progress: bool,
    ) -> Result<Result<Open, Error>, Broken> {
        self.open_watch_at(view, start, None, progress).await
    }

    async fn open_watch_at(
        &mut self,
        view: View,
        start: Start,
        fresh: Option<At>,
        progress: bool,
    ) -> Result<Result<Open, Error>, Broken> {
        let before = self.current().await?;
        let store = self.store(view.resource);
        let wanted = match start {
            Start::After(revision) => WatchStart::After(revision),
            Start::Now => WatchStart::Now,
            Start::Initial { not_before, bookmark } => {
                let freshness = match fresh {
                    Some(At::Latest) => Freshness::Latest,
                    Some(At::Any) => Freshness::AtLeast(Revision::ZERO),
                    _ => Freshness::AtLeast(not_before),
                };
                WatchStart::Initial { freshness, bookmark }
            }
        };
        let request = WatchRequest {
            scope: view.scope(&*store),
            start: wanted,
            predicate: view.selection.predicate(),
            progress,
        };
        let opened = store.watch(request).await;
        let after = self.current().await?;
        Ok(opened.map(|watcher| {
            let stream = Stream { view, start, opened: (before, after), items: Vec::new() };
            Open { watcher, stream, progress }
        }))
    }

    fn put(&mut self, slot: usize, open: Open) {
        if let Some(place) = self.watches.get_mut(slot) {
            *place = Some(open);
        }
    }

    /// Cuts a watch off.
    pub(super) fn cut(&mut self, slot: usize) -> Option<(Stream, bool)> {
        let open = self.watches.get_mut(slot)?.take()?;
        self.finished.push(open.stream.clone());
        Some((open.stream, open.progress))
    }

    /// Takes what a watch has ready.
    pub(super) async fn read(&mut self, slot: usize, events_max: usize) -> Result<(), Broken> {
        let Some(Some(open)) = self.watches.get_mut(slot) else { return Ok(()) };
        let before = open.stream.items.len();
        open.take_ready(events_max).await;
        let came: Vec<_> = open.stream.items.iter().skip(before).map(|item| format!("{item:?}")).collect();
        self.note(came.join("; "));
        self.settle().await.map(drop)
    }

    /// Cuts a watch off and opens it where it was.
    pub(super) async fn resume(&mut self, slot: usize) -> Result<(), Broken> {
        let Some((stream, progress)) = self.cut(slot) else { return Ok(()) };
        self.reopen(slot, &stream, progress).await
    }

    /// Opens a watch where another one was cut off; one that was compacted away is not opened.
    pub(super) async fn reopen(
        &mut self,
        slot: usize,
        stream: &Stream,
        progress: bool,
    ) -> Result<(), Broken> {
        let Some(revision) = stream.resume_from() else { return Ok(()) };
        let opened = self.open_watch(stream.view, Start::After(revision), progress).await?;
        match opened {
            Ok(open) => self.put(slot, open),
            Err(Error::Compacted { .. }) if revision < self.oracle.compacted() => {}
            Err(error) => return Err(unexpected("WATCH-RESUMABLE", &error)),
        }
        Ok(())
    }

    /// Asks for progress: every watch that wants it has it within the patience of the world.
    pub(super) async fn progress(&mut self, resource: usize) -> Result<(), Broken> {
        let now = self.settle().await?;
        let store = self.store(resource);
        store.request_progress().await.map_err(|error| unexpected("WATCH-PROGRESS", &error))?;
        for open in self.watches.iter_mut().flatten().filter(|open| open.stream.view.resource == resource) {
            if !open.progress || matches!(open.stream.start, Start::Initial { .. }) || open.ended() {
                continue;
            }
            let before = open.stream.items.len();
            let answered = |items: &[Item]| {
                let is_answer =
                    |item: &Item| matches!(item, Item::Bookmark { revision, .. } if *revision >= now);
                items.iter().skip(before).any(is_answer)
            };
            let asked = tokio::time::timeout(W::CLOCK.patience(), async {
                while !open.ended() && !answered(&open.stream.items) {
                    open.take_next().await;
                }
            });
            let in_time = asked.await.is_ok();
            ensure!(in_time, "WATCH-PROGRESS", "no bookmark at or above {now}: {:?}", open.stream);
        }
        Ok(())
    }

    /// Lets the witnesses come to a revision, and tells the oracle what they have seen that it did not know.
    pub(super) async fn settle_to(&mut self, target: Revision) -> Result<(), Broken> {
        for resource in 0..RESOURCES.len() {
            let store = self.store(resource);
            let Some(witness) = self.witnesses.get_mut(resource) else { continue };
            let before = witness.stream.items.len();
            witness.drain(&*store, target, W::CLOCK.patience()).await?;
            let seen: Vec<_> = witness.stream.items.iter().skip(before).cloned().collect();
            for item in seen {
                self.learn(resource, item)?;
            }
        }
        Ok(())
    }

    fn learn(&mut self, resource: usize, item: Item) -> Result<(), Broken> {
        let seen = match item {
            Item::Change(seen) => seen,
            Item::Ended(error) => return Err(unexpected("WATCH-RELIABLE", &error)),
            Item::Bookmark { .. } | Item::Progress(_) | Item::Drained(_) => return Ok(()),
        };
        if self.oracle.knows(seen.revision) {
            return Ok(());
        }
        let now = self.unix_time();
        let (place, after) = decode(resource, &seen)?;
        self.note(format!("discovered {} of {place:?}", seen.revision));
        self.oracle.discover(seen.revision, place, after, now)
    }

    /// Reads all watches to where the store is.
    pub(super) async fn drain_all(&mut self) -> Result<(), Broken> {
        let now = self.settle().await?;
        for slot in 0..self.watches.len() {
            let Some(Some(open)) = self.watches.get(slot) else { continue };
            let store = self.store(open.stream.view.resource);
            if let Some(Some(open)) = self.watches.get_mut(slot) {
                open.drain(&*store, now, W::CLOCK.patience()).await?;
            }
        }
        self.settle().await.map(drop)
    }
}

/// The place that a change speaks of, and the content there after it.
fn decode(resource: usize, seen: &Seen) -> Result<(Place, Option<Content>), Broken> {
    let made_up = || Broken::new("WATCH-FILTERED", format!("nobody wrote {seen:?}"));
    let place = Place::parse(&seen.key).filter(|place| place.resource == resource).ok_or_else(made_up)?;
    let after = match &seen.after {
        Some(found) => Some(Content::parse(&found.bytes).ok_or_else(made_up)?),
        None => None,
    };
    Ok((place, after))
}
