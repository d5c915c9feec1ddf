//! Lists: what a client asks for, what a store is asked, and what comes back.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::continue_token::{ContinueToken, TokenRevision};
use crate::defect::{self, Defect};
use crate::error::{CompactedDuring, Error};
use crate::interface::{BoxFuture, Freshness, Interface};
use crate::key::Scope;
use crate::predicate::Predicate;
use crate::record::Record;
use crate::revision::Revision;

/// The most records that a cursor hands out at once.
pub const BATCH_RECORDS_MAX: usize = 512;

/// A list as a client asks for it: the rules of `resourceVersion`, `resourceVersionMatch`, `limit` and
/// `continue` are applied by [`ListOptions::resolve`].
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Empty, `0`, or a decimal number.
    pub resource_version: String,
    /// Empty, `NotOlderThan` or `Exact`.
    pub resource_version_match: String,
    /// The most objects to return; zero and below: all.
    pub limit: i64,
    /// The token of the page before; empty for the first.
    pub continue_token: String,
    /// Which objects to return.
    pub predicate: Predicate,
}

/// A list as a store is asked for it.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// What it covers.
    pub scope: Scope,
    /// The revision of the picture.
    pub at: ReadAt,
    /// The first key to return; `None` begins with the scope. Need not exist.
    pub start: Option<String>,
    /// The most records to return.
    pub limit: Option<NonZeroUsize>,
    /// Which records to return.
    pub predicate: Predicate,
}

/// The revision of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAt {
    /// Sees every commit that was acknowledged before the read began.
    Latest,
    /// Any state that is not older; zero is any.
    AtLeast(Revision),
    /// Exactly this revision.
    Exact(Revision),
}

impl From<Freshness> for ReadAt {
    fn from(freshness: Freshness) -> Self {
        match freshness {
            Freshness::Latest => Self::Latest,
            Freshness::AtLeast(revision) => Self::AtLeast(revision),
        }
    }
}

/// An open list.
pub struct Listing {
    /// The revision of the picture: the resourceVersion of the list.
    pub revision: Revision,
    /// Where the next page begins, if there is one.
    pub continuation: Option<Continuation>,
    /// The records.
    pub cursor: Box<dyn Cursor>,
}

/// Where the next page of a list begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// The first key that the next page may return: the last returned key and a NUL byte.
    pub start: String,
    /// How many records of the scope follow. Absent under a predicate, where nobody has counted.
    pub remaining: Option<u64>,
}

/// Reads an open list. Holds its picture until it is dropped or its deadline has passed. Clause \[CURSOR\].
pub trait Cursor: Send {
    /// The next records, at most [`BATCH_RECORDS_MAX`]; none at the end, and from then on.
    ///
    /// # Errors
    /// [`Error::CursorExpired`] after the deadline, [`Error::Corrupt`] for a record that cannot be read.
    ///
    /// # Cancel safety
    /// A dropped call has returned nothing and skipped nothing.
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Arc<Record>>, Error>>;
}

/// A page of a list as a client gets it.
pub struct ListPage {
    /// The resourceVersion of the list: the revision of the picture, or the exact one asked for.
    pub revision: Revision,
    /// The token of the next page; `None` on the last.
    pub continue_token: Option<String>,
    /// How many objects follow this page.
    pub remaining: Option<u64>,
    /// The records.
    pub cursor: Box<dyn Cursor>,
}

impl ListOptions {
    /// Applies the rules of the parameters. Clause \[LIST-OPTIONS\].
    ///
    /// | resourceVersion | match | limit or continue | the list is |
    /// |---|---|---|---|
    /// | unset | – | – | the latest |
    /// | any | `NotOlderThan`, or none without limit | – | not older |
    /// | N | none | limit, more than one object | exactly N |
    /// | N | `Exact` | – | exactly N |
    /// | unset or 0 | – | token of revision R | exactly R, from the token's key |
    /// | unset or 0 | – | token without revision | the latest, from the token's key |
    ///
    /// # Errors
    /// [`Error::ContinueToken`], [`Error::ContinueWithResourceVersion`], [`Error::ResourceVersion`],
    /// [`Error::UnknownMatch`]: all the client's to fix.
    pub fn resolve(&self, scope: Scope) -> Result<ListRequest, Error> {
        let recursive = matches!(scope, Scope::Under(_));
        let limit = usize::try_from(self.limit).ok().and_then(NonZeroUsize::new);
        let (at, start) = if recursive && !self.continue_token.is_empty() {
            let token = ContinueToken::decode(&self.continue_token, scope.prefix())?;
            if !matches!(self.resource_version.as_str(), "" | "0") {
                return Err(Error::ContinueWithResourceVersion);
            }
            let at = match token.revision {
                TokenRevision::At(revision) => ReadAt::Exact(Revision::new(revision)),
                TokenRevision::Latest => ReadAt::Latest,
            };
            (at, Some(token.start))
        } else {
            (self.read_at(recursive && limit.is_some())?, None)
        };
        Ok(ListRequest { scope, at, start, limit, predicate: self.predicate.clone() })
    }

    fn read_at(&self, limited: bool) -> Result<ReadAt, Error> {
        if self.resource_version.is_empty() {
            return Ok(ReadAt::Latest);
        }
        let revision = Revision::parse_resource_version(&self.resource_version)?;
        match self.resource_version_match.as_str() {
            "" if limited && !revision.is_zero() => Ok(ReadAt::Exact(revision)),
            "" | "NotOlderThan" => Ok(ReadAt::AtLeast(revision)),
            "Exact" if revision.is_zero() => Ok(ReadAt::Latest),
            "Exact" => Ok(ReadAt::Exact(revision)),
            unknown => Err(Error::UnknownMatch { value: unknown.to_owned() }),
        }
    }
}

/// Serves a list as a client asks for it: [`ListOptions::resolve`], [`Interface::list`], and the tokens
/// of the pages.
///
/// # Errors
/// Those of the two. A page whose revision is compacted carries the token that goes on at the latest
/// revision in [`CompactedDuring::Continue`].
pub async fn list(store: &dyn Interface, scope: Scope, options: &ListOptions) -> Result<ListPage, Error> {
    let request = options.resolve(scope.clone())?;
    let start = request.start.clone();
    let Listing { revision, continuation, cursor } =
        store.list(request).await.map_err(|error| with_replacement(error, &scope, start))?;
    let (continue_token, remaining) = match continuation {
        None => (None, None),
        Some(Continuation { start, remaining }) => {
            let mut revision = TokenRevision::At(revision.get());
            if defect::on(Defect::TokenWithoutRevision) {
                revision = TokenRevision::Latest;
            }
            let token = ContinueToken { revision, start };
            (Some(token.encode(scope.prefix())?), remaining)
        }
    };
    Ok(ListPage { revision, continue_token, remaining, cursor })
}

/// Gives the error of a compacted page the token that continues at the latest revision.
fn with_replacement(error: Error, scope: &Scope, start: Option<String>) -> Error {
    match (error, start) {
        (Error::Compacted { requested, oldest, .. }, Some(start)) => {
            let token = ContinueToken { revision: TokenRevision::Latest, start };
            let replacement = token.encode(scope.prefix()).ok();
            Error::Compacted { requested, oldest, during: CompactedDuring::Continue { replacement } }
        }
        (error, _) => error,
    }
}

/// Reads a cursor to its end. For tests, and for callers whose limit bounds the page.
///
/// # Errors
/// Those of [`Cursor::next`].
pub async fn collect(mut cursor: Box<dyn Cursor>) -> Result<Vec<Arc<Record>>, Error> {
    let mut records = Vec::new();
    loop {
        let mut batch = cursor.next().await?;
        if batch.is_empty() {
            return Ok(records);
        }
        records.append(&mut batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ResourcePrefix;

    fn options(rv: &str, matching: &str, limit: i64, token: &str) -> ListOptions {
        ListOptions {
            resource_version: rv.to_owned(),
            resource_version_match: matching.to_owned(),
            limit,
            continue_token: token.to_owned(),
            predicate: Predicate::everything(),
        }
    }

    fn token(revision: TokenRevision) -> String {
        ContinueToken { revision, start: "/pods/continue".to_owned() }.encode("/pods/").unwrap()
    }

    fn recursive() -> Scope {
        ResourcePrefix::new("/pods/").unwrap().under(None).unwrap()
    }

    fn single() -> Scope {
        Scope::One(ResourcePrefix::new("/pods/").unwrap().object(Some("n"), "a").unwrap())
    }

    #[test]
    fn list_options_resolve_as_the_table_says() {
        let at = |revision| ReadAt::Exact(Revision::new(revision));
        let least = |revision| ReadAt::AtLeast(Revision::new(revision));
        let at_100 = token(TokenRevision::At(100));
        let latest = token(TokenRevision::Latest);
        for (scope, options, want, start) in [
            (recursive(), options("", "", 0, ""), ReadAt::Latest, None),
            (recursive(), options("0", "", 0, &at_100), at(100), Some("/pods/continue")),
            (recursive(), options("", "", 0, &at_100), at(100), Some("/pods/continue")),
            (recursive(), options("0", "", 0, &latest), ReadAt::Latest, Some("/pods/continue")),
            (recursive(), options("0", "", 1, ""), least(0), None),
            (recursive(), options("200", "NotOlderThan", 1, ""), least(200), None),
            (recursive(), options("200", "Exact", 0, ""), at(200), None),
            (single(), options("200", "", 1, ""), least(200), None),
            (recursive(), options("200", "", 0, ""), least(200), None),
            (recursive(), options("200", "", 1, ""), at(200), None),
            (single(), options("200", "Exact", 0, ""), at(200), None),
        ] {
            let request = options.resolve(scope).unwrap();
            assert_eq!((request.at, request.start.as_deref()), (want, start), "{options:?}");
        }
    }

    #[test]
    fn list_options_that_contradict_themselves_are_refused() {
        let at_100 = token(TokenRevision::At(100));
        let refused = |options: ListOptions| options.resolve(recursive()).unwrap_err();
        assert_eq!(refused(options("200", "", 0, &at_100)), Error::ContinueWithResourceVersion);
        assert!(matches!(refused(options("invalid", "", 0, "")), Error::ResourceVersion(_)));
        assert_eq!(
            refused(options("1", "unknown", 0, "")),
            Error::UnknownMatch { value: "unknown".to_owned() }
        );
        assert!(matches!(refused(options("", "", 0, "garbage!")), Error::ContinueToken(_)));
    }
}
