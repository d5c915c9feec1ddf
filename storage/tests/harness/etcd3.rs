//! Opens stores in a real etcd, one for each test, below prefixes of their own: for the conformance suite, of the
//! backend and of the cache.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use watchkeep_storage::conformance::{Clock, Harness, Setup, Store};
use watchkeep_storage::etcd3::{EtcdBackend, EtcdOptions};
use watchkeep_storage::{BoxFuture, Environment};
use watchkeep_tests::etcd::Etcd;

/// Opens stores below prefixes of their own.
#[derive(Default)]
pub(crate) struct EtcdHarness {
    etcd: OnceLock<Etcd>,
    stores: AtomicUsize,
}

impl Harness for EtcdHarness {
    fn open(&self, setup: Setup) -> BoxFuture<'_, Store> {
        Box::pin(async move {
            let store = self.stores.fetch_add(1, Ordering::Relaxed);
            self.start(format!("/registry/{store}"), setup)
        })
    }

    fn restart(&self, store: Store) -> BoxFuture<'_, Store> {
        Box::pin(async move {
            let prefix = store.stop().await.unwrap().downcast::<String>().unwrap();
            self.start(*prefix, Setup::default())
        })
    }

    fn clock(&self) -> Clock {
        Clock::System
    }

    fn exemptions(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                "an_acknowledged_commit_is_there_for_open_watches",
                "acknowledgements and events come on streams of their own: the event of an acknowledged \
                 commit is on its way, and not yet here",
            ),
            (
                "a_picture_stays_while_writes_go_on",
                "it compacts under an open list, and nothing holds etcd back from that; without the \
                 compaction it is `a_list_stays_what_it_was_while_writes_go_on` in tests/etcd3.rs",
            ),
            (
                "history_that_outgrows_its_bound_is_given_up_early",
                "history is etcd's, bounded by time and by the quota of its whole database",
            ),
            (
                "history_stays_in_its_bound_when_objects_expire",
                "history is etcd's, bounded by time and by the quota of its whole database",
            ),
        ]
    }
}

impl EtcdHarness {
    fn start(&self, prefix: String, setup: Setup) -> Store {
        let etcd = self.etcd.get_or_init(|| Etcd::start().unwrap());
        let defaults = EtcdOptions::new([etcd.url()]);
        let options = EtcdOptions {
            prefix: prefix.clone(),
            cursor_deadline: setup.cursor_deadline.unwrap_or(defaults.cursor_deadline),
            progress_interval: Duration::from_millis(50),
            ..defaults
        };
        let environment = Environment::system();
        let backend = EtcdBackend::open(options, environment.clone()).unwrap();
        Store::new(backend, environment).keeping(prefix)
    }
}
