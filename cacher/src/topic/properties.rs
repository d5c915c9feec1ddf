//! The topics against a plain look at every event for every watch.

#![cfg(not(feature = "model"))]

use std::collections::BTreeMap;

use proptest::prelude::*;
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
use watchkeep_storage::selector::{FieldSelector, LabelSelector};
use watchkeep_storage::{Backend as _, Environment, EventType, Key, ResourcePrefix, SelectableField, Value};

use super::*;
use crate::sync::explore::Woken;

const NAMESPACES: [&str; 3] = ["a", "a-b", "b"];
const NAMES: [&str; 3] = ["x", "x-y", "z"];
/// Of the field; the first is none.
const NODES: [&str; 3] = ["", "n1", "n2"];
const LABELS: [&str; 3] = ["", "color=red", "color!=red"];
const FIELDS: [&str; 5] =
    ["", "spec.nodeName=n1", "spec.nodeName=", "spec.nodeName!=n1", "spec.nodeName=n2,metadata.name=x"];

/// What is done to an object: namespace, name, and node and colour or none after a deletion.
type Write = (usize, usize, Option<(usize, bool)>);

/// What a watch covers, and its selectors: namespace and name, where it is bound to them.
#[derive(Clone, Copy, Debug)]
struct Watched {
    namespace: Option<usize>,
    name: Option<usize>,
    labels: usize,
    fields: usize,
}

/// What happens: something is written, a watch is opened, read or given up.
#[derive(Clone, Debug)]
enum Step {
    Write(Write),
    Open(Watched),
    Read(prop::sample::Index),
    Leave(prop::sample::Index),
}

fn write() -> impl Strategy<Value = Write> {
    let after = prop::option::weighted(0.8, (0..NODES.len(), any::<bool>()));
    (0..NAMESPACES.len(), 0..NAMES.len(), after)
}

fn watched() -> impl Strategy<Value = Watched> {
    let namespace = prop::option::of(0..NAMESPACES.len());
    let name = prop::option::weighted(0.3, 0..NAMES.len());
    (namespace, name, 0..LABELS.len(), 0..FIELDS.len()).prop_map(|(namespace, name, labels, fields)| {
        // One object is in one namespace.
        let name = namespace.and(name);
        Watched { namespace, name, labels, fields }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => write().prop_map(Step::Write),
        3 => watched().prop_map(Step::Open),
        4 => any::<prop::sample::Index>().prop_map(Step::Read),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
    ]
}

/// A store that is asked for its prefix and its schema.
fn store() -> Arc<dyn Interface> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let backend = MemoryBackend::new(MemoryOptions::default(), Environment::system());
        let schema = Schema::new(1, vec![SelectableField::new("spec.nodeName")]);
        backend.resource(ResourcePrefix::new("/pods").unwrap(), Arc::new(schema)).await.unwrap()
    })
}

impl Watched {
    fn scope(self, store: &dyn Interface) -> Scope {
        match (self.namespace, self.name) {
            (Some(namespace), Some(name)) => {
                Scope::One(store.prefix().object(Some(NAMESPACES[namespace]), NAMES[name]).unwrap())
            }
            (namespace, _) => store.prefix().under(namespace.map(|namespace| NAMESPACES[namespace])).unwrap(),
        }
    }

    fn predicate(self) -> Predicate {
        let labels = LabelSelector::parse(LABELS[self.labels]).unwrap();
        Predicate::new(labels, FieldSelector::parse(FIELDS[self.fields]).unwrap())
    }

    /// Whether an event can concern it, as far as a topic looks: at one key, at the one value that a field has to
    /// have, or at the namespace.
    fn can_be_concerned(self, event: &Event) -> bool {
        let (namespace, name) = event.key.as_str().strip_prefix("/pods/").unwrap().split_once('/').unwrap();
        let is_there = self.namespace.is_none_or(|own| NAMESPACES[own] == namespace);
        let node = |record: &Option<Arc<Record>>| {
            record
                .as_ref()
                .map(|record| record.value.attributes().field("spec.nodeName").unwrap_or("").to_owned())
        };
        let has_been_on = |wanted: &str| {
            [node(&event.previous), node(&event.current)].iter().flatten().any(|node| node == wanted)
        };
        match (self.name, FIELDS[self.fields]) {
            (Some(own), _) => is_there && NAMES[own] == name,
            (None, "spec.nodeName=n1") => has_been_on("n1"),
            (None, "spec.nodeName=") => has_been_on(""),
            (None, "spec.nodeName=n2,metadata.name=x") => has_been_on("n2"),
            (None, _) => is_there,
        }
    }
}

/// A watch that was opened, and all that it should show since.
struct Open {
    watched: Watched,
    topic: Topic,
    log: Arc<Log>,
    waiting: Waiting,
    woken: Arc<Woken>,
    position: Revision,
    expected: Vec<(Revision, EventType)>,
    shown: Vec<(Revision, EventType)>,
    /// How often it has to have been woken, and whether it waits.
    wakes: usize,
    waits: bool,
}

struct World {
    store: Arc<dyn Interface>,
    topics: Topics,
    objects: BTreeMap<Key, Arc<Record>>,
    history: Vec<Arc<Event>>,
    watches: Vec<Open>,
}

impl World {
    fn new(store: &Arc<dyn Interface>) -> Self {
        let topics = Topics::new(store.prefix().as_str(), store.schema());
        let store = Arc::clone(store);
        Self { store, topics, objects: BTreeMap::new(), history: Vec::new(), watches: Vec::new() }
    }

    fn event(&mut self, (namespace, name, after): Write) -> Option<Arc<Event>> {
        let revision = Revision::new(self.history.len() as u64 + 1);
        let (namespace, name) = (NAMESPACES[namespace], NAMES[name]);
        let key = self.store.prefix().object(Some(namespace), name).unwrap();
        let current = after.map(|(node, is_red)| {
            let labels = if is_red { r#","labels":{"color":"red"}"# } else { "" };
            let spec = match NODES[node] {
                "" => "{}".to_owned(),
                node => format!(r#"{{"nodeName":"{node}"}}"#),
            };
            let json = format!(
                r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"{namespace}"{labels}}},"spec":{spec}}}"#
            );
            let value = Value::new(json.into_bytes(), self.store.schema()).unwrap();
            Arc::new(Record { key: key.clone(), value, revision })
        });
        let previous = match &current {
            Some(record) => self.objects.insert(key.clone(), Arc::clone(record)),
            None => self.objects.remove(&key),
        };
        (current.is_some() || previous.is_some())
            .then(|| Arc::new(Event { revision, key, current, previous }))
    }

    fn write(&mut self, write: Write) {
        let Some(event) = self.event(write) else { return };
        let mut wakers = Vec::new();
        self.topics.publish(&event, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        for open in &mut self.watches {
            if open.watched.can_be_concerned(&event) && std::mem::take(&mut open.waits) {
                open.wakes += 1;
            }
            let is_covered = open.watched.scope(&*self.store).contains(&event.key);
            let seen = event.seen_through(&open.watched.predicate()).filter(|_| is_covered);
            open.expected.extend(seen.map(|event_type| (event.revision, event_type)));
        }
        self.history.push(event);
    }

    fn open(&mut self, watched: Watched) {
        let topic = Topic::of(&watched.scope(&*self.store), &watched.predicate(), &*self.store);
        let log = self.topics.follow(&topic);
        let (waiting, woken) = (Waiting::default(), Arc::default());
        let position = Revision::new(self.history.len() as u64);
        let (expected, shown) = (Vec::new(), Vec::new());
        self.watches.push(Open {
            watched,
            topic,
            log,
            waiting,
            woken,
            position,
            expected,
            shown,
            wakes: 0,
            waits: false,
        });
    }

    /// Lets a watch read on to the end. Who has to look elsewhere does so in all of history.
    fn read(&mut self, watch: usize) {
        let open = &mut self.watches[watch];
        let waker = Waker::from(Arc::clone(&open.woken));
        loop {
            let events = match open.log.look(open.position, 3, &waker, &mut open.waiting) {
                Look::Events(events) => events,
                Look::Behind(position) => {
                    open.position = Revision::new(self.history.len() as u64);
                    self.history.iter().filter(|event| event.revision > position).cloned().collect()
                }
                Look::Nothing => break,
            };
            for event in events {
                open.position = open.position.max(event.revision);
                if open.watched.scope(&*self.store).contains(&event.key)
                    && let Some(event_type) = event.seen_through(&open.watched.predicate())
                {
                    open.shown.push((event.revision, event_type));
                }
            }
        }
        open.waits = true;
    }

    fn leave(&mut self, watch: usize) {
        let open = self.watches.swap_remove(watch);
        self.topics.leave(&open.topic, &open.log, &open.waiting);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_event_reaches_every_watch_that_it_can_concern_and_wakes_no_other(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let store = store();
        let mut world = World::new(&store);
        for step in steps {
            let place = |index: prop::sample::Index, world: &World| {
                (!world.watches.is_empty()).then(|| index.index(world.watches.len()))
            };
            match step {
                Step::Write(write) => world.write(write),
                Step::Open(watched) => world.open(watched),
                Step::Read(index) => {
                    if let Some(watch) = place(index, &world) {
                        world.read(watch);
                    }
                }
                Step::Leave(index) => {
                    if let Some(watch) = place(index, &world) {
                        world.leave(watch);
                    }
                }
            }
            for open in &world.watches {
                prop_assert_eq!(open.woken.times(), open.wakes, "{:?}", open.watched);
            }
        }
        for watch in 0..world.watches.len() {
            world.read(watch);
            let open = &world.watches[watch];
            prop_assert_eq!(&open.shown, &open.expected, "{:?}", open.watched);
        }
        prop_assert_eq!(world.topics.count().1, world.watches.len());
        while !world.watches.is_empty() {
            world.leave(0);
        }
        prop_assert_eq!(world.topics.count(), (0, 0));
    }
}
