//! One resource: its objects, its history and its values say the same.
//!
//! ```text
//! latest ──── its revision ────▶ a value, with the bytes that stand in latest too
//! event  ──── what it replaced ─▶ a value of the length that the event says; and the event that made it
//!        ◀─── what it made ────── the latest state, or what exactly one later event replaced
//! value  ──── belongs to exactly one of both
//! ```

use ::rocksdb::DB;

use super::{CheckReport, Problem, fault_of, range, walk};
use crate::error::Error;
use crate::key::ResourcePrefix;
use crate::revision::Revision;
use crate::rocksdb::codec::{self, Counters, Entry, Latest, Reader};
use crate::rocksdb::keyspace::{
    DEADLINES, HISTORY, LATEST, ResourceId, VERSIONS, family, revision_of, suffix_of,
};
use crate::rocksdb::open::Found;
use crate::rocksdb::view::engine_error;

/// The length of a key in `versions` and in `history`.
const KEY_BYTES: usize = 12;

/// The look at one resource.
pub(super) struct ResourceCheck<'a> {
    db: &'a DB,
    found: &'a Found,
    reader: Reader,
    /// What `meta` says.
    stored: Counters,
    /// What is there.
    counted: Counters,
    /// The revisions of the values that the latest state and the events have.
    owned: Vec<Revision>,
    report: &'a mut CheckReport,
}

impl<'a> ResourceCheck<'a> {
    /// The look at a resource: its number, its prefix and what `meta` counts.
    pub(super) fn new(
        db: &'a DB,
        found: &'a Found,
        (id, prefix, stored): (ResourceId, &ResourcePrefix, Counters),
        report: &'a mut CheckReport,
    ) -> Self {
        let counted = Counters::default();
        let reader = Reader { id, prefix: prefix.clone(), schema: std::sync::Arc::default() };
        Self { db, found, reader, stored, counted, owned: Vec::new(), report }
    }

    /// Adds what is wrong to the report.
    pub(super) fn run(mut self) -> Result<(), Error> {
        let (lower, upper) = range(self.reader.id);
        let db = self.db;
        walk(db, HISTORY, &lower, Some(&upper), |key, value| self.event(key, value))?;
        walk(db, LATEST, &lower, Some(&upper), |key, value| self.object(key, value))?;
        self.owned.sort_unstable();
        self.owned_twice();
        walk(db, HISTORY, &lower, Some(&upper), |key, value| {
            self.made(key, value);
            Ok(())
        })?;
        let mut owned = std::mem::take(&mut self.owned).into_iter().peekable();
        walk(db, VERSIONS, &lower, Some(&upper), |key, value| {
            let revision = revision_of(key).unwrap_or_default();
            while owned.next_if(|owned| *owned < revision).is_some() {}
            self.value(key, value, owned.next_if_eq(&revision).is_some());
            Ok(())
        })?;
        self.counts();
        self.report.objects += self.counted.objects;
        self.report.events += self.counted.history_events;
        Ok(())
    }

    fn add(&mut self, suffix: Option<&str>, revision: Option<Revision>, fault: impl Into<String>) {
        let key = Some(self.reader.key(suffix.unwrap_or_default()));
        self.report.add(Problem { key, revision, fault: fault.into(), file: None });
    }

    fn get(&self, name: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.db.get_cf(family(self.db, name)?, key).map_err(engine_error)
    }

    /// The event of a revision, if there is one.
    fn event_at(&self, revision: Revision) -> Result<Option<Entry>, Error> {
        let entry = self.get(HISTORY, &self.reader.id.at(revision))?;
        Ok(entry.as_deref().and_then(Entry::read))
    }

    /// Whether an event, if it is kept still, made an object under this key.
    fn was_made(&self, suffix: &str, revision: Revision) -> Result<bool, Error> {
        if revision <= self.stored.dropped {
            return Ok(true);
        }
        let event = self.event_at(revision)?;
        Ok(event.is_some_and(|event| !event.deletion && event.suffix == suffix))
    }

    fn check_key(&mut self, suffix: &str, revision: Revision) {
        if let Err(error) = self.reader.prefix.key(self.reader.key(suffix).as_str()) {
            self.add(Some(suffix), Some(revision), error.to_string());
        }
        if let Some(fault) = fault_of(self.found, revision) {
            self.add(Some(suffix), Some(revision), fault);
        }
    }

    fn event(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let revision = revision_of(key).unwrap_or_default();
        let Some(event) = Entry::read(value).filter(|_| key.len() == KEY_BYTES) else {
            self.add(None, Some(revision), "its event is cut off");
            return Ok(());
        };
        let suffix = event.suffix.as_str();
        let at = Some(revision);
        self.check_key(suffix, revision);
        self.counted.history_events += 1;
        self.counted.history_bytes += u64::from(event.previous_bytes);
        if revision <= self.stored.dropped {
            self.add(Some(suffix), at, format!("history begins after {}", self.stored.dropped));
        }
        let latest = self.get(LATEST, &self.reader.id.latest(suffix))?;
        let latest = latest.as_deref().and_then(Latest::read).map(|latest| latest.revision);
        if latest.is_some_and(|latest| latest < revision || (event.deletion && latest == revision)) {
            let latest = latest.unwrap_or_default();
            self.add(
                Some(suffix),
                at,
                format!("the latest state is that of {latest}, and this event is newer"),
            );
        }
        self.replaced(&event, revision)
    }

    /// What an event replaced is there, and was made by the event before of the same key.
    fn replaced(&mut self, event: &Entry, revision: Revision) -> Result<(), Error> {
        let Entry { previous, deletion, previous_bytes, ref suffix } = *event;
        let (suffix, at) = (Some(suffix.as_str()), Some(revision));
        if previous.is_zero() {
            if deletion || previous_bytes > 0 {
                self.add(suffix, at, "its event replaced something, and does not say what");
            }
            return Ok(());
        }
        if previous >= revision || !self.was_made(&event.suffix, previous)? {
            self.add(
                suffix,
                at,
                format!("its event replaced {previous}, which made no object under this key"),
            );
        }
        let Some(version) = self.get(VERSIONS, &self.reader.id.at(previous))? else {
            self.add(
                suffix,
                Some(previous),
                format!("its value is missing, which the event {revision} replaced"),
            );
            return Ok(());
        };
        self.owned.push(previous);
        let bytes = codec::value_of(&version).map_or(0, <[u8]>::len);
        if bytes as u64 != u64::from(previous_bytes) {
            let fault =
                format!("its value has {bytes} bytes, and the event {revision} says {previous_bytes}");
            self.add(suffix, Some(previous), fault);
        }
        Ok(())
    }

    fn object(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let Some(suffix) = suffix_of(key) else {
            self.add(None, None, format!("latest has a key that is no text: {}", key.escape_ascii()));
            return Ok(());
        };
        self.counted.objects += 1;
        let Some(entry) = Latest::read(value) else {
            self.add(Some(suffix), None, "its latest entry is cut off");
            return Ok(());
        };
        let (revision, millis) = (entry.revision, entry.deadline_millis);
        let at = Some(revision);
        self.check_key(suffix, revision);
        if !self.was_made(suffix, revision)? {
            self.add(Some(suffix), at, "no event made the latest state");
        }
        if millis > 0 {
            let deadline = self.get(DEADLINES, &self.reader.id.deadline(millis, revision))?;
            if deadline.as_deref() != Some(suffix.as_bytes()) {
                self.add(Some(suffix), at, format!("it expires at {millis}, and deadlines does not say so"));
            }
        }
        let Some(version) = self.get(VERSIONS, &self.reader.id.at(revision))? else {
            self.add(Some(suffix), at, "its value is missing, which is the latest");
            return Ok(());
        };
        self.owned.push(revision);
        self.counted.value_bytes += codec::value_of(&version).map_or(0, <[u8]>::len) as u64;
        if !entry.agrees_with(&version) {
            self.add(Some(suffix), at, "the latest state has other bytes than the value of its revision");
        }
        Ok(())
    }

    fn owned_twice(&mut self) {
        let pairs = self.owned.windows(2);
        let twice: Vec<_> = pairs
            .filter_map(|pair| pair.first().filter(|first| pair.last() == Some(first)))
            .copied()
            .collect();
        for revision in twice {
            self.add(
                None,
                Some(revision),
                "its value was replaced twice, or is the latest after it was replaced",
            );
        }
    }

    /// What an event made is the latest state, or was replaced.
    fn made(&mut self, key: &[u8], value: &[u8]) {
        let revision = revision_of(key).unwrap_or_default();
        if let Some(event) = Entry::read(value).filter(|event| !event.deletion)
            && self.owned.binary_search(&revision).is_err()
        {
            let fault = "its event made an object that is not the latest state and was not replaced";
            self.add(Some(&event.suffix), Some(revision), fault);
        }
    }

    fn value(&mut self, key: &[u8], version: &[u8], is_owned: bool) {
        let revision = revision_of(key);
        if key.len() != KEY_BYTES {
            self.add(None, revision, "versions has a key that is cut off");
        }
        if !is_owned {
            self.add(None, revision, "its value belongs neither to the latest state nor to an event");
        }
        if let Err(fault) = codec::check_version(version) {
            self.add(None, revision, fault);
        }
    }

    fn counts(&mut self) {
        let (stored, counted) = (self.stored, self.counted);
        if stored.dropped > self.found.compacted {
            let fault = format!("its history begins after that, and {} can be read", self.found.compacted);
            self.add(None, Some(stored.dropped), fault);
        }
        for (name, stored, counted) in [
            ("objects", stored.objects, counted.objects),
            ("bytes of values", stored.value_bytes, counted.value_bytes),
            ("events", stored.history_events, counted.history_events),
            ("bytes of history", stored.history_bytes, counted.history_bytes),
        ] {
            if stored != counted {
                self.add(None, None, format!("meta counts {stored} {name}, and there are {counted}"));
            }
        }
    }
}
