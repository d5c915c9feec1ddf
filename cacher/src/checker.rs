//! Looks now and then whether the cache holds what the store does: a cache that is wrong stays wrong until
//! somebody looks. Both are listed at one revision and their digests compared; the digest is the reference's, so
//! that two replicas, or this cache and a reference, can be compared by eye.

use std::sync::{Arc, Weak};
use std::time::Duration;

use watchkeep_storage::{
    BATCH_RECORDS_MAX, Environment, Error, ListRequest, Listing, Predicate, ReadAt, Record, Revision,
};

use crate::shared::Shared;

/// The offset basis and the prime of FNV in 64 bits.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x100_0000_01b3;

/// A digest of objects in the order of their keys: FNV-1 over their namespaces, names and revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u64);

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Both hold the same.
    Same,
    /// They do not, at this revision.
    Differs {
        /// The revision of both lists.
        revision: Revision,
        /// The cache's digest.
        cache: Digest,
        /// The store's digest.
        store: Digest,
    },
    /// The revision is too old by now; the next look will tell.
    TooLate,
}

impl Digest {
    /// The digest of nothing.
    pub(crate) const EMPTY: Self = Self(BASIS);

    /// The digest with one object more.
    #[must_use]
    fn with(self, namespace: &str, name: &str, revision: Revision) -> Self {
        let text = [namespace, "/", name, "/", &revision.to_string()].concat();
        let step = |digest: u64, byte: u8| digest.wrapping_mul(PRIME) ^ u64::from(byte);
        Self(text.bytes().fold(self.0, step))
    }

    /// The digest with these records more.
    #[must_use]
    fn with_records<'a>(self, records: impl IntoIterator<Item = &'a Arc<Record>>) -> Self {
        records.into_iter().fold(self, |digest, record| {
            let attributes = record.value.attributes();
            digest.with(attributes.namespace(), attributes.name(), record.revision)
        })
    }
}

/// Runs until the cache is gone.
pub(crate) async fn run(shared: Weak<Shared>, interval: Duration, environment: Environment) {
    loop {
        // Caches do not all look at once.
        let chance = u32::try_from(environment.random() >> 32).unwrap_or_default();
        environment.sleep(interval.mul_f64(1.0 + f64::from(chance) / f64::from(u32::MAX) / 2.0)).await;
        let Some(shared) = shared.upgrade() else { return };
        if shared.check_ready().is_err() {
            continue;
        }
        let prefix = shared.store.prefix();
        match look(&shared).await {
            Ok(Verdict::TooLate) => {}
            Ok(Verdict::Same) => shared.telemetry.checked(Some(true)),
            Ok(differs @ Verdict::Differs { .. }) => {
                tracing::error!(%prefix, ?differs, "the cache is not what the store holds, and is filled anew");
                shared.telemetry.checked(Some(false));
                shared.distrust();
            }
            Err(error) => {
                tracing::warn!(%prefix, %error, "the cache was not compared with the store");
                shared.telemetry.checked(None);
            }
        }
    }
}

/// Compares the cache with the store at the newest revision of the cache.
pub(crate) async fn look(shared: &Shared) -> Result<Verdict, Error> {
    let (picture, revision) = shared.newest();
    let scope = shared.store.prefix().under(None)?;
    let mut cache = Digest::EMPTY;
    let mut places = picture.places(&scope, None);
    while !places.is_empty() {
        cache = cache.with_records(picture.records(&places.first(BATCH_RECORDS_MAX)));
        places = places.behind(BATCH_RECORDS_MAX);
        tokio::task::yield_now().await;
    }
    drop(picture);
    let (at, predicate) = (ReadAt::Exact(revision), Predicate::everything());
    let request = ListRequest { scope, at, start: None, limit: None, predicate };
    let Listing { mut cursor, .. } = match shared.store.list(request).await {
        Err(Error::Compacted { .. }) => return Ok(Verdict::TooLate),
        listing => listing?,
    };
    let mut store = Digest::EMPTY;
    loop {
        let batch = match cursor.next().await {
            Err(Error::Compacted { .. } | Error::CursorExpired { .. }) => return Ok(Verdict::TooLate),
            batch => batch?,
        };
        if batch.is_empty() {
            break;
        }
        store = store.with_records(&batch);
    }
    Ok(if cache == store { Verdict::Same } else { Verdict::Differs { revision, cache, store } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_reference() {
        let table = [
            (None, 0xcbf2_9ce4_8422_2325),
            (Some(("default", "pod", 2)), 0x86bf_3a5e_80d1_c5cb),
            (Some(("default", "pod", 3)), 0x86bf_3a5e_80d1_c5ca),
            (Some(("default", "pod", 4)), 0x86bf_3a5e_80d1_c5cd),
            (Some(("default", "pod2", 2)), 0xc912_0494_e4c1_897d),
            (Some(("default", "pod3", 2)), 0xc915_6494_e4c4_6274),
            (Some(("kube-system", "pod", 2)), 0x4ae4_e750_bd82_5b17),
            (Some(("kube-public", "pod", 2)), 0x0f94_0a60_af96_5b03),
        ];
        for (object, want) in table {
            let digest = object.map_or(Digest::EMPTY, |(namespace, name, revision)| {
                Digest::EMPTY.with(namespace, name, Revision::new(revision))
            });
            assert_eq!(digest, Digest(want), "{object:?}");
        }
    }

    #[test]
    fn a_digest_depends_on_the_order() {
        let (one, two) = (("a", "x", Revision::new(1)), ("a", "y", Revision::new(2)));
        let of = |objects: [(&str, &str, Revision); 2]| {
            objects
                .iter()
                .fold(Digest::EMPTY, |digest, (ns, name, revision)| digest.with(ns, name, *revision))
        };
        assert_ne!(of([one, two]), of([two, one]));
    }
}
