//! The watch cache: a copy of a resource in memory, from which lists and watches are served.
//!
//! One [`Cacher`] for each resource, over any [`watchkeep_storage::Interface`], and itself one: the conformance
//! suite and the model test of the stores are its own. [`CachedBackend`] puts one over every resource of a
//! backend.
//!
//! ```text
//!   commits, gets of the latest                          lists, gets, watches
//!          │                                                     │
//!          │      ┌──────────────────────────────────────────────┼───────────────────┐
//!          │      │ Cacher          ┌── picture: objects and indexes at a revision ◀─┤ list, get
//!          │      │                 │                                              │
//!          │      │ source ──apply──┼── window: the newest events, a ring   ◀───────┤ a watch that is behind
//!          │      │   ▲             │                                              │
//!          │      │   │             └── topics: who cares about which events ◀─────┤ a watch that keeps up
//!          │      └───┼──────────────────────────────────────────────────────────┬─┘
//!          ▼          │ list, then watch                                         ▼ a watch behind the window
//!   watchkeep_storage::Interface ───────────────────────────────────────────── history
//! ```
//!
//! # How it changes
//!
//! There is one way: `Shared::drive` takes what the store's watch has ready, applies it to the picture,
//! appends it to the window, hands it to the topics, and then moves `published` on. Whoever holds the lock of the
//! source is the writer, for a bounded batch. The reflector's task drives when the store wakes it; a write
//! drives when it is acknowledged, and a read when it wants the newest state. Memory and RocksDB publish before
//! they acknowledge, so there nobody waits for another task; etcd is asked for its progress.
//!
//! # Invariants
//!
//! - **C1 published.** Everything up to `published` is in the picture, in the window (or given up) and in the
//!   topics. It is released after them and acquired before a look at them, and never goes back.
//! - **C2 a picture never changes.** It is a clone of some roots; the writer copies what it shares.
//! - **C3 no event slips past a watch.** A watch follows its topic before it takes its picture or its place. A topic
//!   that is made while an event is being published either gets it, or knows that it missed it
//!   (`topic.rs`).
//! - **C4 nothing is queued for a watch.** It has taken one batch at most. A topic keeps few events and the window
//!   is bounded; what a watch missed it reads from the next source, by its revision.
//! - **C5 the past is exact.** A state of the past is a kept picture and the events of the window that lead from
//!   it to the revision; where one is missing the store is asked.
//! - **C6 a revision is not cut apart.** Events of one revision are published together and taken together, so that a
//!   place between them is never gone on from.
//!
//! # Locks
//!
//! | lock | guards | held for | order |
//! |---|---|---|---|
//! | `Shared::source` | the writer's place: watch, picture | a batch of events | first |
//! | `Shared::kept` | the pictures of the past | O(1), dropped pictures outside | after `source` |
//! | `Shared::window` | the ring | a batch; events outside | after `source` and `kept` |
//! | a part of `Topics` | which topics there are | a look | after `source` |
//! | a `Log` | a topic's newest events, who waits | a batch | after its part |
//! | `Histories::readings` | which readings there are | a look at a few of them | before theirs |
//! | a `Reading` | a part of the store's history, and its watch | a batch of events | before `window` |
//! | `Progress`, `Ready`, `OpenPictures`, `Telemetry`, `Waiting` | requests, readiness, deadlines, the event that is measured, who waits for history | O(log n) | last |
//!
//! Wake-ups and what is given up are collected under a lock and done outside of it. Pictures are read without
//! any lock (`arc-swap`).
//!
//! # Where it ends
//!
//! A watch whose events were given up by topic, window and history ends with `Compacted`; the next request gets the
//! same, with both numbers. When the store's watch breaks, the cache goes on where it was; when that is compacted,
//! it lists again, and watches read what lies between from the store's history. A cache that was found to be wrong
//! ends its watches, because they may have missed what it missed (`endings.rs`). Dropping a [`Cacher`] ends its
//! tasks and its watches.
//!
//! # What it leaves to others
//!
//! Writes go to the store. Records are made by the commit and shared here, never copied or parsed anew. Encoding,
//! HTTP and the meaning of kinds are the server's.

mod backend;
mod cacher;
mod checker;
mod delegate;
mod endings;
mod freshness;
mod held;
mod history;
pub mod index;
mod list;
pub mod map;
mod open;
mod options;
mod picture;
mod pictures;
mod progress;
mod published;
mod ready;
mod refill;
mod reflector;
pub mod ring;
mod shared;
mod sync;
mod telemetry;
mod topic;
mod watch;
mod window;

pub use self::backend::CachedBackend;
pub use self::cacher::Cacher;
pub use self::held::Held;
pub use self::options::{CacherOptions, ResourceName};
pub use self::telemetry::HISTOGRAM_BUCKETS;
pub use self::window::WindowStats;
