//! Gets, lists, pages and lists that stay open while the store moves on.

use std::sync::Arc;

use watchkeep_storage::{
    CompactedDuring, Cursor, Error, Freshness, ListOptions, ListPage, ListRequest, Listing, ReadAt, Record,
    Revision, collect, list,
};

use super::writes::is_version;
use super::{Model, unexpected};
use crate::broken::{Broken, ensure};
use crate::objects::{Place, View};
use crate::oracle::Version;
use crate::step::At;
use crate::stream::Found;
use crate::worlds::World;

/// A list that is being read page by page.
pub(super) struct Pages {
    view: View,
    token: String,
    /// The revision of all its pages; `None` where it goes on at the latest one.
    revision: Option<Revision>,
    /// The key of the last object that was returned.
    last: String,
}

/// A list that is open, and not yet read.
pub(super) struct OpenList {
    view: View,
    revision: Revision,
    cursor: Box<dyn Cursor>,
}

impl<W: World> Model<W> {
    /// Reads an object.
    pub(super) async fn get(&mut self, place: Place, at: At) -> Result<(), Broken> {
        let from = self.current().await?;
        let store = self.store(place.resource);
        let freshness = match at {
            At::Latest => Freshness::Latest,
            At::Any => Freshness::AtLeast(Revision::ZERO),
            At::NotOlder(back) | At::Exactly(back) => Freshness::AtLeast(self.oracle.back(back)),
            At::Future => Freshness::AtLeast(future(from)),
        };
        let found = match store.get(&place.key(&*store), freshness).await {
            Ok(found) => found,
            Err(Error::FutureRevision { .. }) if matches!(at, At::Future) => return Ok(()),
            Err(error) => return Err(unexpected("GET-FRESH", &error)),
        };
        let to = self.settle().await?;
        let oldest = match freshness {
            Freshness::Latest => from,
            Freshness::AtLeast(revision) => revision,
        };
        let (revision, record) = (found.revision, found.record);
        ensure!(
            (oldest..=to).contains(&revision),
            "GET-FRESH",
            "{freshness:?} was answered at {revision}, the store went from {from} to {to}"
        );
        let there = self.oracle.object_at(place, revision);
        ensure!(
            is_version(record.as_deref(), place, there),
            "GET-FRESH",
            "at {revision} there is {there:?}, and it says {:?}",
            record.as_deref().map(Found::new)
        );
        self.remember(place, record);
        Ok(())
    }

    /// The record that is stored, for a caller that brings it along.
    pub(super) async fn look_up(&mut self, place: Place) -> Result<Option<Arc<Record>>, Broken> {
        let store = self.store(place.resource);
        let found = store.get(&place.key(&*store), Freshness::Latest).await;
        Ok(found.map_err(|error| unexpected("GET-FRESH", &error))?.record)
    }

    /// Reads a list, or its first page.
    pub(super) async fn list(&mut self, view: View, at: At, limit: usize, slot: usize) -> Result<(), Broken> {
        let from = self.current().await?;
        let (version, matching) = match at {
            At::Latest => (String::new(), ""),
            At::Any => ("0".to_owned(), ""),
            At::NotOlder(back) => (self.oracle.back(back).to_string(), "NotOlderThan"),
            At::Exactly(back) => (self.oracle.back(back).to_string(), "Exact"),
            At::Future => (future(from).to_string(), "NotOlderThan"),
        };
        let options = ListOptions {
            resource_version: version,
            resource_version_match: matching.to_owned(),
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
            continue_token: String::new(),
            predicate: view.selection.predicate(),
        };
        let page = match self.page(view, &options).await {
            Ok(page) => page,
            Err(error) => return self.excuse_list(at, &error).await,
        };
        let to = self.settle().await?;
        self.check_revision(at, page.revision, (from, to))?;
        self.check_page(view, &page, limit, None)?;
        self.keep_pages(slot, view, &page);
        Ok(())
    }

    /// Reads the next page.
    pub(super) async fn next_page(&mut self, slot: usize, limit: usize) -> Result<(), Broken> {
        let Some(pages) = self.pages.get_mut(slot).and_then(Option::take) else { return Ok(()) };
        let Pages { view, token, revision, last } = pages;
        let from = self.current().await?;
        let options = ListOptions {
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
            continue_token: token,
            predicate: view.selection.predicate(),
            ..ListOptions::default()
        };
        match self.page(view, &options).await {
            Ok(page) => {
                let to = self.settle().await?;
                let is_as_promised = match revision {
                    Some(revision) => page.revision == revision,
                    None => (from..=to).contains(&page.revision),
                };
                ensure!(
                    is_as_promised,
                    "LIST-CONTINUATION",
                    "a page of {revision:?} is of {}",
                    page.revision
                );
                self.check_page(view, &page, limit, Some(&last))?;
                self.keep_pages(slot, view, &page);
                Ok(())
            }
            Err(Error::Compacted {
                requested,
                oldest,
                during: CompactedDuring::Continue { replacement },
            }) => {
                let compacted = self.oracle.compacted();
                let fits =
                    Some(requested) == revision && requested < oldest && self.may_say_compacted(oldest);
                ensure!(
                    fits,
                    "COMPACT-READS",
                    "{compacted} is compacted, a page of {revision:?} says {requested} < {oldest}"
                );
                let Some(token) = replacement else {
                    return Err(Broken::new("LIST-CONTINUATION", "no token to go on with"));
                };
                if let Some(pages) = self.pages.get_mut(slot) {
                    *pages = Some(Pages { view, token, revision: None, last });
                }
                Ok(())
            }
            Err(error) => Err(unexpected("LIST-CONTINUATION", &error)),
        }
    }

    async fn page(&self, view: View, options: &ListOptions) -> Result<Page, Error> {
        let store = self.store(view.resource);
        let ListPage { revision, continue_token, remaining, cursor } =
            list(&*store, view.scope(&*store), options).await?;
        Ok(Page { revision, token: continue_token, remaining, records: collect(cursor).await? })
    }

    /// Holds a page against the state at its revision.
    fn check_page(&self, view: View, page: &Page, limit: usize, after: Option<&str>) -> Result<(), Broken> {
        let is_after = |place: &Place| after.is_none_or(|after| *place.key_text() > *after);
        let mut expected = self.oracle.list(view, page.revision);
        expected.retain(|(place, _)| is_after(place));
        let limit = if limit == 0 { usize::MAX } else { limit };
        expected.truncate(limit);
        check_records(&page.records, &expected, page.revision)?;
        let everything = View { selection: crate::objects::Selection::Everything, ..view };
        let last = page.records.last().map(|record| record.key.as_str().to_owned());
        let follows = |place: &Place| {
            page.records.len() == limit && last.as_ref().is_some_and(|last| place.key_text() > *last)
        };
        let left =
            self.oracle.list(everything, page.revision).iter().filter(|(place, _)| follows(place)).count();
        ensure!(
            page.token.is_some() == (left > 0),
            "LIST-CONTINUATION",
            "{left} objects follow {last:?} at {}, and there is {}token",
            page.revision,
            if page.token.is_some() { "a " } else { "no " }
        );
        let counted = (left > 0 && view.selection == everything.selection).then_some(left as u64);
        ensure!(
            page.remaining == counted,
            "LIST-CONTINUATION",
            "{left} objects follow at {}, and it says {:?}",
            page.revision,
            page.remaining
        );
        Ok(())
    }

    fn keep_pages(&mut self, slot: usize, view: View, page: &Page) {
        let Some(pages) = self.pages.get_mut(slot) else { return };
        *pages = page.token.clone().map(|token| {
            let last = page.records.last().map(|record| record.key.as_str().to_owned()).unwrap_or_default();
            Pages { view, token, revision: Some(page.revision), last }
        });
    }

    /// Opens a list.
    pub(super) async fn open_list(&mut self, view: View, at: At, slot: usize) -> Result<(), Broken> {
        let from = self.current().await?;
        let store = self.store(view.resource);
        let wanted = match at {
            At::Latest => ReadAt::Latest,
            At::Any => ReadAt::AtLeast(Revision::ZERO),
            At::NotOlder(back) => ReadAt::AtLeast(self.oracle.back(back)),
            At::Exactly(back) => ReadAt::Exact(self.oracle.back(back)),
            At::Future => ReadAt::Exact(future(from)),
        };
        let predicate = view.selection.predicate();
        let request =
            ListRequest { scope: view.scope(&*store), at: wanted, start: None, limit: None, predicate };
        let listing = match store.list(request).await {
            Ok(listing) => listing,
            Err(error) => return self.excuse_list(at, &error).await,
        };
        let to = self.settle().await?;
        let Listing { revision, continuation, cursor } = listing;
        ensure!(continuation.is_none(), "LIST-CONTINUATION", "a list without a limit continues");
        self.check_revision(at, revision, (from, to))?;
        if let Some(place) = self.open_lists.get_mut(slot) {
            *place = Some(OpenList { view, revision, cursor });
        }
        Ok(())
    }

    /// Reads an open list: it is the state of its revision, whatever has happened since.
    pub(super) async fn read_list(&mut self, slot: usize) -> Result<(), Broken> {
        let Some(open) = self.open_lists.get_mut(slot).and_then(Option::take) else { return Ok(()) };
        let OpenList { view, revision, cursor } = open;
        match collect(cursor).await {
            Ok(records) => check_records(&records, &self.oracle.list(view, revision), revision),
            Err(Error::Compacted { .. })
                if revision < self.oracle.compacted() && !self.world.open_lists_survive_compaction() =>
            {
                Ok(())
            }
            Err(error) => Err(unexpected("LIST-ATOMIC", &error)),
        }
    }

    fn check_revision(
        &self,
        at: At,
        revision: Revision,
        (from, to): (Revision, Revision),
    ) -> Result<(), Broken> {
        let fits = match at {
            At::Latest => (from..=to).contains(&revision),
            At::Any => revision <= to,
            At::NotOlder(back) => (self.oracle.back(back)..=to).contains(&revision),
            At::Exactly(back) => revision == self.oracle.back(back) && revision >= self.oracle.compacted(),
            At::Future => false,
        };
        ensure!(
            fits,
            "LIST-OPTIONS",
            "{at:?} was answered at {revision}, the store went from {from} to {to}, {} is compacted",
            self.oracle.compacted()
        );
        Ok(())
    }

    /// Whether a list had to be refused.
    async fn excuse_list(&mut self, at: At, error: &Error) -> Result<(), Broken> {
        self.settle().await?;
        let compacted = self.oracle.compacted();
        match (error, at) {
            (Error::FutureRevision { .. }, At::Future) => Ok(()),
            (Error::Compacted { requested, oldest, .. }, At::Exactly(back)) => {
                let wanted = self.oracle.back(back);
                let fits = *requested == wanted && requested < oldest && self.may_say_compacted(*oldest);
                ensure!(
                    fits,
                    "COMPACT-READS",
                    "{compacted} is compacted, {wanted} was refused: {requested} < {oldest}"
                );
                Ok(())
            }
            _ => Err(unexpected("LIST-OPTIONS", error)),
        }
    }
}

/// A page that was read to its end.
struct Page {
    revision: Revision,
    token: Option<String>,
    remaining: Option<u64>,
    records: Vec<Arc<Record>>,
}

fn check_records(
    records: &[Arc<Record>],
    expected: &[(Place, Version)],
    revision: Revision,
) -> Result<(), Broken> {
    let same = |(record, (place, version)): (&Arc<Record>, &(Place, Version))| {
        is_version(Some(record), *place, Some(*version))
    };
    let is_right = records.len() == expected.len() && records.iter().zip(expected).all(same);
    let found = || records.iter().map(|record| Found::new(record)).collect::<Vec<_>>();
    ensure!(is_right, "LIST-ATOMIC", "at {revision} there is {expected:?}, and it says {:?}", found());
    Ok(())
}

fn future(current: Revision) -> Revision {
    /// Further than any program comes, and than the revisions that a crash burns.
    const FAR: u64 = 1 << 40;
    Revision::new(current.get() + FAR)
}
