//! The watch cache: where the copy of a resource lives that lists and watches are served from.
//!
//! Nothing is implemented yet; this page says what belongs here, so that the crates around it know where
//! their edges are. The server reads its stores directly until the cache lands.
//!
//! ```text
//!                    writes, quorum reads
//!        ┌──────────────────────────────────────────────┐
//!        │                                              ▼
//!  server ──lists, watches──▶ cacher ◀──list + watch── storage::Interface
//!                              │  one reflector per resource
//!                              ├─ shards ── pictures: get and list at any retained revision
//!                              └─ ring of events ── watchers: a cursor and a wake-up each
//! ```
//!
//! # What it will own
//!
//! One `Cacher` per resource type, over any `watchkeep_storage::Interface`, and itself an `Interface`: the
//! conformance suite of the storage crate is its suite too.
//!
//! - **State**, cut by ranges of keys into shards with an ordered map and indexes each. A *picture* is a
//!   revision and the shards' roots at it; readers take one and never hold up the writer.
//! - **Ring**, the window of events. An event is appended once; a watcher is a place in the ring. The
//!   window is bounded in events and in bytes.
//! - **Watchers**, which pull: a slow one falls behind in the ring, then reads the store's history, and
//!   when that is given up too its stream ends and its next request gets 410.
//! - **Freshness**: a consistent read asks the store for its current revision and waits until the cache has
//!   reached it; bookmarks say what was delivered, never more.
//!
//! # What it leaves to others
//!
//! Writes go to the store. Records are made by the commit and shared here, never copied or parsed anew.
//! Encoding, HTTP and the meaning of kinds are the server's.

mod backend;
mod cacher;
mod checker;
mod delegate;
mod freshness;
pub mod index;
mod list;
pub mod map;
mod open;
mod options;
mod picture;
mod pictures;
mod progress;
mod ready;
mod reflector;
pub mod ring;
mod shared;
mod topic;
mod watch;
mod window;

pub use self::backend::CachedBackend;
pub use self::cacher::Cacher;
pub use self::options::CacherOptions;
