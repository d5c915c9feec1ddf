//! The storage contract of a Kubernetes API server.
//!
//! (The essay follows.)

pub mod continue_token;
mod create;
mod delete;
mod environment;
mod error;
mod event;
mod extract;
mod interface;
mod key;
mod list;
pub mod memory;
mod precondition;
mod predicate;
mod record;
mod revision;
mod schema;
pub mod selector;
mod status;
mod typed;
mod update;
mod watch;

pub use self::create::create;
pub use self::delete::{Deleted, delete};
pub use self::environment::Environment;
pub use self::error::{CompactedDuring, Error, OBJECT_BYTES_MAX};
pub use self::event::{Bookmark, Change, Event, EventType, WatchEvent};
pub use self::interface::{
    Backend, BoxFuture, Commit, Committed, Expect, Found, Freshness, Interface, Operation, Outcome, Stats,
};
pub use self::key::{KEY_BYTES_MAX, Key, KeyError, ResourcePrefix, Scope};
pub use self::list::{
    BATCH_RECORDS_MAX, Continuation, Cursor, ListOptions, ListPage, ListRequest, Listing, ReadAt, collect, list,
};
pub use self::precondition::Preconditions;
pub use self::predicate::Predicate;
pub use self::record::{Attributes, LayoutError, Record, Value};
pub use self::revision::{InvalidResourceVersion, Revision};
pub use self::schema::{Schema, SelectableField};
pub use self::status::{ApiStatus, ObjectName, StatusFor};
pub use self::typed::{Typed, Versioned};
pub use self::update::{Update, UpdateOptions, Updated, guaranteed_update};
pub use self::watch::{WatchOptions, WatchRequest, WatchSource, WatchStart, Watcher};
