//! What does a picture cost? The counted map of the cache beside `imbl::OrdMap`, which has no ranks.
//!
//! 150,000 pods in 50 namespaces, made in random order, as Arcs: a walk over all, pages, a namespace, ranks, and
//! updates of random pods while the pictures before them are kept and while nobody holds any. `sweep/…` compares
//! fan-outs, `LEAF x INNER`. Times are CPU time. Memory is the growth of the resident set, printed first.

use std::collections::VecDeque;
use std::hint::black_box;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use imbl::OrdMap;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rustix::time::{ClockId, clock_gettime};
use watchkeep_cacher::map::CountedMap;
use watchkeep_storage::Key;

const PODS: usize = 150_000;
const NAMESPACE: usize = 3_000;
const PAGE: usize = 1_000;
/// How many pictures are kept while updates are timed.
const KEPT: usize = 1_000;

/// Set for a process that measures one case of memory.
const MEMORY: &str = "WATCHKEEP_BENCH_MEMORY";

/// In place of a record: what an `Arc` points to, of about its size.
type Pod = Arc<[u64; 24]>;

type Group<'a> = BenchmarkGroup<'a, CpuTime>;

/// The CPU time of this process: the clock also counts what others do on the machine.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        Duration::try_from(now).expect("a process has used no time when it begins")
    }

    fn end(&self, start: Duration) -> Duration {
        self.start().saturating_sub(start)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// What both maps can do, so that they are measured by the same lines.
trait Map: Clone {
    fn build(entries: &[(Key, Pod)]) -> Self;
    fn update(&mut self, key: Key, value: Pod) -> Option<Pod>;
    fn find(&self, key: &str) -> Option<&Pod>;
    /// Touches the pointers of at most `limit` pods from a key on.
    fn page(&self, from: &str, limit: usize) -> usize;
    /// Touches the pointers of all pods whose keys begin with a prefix.
    fn under(&self, prefix: &str) -> usize;
}

impl<const LEAF: usize, const INNER: usize> Map for CountedMap<Key, Pod, LEAF, INNER> {
    fn build(entries: &[(Key, Pod)]) -> Self {
        entries.iter().cloned().collect()
    }

    fn update(&mut self, key: Key, value: Pod) -> Option<Pod> {
        self.insert(key, value)
    }

    fn find(&self, key: &str) -> Option<&Pod> {
        self.get(key)
    }

    fn page(&self, from: &str, limit: usize) -> usize {
        let from = self.rank(from);
        touch_chunks(self, from..from.saturating_add(limit))
    }

    fn under(&self, prefix: &str) -> usize {
        touch_chunks(self, self.ranks_under(prefix))
    }
}

impl Map for OrdMap<Key, Pod> {
    fn build(entries: &[(Key, Pod)]) -> Self {
        entries.iter().cloned().collect()
    }

    fn update(&mut self, key: Key, value: Pod) -> Option<Pod> {
        self.insert(key, value)
    }

    fn find(&self, key: &str) -> Option<&Pod> {
        self.get(key)
    }

    fn page(&self, from: &str, limit: usize) -> usize {
        let pods = self.range::<_, str>((Included(from), Unbounded)).take(limit);
        pods.fold(0, |touched, (_, pod)| touched ^ Arc::as_ptr(pod).addr())
    }

    fn under(&self, prefix: &str) -> usize {
        let pods = self.range::<_, str>((Included(prefix), Unbounded));
        let pods = pods.take_while(|(key, _)| key.as_str().starts_with(prefix));
        pods.fold(0, |touched, (_, pod)| touched ^ Arc::as_ptr(pod).addr())
    }
}

fn touch_chunks<const LEAF: usize, const INNER: usize>(
    map: &CountedMap<Key, Pod, LEAF, INNER>,
    ranks: std::ops::Range<usize>,
) -> usize {
    let mut touched = 0;
    for chunk in map.chunks_at(ranks) {
        touched = chunk.values.iter().fold(touched, |touched, pod| touched ^ Arc::as_ptr(pod).addr());
    }
    touched
}

/// The pods in the order of their keys, allocated in another one.
fn pods() -> Vec<(Key, Pod)> {
    let mut numbers: Vec<_> = (0..PODS).collect();
    numbers.shuffle(&mut chance());
    let mut pods: Vec<_> = numbers.into_iter().map(pod).collect();
    pods.sort_by(|one, other| one.0.cmp(&other.0));
    pods
}

fn pod(n: usize) -> (Key, Pod) {
    let key = Key::unchecked(&format!("/pods/namespace-{:03}/pod-{n:07}", n / NAMESPACE));
    (key, Arc::new([n as u64; 24]))
}

/// The same numbers in every run.
fn chance() -> StdRng {
    StdRng::seed_from_u64(7)
}

/// What is asked for: keys of random pods, with new records for them. They lie in the order in which they are
/// used, as a request that was just read is in the cache of the processor, and the map is not.
fn requests() -> impl Iterator<Item = &'static (Key, Pod)> + Clone {
    static REQUESTS: LazyLock<Vec<(Key, Pod)>> = LazyLock::new(|| {
        let mut rng = chance();
        (0..1 << 16).map(|_| pod(rng.random_range(0..PODS))).collect()
    });
    REQUESTS.iter().cycle()
}

/// The reads that both maps have.
fn reads<M: Map>(group: &mut Group<'_>, name: &str, map: &M) {
    let mut requests = requests();
    let mut key = || requests.next().map_or("", |request| request.0.as_str());
    group.bench_function(format!("walk/{name}"), |bencher| bencher.iter(|| map.page("", PODS)));
    group.bench_function(format!("page_of_1000/{name}"), |bencher| bencher.iter(|| map.page(key(), PAGE)));
    let namespaces: Vec<_> = (0..PODS / NAMESPACE).map(|n| format!("/pods/namespace-{n:03}/")).collect();
    let mut namespace = namespaces.iter().cycle();
    group.bench_function(format!("namespace_of_3000/{name}"), |bencher| {
        bencher.iter(|| namespace.next().map(|prefix| map.under(prefix)));
    });
    group.bench_function(format!("get/{name}"), |bencher| {
        bencher.iter(|| map.find(key()).map(|pod| Arc::as_ptr(pod).addr()));
    });
}

/// The updates that both maps have.
fn updates<M: Map>(group: &mut Group<'_>, name: &str, map: &M) {
    let mut requests = requests();
    let mut map = map.clone();
    let mut update = move |map: &mut M| {
        let (key, pod) = requests.next()?;
        map.update(key.clone(), Arc::clone(pod))
    };
    group.bench_function(format!("update_with_clones_kept/{name}"), |bencher| {
        bencher.iter_custom(|iterations| {
            let mut total = Duration::ZERO;
            let mut left = usize::try_from(iterations).unwrap_or(usize::MAX);
            while left > 0 {
                let many = left.min(KEPT);
                let mut kept = Vec::with_capacity(many);
                let start = CpuTime.start();
                for _ in 0..many {
                    kept.push(map.clone());
                    black_box(update(&mut map));
                }
                total += CpuTime.end(start);
                left -= many;
            }
            total
        });
    });
    let mut window: VecDeque<_> = (0..KEPT).map(|_| map.clone()).collect();
    group.bench_function(format!("update_with_a_window_of_clones/{name}"), |bencher| {
        bencher.iter(|| {
            window.push_back(map.clone());
            black_box(update(&mut map));
            window.pop_front()
        });
    });
    drop(window);
    // The copies of what the clones held have to be made once.
    (0..PODS * 2).for_each(|_| drop(update(&mut map)));
    group.bench_function(format!("update_alone/{name}"), |bencher| bencher.iter(|| update(&mut map)));
}

/// What only the counted map has.
fn ranks(group: &mut Group<'_>, map: &CountedMap<Key, Pod>) {
    let mut requests = requests();
    let mut key = || requests.next().map_or("", |request| request.0.as_str());
    group.bench_function("rank", |bencher| bencher.iter(|| map.rank(key())));
    group.bench_function("count_of_the_rest", |bencher| {
        bencher.iter(|| map.count::<str>((Excluded(key()), Unbounded)));
    });
    let mut rng = chance();
    group.bench_function("nth", |bencher| {
        bencher.iter(|| map.nth(rng.random_range(0..PODS)).map(|(_, pod)| Arc::as_ptr(pod)));
    });
    group.bench_function("walk_by_entry", |bencher| {
        bencher.iter(|| map.iter().fold(0, |touched, (_, pod)| touched ^ Arc::as_ptr(pod).addr()));
    });
    group.bench_function("batch_of_1000_clones", |bencher| {
        bencher.iter(|| map.clone().into_cursor::<str>((Included(key()), Unbounded)).next_batch(PAGE));
    });
}

/// The resident set of this process, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux tells the resident set");
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("the second number is the resident set") * rustix::param::page_size()
}

/// Prints what an entry takes beside its key and its value, in a map that was listed and in one that was filled
/// at random, and what a picture takes that is kept. Each in a process of its own: memory that was given back is
/// not counted again.
#[expect(clippy::print_stdout, reason = "figures that criterion does not print")]
fn memory<M: Map>(name: &str, pods: &[(Key, Pod)], shuffled: &[(Key, Pod)]) {
    const MAPS: usize = 8;
    const PICTURES: usize = 20_000;
    let asked = std::env::var(MEMORY).ok();
    for case in ["listed", "inserted", "picture"] {
        let case_name = format!("{name} {case}");
        if asked.is_none() {
            let bench = std::env::current_exe().expect("the bench runs");
            let status = std::process::Command::new(bench).env(MEMORY, &case_name).status();
            assert!(status.is_ok_and(|status| status.success()), "{case_name} is measured");
        } else if asked.as_ref() == Some(&case_name) {
            let before = resident();
            if case == "picture" {
                let mut map = inserted::<M>(shuffled);
                drop(requests());
                let before = resident();
                let kept = pictures(&mut map, PICTURES);
                println!("{case_name}: {} B", (resident() - before) / kept.len());
                continue;
            }
            let make = || if case == "listed" { M::build(pods) } else { inserted::<M>(shuffled) };
            let maps: Vec<M> = (0..MAPS).map(|_| make()).collect();
            println!("{case_name}: {} B an entry", (resident() - before) / maps.len() / pods.len());
        }
    }
}

/// Pictures of a map while it changes.
fn pictures<M: Map>(map: &mut M, count: usize) -> Vec<M> {
    let updated = |(key, pod): &(Key, Pod)| {
        let kept = map.clone();
        map.update(key.clone(), Arc::clone(pod));
        kept
    };
    requests().take(count).map(updated).collect()
}

fn inserted<M: Map>(pods: &[(Key, Pod)]) -> M {
    let mut map = M::build(&[]);
    for (key, pod) in pods {
        map.update(key.clone(), Arc::clone(pod));
    }
    map
}

/// One pair of fan-outs, in a map that was filled at random: its nodes are neither full nor beside each other.
fn sweep<const LEAF: usize, const INNER: usize>(group: &mut Group<'_>, shuffled: &[(Key, Pod)]) {
    let name = format!("{LEAF}x{INNER}");
    let map: CountedMap<Key, Pod, LEAF, INNER> = inserted(shuffled);
    reads(group, &name, &map);
    let mut requests = requests();
    group.bench_function(format!("rank/{name}"), |bencher| {
        bencher.iter(|| requests.next().map(|request| map.rank(request.0.as_str())));
    });
    updates(group, &name, &map);
}

fn group<'a>(criterion: &'a mut Criterion<CpuTime>, name: &str) -> Group<'a> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(15)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    group
}

fn bench(criterion: &mut Criterion<CpuTime>) {
    let pods = pods();
    let mut shuffled = pods.clone();
    shuffled.shuffle(&mut chance());
    memory::<CountedMap<Key, Pod>>("counted", &pods, &shuffled);
    memory::<OrdMap<Key, Pod>>("imbl", &pods, &shuffled);
    memory::<CountedMap<Key, Pod, 16, 16>>("16x16", &pods, &shuffled);
    memory::<CountedMap<Key, Pod, 32, 16>>("32x16", &pods, &shuffled);
    memory::<CountedMap<Key, Pod, 32, 32>>("32x32", &pods, &shuffled);
    memory::<CountedMap<Key, Pod, 64, 16>>("64x16", &pods, &shuffled);
    memory::<CountedMap<Key, Pod, 64, 64>>("64x64", &pods, &shuffled);
    memory::<CountedMap<Key, Pod, 128, 32>>("128x32", &pods, &shuffled);
    if std::env::var_os(MEMORY).is_some() {
        return;
    }
    let counted = inserted::<CountedMap<Key, Pod>>(&shuffled);
    let imbl = inserted::<OrdMap<Key, Pod>>(&shuffled);
    let mut both = group(criterion, "map");
    for turn in ["1", "2"] {
        reads(&mut both, &format!("counted/{turn}"), &counted);
        reads(&mut both, &format!("imbl/{turn}"), &imbl);
        updates(&mut both, &format!("counted/{turn}"), &counted);
        updates(&mut both, &format!("imbl/{turn}"), &imbl);
    }
    ranks(&mut both, &counted);
    both.finish();
    let mut swept = group(criterion, "sweep");
    sweep::<16, 16>(&mut swept, &shuffled);
    sweep::<32, 16>(&mut swept, &shuffled);
    sweep::<32, 32>(&mut swept, &shuffled);
    sweep::<64, 16>(&mut swept, &shuffled);
    sweep::<64, 32>(&mut swept, &shuffled);
    sweep::<64, 64>(&mut swept, &shuffled);
    sweep::<128, 32>(&mut swept, &shuffled);
    sweep::<128, 64>(&mut swept, &shuffled);
    swept.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = bench
}
criterion_main!(benches);
