//! `write`: writers that each send the next write when the last one is answered, over objects of their own.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::{Resource, WriteKind, WriteOptions};
use crate::connection::{Call, Connection, JSON};
use crate::crew::{Turns, all};
use crate::error::LoadError;
use crate::fill;
use crate::latency::{Latencies, Percentiles};
use crate::meter::{Cost, Memory, Meter};
use crate::numbers::{rate, several, show};
use crate::objects::Objects;
use crate::report::{Cells, Figures, Report};
use crate::stamp::{ANNOTATION, Stamps};
use crate::target::Target;

/// The media type of a merge patch.
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// What `write` tells.
#[derive(Debug, Serialize)]
struct WriteFigures {
    writers: u32,
    writes: u64,
    writes_per_second: f64,
    server_cpu_us_per_write: Option<f64>,
    latency: Percentiles,
    cost: Cost,
    memory: Option<Memory>,
}

/// What the writers share.
struct Writing {
    target: Arc<Target>,
    objects: Objects,
    kind: WriteKind,
    writers: u32,
    turns: Turns,
    stamps: Stamps,
    latencies: Mutex<Latencies>,
}

/// Fills, and writes with each number of writers.
pub(crate) async fn run(
    target: &Arc<Target>,
    meter: &Meter,
    options: &WriteOptions,
    report: &mut Report,
) -> Result<(), LoadError> {
    if options.kind == WriteKind::Status && options.resource != Resource::Pods {
        return Err(LoadError::Usage("--kind status is for --resource pods".to_owned()));
    }
    if options.writers.iter().any(|writers| *writers > options.objects) {
        return Err(LoadError::Usage("there have to be as many --objects as --writers".to_owned()));
    }
    let objects = Objects::new(options.resource, options.objects, options.shape);
    fill::ensure(target, &objects).await?;
    for &writers in &options.writers {
        let writing = Arc::new(Writing {
            target: Arc::clone(target),
            objects: objects.clone(),
            kind: options.kind,
            writers,
            turns: Turns::new(options.writes),
            stamps: Stamps::new(),
            latencies: Mutex::new(Latencies::new()),
        });
        let figures = write(writing, meter).await?;
        report.add(several(writers, "writer", "s"), &figures)?;
    }
    Ok(())
}

async fn write(writing: Arc<Writing>, meter: &Meter) -> Result<WriteFigures, LoadError> {
    let mut connections = Vec::new();
    for _ in 0..writing.writers {
        connections.push(Connection::open(&writing.target).await?);
    }
    let work = meter.begin()?;
    let mut crew = JoinSet::new();
    for (writer, connection) in (0..).zip(connections) {
        let writing = Arc::clone(&writing);
        crew.spawn(async move { writing.write(writer, connection).await });
    }
    all(crew).await?;
    let cost = work.cost()?;
    let latency = writing.latencies.lock().percentiles();
    Ok(WriteFigures {
        writers: writing.writers,
        writes: latency.count,
        writes_per_second: rate(latency.count, cost.seconds),
        server_cpu_us_per_write: cost.micros_each(latency.count),
        latency,
        cost,
        memory: meter.memory(),
    })
}

impl Writing {
    async fn write(&self, writer: u32, mut connection: Connection) -> Result<(), LoadError> {
        let mut object = writer;
        while let Some(turn) = self.turns.take() {
            let stamp = self.stamps.of(turn.into());
            match self.kind {
                WriteKind::CreateDelete => {
                    let name = format!("bench-{stamp}");
                    let path = self.objects.collection(object);
                    let body = self.objects.named(object, &name, &stamp);
                    let create = Call::with_body(Method::POST, &path, JSON, body);
                    self.timed(&mut connection, &create).await?;
                    // A pod on a node would otherwise stay until its node has ended it.
                    let path = format!("{path}/{name}?gracePeriodSeconds=0");
                    self.timed(&mut connection, &Call::new(Method::DELETE, &path)).await?;
                }
                WriteKind::Put => {
                    let path = self.objects.path(object);
                    let body = self.objects.body(object, &stamp);
                    self.timed(&mut connection, &Call::with_body(Method::PUT, &path, JSON, body)).await?;
                }
                WriteKind::Patch => {
                    let path = self.objects.path(object);
                    let call = Call::with_body(Method::PATCH, &path, MERGE_PATCH, stamp_patch(&stamp));
                    self.timed(&mut connection, &call).await?;
                }
                WriteKind::Status => {
                    let path = format!("{}/status", self.objects.path(object));
                    let body = json!({"status": {"phase": "Running", "message": stamp}}).to_string();
                    let call = Call::with_body(Method::PATCH, &path, MERGE_PATCH, body.into());
                    self.timed(&mut connection, &call).await?;
                }
            }
            object = next_object(object, writer, self.writers, self.objects.count);
        }
        Ok(())
    }

    async fn timed(&self, connection: &mut Connection, call: &Call<'_>) -> Result<(), LoadError> {
        let sent = Instant::now();
        connection.exchange(call).await?;
        self.latencies.lock().record(sent.elapsed());
        Ok(())
    }
}

/// The patch that stamps an object.
pub(crate) fn stamp_patch(stamp: &str) -> Bytes {
    json!({"metadata": {"annotations": {ANNOTATION: stamp}}}).to_string().into()
}

/// The object that a writer writes after another: each in as many has its own.
fn next_object(object: u32, writer: u32, writers: u32, objects: u32) -> u32 {
    object.checked_add(writers).filter(|next| *next < objects).unwrap_or(writer)
}

impl Figures for WriteFigures {
    fn cells(&self) -> Cells {
        let mut cells = vec![
            ("writes".to_owned(), self.writes.to_string()),
            ("writes/s".to_owned(), show(Some(self.writes_per_second))),
            ("server CPU per write, us".to_owned(), show(self.server_cpu_us_per_write)),
        ];
        self.latency.tell("write", &mut cells);
        self.cost.tell(&mut cells);
        Memory::tell(self.memory, "", &mut cells);
        cells
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_object_belongs_to_one_writer() {
        let (writers, objects) = (3, 10);
        let mut seen = HashSet::new();
        for writer in 0..writers {
            let mut object = writer;
            loop {
                assert!(seen.insert(object), "{object} has two writers");
                object = next_object(object, writer, writers, objects);
                if object == writer {
                    break;
                }
            }
        }
        assert_eq!(seen.len(), 10);
    }
}
