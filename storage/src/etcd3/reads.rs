//! Reads of one key and of the revision, and what a compacted or future revision is told as.

use std::time::Duration;

use super::Shared;
use super::client::Method;
use super::compactor::CLOCK_KEY;
use super::proto::{RangeRequest, RangeResponse, ResponseHeader};
use super::records::from_etcd;
use super::resources::Resource;
use super::status::CallError;
use crate::error::{CompactedDuring, Error};
use crate::interface::{Found, Freshness};
use crate::key::Key;
use crate::revision::Revision;

/// The revision that a response was made at.
pub(super) fn made_at(header: Option<ResponseHeader>) -> Revision {
    from_etcd(header.map_or(0, |header| header.revision))
}

impl Shared {
    /// Reads keys.
    pub(super) async fn range(&self, request: RangeRequest) -> Result<RangeResponse, CallError> {
        self.client.call(Method::Range, request).await
    }

    /// The newest revision of the cluster: a read of one small key that every member confirms with the others.
    pub(super) async fn current_revision(&self) -> Result<Revision, Error> {
        let request = RangeRequest { key: CLOCK_KEY.to_vec(), keys_only: true, ..RangeRequest::default() };
        Ok(made_at(self.range(request).await?.header))
    }

    /// The refusal of a revision that the cluster has not reached. What it has reached is asked for; nothing
    /// is said about it when that fails too.
    pub(super) async fn future(&self, requested: Revision) -> Error {
        let current = self.current_revision().await.unwrap_or_default();
        Error::FutureRevision { requested, current, retry_after: Duration::ZERO }
    }

    /// The refusal of a revision that is compacted. etcd does not say up to where; it is above this one.
    pub(super) fn compacted(&self, requested: Revision, during: CompactedDuring) -> Error {
        self.history.learn(Revision::new(requested.get().saturating_add(1)));
        Error::Compacted { requested, oldest: self.history.oldest(), during }
    }

    /// Reads one key. \[GET-FRESH\]
    pub(super) async fn get(
        &self,
        resource: &Resource,
        key: &Key,
        freshness: Freshness,
    ) -> Result<Found, Error> {
        let read = RangeRequest { key: resource.keys.key(key.as_str()), ..RangeRequest::default() };
        let response = match freshness {
            Freshness::Latest => self.range(read).await?,
            Freshness::AtLeast(revision) => self.range_at_least(read, revision).await?,
        };
        let revision = made_at(response.header);
        let Some(stored) = response.kvs.into_iter().next() else {
            return Ok(Found { record: None, revision });
        };
        let record = resource.record(stored)?;
        resource.sizes.note(&record.key, record.revision, Some(record.value.bytes().len()));
        Ok(Found { record: Some(record), revision })
    }

    /// Reads keys in a state that is not older than a revision: from what one member has if that is enough,
    /// and with the agreement of the others if not.
    pub(super) async fn range_at_least(
        &self,
        request: RangeRequest,
        revision: Revision,
    ) -> Result<RangeResponse, CallError> {
        let serializable = RangeRequest { serializable: true, ..request.clone() };
        let response = self.range(serializable).await?;
        if made_at(response.header) >= revision {
            return Ok(response);
        }
        let response = self.range(request).await?;
        let current = made_at(response.header);
        if current >= revision {
            return Ok(response);
        }
        let retry_after = Duration::ZERO;
        Err(CallError::Failed(Error::FutureRevision { requested: revision, current, retry_after }))
    }
}
