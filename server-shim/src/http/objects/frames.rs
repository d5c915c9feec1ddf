//! Frames: lines of the events of watches, each encoded once for all watches that show it.
//!
//! A line `{"type":…,"object":…}` depends on the event, on its type as the watch sees it, on whether the watch
//! shows objects or their metadata, and on the version in which it shows them; on nothing else. An event has one
//! object for each type: what leaves a selector is shown as it was, with the revision of the change, as what is
//! deleted. So the watches of a resource share a line, and what waits to be sent to slow clients is the same
//! bytes.
//!
//! Promises: while a line is kept it is encoded once, also when many ask for it at the same time; all lines
//! together cost no more than [`BYTES_MAX`], and those go first that are old and not asked for; a look takes
//! the lock of one part of them, and nothing is encoded under it.
//!
//! # What is shared
//!
//! CPU time of our side for an event of 1,000 watches that read it one after the other, 2 shared cores of an
//! Intel Xeon (`cargo bench --bench frames`), each time 16 events at once:
//!
//! | what | encoded for each watch | shared |
//! |---|---|---|
//! | Event objects of 1 KB in `events.k8s.io/v1`, converted | 22 µs | 0.32 µs |
//! | autoscalers of 2 KB in `autoscaling/v1`, converted | 36 µs | 0.40 µs |
//! | configmaps of 100 KB | 9 µs | 0.34 µs |
//! | pods of 8 KB | 0.57 µs | 0.33 µs |
//! | configmaps of 1.6 KB | 0.25 µs | |
//! | metadata of pods of 8 KB | 0.27 µs | |
//!
//! So what is converted is shared, what is written as protobuf, and what is long and shown as it is stored
//! ([`super::view`] has the bound).
//! Shorter ones, and metadata that are not converted, are copied from the record into the chunk of the watch,
//! which is cheaper than a look here. Rows of tables are not shared: they show ages, which depend on the time
//! of the request. Neither are bookmarks, which one watch shows once, nor initial events, but for those that
//! have to be converted: of many watches that begin together, one converts.

use bytes::Bytes;
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};
use watchkeep_storage::{Change, EventType, Key, Revision};

use crate::http::negotiate::{Format, MetaVersion};

/// How many bytes all lines may cost: some seconds of a busy server.
const BYTES_MAX: u64 = 16 << 20;
/// What a line costs beside its bytes: its name, its places in the table. An estimate.
const OVERHEAD_BYTES: usize = 256;
/// The parts that have a lock of their own. The longest object fits into one with room for others.
const PARTS: usize = 4;
/// How much of the room is for lines that were asked for again. The rest keeps new ones until they are.
const ASKED_AGAIN: f64 = 0.5;
/// How many lines there may be, which is nearly right: how much room their table begins with.
const LINES_ESTIMATE: usize = 8 << 10;

const BYTES: &str = "watchkeep_watch_frames_bytes";
const HITS: &str = "watchkeep_watch_frames_hits_total";
const MISSES: &str = "watchkeep_watch_frames_misses_total";

/// How a watch shows what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Form {
    /// The version of the metadata that it shows; `None` shows the object.
    pub(super) metadata: Option<MetaVersion>,
    /// The version in which the resource is served.
    pub(super) api_version: &'static str,
    /// How it is written down.
    pub(super) format: Format,
}

/// What a line is found by. The key tells the resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    revision: Revision,
    key: Key,
    event_type: EventType,
    form: Form,
}

/// A [`Name`] that owns nothing: a look copies no key. Has to hash alike, so its fields are in the same order.
#[derive(Clone, Copy, Hash)]
struct Sought<'a> {
    revision: Revision,
    key: &'a Key,
    event_type: EventType,
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

/// What a line costs.
#[derive(Clone, Copy, Debug)]
struct Cost;

impl Weighter<Name, Bytes> for Cost {
    fn weight(&self, _: &Name, line: &Bytes) -> u64 {
        (OVERHEAD_BYTES + line.len()) as u64
    }
}

/// The lines that are kept, of all resources of a server.
pub(crate) struct Frames {
    lines: Cache<Name, Bytes, Cost>,
    bytes: Gauge,
    hits: Counter,
    misses: Counter,
}

impl Frames {
    /// None so far. Measured by the recorder that is there.
    pub(crate) fn new() -> Self {
        Self::with_room(BYTES_MAX)
    }

    fn with_room(bytes_max: u64) -> Self {
        describe_gauge!(BYTES, Unit::Bytes, "What the lines of watch events cost that watches share");
        describe_counter!(
            HITS,
            Unit::Count,
            "Events that were sent in a line that another watch had encoded"
        );
        describe_counter!(MISSES, Unit::Count, "Lines of watch events that were encoded to be shared");
        let options = OptionsBuilder::new()
            .shards(PARTS)
            .weight_capacity(bytes_max)
            .estimated_items_capacity(LINES_ESTIMATE)
            .hot_allocation(ASKED_AGAIN)
            .build();
        #[expect(clippy::expect_used, reason = "both of what has no default is given")]
        let options = options.expect("a capacity and an estimate");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self {
            lines: Cache::with_options(options, Cost, hasher, lifecycle),
            bytes: gauge!(BYTES),
            hits: counter!(HITS),
            misses: counter!(MISSES),
        }
    }

    /// The line of a change in this form; encoded if nobody did, while others that ask for it wait.
    ///
    /// # Errors
    /// Those of `encode`: then nothing is kept.
    pub(super) fn line<E>(
        &self,
        change: &Change,
        form: Form,
        encode: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Bytes, E> {
        let (revision, key, event_type) = (change.revision(), &change.event.key, change.event_type);
        if let Some(line) = self.lines.get(&Sought { revision, key, event_type, form }) {
            self.hits.increment(1);
            return Ok(line);
        }
        let mut encoded = false;
        let name = Name { revision, key: key.clone(), event_type, form };
        let line = self.lines.get_or_insert_with(&name, || {
            encoded = true;
            // In one piece of memory of its length, which is what it is said to cost.
            encode().map(|line| Bytes::from(line.into_boxed_slice()))
        })?;
        if encoded {
            self.misses.increment(1);
            #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^53")]
            self.bytes.set(self.lines.weight() as f64);
        } else {
            self.hits.increment(1);
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use watchkeep_storage::Event;

    use super::*;

    fn change(name: &str, revision: u64, event_type: EventType) -> Change {
        let (revision, key) = (Revision::new(revision), Key::unchecked(name));
        let event = Arc::new(Event { revision, key, current: None, previous: None });
        Change { event_type, event }
    }

    const WHOLE: Form = Form { metadata: None, api_version: "v1", format: Format::Json };

    #[test]
    fn a_line_is_encoded_once_and_another_one_is_another() {
        let frames = Frames::new();
        let metadata = |version| Form { metadata: Some(version), ..WHOLE };
        let cells = [
            (change("/pods/n/a", 7, EventType::Added), WHOLE),
            (change("/pods/n/a", 7, EventType::Modified), WHOLE),
            (change("/pods/n/a", 7, EventType::Deleted), WHOLE),
            (change("/pods/n/a", 8, EventType::Added), WHOLE),
            (change("/pods/n/b", 7, EventType::Added), WHOLE),
            (change("/jobs/n/a", 7, EventType::Added), WHOLE),
            (change("/pods/n/a", 7, EventType::Added), Form { api_version: "v2", ..WHOLE }),
            (change("/pods/n/a", 7, EventType::Added), Form { format: Format::Protobuf, ..WHOLE }),
            (change("/pods/n/a", 7, EventType::Added), metadata(MetaVersion::V1)),
            (change("/pods/n/a", 7, EventType::Added), metadata(MetaVersion::V1Beta1)),
        ];
        for round in 0..2 {
            for (number, (change, form)) in cells.iter().enumerate() {
                let encode = || {
                    assert_eq!(round, 0, "{change:?} {form:?} is encoded again");
                    Ok::<_, Infallible>(number.to_string().into_bytes())
                };
                assert_eq!(frames.line(change, *form, encode).unwrap(), number.to_string(), "{form:?}");
            }
        }
    }

    #[test]
    fn who_asks_while_a_line_is_encoded_waits_for_it() {
        const ASKING: usize = 8;
        let (frames, encoded, begin) = (Frames::new(), AtomicUsize::new(0), Barrier::new(ASKING));
        for revision in 0..100 {
            let ask = || {
                begin.wait();
                frames.line(&change("/pods/n/a", revision, EventType::Added), WHOLE, || {
                    encoded.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, Infallible>(vec![b'x'; 100])
                })
            };
            std::thread::scope(|scope| {
                let asking: Vec<_> = (0..ASKING).map(|_| scope.spawn(ask)).collect();
                let lines: Vec<_> =
                    asking.into_iter().map(|asking| asking.join().unwrap().unwrap()).collect();
                assert!(lines.iter().all(|line| line.as_ptr() == lines[0].as_ptr()), "they are copies");
            });
            assert_eq!(encoded.swap(0, Ordering::Relaxed), 1, "at {revision}");
        }
    }

    #[test]
    fn what_cannot_be_encoded_is_not_kept() {
        let (frames, change) = (Frames::new(), change("/pods/n/a", 7, EventType::Added));
        assert_eq!(frames.line(&change, WHOLE, || Err("broken")), Err("broken"));
        assert_eq!(frames.line(&change, WHOLE, || Ok::<_, &str>(b"whole".to_vec())).unwrap(), "whole");
    }

    #[test]
    fn all_lines_together_have_a_bound_and_the_newest_are_there() {
        const BYTES: usize = 1 << 20;
        let frames = Frames::with_room(BYTES as u64);
        let line = |revision| {
            let mut encoded = false;
            let line = frames.line(&change("/pods/n/a", revision, EventType::Added), WHOLE, || {
                encoded = true;
                Ok::<_, Infallible>(vec![b'x'; 10_000])
            });
            line.unwrap();
            encoded
        };
        // Each is asked for by several watches, as they get to it.
        for revision in 0..1000 {
            assert!(line(revision), "{revision} is new");
            for behind in 0..5.min(revision + 1) {
                assert!(!line(revision - behind), "{revision} is there, and the {behind} before it");
            }
            let kept = usize::try_from(frames.lines.weight()).unwrap();
            assert!(kept <= BYTES, "{kept}");
        }
        assert!(line(0), "the first one has gone");
    }
}
