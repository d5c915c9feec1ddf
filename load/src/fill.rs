//! `fill`: creates namespaces and objects. What is there stays as it is, so that it can go on where it was ended.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::FillOptions;
use crate::connection::{Call, Connection, JSON};
use crate::crew::{Turns, all};
use crate::error::LoadError;
use crate::latency::{Latencies, Percentiles};
use crate::meter::{Cost, Memory, Meter};
use crate::numbers::{rate, several, show};
use crate::objects::Objects;
use crate::report::{Cells, Figures, Report};
use crate::target::Target;

/// The stamp of what nobody has written since it was created.
const CREATED: &str = "created";

/// How many create at once what another command needs.
const WRITERS: u32 = 32;

/// What `fill` tells.
#[derive(Debug, Serialize)]
struct FillFigures {
    created: u64,
    existing: u64,
    created_per_second: f64,
    server_cpu_us_per_creation: Option<f64>,
    latency: Percentiles,
    cost: Cost,
    memory: Option<Memory>,
}

/// What came of filling.
#[derive(Debug)]
struct Filled {
    created: u64,
    existing: u64,
    latencies: Latencies,
}

/// What the writers share.
struct Filling {
    target: Arc<Target>,
    objects: Objects,
    turns: Turns,
    filled: Mutex<Filled>,
}

/// Fills, and tells what it cost.
pub(crate) async fn run(
    target: &Arc<Target>,
    meter: &Meter,
    options: &FillOptions,
    report: &mut Report,
) -> Result<(), LoadError> {
    let objects = Objects::new(options.resource, options.objects, options.shape);
    make_namespaces(target, &objects).await?;
    let work = meter.begin()?;
    let filled = fill(target, objects, options.writers).await?;
    let cost = work.cost()?;
    let figures = FillFigures {
        created: filled.created,
        existing: filled.existing,
        created_per_second: rate(filled.created, cost.seconds),
        server_cpu_us_per_creation: cost.micros_each(filled.created),
        latency: filled.latencies.percentiles(),
        cost,
        memory: meter.memory(),
    };
    report.add(several(options.writers, "writer", "s"), &figures)
}

/// Makes sure that the objects are there.
pub(crate) async fn ensure(target: &Arc<Target>, objects: &Objects) -> Result<(), LoadError> {
    make_namespaces(target, objects).await?;
    fill(target, objects.clone(), WRITERS).await.map(|_| ())
}

async fn make_namespaces(target: &Arc<Target>, objects: &Objects) -> Result<(), LoadError> {
    let mut connection = Connection::open(target).await?;
    for name in objects.namespaces() {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).to_string();
        let call = Call::with_body(Method::POST, "/api/v1/namespaces", JSON, body.into());
        create(&mut connection, &call).await?;
    }
    Ok(())
}

async fn fill(target: &Arc<Target>, objects: Objects, writers: u32) -> Result<Filled, LoadError> {
    let filled = Filled { created: 0, existing: 0, latencies: Latencies::new() };
    let turns = Turns::new(objects.count);
    let filling = Filling { target: Arc::clone(target), objects, turns, filled: Mutex::new(filled) };
    let filling = Arc::new(filling);
    let mut crew = JoinSet::new();
    for _ in 0..writers {
        let filling = Arc::clone(&filling);
        crew.spawn(async move { filling.write().await });
    }
    all(crew).await?;
    let filled = Arc::into_inner(filling).map(|filling| filling.filled.into_inner());
    filled.ok_or_else(|| LoadError::Usage("a writer has not ended".to_owned()))
}

impl Filling {
    async fn write(&self) -> Result<(), LoadError> {
        let mut connection = Connection::open(&self.target).await?;
        while let Some(n) = self.turns.take() {
            let path = self.objects.collection(n);
            let call = Call::with_body(Method::POST, &path, JSON, self.objects.body(n, CREATED));
            let sent = Instant::now();
            let created = create(&mut connection, &call).await?;
            let mut filled = self.filled.lock();
            if created {
                filled.created += 1;
                filled.latencies.record(sent.elapsed());
            } else {
                filled.existing += 1;
            }
        }
        Ok(())
    }
}

/// Creates something, and tells whether it was not there yet.
async fn create(connection: &mut Connection, call: &Call<'_>) -> Result<bool, LoadError> {
    match connection.exchange(call).await {
        Ok(()) => Ok(true),
        Err(LoadError::Refused { status: StatusCode::CONFLICT, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

impl Figures for FillFigures {
    fn cells(&self) -> Cells {
        let mut cells = vec![
            ("created".to_owned(), self.created.to_string()),
            ("already there".to_owned(), self.existing.to_string()),
            ("created/s".to_owned(), show(Some(self.created_per_second))),
            ("server CPU per creation, us".to_owned(), show(self.server_cpu_us_per_creation)),
        ];
        self.latency.tell("creation", &mut cells);
        self.cost.tell(&mut cells);
        Memory::tell(self.memory, "", &mut cells);
        cells
    }
}
