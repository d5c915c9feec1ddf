//! `watch`: watchers on one resource while it is written at a rate; from the time that a write was due to each
//! delivery of its event.

mod delivery;
mod plan;
mod readers;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use self::delivery::Delivered;
use self::plan::Plan;
use self::readers::Readers;
use self::writer::Written;
use crate::cli::{Resource, WatchOptions};
use crate::connection::{Call, Connection, each_chunk};
use crate::counting::Counting;
use crate::error::LoadError;
use crate::files;
use crate::fill;
use crate::latency::Percentiles;
use crate::meter::{Cost, Memory, Meter};
use crate::numbers::{each, float, several, show};
use crate::objects::Objects;
use crate::report::{Cells, Figures, Report};
use crate::schedule::Schedule;
use crate::stamp::Stamps;
use crate::target::Target;

/// For how long events are awaited of which none comes.
const QUIET_MAX: Duration = Duration::from_secs(10);

/// How often it is looked whether all have come: seldom enough to cost nothing.
const LOOK: Duration = Duration::from_millis(20);

/// What `watch` tells.
#[derive(Debug, Serialize)]
struct WatchFigures {
    watchers: u32,
    rate: u32,
    written: u64,
    failed: u64,
    /// How many writes had to wait for one of the connections.
    delayed: u64,
    expected: u64,
    delivered: u64,
    /// Watches that the server ended.
    ended: u64,
    bytes: u64,
    delivery: Percentiles,
    acknowledgement: Percentiles,
    server_cpu_us_per_write: Option<f64>,
    server_cpu_us_per_event: Option<f64>,
    server_cpu_us_per_watch_opened: Option<f64>,
    resident_bytes_per_watch: Option<f64>,
    pss_bytes_per_watch: Option<f64>,
    cost: Cost,
    memory_before: Option<Memory>,
    memory_idle: Option<Memory>,
    memory_after: Option<Memory>,
}

/// Fills, and measures with each number of watchers.
pub(crate) async fn run(
    target: &Arc<Target>,
    meter: &Meter,
    options: &WatchOptions,
    report: &mut Report,
) -> Result<(), LoadError> {
    let objects = Objects::new(options.resource, options.objects, options.shape);
    fill::ensure(target, &objects).await?;
    for &watchers in &options.watchers {
        files::make_room(watchers.into())?;
        let plan = Plan::new(objects.clone(), watchers, options.field_selector.as_deref())?;
        let figures = measure(target, meter, options, plan).await?;
        report.add(several(watchers, "watch", "es"), &figures)?;
    }
    Ok(())
}

async fn measure(
    target: &Arc<Target>,
    meter: &Meter,
    options: &WatchOptions,
    plan: Plan,
) -> Result<WatchFigures, LoadError> {
    let stamps = Stamps::new();
    let delivered = Arc::new(Delivered::new(stamps.reader()));
    let revision = revision(target, options.resource).await?;
    let memory_before = meter.memory();
    let opening = meter.begin()?;
    let _readers = Readers::open(target, &plan, &revision, &delivered).await?;
    let opened = opening.cost()?;
    let memory_idle = meter.memory();

    let work = meter.begin()?;
    let schedule = Schedule::new(Instant::now(), options.rate);
    delivered.begin(schedule);
    let plan = Arc::new(plan);
    let written = writer::write(target, &plan, schedule, &stamps, options).await?;
    all_delivered(&delivered, written.expected).await;
    let cost = work.cost()?;
    let memories = [memory_before, memory_idle, meter.memory()];
    Ok(WatchFigures::new(plan.watchers(), options.rate, &written, &delivered, opened, cost, memories))
}

/// The resource version from which nothing is missed that is written from now on.
async fn revision(target: &Arc<Target>, resource: Resource) -> Result<String, LoadError> {
    let mut connection = Connection::open(target).await?;
    let path = format!("{}?limit=1", resource.collection(None));
    let call = Call::new(Method::GET, &path);
    let response = connection.send(&call).await?;
    let mut counting = Counting::new();
    each_chunk(&call, response.into_body(), |chunk| {
        counting.feed(chunk);
        Ok(())
    })
    .await?;
    counting.metadata("resourceVersion").map(str::to_owned).ok_or_else(|| call.lacks("no resourceVersion"))
}

/// Waits until all events have come, or none comes any more.
async fn all_delivered(delivered: &Delivered, expected: u64) {
    let (mut seen, mut moved) = (delivered.events(), Instant::now());
    while seen < expected && moved.elapsed() < QUIET_MAX {
        sleep(LOOK).await;
        let now = delivered.events();
        if now > seen {
            (seen, moved) = (now, Instant::now());
        }
    }
}

impl WatchFigures {
    fn new(
        watchers: u32,
        rate: u32,
        written: &Written,
        delivered: &Delivered,
        opened: Cost,
        cost: Cost,
        [before, idle, after]: [Option<Memory>; 3],
    ) -> Self {
        let grown = |of: fn(Memory) -> Option<u64>| {
            let (before, idle) = (before.and_then(of)?, idle.and_then(of)?);
            each(Some(float(idle.saturating_sub(before))), watchers.into(), 1.0)
        };
        Self {
            watchers,
            rate,
            written: written.done,
            failed: written.failed,
            delayed: written.delayed,
            expected: written.expected,
            delivered: delivered.events(),
            ended: delivered.ended(),
            bytes: delivered.bytes(),
            delivery: delivered.percentiles(),
            acknowledgement: written.latencies.percentiles(),
            server_cpu_us_per_write: cost.micros_each(written.done),
            server_cpu_us_per_event: cost.micros_each(delivered.events()),
            server_cpu_us_per_watch_opened: opened.micros_each(watchers.into()),
            resident_bytes_per_watch: grown(|memory| Some(memory.rss_bytes)),
            pss_bytes_per_watch: grown(|memory| memory.pss_bytes),
            cost,
            memory_before: before,
            memory_idle: idle,
            memory_after: after,
        }
    }
}

impl Figures for WatchFigures {
    fn cells(&self) -> Cells {
        let kibibytes = |bytes: Option<f64>| show(bytes.map(|bytes| bytes / 1_024.0));
        let mut cells = vec![
            ("writes due in a second".to_owned(), self.rate.to_string()),
            ("writes".to_owned(), self.written.to_string()),
            ("writes that failed".to_owned(), self.failed.to_string()),
            ("writes that waited for a connection".to_owned(), self.delayed.to_string()),
            ("events expected".to_owned(), self.expected.to_string()),
            ("events delivered".to_owned(), self.delivered.to_string()),
            ("watches that ended".to_owned(), self.ended.to_string()),
            ("bytes".to_owned(), self.bytes.to_string()),
        ];
        self.delivery.tell("due to delivered", &mut cells);
        self.acknowledgement.tell("due to acknowledged", &mut cells);
        cells.extend([
            ("server CPU per write, us".to_owned(), show(self.server_cpu_us_per_write)),
            ("server CPU per event, us".to_owned(), show(self.server_cpu_us_per_event)),
            ("server CPU per watch opened, us".to_owned(), show(self.server_cpu_us_per_watch_opened)),
            ("resident per idle watch, KiB".to_owned(), kibibytes(self.resident_bytes_per_watch)),
            ("PSS per idle watch, KiB".to_owned(), kibibytes(self.pss_bytes_per_watch)),
        ]);
        self.cost.tell(&mut cells);
        Memory::tell(self.memory_before, " before", &mut cells);
        Memory::tell(self.memory_idle, " with idle watches", &mut cells);
        Memory::tell(self.memory_after, " after", &mut cells);
        cells
    }
}
