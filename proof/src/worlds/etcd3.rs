//! The etcd3 backend on a real etcd of its own, which is killed and started again while watches are open.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use watchkeep_storage::conformance::Clock;
use watchkeep_storage::etcd3::{EtcdBackend, EtcdOptions};
use watchkeep_storage::{Backend, Environment, ResourcePrefix};
use watchkeep_tests::etcd::Etcd;

use super::{Kept, World};
use crate::objects::{RESOURCES, schema};

/// How often an etcd that was started again is asked whether it serves.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);
/// How long an etcd is halted: less than a request may take.
const HALT: Duration = Duration::from_millis(300);

/// A store in an etcd.
pub struct EtcdWorld {
    backend: Arc<EtcdBackend>,
    environment: Environment,
    etcd: Arc<Mutex<Etcd>>,
}

fn start(etcd: &Mutex<Etcd>, environment: &Environment) -> Arc<EtcdBackend> {
    let url = etcd.lock().url().to_owned();
    let options = EtcdOptions { progress_interval: Duration::from_millis(20), ..EtcdOptions::new([url]) };
    let backend = EtcdBackend::open(options, environment.clone());
    Arc::new(backend.unwrap_or_else(|error| panic!("it does not open: {error}")))
}

impl EtcdWorld {
    /// Kills the etcd, starts it again, and waits until it serves.
    async fn kill(&self) {
        self.etcd.lock().restart().unwrap_or_else(|error| panic!("{error}"));
        self.recover().await;
    }

    /// Halts the etcd for [`HALT`].
    fn halt(&self) {
        self.etcd.lock().halt().unwrap_or_else(|error| panic!("{error}"));
        let (etcd, environment) = (Arc::clone(&self.etcd), self.environment.clone());
        self.environment.spawn(async move {
            environment.sleep(HALT).await;
            // It fails where it was killed meanwhile.
            let _ = etcd.lock().go_on();
        });
    }

    /// Waits until requests are answered again.
    async fn recover(&self) {
        let prefix = RESOURCES.first().and_then(|prefix| ResourcePrefix::new(prefix).ok());
        for _ in 0..TRIES {
            if let Some(prefix) = prefix.clone()
                && let Ok(store) = self.backend.resource(prefix, schema()).await
                && store.current_revision().await.is_ok()
            {
                return;
            }
            self.environment.sleep(PAUSE).await;
        }
        panic!("etcd does not serve again");
    }
}

impl World for EtcdWorld {
    const CLOCK: Clock = Clock::System;
    const NAME: &'static str = "etcd3";
    const CACHED_NAME: &'static str = "a cache over etcd3";

    async fn open(_seed: u64) -> Self {
        let etcd = Etcd::start().unwrap_or_else(|error| panic!("{error}"));
        let etcd = Arc::new(Mutex::new(etcd));
        let environment = Environment::system();
        Self { backend: start(&etcd, &environment), environment, etcd }
    }

    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend) as Arc<dyn Backend>
    }

    fn environment(&self) -> &Environment {
        &self.environment
    }

    async fn restart(&mut self) -> Kept {
        self.backend.close().await.unwrap_or_else(|error| panic!("it does not close: {error}"));
        self.backend = start(&self.etcd, &self.environment);
        Kept::Everything
    }

    async fn crash(&mut self) -> Kept {
        self.kill().await;
        self.backend = start(&self.etcd, &self.environment);
        Kept::Everything
    }

    /// etcd has a clock of its own, for which nobody waits.
    async fn advance(&mut self, _by: Duration) {}

    fn expiry_slack(&self) -> Option<Duration> {
        None
    }

    /// Kills the etcd and starts it again; or halts it, so that what is asked of it meanwhile waits.
    async fn disturb(&mut self) {
        if self.environment.random().is_multiple_of(2) {
            self.kill().await;
        } else {
            self.halt();
        }
    }

    fn open_lists_survive_compaction(&self) -> bool {
        false
    }

    fn compaction_is_remembered(&self) -> bool {
        false
    }
}
