//! Bytes that are encoded once for all who send them, within a bound.
//!
//! Promises: what is kept is encoded once, also when many ask for it at the same time; all of it costs no more than
//! the bound, and what is old and not asked for goes first; a look takes the lock of one part, and nothing is
//! encoded under it.

use bytes::Bytes;
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};
use watchkeep_storage::{EventType, Key, Revision};

use crate::http::negotiate::{Format, MetaVersion};

/// What an entry costs beside its bytes: its name, its places in the table. An estimate.
const OVERHEAD_BYTES: usize = 256;
/// The parts that have a lock of their own. The longest object fits into one with room for others.
const PARTS: usize = 4;
/// How much of the room is for what was asked for again. The rest keeps what is new until it is.
const ASKED_AGAIN: f64 = 0.5;
/// How many entries there may be, which is nearly right: how much room their table begins with.
const ENTRIES_ESTIMATE: usize = 8 << 10;

/// The form in which an object is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Form {
    /// The version of the metadata that is shown; `None` shows the object.
    pub(super) metadata: Option<MetaVersion>,
    /// The version in which the resource is served.
    pub(super) api_version: &'static str,
    /// How it is written down.
    pub(super) format: Format,
}

/// What is encoded: the object of a key at a revision, alone or in an event of a type. The key tells the resource.
type What<'a> = (Revision, &'a Key, Option<EventType>);

/// What bytes are found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    revision: Revision,
    key: Key,
    event_type: Option<EventType>,
    form: Form,
}

/// A [`Name`] that owns nothing: a look copies no key. Has to hash alike, so its fields are in the same order.
#[derive(Clone, Copy, Hash)]
struct Sought<'a> {
    revision: Revision,
    key: &'a Key,
    event_type: Option<EventType>,
    form: Form,
}

impl Equivalent<Name> for Sought<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        let Self { revision, key, event_type, form } = self;
        *revision == name.revision
            && *event_type == name.event_type
            && *form == name.form
            && **key == name.key
    }
}

/// What an entry costs.
#[derive(Clone, Copy, Debug)]
struct Cost;

impl Weighter<Name, Bytes> for Cost {
    fn weight(&self, _: &Name, bytes: &Bytes) -> u64 {
        (OVERHEAD_BYTES + bytes.len()) as u64
    }
}

/// The names and descriptions of what is measured.
pub(super) struct Meters {
    /// What all entries cost.
    pub(super) bytes: (&'static str, &'static str),
    /// How often something was there.
    pub(super) hits: (&'static str, &'static str),
    /// How often something was encoded.
    pub(super) misses: (&'static str, &'static str),
}

/// Bytes that are kept.
pub(super) struct Encoded {
    entries: Cache<Name, Bytes, Cost>,
    bytes: Gauge,
    hits: Counter,
    misses: Counter,
}

impl Encoded {
    /// None so far, and at most so many bytes. Measured by the recorder that is there.
    pub(super) fn new(bytes_max: u64, Meters { bytes, hits, misses }: Meters) -> Self {
        describe_gauge!(bytes.0, Unit::Bytes, bytes.1);
        describe_counter!(hits.0, Unit::Count, hits.1);
        describe_counter!(misses.0, Unit::Count, misses.1);
        let options = OptionsBuilder::new()
            .shards(PARTS)
            .weight_capacity(bytes_max)
            .estimated_items_capacity(ENTRIES_ESTIMATE)
            .hot_allocation(ASKED_AGAIN)
            .build();
        #[expect(clippy::expect_used, reason = "both of what has no default is given")]
        let options = options.expect("a capacity and an estimate");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self {
            entries: Cache::with_options(options, Cost, hasher, lifecycle),
            bytes: gauge!(bytes.0),
            hits: counter!(hits.0),
            misses: counter!(misses.0),
        }
    }

    /// These bytes; encoded if nobody did, while others that ask for them wait.
    ///
    /// # Errors
    /// Those of `encode`: then nothing is kept.
    pub(super) fn get<E>(
        &self,
        (revision, key, event_type): What<'_>,
        form: Form,
        encode: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Bytes, E> {
        if let Some(bytes) = self.entries.get(&Sought { revision, key, event_type, form }) {
            self.hits.increment(1);
            return Ok(bytes);
        }
        let mut encoded = false;
        let name = Name { revision, key: key.clone(), event_type, form };
        let bytes = self.entries.get_or_insert_with(&name, || {
            encoded = true;
            // In one piece of memory of its length, which is what it is said to cost.
            encode().map(|bytes| Bytes::from(bytes.into_boxed_slice()))
        })?;
        if encoded {
            self.misses.increment(1);
            #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^53")]
            self.bytes.set(self.entries.weight() as f64);
        } else {
            self.hits.increment(1);
        }
        Ok(bytes)
    }

    /// What all of it costs.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.entries.weight()).unwrap()
    }
}
