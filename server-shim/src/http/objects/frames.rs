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
use watchkeep_storage::Change;

use super::encoded::{Encoded, Form, Meters};

/// How many bytes all lines may cost: some seconds of a busy server.
const BYTES_MAX: u64 = 16 << 20;

/// The lines that are kept, of all resources of a server.
pub(crate) struct Frames(Encoded);

impl Frames {
    /// None so far. Measured by the recorder that is there.
    pub(crate) fn new() -> Self {
        Self::with_room(BYTES_MAX)
    }

    fn with_room(bytes_max: u64) -> Self {
        let meters = Meters {
            bytes: ("watchkeep_watch_frames_bytes", "What the lines of watch events cost that watches share"),
            hits: (
                "watchkeep_watch_frames_hits_total",
                "Events that were sent in a line that another watch had encoded",
            ),
            misses: (
                "watchkeep_watch_frames_misses_total",
                "Lines of watch events that were encoded to be shared",
            ),
        };
        Self(Encoded::new(bytes_max, meters))
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
        self.0.get((change.revision(), &change.event.key, Some(change.event_type)), form, encode)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use watchkeep_storage::{Event, EventType, Key, Revision};

    use crate::http::negotiate::{Format, MetaVersion};

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
            let kept = frames.0.bytes();
            assert!(kept <= BYTES, "{kept}");
        }
        assert!(line(0), "the first one has gone");
    }
}
