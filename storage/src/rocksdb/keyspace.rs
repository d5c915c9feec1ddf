//! The layout of the store's keys, and its version. All numbers are big-endian, so that the order of the
//! bytes is the order of the numbers.
//!
//! ```text
//! column family   key                                        value
//! ─────────────   ────────────────────────────────────────   ─────────────────────────────────────────────
//! latest          resource:4 │ key, without its prefix       revision, deadline, header; the value, if small
//! versions        resource:4 │ revision:8                    header, value
//! history         resource:4 │ revision:8                    what the commit of this revision changed
//! deadlines       Unix time in ms:8 │ resource:4 │ revision:8   the key, without its prefix
//! meta            "format"                                   the version of this layout
//!                 "revision"                                 the revision of the last commit
//!                 "reserved"                                 no revision above it was issued
//!                 "closed"                                   the last revision issued, while the store is closed
//!                 "compacted"                                the oldest revision that can be read
//!                 "gap" │ revision:8                         a range of revisions that were never issued
//!                 "mark" │ revision:8                        when history reached it, and its bytes
//!                 "resource" │ prefix                        the number of the resource
//!                 "counters" │ resource:4                    its counts, and where its history begins
//! ```
//!
//! A resource's own number stands in front, so each resource is a range of each family. What the values
//! look like is drawn in `codec`.

use ::rocksdb::{ColumnFamily, DB};

use crate::error::Error;
use crate::revision::Revision;

/// The version of the layout of keys and values. Every later build opens the stores of `tests/golden`.
pub(super) const FORMAT: u32 = 1;

/// The latest state of each key.
pub(super) const LATEST: &str = "latest";
/// The values by the commit that wrote them, as long as somebody may ask for them.
pub(super) const VERSIONS: &str = "versions";
/// What each commit changed.
pub(super) const HISTORY: &str = "history";
/// Which key expires when.
pub(super) const DEADLINES: &str = "deadlines";
/// The store itself.
pub(super) const META: &str = "meta";

/// All column families.
pub(super) const FAMILIES: [&str; 5] = [LATEST, VERSIONS, HISTORY, DEADLINES, META];

pub(super) const META_FORMAT: &[u8] = b"format";
pub(super) const META_REVISION: &[u8] = b"revision";
pub(super) const META_RESERVED: &[u8] = b"reserved";
pub(super) const META_CLOSED: &[u8] = b"closed";
pub(super) const META_COMPACTED: &[u8] = b"compacted";
pub(super) const META_GAP: &[u8] = b"gap";
pub(super) const META_MARK: &[u8] = b"mark";
pub(super) const META_RESOURCE: &[u8] = b"resource";
pub(super) const META_COUNTERS: &[u8] = b"counters";

/// The number of a resource in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ResourceId(pub(super) u32);

impl ResourceId {
    /// The position of the resource in memory.
    pub(super) fn position(self) -> usize {
        self.0 as usize
    }

    /// The key of a key in `latest`.
    pub(super) fn latest(self, suffix: &str) -> Vec<u8> {
        [&self.0.to_be_bytes(), suffix.as_bytes()].concat()
    }

    /// The first key after this resource, in every family that begins with it.
    pub(super) fn end(self) -> [u8; 4] {
        self.0.wrapping_add(1).to_be_bytes()
    }

    /// The key of a revision in `versions` and in `history`.
    pub(super) fn at(self, revision: Revision) -> [u8; 12] {
        let mut key = [0; 12];
        let (resource, number) = key.split_at_mut(4);
        resource.copy_from_slice(&self.0.to_be_bytes());
        number.copy_from_slice(&revision.get().to_be_bytes());
        key
    }

    /// The key of a deadline.
    pub(super) fn deadline(self, millis: u64, revision: Revision) -> Vec<u8> {
        [&millis.to_be_bytes()[..], &self.at(revision)].concat()
    }

    /// The key of the resource's counters in `meta`.
    pub(super) fn counters(self) -> Vec<u8> {
        [META_COUNTERS, &self.0.to_be_bytes()].concat()
    }
}

/// A key of `meta` that ends in a revision.
pub(super) fn meta_at(name: &[u8], revision: Revision) -> Vec<u8> {
    [name, &revision.get().to_be_bytes()].concat()
}

/// The key suffix in a key of `latest`.
pub(super) fn suffix_of(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(4..)?).ok()
}

/// The revision at the end of a key.
pub(super) fn revision_of(key: &[u8]) -> Option<Revision> {
    let (_, number) = key.split_last_chunk::<8>()?;
    Some(Revision::new(u64::from_be_bytes(*number)))
}

/// What a key of `deadlines` says.
pub(super) fn deadline_of(key: &[u8]) -> Option<(u64, ResourceId, Revision)> {
    let (millis, rest) = key.split_first_chunk::<8>()?;
    let (resource, rest) = rest.split_first_chunk::<4>()?;
    let (revision, []) = rest.split_first_chunk::<8>()? else { return None };
    Some((
        u64::from_be_bytes(*millis),
        ResourceId(u32::from_be_bytes(*resource)),
        Revision::new(u64::from_be_bytes(*revision)),
    ))
}

/// A column family of an open store.
pub(super) fn family<'a>(db: &'a DB, name: &str) -> Result<&'a ColumnFamily, Error> {
    let missing = || Error::Internal { reason: format!("the store has no column family {name}") };
    db.cf_handle(name).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_resource_and_revision() {
        let at = |resource, revision| ResourceId(resource).at(Revision::new(revision));
        let keys = [at(0, 1), at(0, 255), at(0, 256), at(1, 0), at(1, u64::MAX), at(2, 7)];
        assert!(keys.is_sorted());
        assert!(keys[2].as_slice() < ResourceId(0).end().as_slice());
        assert!(ResourceId(0).end().as_slice() <= keys[3].as_slice());
    }

    #[test]
    fn a_deadline_is_read_as_it_was_written() {
        let key = ResourceId(3).deadline(77, Revision::new(9));
        assert_eq!(deadline_of(&key), Some((77, ResourceId(3), Revision::new(9))));
        assert_eq!(deadline_of(&key[1..]), None);
        assert_eq!(revision_of(&key), Some(Revision::new(9)));
    }
}
