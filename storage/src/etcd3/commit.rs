//! Commits: one transaction, one round trip, whatever its outcome.
//!
//! The expectation is a comparison of the key's revision; where it does not hold, the transaction reads what
//! is stored instead. The revision of the transaction is that of the commit.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::client::Method;
use super::lease::Attached;
use super::proto::{
    Compare, CompareTarget, CompareWith, DeleteRangeRequest, KeyValue, PutRequest, RangeRequest, Request,
    RequestOp, Response, TxnRequest, TxnResponse,
};
use super::reads::made_at;
use super::records::to_etcd;
use super::resources::Resource;
use super::status::CallError;
use crate::defect::{self, Defect};
use crate::error::{Error, OBJECT_BYTES_MAX};
use crate::failpoint::{self, Point};
use crate::interface::{Commit, Committed, Expect, Freshness, Operation, Outcome};
use crate::record::Record;

impl Shared {
    /// Writes a key if it is in the expected state.
    pub(super) async fn commit(&self, resource: &Resource, commit: Commit) -> Result<Outcome, Error> {
        match (&commit.operation, commit.expect) {
            (Operation::Put { value, .. }, _) if value.bytes().len() > OBJECT_BYTES_MAX => {
                return Err(Error::ObjectTooLarge { key: commit.key, bytes: value.bytes().len() });
            }
            (Operation::Delete, Expect::Absent) => {
                // Nothing to write either way. [COMMIT-CONFLICT]
                let current = self.get(resource, &commit.key, Freshness::Latest).await?.record;
                return Ok(Outcome::Conflict { current });
            }
            _ => {}
        }
        failpoint::passed(Point::EtcdSend)?;
        let answer = if let Operation::Put { ttl: Some(ttl), .. } = &commit.operation {
            self.put_leased(resource, &commit, *ttl).await
        } else {
            self.client.call(Method::Txn, transaction(resource, &commit, 0)).await
        };
        failpoint::passed(Point::EtcdAnswer)?;
        match answer {
            Ok(answer) => outcome(resource, commit, answer),
            Err(CallError::RequestTooLarge) => {
                let bytes = match &commit.operation {
                    Operation::Put { value, .. } => value.bytes().len(),
                    Operation::Delete => 0,
                };
                Err(Error::ObjectTooLarge { key: commit.key, bytes })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a key that is to expire. A lease that ended early, because somebody revoked it, is replaced
    /// once.
    async fn put_leased(
        &self,
        resource: &Resource,
        commit: &Commit,
        ttl: Duration,
    ) -> Result<TxnResponse, CallError> {
        for is_last in [false, true] {
            let Attached { id, within } = self.leases.attach(self, ttl).await?;
            let request = transaction(resource, commit, id);
            match self.client.call_within(Method::Txn, request, within).await {
                Err(CallError::LeaseNotFound) if !is_last => self.leases.forget(id).await,
                answer => return answer,
            }
        }
        Err(CallError::LeaseNotFound)
    }
}

/// The transaction of a commit.
fn transaction(resource: &Resource, commit: &Commit, lease: i64) -> TxnRequest {
    let key = resource.keys.key(commit.key.as_str());
    let (revision, has_previous) = match commit.expect {
        Expect::Absent => (0, false),
        Expect::Revision(revision) => (to_etcd(revision), true),
    };
    let mut compare = vec![Compare {
        target: CompareTarget::ModRevision.into(),
        key: key.clone(),
        with: Some(CompareWith::ModRevision(revision)),
    }];
    if has_previous && defect::on(Defect::EtcdUpdatesUnconditionally) {
        compare.clear();
    }
    let read = Request::Range(RangeRequest { key: key.clone(), ..RangeRequest::default() });
    let write = match &commit.operation {
        Operation::Put { value, .. } => {
            Request::Put(PutRequest { key, value: value.bytes().clone(), lease, prev_kv: has_previous })
        }
        Operation::Delete => Request::DeleteRange(DeleteRangeRequest { key, prev_kv: true }),
    };
    let operation = |request| RequestOp { request: Some(request) };
    TxnRequest { compare, success: vec![operation(write)], failure: vec![operation(read)] }
}

/// What a transaction has done.
fn outcome(resource: &Resource, commit: Commit, answer: TxnResponse) -> Result<Outcome, Error> {
    let revision = made_at(answer.header);
    let stored = answer.responses.into_iter().next().and_then(|response| stored(response.response?));
    if !answer.succeeded {
        let current = stored.map(|stored| resource.record(stored)).transpose()?;
        return Ok(Outcome::Conflict { current });
    }
    // It has happened: what cannot be read of what was there before does not make it an error.
    let previous = stored.and_then(|stored| resource.record(stored).ok());
    let record = match commit.operation {
        Operation::Put { value, .. } => Some(Arc::new(Record { key: commit.key.clone(), value, revision })),
        Operation::Delete => None,
    };
    let bytes = record.as_ref().map(|record| record.value.bytes().len());
    resource.sizes.note(&commit.key, revision, bytes);
    Ok(Outcome::Committed(Committed { revision, record, previous }))
}

/// What a part of a transaction tells of what is, or was, stored.
fn stored(response: Response) -> Option<KeyValue> {
    match response {
        Response::Range(range) => range.kvs.into_iter().next(),
        Response::Put(put) => put.prev_kv,
        Response::DeleteRange(deleted) => deleted.prev_kvs.into_iter().next(),
    }
}
