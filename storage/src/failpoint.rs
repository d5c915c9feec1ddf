//! Points of the backends at which a test lets a step wait, fail, call back, or end the process.
//!
//! With the feature `failpoints` each [`Point`] can be given an action of the crate `fail`, which nothing
//! else names: in a test by a `Scenario`, and from outside by the variable `FAILPOINTS`, which a server built
//! with the feature reads when it starts: `FAILPOINTS='RocksSync=1*return;RocksDurable=sleep(5)'`. An action is
//! `sleep(ms)`, `yield`, `pause`, `panic` or `return`, with `n*` or `p%` before it for how often;
//! `return(reason)` fails the step where it can fail, and kills the process where it cannot. Without an
//! action a point does nothing, and without the feature there is none.

use crate::error::Error;

/// A place in a backend, and what happens there.
#[cfg_attr(
    not(feature = "failpoints"),
    allow(dead_code, unreachable_pub, reason = "without the feature nobody sees it")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// Memory: a commit is about to take the lock of the store.
    MemoryCommit,
    /// Memory: a commit is published, and nobody was woken for it.
    MemoryPublished,
    /// Memory: a commit is published, watchers are woken, and it is about to be acknowledged.
    MemoryAcknowledge,
    /// Memory: a watch has the picture of its initial events, and is not registered.
    MemoryPicture,
    /// Memory: the compacted revision is raised, and the history below is still there.
    MemoryCompacted,
    /// Memory: the maintenance is about to delete what has expired.
    MemoryExpire,
    /// `RocksDB`: a batch is about to be written, whoever writes it. Fails: as on a full disk, nothing was
    /// written.
    RocksWrite,
    /// `RocksDB`: a batch is in the log, and nobody knows whether on the disk. Fails: as a sync that fails.
    RocksSync,
    /// `RocksDB`: a group is durable, and not published.
    RocksDurable,
    /// `RocksDB`: a group is in the published state, and neither the watermark has moved nor was anybody
    /// woken.
    RocksPublished,
    /// `RocksDB`: a group is published, and about to be acknowledged.
    RocksAcknowledge,
    /// `RocksDB`: a compaction is durable and published, and the history below is still there.
    RocksCompacted,
    /// `RocksDB`: a piece of compacted history is about to be deleted.
    RocksTrim,
    /// `RocksDB`: keys are found due, and are about to be deleted conditionally.
    RocksExpire,
    /// `RocksDB`: the block of reserved revisions is used up: the next one goes with the group that is
    /// written.
    RocksReserve,
    /// `RocksDB`: an opened store is read, and the revisions that it goes on with are not reserved.
    RocksRecover,
    /// `RocksDB`: after a failed write the engine is about to be opened anew. Fails: it cannot be, and is
    /// tried again.
    RocksReopen,
    /// etcd3: a transaction is about to be sent. Fails: it never was.
    EtcdSend,
    /// etcd3: a transaction is answered. Fails: the answer is lost.
    EtcdAnswer,
    /// etcd3: a watch is about to be read. Fails: its stream is cut.
    EtcdWatch,
    /// etcd3: a lease is about to be granted. Fails: it is not.
    EtcdLease,
    /// etcd3: the compactor knows the time of the clock, and is about to move it on.
    EtcdClock,
    /// etcd3: the compactor has won an interval, and is about to compact.
    EtcdCompact,
    /// The cache: an event of the store is about to be applied. Fails: it is lost.
    CacheEvent,
    /// The cache: an event is in the picture and in the window, and in no topic.
    CacheApplied,
    /// The cache: the store's watch is about to be read. Fails: it breaks.
    CacheSource,
    /// The cache: a watch has looked at its topic.
    CacheLooked,
}

#[cfg(not(feature = "failpoints"))]
#[allow(dead_code, reason = "a backend that is not built does not get anywhere")]
mod off {
    use super::{Error, Point};

    /// A step has got here.
    #[inline]
    pub const fn reached(_: Point) {}

    /// A step has got here that may be made to fail.
    #[inline]
    #[allow(clippy::unnecessary_wraps, reason = "it fails where the feature is on")]
    pub const fn passed(_: Point) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(feature = "failpoints")]
#[allow(dead_code, reason = "a backend that is not built does not get anywhere")]
mod on {
    use fail::{FailScenario, cfg, cfg_callback, fail_point, remove};

    use super::{Error, Point};
    use crate::defect::Defect;

    /// A step has got here. Blocks its thread where the action of the point does; `return` kills the process.
    pub fn reached(point: Point) {
        fail_point!(&format!("{point:?}"), |_| std::process::abort());
    }

    /// A step has got here that may be made to fail, by the action `return`: its outcome is unknown.
    pub fn passed(point: Point) -> Result<(), Error> {
        fail_point!(&format!("{point:?}"), |reason| {
            let reason = reason.unwrap_or_else(|| format!("the failpoint {point:?}"));
            Err(match point {
                Point::EtcdSend | Point::EtcdAnswer | Point::EtcdWatch | Point::EtcdLease => {
                    Error::Unreachable { reason }
                }
                _ => Error::Internal { reason },
            })
        });
        Ok(())
    }

    /// Whether a defect is switched on.
    pub(crate) fn is_seeded(defect: Defect) -> bool {
        fail_point!(&format!("{defect:?}"), |_| true);
        false
    }

    /// Actions of points, and defects, until it is dropped. One at a time in a process: a second one waits.
    pub struct Scenario(#[expect(dead_code, reason = "it ends when it is dropped")] FailScenario<'static>);

    impl Scenario {
        /// Begins with what the variable `FAILPOINTS` says.
        pub fn begin() -> Self {
            Self(FailScenario::setup())
        }

        /// Gives a point an action.
        ///
        /// # Panics
        /// When there is no such action.
        pub fn set(&self, point: Point, action: &str) {
            if let Err(error) = cfg(format!("{point:?}"), action) {
                panic!("{point:?}={action}: {error}");
            }
        }

        /// Has a point call a function, in the middle of the step.
        ///
        /// # Panics
        /// When the crate refuses the function, which it has no reason to.
        pub fn call(&self, point: Point, function: impl Fn() + Send + Sync + 'static) {
            if let Err(error) = cfg_callback(format!("{point:?}"), function) {
                panic!("{point:?}: {error}");
            }
        }

        /// Takes the action of a point away, and lets go who pauses there.
        pub fn clear(&self, point: Point) {
            remove(format!("{point:?}"));
        }

        /// Switches a defect on.
        ///
        /// # Panics
        /// When the crate refuses the action, which it knows.
        pub fn seed(&self, defect: Defect) {
            if let Err(error) = cfg(format!("{defect:?}"), "return") {
                panic!("{defect:?}: {error}");
            }
        }
    }
}

#[cfg(not(feature = "failpoints"))]
#[allow(unused_imports, reason = "a backend that is not built does not get anywhere")]
pub use self::off::{passed, reached};
#[cfg(feature = "failpoints")]
pub use self::on::Scenario;
#[cfg(feature = "failpoints")]
pub(crate) use self::on::is_seeded;
#[cfg(feature = "failpoints")]
#[allow(unused_imports, reason = "a backend that is not built does not get anywhere")]
#[doc(hidden)]
pub use self::on::{passed, reached};
