//! A client that writes and reads.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use watchkeep_storage::conformance::instrument::{Resource, polled};
use watchkeep_storage::{
    Commit, Error, Expect as StoreExpect, Freshness, ListRequest, Listing, Operation, Outcome, Predicate,
    ReadAt as StoreReadAt, Record, Revision, Scope as StoreScope, Update, UpdateOptions, Updated, collect,
    guaranteed_update,
};

use super::super::history::{Change, Content, Expect, Input, Key, Output, ReadAt, Scope, Seen, Version};
use super::Shared;
use super::content::{place, value, version};

/// The namespaces of the keys.
pub(super) const NAMESPACES: [&str; 2] = ["even", "odd"];

/// One of so many writes is dropped in the middle.
const DROPPED: f64 = 0.08;

/// The answer to one of so many writes is lost.
const UNTOLD: f64 = 0.03;

/// The key of a number.
pub(super) fn key(number: usize) -> Key {
    let namespace = if number.is_multiple_of(2) { NAMESPACES[0] } else { NAMESPACES[1] };
    format!("{namespace}/{number}").into()
}

/// A client that writes and reads.
pub(super) struct Writer {
    client: usize,
    chance: StdRng,
    shared: Shared,
    resource: Resource,
    /// What it has seen last.
    known: BTreeMap<Key, Version>,
    reached: u64,
}

impl Writer {
    pub(super) fn new(client: usize, chance: StdRng, shared: Shared) -> Self {
        let resource = Resource::new(shared.store.clone());
        Self { client, chance, shared, resource, known: BTreeMap::new(), reached: 0 }
    }

    /// Does what its chances say.
    pub(super) async fn work(mut self) -> Result<(), String> {
        for _ in 0..self.shared.load.operations {
            self.give_way().await;
            let key = key(self.chance.random_range(0..self.shared.load.keys));
            match self.chance.random_range(0..100) {
                0..15 => self.create(key).await?,
                15..40 => self.put(key).await?,
                40..55 => self.increment(key).await?,
                55..67 => self.delete(key).await?,
                67..80 => self.get(key, ReadAt::Latest).await?,
                80..86 => {
                    let at = ReadAt::AtLeast(self.chance.random_range(0..=self.reached));
                    self.get(key, at).await?;
                }
                86..94 => self.list().await?,
                94..98 => self.pages().await?,
                _ => self.revision().await?,
            }
        }
        Ok(())
    }

    /// Lets others go first, for a while that chance chooses.
    async fn give_way(&mut self) {
        for _ in 0..self.chance.random_range(0..4) {
            tokio::task::yield_now().await;
        }
        if self.chance.random_bool(0.2) {
            let pause = Duration::from_millis(self.chance.random_range(1..4));
            self.shared.environment.sleep(pause).await;
        }
    }

    fn learn(&mut self, key: &Key, seen: Option<Version>) {
        match seen {
            Some(version) => drop(self.known.insert(Key::clone(key), version)),
            None => drop(self.known.remove(key)),
        }
        self.reached = self.reached.max(seen.map_or(0, |version| version.revision));
    }

    async fn create(&mut self, key: Key) -> Result<(), String> {
        let content = Content { tag: self.shared.recorder.tag(), count: 0 };
        self.write(key, Expect::Absent, Change::Put(content)).await
    }

    async fn put(&mut self, key: Key) -> Result<(), String> {
        let Some(known) = self.known.get(&key).copied() else { return self.get(key, ReadAt::Latest).await };
        let content = Content { tag: self.shared.recorder.tag(), count: known.content.count };
        self.write(key, Expect::Revision(known.revision), Change::Put(content)).await
    }

    async fn delete(&mut self, key: Key) -> Result<(), String> {
        let Some(known) = self.known.get(&key).copied() else { return self.get(key, ReadAt::Latest).await };
        self.write(key, Expect::Revision(known.revision), Change::Delete).await
    }

    async fn write(&mut self, key: Key, expect: Expect, change: Change) -> Result<(), String> {
        let operation = match change {
            Change::Put(content) => Operation::Put { value: value(&self.resource, &key, content), ttl: None },
            Change::Increment { .. } | Change::Delete => Operation::Delete,
        };
        let expected = match expect {
            Expect::Revision(revision) => StoreExpect::Revision(Revision::new(revision)),
            Expect::Absent | Expect::Present => StoreExpect::Absent,
        };
        let commit = Commit { key: place(&self.resource, &key), expect: expected, operation };
        let call =
            self.shared.recorder.invoke(self.client, Input::Write { key: Key::clone(&key), expect, change });
        self.give_way().await;
        let store = self.shared.store.clone();
        let Some(answer) = self.perhaps(store.commit(commit)).await else { return Ok(()) };
        let output = match answer {
            Ok(Outcome::Committed(committed)) => {
                self.learn(&key, seen(committed.record.as_deref())?);
                self.reached = self.reached.max(committed.revision.get());
                Output::Committed {
                    revision: Some(committed.revision.get()),
                    content: seen(committed.record.as_deref())?.map(|version| version.content),
                    previous: Seen::exactly(seen(committed.previous.as_deref())?),
                }
            }
            Ok(Outcome::Conflict { current }) => {
                let current = seen(current.as_deref())?;
                self.learn(&key, current);
                Output::Refused { seen: Seen::exactly(current) }
            }
            Err(error) => self.failed(&error)?,
        };
        self.give_way().await;
        call.returned(output);
        Ok(())
    }

    async fn increment(&mut self, key: Key) -> Result<(), String> {
        let tag = self.shared.recorder.tag();
        let (store, resource) = (self.shared.store.clone(), self.resource.clone());
        let own = Key::clone(&key);
        let count = move |record: Option<std::sync::Arc<Record>>| {
            let counted = seen(record.as_deref()).map(|version| {
                let count = version.map_or(1, |version| version.content.count + 1);
                Update::Put { value: value(&resource, &own, Content { tag, count }), ttl: None }
            });
            std::future::ready(counted.map_err(|reason| Error::Internal { reason }))
        };
        let input = Input::Write {
            key: Key::clone(&key),
            expect: Expect::Present,
            change: Change::Increment { tag },
        };
        let place = place(&self.resource, &key);
        let call = self.shared.recorder.invoke(self.client, input);
        self.give_way().await;
        let updating = Box::pin(guaranteed_update(&*store, &place, UpdateOptions::default(), count));
        let Some(answer) = self.perhaps(updating).await else { return Ok(()) };
        let output = match answer {
            Ok(Updated::Stored(record)) => {
                let (_, version) = version(&record)?;
                self.learn(&key, Some(version));
                let content = Some(version.content);
                Output::Committed { revision: Some(version.revision), content, previous: Seen::Untold }
            }
            Ok(Updated::Deleted { .. }) => return Err("an increment deleted".to_owned()),
            Err(Error::NotFound { .. }) => {
                self.learn(&key, None);
                Output::Refused { seen: Seen::Absent }
            }
            Err(error) => self.failed(&error)?,
        };
        call.returned(output);
        Ok(())
    }

    /// Waits for a write; or drops it in the middle; or is not told how it ended.
    async fn perhaps<T>(&mut self, write: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Option<T> {
        if self.chance.random_bool(DROPPED) {
            let times = self.chance.random_range(0..4);
            return polled(write, times).await;
        }
        let answer = write.await;
        (!self.chance.random_bool(UNTOLD)).then_some(answer)
    }

    /// What an error says of a write.
    fn failed(&self, error: &Error) -> Result<Output, String> {
        let output = if error.outcome_is_unknown() { Output::Unknown } else { Output::Failed };
        self.shared.tolerate(error).map(|()| output)
    }

    async fn get(&mut self, key: Key, at: ReadAt) -> Result<(), String> {
        let freshness = match at {
            ReadAt::Latest => Freshness::Latest,
            ReadAt::AtLeast(revision) | ReadAt::Exactly(revision) => {
                Freshness::AtLeast(Revision::new(revision))
            }
        };
        let place = place(&self.resource, &key);
        let call = self.shared.recorder.invoke(self.client, Input::Get { key: Key::clone(&key), at });
        let found = self.shared.store.get(&place, freshness).await;
        match found {
            Ok(found) => {
                let version = seen(found.record.as_deref())?;
                call.returned(Output::Found { version, revision: Some(found.revision.get()) });
                self.learn(&key, version);
                self.reached = self.reached.max(found.revision.get());
                Ok(())
            }
            Err(error) => self.shared.tolerate(&error),
        }
    }

    async fn list(&mut self) -> Result<(), String> {
        let at = match self.chance.random_range(0..4) {
            0 if self.reached > 0 => ReadAt::Exactly(self.reached),
            1 => ReadAt::AtLeast(self.chance.random_range(0..=self.reached)),
            _ => ReadAt::Latest,
        };
        let scope = match self.chance.random_range(0..3) {
            0 => Scope::Under(format!("{}/", NAMESPACES[0])),
            _ => Scope::All,
        };
        self.page(scope, at, None, None).await.map(drop)
    }

    /// A list in pages: those after the first at its revision.
    async fn pages(&mut self) -> Result<(), String> {
        let limit = NonZeroUsize::new(self.chance.random_range(1..4));
        let mut next = self.page(Scope::All, ReadAt::Latest, None, limit).await?;
        while let Some((revision, start, last)) = next {
            self.give_way().await;
            next = self.page(Scope::All, ReadAt::Exactly(revision), Some((start, last)), limit).await?;
        }
        Ok(())
    }

    /// Reads a page. Returns its revision, where the next begins, and the last key, if there is one.
    async fn page(
        &mut self,
        scope: Scope,
        at: ReadAt,
        from: Option<(String, Key)>,
        limit: Option<NonZeroUsize>,
    ) -> Result<Option<(u64, String, Key)>, String> {
        let (start, after) = from.unzip();
        let request = ListRequest {
            scope: store_scope(&self.resource, &scope),
            at: match at {
                ReadAt::Latest => StoreReadAt::Latest,
                ReadAt::AtLeast(revision) => StoreReadAt::AtLeast(Revision::new(revision)),
                ReadAt::Exactly(revision) => StoreReadAt::Exact(Revision::new(revision)),
            },
            start,
            limit,
            predicate: Predicate::everything(),
        };
        let call = self.shared.recorder.invoke(self.client, Input::List { scope, at, after });
        let Listing { revision, continuation, cursor } = match self.shared.store.list(request).await {
            Ok(listing) => listing,
            Err(Error::Compacted { .. }) => return Ok(None),
            Err(error) => return self.shared.tolerate(&error).map(|()| None),
        };
        // What happens now is not in the picture.
        self.give_way().await;
        let records = match collect(cursor).await {
            Ok(records) => records,
            Err(Error::Compacted { .. }) => return Ok(None),
            Err(error) => return self.shared.tolerate(&error).map(|()| None),
        };
        let items = records.iter().map(|record| version(record)).collect::<Result<Vec<_>, _>>()?;
        let last = items.last().map(|(key, _)| Key::clone(key));
        let (more, remaining) =
            (continuation.is_some(), continuation.as_ref().and_then(|next| next.remaining));
        for (key, version) in &items {
            self.learn(key, Some(*version));
        }
        self.reached = self.reached.max(revision.get());
        call.returned(Output::Listed { revision: revision.get(), items, more, remaining });
        Ok(continuation.zip(last).map(|(next, last)| (revision.get(), next.start, last)))
    }

    async fn revision(&mut self) -> Result<(), String> {
        let call = self.shared.recorder.invoke(self.client, Input::Current);
        match self.shared.store.current_revision().await {
            Ok(revision) => {
                call.returned(Output::Revision(revision.get()));
                Ok(())
            }
            Err(error) => self.shared.tolerate(&error),
        }
    }
}

/// The version of a record that may be there.
fn seen(record: Option<&Record>) -> Result<Option<Version>, String> {
    record.map(|record| version(record).map(|(_, version)| version)).transpose()
}

/// What the store calls a scope.
pub(super) fn store_scope(resource: &Resource, scope: &Scope) -> StoreScope {
    match scope {
        Scope::All => resource.all(),
        Scope::Under(prefix) => resource.namespace(prefix.trim_end_matches('/')),
        Scope::One(key) => StoreScope::One(place(resource, key)),
    }
}
