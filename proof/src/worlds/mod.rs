//! The stores that are proven, each with what may happen to one of its kind.

mod cached;
#[cfg(feature = "etcd3")]
mod etcd3;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "rocksdb")]
mod rocksdb;

use std::sync::Arc;
use std::time::Duration;

use watchkeep_storage::conformance::Clock;
use watchkeep_storage::{Backend, Environment};

pub use self::cached::Cached;
#[cfg(feature = "etcd3")]
pub use self::etcd3::EtcdWorld;
#[cfg(feature = "memory")]
pub use self::memory::MemoryWorld;
#[cfg(feature = "rocksdb")]
pub use self::rocksdb::RocksWorld;

/// A store of one kind, and the hand that can harm it.
///
/// Before [`World::restart`] and [`World::crash`] everything that was had from [`World::backend`] is dropped.
#[expect(
    async_fn_in_trait,
    reason = "a world lives on the runtime of its test, and nobody sends it elsewhere"
)]
pub trait World: Sized {
    /// The clock that it lives by.
    const CLOCK: Clock;

    /// What it is called in the output.
    const NAME: &'static str;

    /// What a cache over it is called.
    const CACHED_NAME: &'static str;

    /// An empty store. All chance in it comes from the seed, as far as the backend allows.
    async fn open(seed: u64) -> Self;

    /// The store.
    fn backend(&self) -> Arc<dyn Backend>;

    /// What the store asks for the time.
    fn environment(&self) -> &Environment;

    /// Ends the store in an orderly way, and starts it again with what it keeps.
    async fn restart(&mut self) -> Kept;

    /// Ends the store as a kill would, and starts it again with what it keeps.
    async fn crash(&mut self) -> Kept;

    /// Lets so much time pass on the clock that times-to-live go by.
    async fn advance(&mut self, by: Duration);

    /// How late an object may go after its deadline. `None`: the time of this world does not obey, and nothing
    /// is expected to go.
    fn expiry_slack(&self) -> Option<Duration>;

    /// Does what may happen to a store of this kind while it is used. Requests may fail until it has
    /// recovered, which it has when this returns; watches go on.
    async fn disturb(&mut self) {}

    /// Whether an open list survives a compaction of its revision.
    fn open_lists_survive_compaction(&self) -> bool {
        true
    }

    /// Whether a store that was started again says by itself how far it is compacted.
    fn compaction_is_remembered(&self) -> bool {
        true
    }
}

/// What a store has after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Every commit, and the history that it had.
    Everything,
    /// Nothing.
    Nothing,
}
