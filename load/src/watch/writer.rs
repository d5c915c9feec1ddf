//! The open loop: each write is sent when it is due, whether or not those before are answered.

use std::sync::Arc;

use hyper::Method;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::plan::Plan;
use crate::cli::{WatchOptions, WatchedWrite};
use crate::connection::{Call, Connection, JSON};
use crate::crew::all;
use crate::error::LoadError;
use crate::latency::Latencies;
use crate::pace::Pace;
use crate::schedule::Schedule;
use crate::stamp::Stamps;
use crate::target::Target;
use crate::write::{MERGE_PATCH, stamp_patch};

/// How many writes are under way at most, each on a connection of its own: one that finds none free waits, and its
/// latency goes on.
const WRITES_INFLIGHT_MAX: usize = 256;

/// What came of the writes.
#[derive(Debug)]
pub(crate) struct Written {
    /// Acknowledged.
    pub(crate) done: u64,
    /// Refused, or broken off.
    pub(crate) failed: u64,
    /// Had to wait for a connection.
    pub(crate) delayed: u64,
    /// How many events those that were acknowledged make.
    pub(crate) expected: u64,
    /// From the time that a write was due to its answer.
    pub(crate) latencies: Latencies,
}

/// What the writes share.
struct Writer {
    target: Arc<Target>,
    plan: Arc<Plan>,
    schedule: Schedule,
    stamps: Stamps,
    how: WatchedWrite,
    idle: Mutex<Vec<Connection>>,
    written: Mutex<Written>,
}

/// Sends every write of a schedule when it is due, and waits for the answers.
pub(crate) async fn write(
    target: &Arc<Target>,
    plan: &Arc<Plan>,
    schedule: Schedule,
    stamps: &Stamps,
    options: &WatchOptions,
) -> Result<Written, LoadError> {
    let written = Written { done: 0, failed: 0, delayed: 0, expected: 0, latencies: Latencies::new() };
    let writer = Arc::new(Writer {
        target: Arc::clone(target),
        plan: Arc::clone(plan),
        schedule,
        stamps: stamps.clone(),
        how: options.write,
        idle: Mutex::new(Vec::new()),
        written: Mutex::new(written),
    });
    let mut pace = Pace::of(schedule).map_err(LoadError::io("a thread that keeps the time"))?;
    let room = Arc::new(Semaphore::new(WRITES_INFLIGHT_MAX));
    let count = u64::from(options.rate) * u64::from(options.seconds);
    let (mut crew, mut next) = (JoinSet::new(), 0);
    while next < count {
        let due = pace.due().await.min(count);
        for number in next..due {
            let permit = writer.permit(&room).await?;
            let writer = Arc::clone(&writer);
            crew.spawn(async move { writer.write(number, permit).await });
        }
        next = due;
        while let Some(done) = crew.try_join_next() {
            done??;
        }
    }
    all(crew).await?;
    let written = Arc::into_inner(writer).map(|writer| writer.written.into_inner());
    written.ok_or_else(|| LoadError::Usage("a write has not ended".to_owned()))
}

impl Writer {
    /// The right to one more write under way.
    async fn permit(&self, room: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, LoadError> {
        if let Ok(permit) = Arc::clone(room).try_acquire_owned() {
            return Ok(permit);
        }
        self.written.lock().delayed += 1;
        let permit = Arc::clone(room).acquire_owned().await;
        permit.map_err(|_| LoadError::Usage("nobody may write any more".to_owned()))
    }

    async fn write(&self, number: u64, permit: OwnedSemaphorePermit) -> Result<(), LoadError> {
        let object = u32::try_from(number % u64::from(self.plan.objects.count)).unwrap_or_default();
        let mut connection = self.connection().await?;
        let answer = self.send(&mut connection, object, number).await;
        let answered = Instant::now();
        let mut written = self.written.lock();
        match answer {
            Ok(()) => {
                written.done += 1;
                written.expected += self.plan.seen_by(object);
                written.latencies.record(self.schedule.late(number, answered));
                self.idle.lock().push(connection);
            }
            Err(_) => written.failed += 1,
        }
        // Who takes it finds the connection.
        drop(permit);
        Ok(())
    }

    async fn send(&self, connection: &mut Connection, object: u32, number: u64) -> Result<(), LoadError> {
        let stamp = self.stamps.of(number);
        let path = self.plan.objects.path(object);
        let call = match self.how {
            WatchedWrite::Patch => Call::with_body(Method::PATCH, &path, MERGE_PATCH, stamp_patch(&stamp)),
            WatchedWrite::Put => {
                Call::with_body(Method::PUT, &path, JSON, self.plan.objects.body(object, &stamp))
            }
        };
        connection.exchange(&call).await
    }

    /// One that nobody uses, or a new one.
    async fn connection(&self) -> Result<Connection, LoadError> {
        while let Some(connection) = self.idle.lock().pop() {
            if !connection.is_closed() {
                return Ok(connection);
            }
        }
        Connection::open(&self.target).await
    }
}
