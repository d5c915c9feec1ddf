//! What does a durable write cost: alone, against the bare append of its bytes; and with 64 writers, who share
//! syncs?

use crate::append::Log;
use crate::crew::{Crew, Goal};
use crate::meter::{Cost, Meter};
use crate::objects::Objects;
use crate::report::{Report, Row, bytes_f64, cpu_micros, median, rate, to_f64};
use crate::store::{Store, on_workers, scratch};
use crate::{Context, Sizes};

/// The keys of one writer.
const KEYS: usize = 1_000;

struct SizeCase {
    name: &'static str,
    bytes: usize,
    ratio: f64,
}

const ONE_WRITER: [SizeCase; 2] = [
    SizeCase { name: "1 KiB", bytes: 1 << 10, ratio: 1.25 },
    SizeCase { name: "12 KiB", bytes: 12 << 10, ratio: 1.5 },
];

/// One writer and a bare append take turns, so that both meet the same disk.
pub(crate) async fn one_writer(context: &Context, report: &mut Report) {
    for SizeCase { name, bytes, ratio } in ONE_WRITER {
        let Sizes { turns, turn_commits, .. } = context.sizes;
        let directory = scratch(&context.directory);
        let store = Store::open(directory.path().join("store")).await;
        let objects = Objects::new(bytes);
        let mut crew = Crew::new(&objects, store.pods.prefix(), 0..KEYS, 1);
        crew.create(&store.pods).await;
        let mut log = Log::new(directory.path(), objects.value(0, 0).bytes().to_vec(), turns * turn_commits);
        let (mut commits, mut appends) = (Cost::default(), Cost::default());
        let mut ratios = Vec::new();
        for _ in 0..turns {
            let meter = Meter::start();
            crew.update(&store.pods, Goal::commits(turn_commits)).await;
            let commit = meter.stop();
            let meter = Meter::start();
            log = on_workers(async move {
                tokio::task::block_in_place(|| log.append(turn_commits));
                log
            })
            .await;
            let append = meter.stop();
            ratios.push(commit.wall.as_secs_f64() / append.wall.as_secs_f64());
            (commits, appends) = (commits.plus(&commit), appends.plus(&append));
        }
        let median = median(ratios.into_iter());
        let mean = commits.wall.as_secs_f64() / appends.wall.as_secs_f64();
        let ops = turns * turn_commits;
        report.row(Row::new(format!("{name}: append + fdatasync")).cost(ops, &appends));
        let written = bytes_f64(commits.process.written) / to_f64(ops);
        let row = Row::new(format!("{name}: commit")).cost(ops, &commits);
        let row = row.figure("written", written, "B").figure("wall ratio, mean", mean, "×");
        report
            .row(row.figure("median", median, "×").at_most("median wall", median, ratio, "×").by_the_clock());
        store.close().await;
    }
}

struct ManyCase {
    name: &'static str,
    bytes: usize,
    keys: usize,
    rate: f64,
    cpu: f64,
}

/// 64 writers update small objects.
pub(crate) async fn many_small(context: &Context, report: &mut Report) {
    let Sizes { objects, updates, .. } = context.sizes;
    let case = ManyCase { name: "1 KiB", bytes: 1 << 10, keys: objects, rate: 45_000.0, cpu: 18.0 };
    many(context, report, case, Goal::commits(updates)).await;
}

/// 64 writers update large objects, for long enough that the engine has to merge what it wrote.
pub(crate) async fn many_large(context: &Context, report: &mut Report) {
    let Sizes { large_objects, large_bytes, large_time, .. } = context.sizes;
    let bytes = 12 << 10;
    let case = ManyCase { name: "12 KiB", bytes, keys: large_objects, rate: 10_000.0, cpu: 80.0 };
    let goal = Goal { commits: large_bytes / bytes, at_least: large_time };
    many(context, report, case, goal).await;
}

const WRITERS: usize = 64;

async fn many(context: &Context, report: &mut Report, case: ManyCase, goal: Goal) {
    let ManyCase { name, bytes, keys, rate: reach_rate, cpu: reach_cpu } = case;
    let directory = scratch(&context.directory);
    let store = Store::open(directory.path()).await;
    let objects = Objects::new(bytes);
    let mut crew = Crew::new(&objects, store.pods.prefix(), 0..keys, WRITERS);
    let meter = Meter::start();
    crew.create(&store.pods).await;
    report.row(Row::new(format!("{name}: create {keys}")).cost(keys, &meter.stop()));
    store.settle().await;

    let meter = Meter::start();
    let ops = crew.update(&store.pods, goal).await;
    let cost = meter.stop();
    store.settle().await;
    let settled = cpu_micros(ops, &meter.stop());
    let row = Row::new(format!("{name}: update, 64 writers")).cost(ops, &cost);
    let row = row.figure("CPU until the engine is idle", settled, "µs");
    let row = row.figure("written", bytes_f64(cost.process.written) / to_f64(ops), "B");
    let row = row.at_least("rate", rate(ops, &cost), reach_rate, "/s").by_the_clock();
    report.row(row.at_most("CPU", cpu_micros(ops, &cost), reach_cpu, "µs"));
    store.close().await;
}
