//! One run: a store, a cache over it, those who use it, and the oracle that sees everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use watchkeep_cacher::{Cacher, CacherOptions, Held};
use watchkeep_proof::checkers;
use watchkeep_proof::objects::{Content, Place, View, schema};
use watchkeep_proof::oracle::{Commit, Oracle};
use watchkeep_proof::stream::{Found, Stream};
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
use watchkeep_storage::{
    Backend as _, Environment, Interface, Predicate, ResourcePrefix, Revision, WatchEvent, WatchRequest,
    WatchStart, Watcher,
};

use crate::chance::Chance as _;
use crate::shaky::Shaky;
use crate::{lister, reader, writer};

/// When a run begins, in seconds since 1970: some day in 2025.
const START: u64 = 1_750_000_000;
/// How many of each there are.
const WRITERS: usize = 2;
const READERS: usize = 16;
const LISTERS: usize = 2;
/// So little that who is away for minutes falls behind it.
const WINDOW_BYTES: usize = 384 << 10;
/// Fewer than the window has room for.
const PICTURES: usize = 2;
/// The largest event: two values of full size, and itself.
const EVENT_BYTES_MAX: usize = 100 << 10;
/// So little that a burst gives history up before its time.
const HISTORY_BYTES: usize = 1 << 20;
/// For how long a list may be read.
pub(crate) const CURSOR_DEADLINE: Duration = Duration::from_mins(1);
/// How long it may take until everything has come to rest.
const REST: Duration = Duration::from_mins(10);

/// What happened, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) commits: usize,
    pub(crate) expiries: usize,
    pub(crate) watches: usize,
    pub(crate) resumed: usize,
    pub(crate) events: usize,
    pub(crate) bookmarks: usize,
    pub(crate) left_behind: usize,
    pub(crate) lists: usize,
    pub(crate) expired: usize,
    pub(crate) compactions: usize,
    pub(crate) shaken: usize,
    pub(crate) head: Revision,
}

impl Tally {
    /// Whether each of it happened.
    pub(crate) fn is_everything(&self) -> bool {
        let Self { commits, expiries, watches, resumed, events, bookmarks, .. } = *self;
        let Self { left_behind, lists, expired, compactions, shaken, .. } = *self;
        let counts = [
            commits,
            expiries,
            watches,
            resumed,
            events,
            bookmarks,
            left_behind,
            lists,
            expired,
            compactions,
            shaken,
        ];
        counts.iter().all(|count| *count > 0)
    }
}

/// What all who take part share.
pub(crate) struct Hours {
    pub(crate) environment: Environment,
    /// The store itself, which is not shaky.
    pub(crate) store: Arc<dyn Interface>,
    pub(crate) cache: Arc<dyn Interface>,
    cacher: Arc<Cacher>,
    end: Duration,
    known: Mutex<Known>,
    marks: AtomicU32,
}

/// The oracle, and the watch of the store that tells it of everything.
struct Known {
    oracle: Oracle,
    witness: Watcher,
    tally: Tally,
}

/// Lets so much time pass, and fails where anything is not as it has to be.
pub(crate) async fn run(seed: u64, length: Duration) -> Tally {
    let environment = Environment::simulated(UNIX_EPOCH + Duration::from_secs(START), seed);
    let options = MemoryOptions { history_bytes_max: HISTORY_BYTES, ..MemoryOptions::default() };
    let backend = MemoryBackend::new(options, environment.clone());
    let store = backend.resource(ResourcePrefix::new("/pods").unwrap(), schema()).await.unwrap();
    let origin = store.current_revision().await.unwrap();
    let shaky = Shaky::new(Arc::clone(&store), &environment);
    let options = CacherOptions {
        window_bytes_max: WINDOW_BYTES,
        pictures_max: PICTURES,
        cursor_deadline: CURSOR_DEADLINE,
        catching_up_max: 3,
        ..CacherOptions::default()
    };
    let below = Arc::clone(&shaky) as Arc<dyn Interface>;
    let cacher = Arc::new(Cacher::new(below, options, &environment));
    let hours = Arc::new(Hours {
        known: Mutex::new(Known {
            oracle: Oracle::of_empty(origin),
            witness: witness(&*store, origin).await,
            tally: Tally::default(),
        }),
        end: environment.uptime() + length,
        cache: Arc::clone(&cacher) as Arc<dyn Interface>,
        store,
        cacher,
        environment,
        marks: AtomicU32::new(0),
    });
    hours.live().await;
    hours.come_to_rest().await;
    let tally = hours.finish(shaky.shaken.load(Ordering::Relaxed));
    // Nothing of the cache outlives it.
    let environment = hours.environment.clone();
    drop(hours);
    let gone = tokio::time::timeout(REST, async {
        while Arc::strong_count(&shaky) > 1 {
            environment.sleep(Duration::from_secs(1)).await;
        }
    });
    gone.await.expect("somebody holds the store of a cache that is gone");
    tally
}

async fn witness(store: &dyn Interface, origin: Revision) -> Watcher {
    let scope = store.prefix().under(None).unwrap();
    let (start, predicate) = (WatchStart::After(origin), Predicate::everything());
    store.watch(WatchRequest { scope, start, predicate, progress: false }).await.unwrap()
}

impl Hours {
    async fn live(self: &Arc<Self>) {
        let mut tasks = vec![self.environment.spawn(lister::tend(Arc::clone(self)))];
        tasks.extend((0..WRITERS).map(|_| self.environment.spawn(writer::run(Arc::clone(self)))));
        tasks.extend((0..READERS).map(|_| self.environment.spawn(reader::run(Arc::clone(self)))));
        tasks.extend((0..LISTERS).map(|_| self.environment.spawn(lister::run(Arc::clone(self)))));
        tasks.push(self.environment.spawn(set_the_clock(Arc::clone(self))));
        for task in tasks {
            task.await.unwrap();
        }
    }

    /// When nobody uses it any more nothing is left, and the cache is what the store is.
    async fn come_to_rest(&self) {
        let held = self.cacher.held();
        assert_eq!(held, Held { kept_pictures: held.kept_pictures, ..Held::default() }, "something is left");
        self.check_bounds();
        let right = tokio::time::timeout(REST, async {
            // A store that is shaken cannot be compared with.
            while self.cacher.readiness().is_err() || !matches!(self.cacher.check().await, Ok(true)) {
                assert!(!matches!(self.cacher.check().await, Ok(false)), "it is not what the store holds");
                self.environment.sleep(Duration::from_secs(1)).await;
            }
        });
        right.await.expect("the cache does not come back");
    }

    fn finish(&self, shaken: usize) -> Tally {
        self.settle();
        let Known { oracle, tally, .. } = &*self.known.lock();
        Tally { shaken, head: oracle.head(), ..tally.clone() }
    }

    /// Whether it is not over yet.
    pub(crate) fn goes_on(&self) -> bool {
        self.environment.uptime() < self.end
    }

    /// The revision of the store.
    pub(crate) async fn now(&self) -> Revision {
        self.store.current_revision().await.unwrap()
    }

    /// The revision of so many commits ago.
    pub(crate) fn back(&self, commits: usize) -> Revision {
        self.known.lock().oracle.back(commits)
    }

    /// A mark that no other write has.
    pub(crate) fn next_mark(&self) -> u32 {
        self.marks.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts something.
    pub(crate) fn tally(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.known.lock().tally);
    }

    /// A write that was acknowledged.
    pub(crate) fn acknowledged(&self, revision: Revision, commit: Commit) {
        let mut known = self.known.lock();
        known.oracle.commit(revision, commit).unwrap();
        known.tally.commits += 1;
    }

    /// Tells the oracle of all that the store has done by itself.
    pub(crate) fn settle(&self) {
        let mut known = self.known.lock();
        let Known { oracle, witness, tally } = &mut *known;
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let mut next = std::pin::pin!(tokio::task::coop::unconstrained(witness.next()));
            let Poll::Ready(next) = next.as_mut().poll(&mut context) else { break };
            let Some(Ok(WatchEvent::Change(change))) = next else {
                panic!("the store's own watch says {next:?}")
            };
            if !oracle.knows(change.revision()) {
                let place = Place::parse(change.event.key.as_str()).unwrap();
                let parse = |bytes: &[u8]| Content::parse(bytes).unwrap();
                let after = change.event.current.as_ref().map(|record| parse(record.value.bytes()));
                oracle.discover(change.revision(), place, after, self.environment.unix_time()).unwrap();
                tally.expiries += 1;
            }
        }
        oracle.compact(self.store.compacted_revision());
    }

    /// Holds what a watch has shown against every promise.
    pub(crate) fn check_stream(&self, stream: &Stream) {
        self.settle();
        if let Err(broken) = checkers::check(stream, &self.known.lock().oracle) {
            panic!("a watch of {:?} from {:?}: {broken}", stream.view, stream.start);
        }
    }

    /// Holds a list against the state of its revision.
    pub(crate) fn check_list(&self, view: View, revision: Revision, found: &[Found]) {
        self.settle();
        let mut known = self.known.lock();
        known.tally.lists += 1;
        let expected = known.oracle.list(view, revision);
        let same = found.len() == expected.len()
            && found.iter().zip(&expected).all(|(found, (place, version))| found.is(*place, *version));
        assert!(same, "the state of {view:?} at {revision} is {expected:?}, listed was {found:?}");
    }

    /// What the cache keeps is within its bounds.
    pub(crate) fn check_bounds(&self) {
        let (window, held) = (self.cacher.window(), self.cacher.held());
        assert!(window.bytes <= WINDOW_BYTES.max(EVENT_BYTES_MAX), "{window:?}");
        assert!(window.events <= window.capacity, "{window:?}");
        assert!(held.kept_pictures <= PICTURES, "{held:?}");
        assert!(held.watches <= READERS && held.topics <= held.watches, "{held:?}");
        assert!(held.answering <= held.watches && held.open_pictures <= READERS + LISTERS, "{held:?}");
    }
}

/// Sets the time of day ahead, once in a while.
async fn set_the_clock(hours: Arc<Hours>) {
    while hours.goes_on() {
        hours.environment.sleep(hours.environment.up_to(Duration::from_mins(20))).await;
        hours.environment.jump(hours.environment.up_to(Duration::from_mins(3)));
    }
}
