//! Watches: what a client asks for, what a store is asked, and what comes back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::error::Error;
use crate::event::WatchEvent;
use crate::interface::Freshness;
use crate::key::Scope;
use crate::predicate::Predicate;
use crate::revision::Revision;

/// A watch as a client asks for it: the rules of `resourceVersion` and `sendInitialEvents` are applied by
/// [`WatchOptions::resolve`].
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// Empty, `0`, or a decimal number.
    pub resource_version: String,
    /// Whether the current state comes first; `None` leaves it to the resourceVersion.
    pub send_initial_events: Option<bool>,
    /// Whether the client understands bookmarks.
    pub allow_bookmarks: bool,
    /// Which objects to show.
    pub predicate: Predicate,
}

/// A watch as a store is asked for it.
#[derive(Clone, Debug)]
pub struct WatchRequest {
    /// What it covers.
    pub scope: Scope,
    /// Where it begins.
    pub start: WatchStart,
    /// Which objects to show.
    pub predicate: Predicate,
    /// Whether [`crate::Interface::request_progress`] leads to a bookmark in this watch.
    pub progress: bool,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchStart {
    /// With the first event after this revision.
    After(Revision),
    /// With the first event after the revision that is current when the watch is opened.
    Now,
    /// With the current state, one ADDED for each object in the order of keys, each with the revision of its
    /// own last commit; then every event after it. A client that is cut off before the end of the initial
    /// events cannot resume from what it has seen of them. A reader that stops among them
    /// for longer than a list may be open loses them: the watch ends with [`Error::CursorExpired`].
    Initial {
        /// How fresh the state has to be.
        freshness: Freshness,
        /// Whether a bookmark marks the end of the initial events.
        bookmark: bool,
    },
}

impl WatchOptions {
    /// Applies the rules of the parameters. Clause \[WATCH-OPTIONS\].
    ///
    /// | resourceVersion | sendInitialEvents | the watch begins with |
    /// |---|---|---|
    /// | unset | true | the latest state |
    /// | N or 0 | true | a state not older than N |
    /// | unset or 0 | unset | any state |
    /// | unset or 0 | false | what comes next |
    /// | N | unset or false | the events after N |
    ///
    /// A bookmark marks the end of initial events that were asked for by `sendInitialEvents`, if the
    /// client allows bookmarks.
    ///
    /// # Errors
    /// [`Error::ResourceVersion`]: the client's to fix.
    pub fn resolve(&self, scope: Scope) -> Result<WatchRequest, Error> {
        let revision = Revision::parse_resource_version(&self.resource_version)?;
        let start = match (self.send_initial_events, revision) {
            (Some(true), _) => {
                let freshness = match self.resource_version.as_str() {
                    "" => Freshness::Latest,
                    _ => Freshness::AtLeast(revision),
                };
                WatchStart::Initial { freshness, bookmark: self.allow_bookmarks }
            }
            (None, Revision::ZERO) => {
                WatchStart::Initial { freshness: Freshness::AtLeast(Revision::ZERO), bookmark: false }
            }
            (Some(false), Revision::ZERO) => WatchStart::Now,
            (_, revision) => WatchStart::After(revision),
        };
        Ok(WatchRequest { scope, start, predicate: self.predicate.clone(), progress: self.allow_bookmarks })
    }
}

/// What a backend's watch implements. Users see it as a [`Watcher`].
pub trait WatchSource: Send {
    /// The next event. Does a bounded amount of work; where there is more to do, it wakes itself.
    ///
    /// After an error, and after `None`, it is not polled again.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<WatchEvent, Error>>>;

    /// The revision up to which everything that this watch covers has been returned from
    /// [`WatchSource::poll_next`]. Never ahead of that; grows also while other resources change.
    fn progress(&self) -> Revision;
}

/// An open watch: a stream of events that ends after its first error.
///
/// Next to nothing is buffered for it: it costs the store the same however slowly it is read. Where history is
/// given up before it was read, the stream yields [`Error::Compacted`] and ends. Dropping it ends the
/// watch.
pub struct Watcher {
    source: Option<Box<dyn WatchSource>>,
    progress: Revision,
}

impl Watcher {
    /// The watcher over a backend's source.
    pub fn new(source: impl WatchSource + 'static) -> Self {
        Self { source: Some(Box::new(source)), progress: Revision::ZERO }
    }

    /// The revision up to which everything that this watch covers has been delivered: what a bookmark
    /// may say at this moment. Clause \[WATCH-BOOKMARKABLE\].
    pub fn progress(&self) -> Revision {
        self.source.as_ref().map_or(self.progress, |source| source.progress())
    }
}

impl Stream for Watcher {
    type Item = Result<WatchEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(source) = self.source.as_mut() else { return Poll::Ready(None) };
        // A reader of many events gives other tasks their turn.
        let turn = ready!(tokio::task::coop::poll_proceed(context));
        let polled = source.poll_next(context);
        if polled.is_ready() {
            turn.made_progress();
        }
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            // Nothing follows an error. Clause [WATCH-ERROR-LAST].
            self.progress = source.progress();
            self.source = None;
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ResourcePrefix;

    #[test]
    fn watch_options_resolve_as_the_table_says() {
        let initial = |freshness, bookmark| WatchStart::Initial { freshness, bookmark };
        let least = |revision| Freshness::AtLeast(Revision::new(revision));
        for (rv, initial_events, bookmarks, want) in [
            ("", Some(true), true, initial(Freshness::Latest, true)),
            ("", Some(true), false, initial(Freshness::Latest, false)),
            ("0", Some(true), true, initial(least(0), true)),
            ("5", Some(true), true, initial(least(5), true)),
            ("", None, true, initial(least(0), false)),
            ("0", None, true, initial(least(0), false)),
            ("", Some(false), true, WatchStart::Now),
            ("0", Some(false), true, WatchStart::Now),
            ("5", None, true, WatchStart::After(Revision::new(5))),
            ("5", Some(false), true, WatchStart::After(Revision::new(5))),
        ] {
            let options = WatchOptions {
                resource_version: rv.to_owned(),
                send_initial_events: initial_events,
                allow_bookmarks: bookmarks,
                predicate: Predicate::everything(),
            };
            let scope = ResourcePrefix::new("/pods").unwrap().under(None).unwrap();
            assert_eq!(options.resolve(scope).unwrap().start, want, "{options:?}");
        }
    }
}
