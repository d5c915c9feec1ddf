//! A writer, watches that come and go, and every interleaving of them.

use watchkeep_storage::{Key, SelectableField, Value};

use super::*;
use crate::sync::explore::{Woken, explore, spawn};

const PREFIX: &str = "/pods/";

fn schema() -> Schema {
    Schema::new(1, vec![SelectableField::new("spec.nodeName")])
}

fn event(revision: u64) -> Arc<Event> {
    let bytes = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"ns"},"spec":{"nodeName":"n"}}"#;
    let value = Value::new(bytes.as_bytes().to_vec(), &schema()).unwrap();
    let (key, revision) = (Key::unchecked("/pods/ns/a"), Revision::new(revision));
    let record = Arc::new(Record { key: key.clone(), value, revision });
    Arc::new(Event { revision, key, current: Some(record), previous: None })
}

fn topics() -> [Topic; 4] {
    [
        Topic::All,
        Topic::Under("/pods/ns/".into()),
        Topic::One("/pods/ns/a".into()),
        Topic::Field(0, "n".into()),
    ]
}

/// What the cache does with events: the window has them first, and at last they are published.
struct Cache {
    topics: Topics,
    window: Mutex<Vec<Arc<Event>>>,
    published: AtomicU64,
}

impl Cache {
    fn new() -> Arc<Self> {
        let (window, published) = (Mutex::new(Vec::new()), AtomicU64::new(0));
        Arc::new(Self { topics: Topics::new(PREFIX, &schema()), window, published })
    }

    fn write(&self, event: &Arc<Event>) {
        let mut wakers = Vec::new();
        self.window.lock().push(Arc::clone(event));
        self.topics.publish(event, &mut wakers);
        self.published.store(event.revision.get(), Ordering::Release);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// What a watch does: it looks for events, in the window where it has to, and goes on to what was published
/// before the look.
struct Watch {
    log: Arc<Log>,
    position: Revision,
    waiting: Waiting,
    shown: Vec<u64>,
}

impl Watch {
    fn new(cache: &Cache, topic: &Topic) -> Self {
        let log = cache.topics.follow(topic);
        Self { log, position: Revision::ZERO, waiting: Waiting::default(), shown: Vec::new() }
    }

    /// Whether there were events.
    fn look(&mut self, cache: &Cache, waker: &Waker) -> bool {
        let published = Revision::new(cache.published.load(Ordering::Acquire));
        let events = match self.log.look(self.position, 10, waker, &mut self.waiting) {
            Look::Events(events) => events,
            Look::Nothing => {
                self.position = self.position.max(published);
                return false;
            }
            Look::Behind(position) => {
                let window = cache.window.lock();
                window.iter().filter(|event| event.revision > position).cloned().collect()
            }
        };
        for event in events {
            self.position = event.revision;
            self.shown.push(event.revision.get());
        }
        true
    }
}

#[test]
fn a_topic_that_is_made_while_an_event_is_published_has_it_or_knows_that_it_missed_it() {
    for topic in topics() {
        let event = event(1);
        explore(move || {
            let cache = Cache::new();
            let (writing, written) = (Arc::clone(&cache), Arc::clone(&event));
            let writer = spawn(move || writing.write(&written));
            let mut watch = Watch::new(&cache, &topic);
            watch.look(&cache, Waker::noop());
            writer.join().unwrap();
            while watch.look(&cache, Waker::noop()) {}
            assert_eq!(watch.shown, [1], "{topic:?}");
        });
    }
}

#[test]
fn a_watch_that_finds_nothing_is_woken_for_what_comes() {
    let events = [event(1), event(2)];
    explore(move || {
        let cache = Cache::new();
        let mut watch = Watch::new(&cache, &Topic::All);
        let (writing, written) = (Arc::clone(&cache), events.clone());
        let writer = spawn(move || written.iter().for_each(|event| writing.write(event)));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let waits = !watch.look(&cache, &waker);
        let seen = watch.shown.len();
        writer.join().unwrap();
        assert!(!waits || woken.times() == 1, "woken {} times", woken.times());
        while watch.look(&cache, &waker) {}
        assert_eq!(watch.shown, [1, 2], "{seen} at first");
    });
}

#[test]
fn a_topic_that_one_watch_leaves_is_whole_for_the_next_one() {
    let event = event(1);
    explore(move || {
        let cache = Cache::new();
        let topic = Topic::One("/pods/ns/a".into());
        let first = Watch::new(&cache, &topic);
        let (writing, written) = (Arc::clone(&cache), Arc::clone(&event));
        let writer = spawn(move || writing.write(&written));
        let (leaving, left) = (Arc::clone(&cache), topic.clone());
        let leaver = spawn(move || leaving.topics.leave(&left, &first.log, &first.waiting));
        let mut next = Watch::new(&cache, &topic);
        next.look(&cache, Waker::noop());
        writer.join().unwrap();
        leaver.join().unwrap();
        while next.look(&cache, Waker::noop()) {}
        assert_eq!(next.shown, [1]);
        cache.topics.leave(&topic, &next.log, &next.waiting);
        assert_eq!(cache.topics.narrow.load(Ordering::Relaxed), 0);
        assert!(cache.topics.part(&topic).read().is_empty(), "a topic without watches");
    });
}

#[cfg(not(feature = "model"))]
#[test]
fn a_quiet_topic_keeps_no_places_of_watches_that_are_gone() {
    let cache = Cache::new();
    let mut stays = Watch::new(&cache, &Topic::All);
    assert!(!stays.look(&cache, Waker::noop()));
    for _ in 0..100 {
        let mut goes = Watch::new(&cache, &Topic::All);
        assert!(!goes.look(&cache, Waker::noop()));
        cache.topics.leave(&Topic::All, &goes.log, &goes.waiting);
    }
    assert!(stays.log.0.lock().wakers.len() <= 2);
    // And who waits still has its own.
    let woken = Arc::new(Woken::default());
    assert!(!stays.look(&cache, &Waker::from(Arc::clone(&woken))));
    cache.write(&event(1));
    assert_eq!(woken.times(), 1);
}
