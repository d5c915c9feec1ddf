//! A cluster of three members that loses some, while stores that were opened with all three write and watch:
//! writes fail for a while at most, and watches show everything once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use watchkeep_storage::conformance::instrument::Resource;
use watchkeep_storage::conformance::object::{Object, pod};
use watchkeep_storage::etcd3::{EtcdBackend, EtcdOptions};
use watchkeep_storage::{
    Change, Environment, Error, EventType, Expect, Freshness, Outcome, ReadAt, Revision, WatchStart, Watcher,
};
use watchkeep_tests::etcd::{Cluster, Etcd};

use crate::store::{change, open, options, pods, put_at_last, until, watch};

const MEMBERS: usize = 3;

/// How many objects each store writes, each again and again by a writer of its own.
const WRITERS: usize = 2;

/// How many writes each writer gets through before and after each blow.
const WRITES: usize = 25;

/// The longest that a request may take, and what a loaded machine may add to it: the options are the defaults.
const REQUEST: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(5);

/// A writer goes on after one request that was lost, and one that finds out what became of it.
const OUTAGE: Duration = Duration::from_secs(25);

/// One of several processes that share the cluster.
struct Process {
    _backend: EtcdBackend,
    pods: Resource,
}

/// As many stores as members, each of which asks another member first: chance is the same for all, and the URLs
/// are rotated.
async fn processes(cluster: &Cluster) -> Vec<Process> {
    let mut processes = Vec::new();
    for at in 0..MEMBERS {
        let mut servers = cluster.urls();
        servers.rotate_left(at);
        let options =
            EtcdOptions { servers, health_interval: Duration::from_millis(100), ..options("http://x") };
        let backend = EtcdBackend::open(options, Environment::simulated(UNIX_EPOCH, 1)).unwrap();
        let pods = pods(&backend).await;
        processes.push(Process { _backend: backend, pods });
    }
    processes
}

/// Whether a client is told to come again: either what became of it is unknown, or it did not happen.
fn is_retriable(error: &Error) -> bool {
    matches!(error, Error::Timeout { .. } | Error::Unreachable { .. } | Error::NotReady { .. })
}

/// What a writer was told of its object.
#[derive(Default)]
struct Story {
    name: String,
    /// The numbers that were acknowledged, with their revisions.
    acknowledged: BTreeMap<usize, Revision>,
    /// Those of which nobody said what became of them.
    unknown: Vec<usize>,
    errors: Vec<String>,
    /// The longest time without an acknowledgement.
    outage: Duration,
}

/// Writes numbers to an object, each once, until it is told to end.
async fn write(pods: Resource, name: String, acknowledged: Arc<AtomicUsize>, ends: Arc<AtomicBool>) -> Story {
    let mut story = Story { name: name.clone(), ..Story::default() };
    let (mut expect, mut since) = (Expect::Absent, Instant::now());
    for number in 0.. {
        if ends.load(Ordering::SeqCst) {
            break;
        }
        let begin = Instant::now();
        match pods.try_put(&numbered(&name, number), expect).await {
            Ok(Outcome::Committed(committed)) => {
                story.acknowledged.insert(number, committed.revision);
                story.outage = since.elapsed().max(story.outage);
                (expect, since) = (Expect::Revision(committed.revision), Instant::now());
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            // An earlier one whose outcome was unknown came after all. This one has not happened.
            Ok(Outcome::Conflict { current }) => expect = expecting(current.map(|record| record.revision)),
            Err(error) => {
                assert!(is_retriable(&error), "{error:?}");
                assert!(begin.elapsed() < REQUEST + SLACK, "after {:?}: {error}", begin.elapsed());
                story.unknown.extend(error.outcome_is_unknown().then_some(number));
                story.errors.push(format!("{error} after {:?}", begin.elapsed()));
                expect = current(&pods, &name).await;
            }
        }
    }
    story
}

fn numbered(name: &str, number: usize) -> Object {
    pod("ns", name).mark(number.to_string())
}

fn expecting(stored: Option<Revision>) -> Expect {
    stored.map_or(Expect::Absent, Expect::Revision)
}

/// What a writer has to expect after a failure, as soon as the store tells.
async fn current(pods: &Resource, name: &str) -> Expect {
    loop {
        match pods.get(&pods.key(&pod("ns", name)), Freshness::Latest).await {
            Ok(found) => return expecting(found.record.map(|record| record.revision)),
            Err(error) => assert!(is_retriable(&error), "{error:?}"),
        }
    }
}

/// What a watch shows up to and with a change of an object.
fn read_up_to(mut watch: Watcher, pods: &Resource, last: &Object) -> JoinHandle<Vec<Change>> {
    let last = pods.key(last);
    Environment::system().spawn(async move {
        let mut shown = Vec::new();
        loop {
            let next = change(&mut watch).await;
            let is_last = next.event.key == last;
            shown.push(next);
            if is_last {
                return shown;
            }
        }
    })
}

/// A member goes away while everybody writes and watches, and comes back.
async fn nobody_misses_anything_when_a_member_goes(
    cluster: &mut Cluster,
    victim: usize,
    goes: impl FnOnce(&mut Etcd),
) {
    let processes = processes(cluster).await;
    let one = &processes[0].pods;
    let start = one.now().await;
    let last = pod("ns", "last");
    let mut watches = Vec::new();
    for process in &processes {
        for start in [WatchStart::Now, WatchStart::After(start)] {
            watches.push(read_up_to(watch(&process.pods, start).await, &process.pods, &last));
        }
    }
    let ends = Arc::new(AtomicBool::new(false));
    let mut counts = Vec::new();
    let writers: Vec<_> = (0..MEMBERS * WRITERS)
        .map(|writer| {
            let (pods, count) = (processes[writer % MEMBERS].pods.clone(), Arc::default());
            counts.push(Arc::clone(&count));
            let write = write(pods, format!("writer-{writer}"), count, Arc::clone(&ends));
            Environment::system().spawn(write)
        })
        .collect();
    let more_writes = async |what| {
        let wanted = counts.iter().map(|count| count.load(Ordering::SeqCst) + WRITES).collect::<Vec<_>>();
        let reached =
            || counts.iter().zip(&wanted).all(|(count, wanted)| count.load(Ordering::SeqCst) >= *wanted);
        until(what, async || reached()).await;
    };
    more_writes("everybody writes").await;
    goes(&mut cluster.members()[victim]);
    more_writes("everybody writes with two members").await;
    cluster.members()[victim].start_again().unwrap();
    more_writes("everybody writes with three members again").await;
    ends.store(true, Ordering::SeqCst);
    let stories: Vec<Story> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
    put_at_last(one, &last).await;

    let shown: Vec<_> = join_all(watches).await.into_iter().map(Result::unwrap).collect();
    for watch in &shown {
        let revisions: Vec<_> = watch.iter().map(|change| change.revision().get()).collect();
        let expected: Vec<_> = (start.get() + 1..).take(watch.len()).collect();
        assert_eq!(revisions, expected, "every revision is a write, and shown once");
        assert_eq!(watch, &shown[0], "all watches show the same");
    }
    for story in &stories {
        eprintln!("{}: {:?} without an answer; {:?}", story.name, story.outage, story.errors);
        assert!(story.outage < OUTAGE, "{:?}", story.outage);
        agrees(story, one, &shown[0]);
    }
    // The one that was away has everything too.
    let back = open(options(cluster.members()[victim].url()));
    let state = one.read(one.all(), ReadAt::Latest).await.unwrap();
    assert_eq!(pods(&back).await.read(one.all(), ReadAt::Exact(state.1)).await.unwrap(), state);
}

/// Whether the events are what a writer was told.
fn agrees(story: &Story, pods: &Resource, shown: &[Change]) {
    let key = pods.key(&pod("ns", &story.name));
    let tried = story.acknowledged.keys().chain(&story.unknown);
    let bytes = |number| pods.value(&numbered(&story.name, number)).bytes().clone();
    let tried: BTreeMap<_, _> = tried.map(|&number| (bytes(number), number)).collect();
    let mut happened = BTreeMap::new();
    for change in shown.iter().filter(|change| change.event.key == key) {
        let number = change.record().and_then(|record| tried.get(record.value.bytes()));
        let number = *number.unwrap_or_else(|| panic!("nobody wrote {change:?}"));
        let is_first = happened.insert(number, change.revision()).is_none();
        assert!(is_first, "{key}: {number} was written twice");
    }
    for (number, revision) in &story.acknowledged {
        assert_eq!(happened.get(number), Some(revision), "{key}: {number} was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_and_watches_go_on_when_the_leader_dies() {
    let mut cluster = Cluster::start(MEMBERS).unwrap();
    let leader = cluster.leader().unwrap();
    nobody_misses_anything_when_a_member_goes(&mut cluster, leader, |member| member.kill().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_and_watches_go_on_when_a_follower_dies() {
    let mut cluster = Cluster::start(MEMBERS).unwrap();
    let follower = (cluster.leader().unwrap() + 1) % MEMBERS;
    nobody_misses_anything_when_a_member_goes(&mut cluster, follower, |member| member.kill().unwrap()).await;
}

/// As in an upgrade: it hands over before it ends.
#[tokio::test(flavor = "multi_thread")]
async fn writes_and_watches_go_on_when_the_leader_is_stopped() {
    let mut cluster = Cluster::start(MEMBERS).unwrap();
    let leader = cluster.leader().unwrap();
    nobody_misses_anything_when_a_member_goes(&mut cluster, leader, |member| member.stop().unwrap()).await;
}

/// What the leader has taken and cannot share may still happen when another one returns.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_requests_end_in_time_and_the_store_recovers() {
    let mut cluster = Cluster::start(MEMBERS).unwrap();
    let processes = processes(&cluster).await;
    let before = processes[0].pods.put(&pod("ns", "before")).await;
    let last = pod("ns", "last");
    let mut watches = Vec::new();
    for process in &processes {
        watches.push(read_up_to(watch(&process.pods, WatchStart::Now).await, &process.pods, &last));
    }
    let leader = cluster.leader().unwrap();
    let gone = [(leader + 1) % MEMBERS, (leader + 2) % MEMBERS];
    for member in gone {
        cluster.members()[member].kill().unwrap();
    }
    join_all(processes.iter().enumerate().map(async |(at, Process { pods, .. })| {
        let begin = Instant::now();
        let written = pods.try_put(&pod("ns", &format!("lost-{at}")), Expect::Absent).await.unwrap_err();
        eprintln!("a write: {written} after {:?}", begin.elapsed());
        assert!(begin.elapsed() < REQUEST + SLACK, "{written} after {:?}", begin.elapsed());
        assert!(is_retriable(&written), "{written:?}");
        let begin = Instant::now();
        let read = pods.get(&before.key, Freshness::Latest).await.unwrap_err();
        eprintln!("a read: {read} after {:?}", begin.elapsed());
        assert!(begin.elapsed() < REQUEST + SLACK, "{read} after {:?}", begin.elapsed());
        assert!(is_retriable(&read), "{read:?}");
        assert!(pods.readiness().is_err());
        // What may be old needs nobody's agreement.
        let old = pods.get(&before.key, Freshness::AtLeast(before.revision)).await.unwrap();
        assert_eq!(old.record.as_ref(), Some(&before));
    }))
    .await;
    cluster.members()[gone[0]].start_again().unwrap();
    for (at, Process { pods, .. }) in processes.iter().enumerate() {
        put_at_last(pods, &pod("ns", &format!("after-{at}"))).await;
        until("the store is ready again", async || pods.readiness().is_ok()).await;
    }
    put_at_last(&processes[0].pods, &last).await;
    let shown: Vec<_> = join_all(watches).await.into_iter().map(Result::unwrap).collect();
    for watch in &shown {
        let revisions: Vec<_> = watch.iter().map(|change| change.revision().get()).collect();
        assert_eq!(revisions, (before.revision.get() + 1..).take(watch.len()).collect::<Vec<_>>());
        assert!(watch.iter().all(|change| change.event_type == EventType::Added), "each object once");
        assert_eq!(watch, &shown[0]);
    }
    let names: Vec<_> = shown[0].iter().map(|change| change.event.key.to_string()).collect();
    for at in 0..MEMBERS {
        assert!(names.contains(&format!("/pods/ns/after-{at}")), "{names:?}");
    }
}
