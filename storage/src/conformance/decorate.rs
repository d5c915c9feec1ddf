//! An interface over another one that does some things otherwise: what tests put between a store and its user.

use crate::error::Error;
use crate::interface::{BoxFuture, Commit, Found, Freshness, Interface, Outcome, Stats};
use crate::key::{Key, ResourcePrefix};
use crate::list::{ListRequest, Listing};
use crate::revision::Revision;
use crate::schema::Schema;
use crate::watch::{WatchRequest, Watcher};

/// A decorator: an [`Interface`] that passes everything on to the one below, but for what it does itself.
pub trait Decorator: Send + Sync {
    /// The interface below.
    fn below(&self) -> &dyn Interface;

    /// Instead of [`Interface::commit`].
    fn on_commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, Error>> {
        self.below().commit(commit)
    }

    /// Instead of [`Interface::get`].
    fn on_get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>> {
        self.below().get(key, freshness)
    }

    /// Instead of [`Interface::list`].
    fn on_list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>> {
        self.below().list(request)
    }

    /// Instead of [`Interface::watch`].
    fn on_watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        self.below().watch(request)
    }

    /// Instead of [`Interface::check_resumable`].
    fn on_check_resumable(&self, requested: Revision) -> Result<(), Error> {
        self.below().check_resumable(requested)
    }

    /// Instead of [`Interface::request_progress`].
    fn on_request_progress(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.below().request_progress()
    }
}

impl<D: Decorator> Interface for D {
    fn prefix(&self) -> &ResourcePrefix {
        self.below().prefix()
    }

    fn schema(&self) -> &Schema {
        self.below().schema()
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, Error>> {
        self.on_commit(commit)
    }

    fn get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>> {
        self.on_get(key, freshness)
    }

    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>> {
        self.on_list(request)
    }

    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        self.on_watch(request)
    }

    fn current_revision(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        self.below().current_revision()
    }

    fn request_progress(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.on_request_progress()
    }

    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), Error>> {
        self.below().compact(revision)
    }

    fn compacted_revision(&self) -> Revision {
        self.below().compacted_revision()
    }

    fn check_resumable(&self, requested: Revision) -> Result<(), Error> {
        self.on_check_resumable(requested)
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, Error>> {
        self.below().stats()
    }

    fn readiness(&self) -> Result<(), Error> {
        self.below().readiness()
    }
}
