//! What a backend has to bring to run the suite, and how one test is run.

use std::any::Any;
use std::ops::AsyncFnOnce;
use std::sync::Arc;
use std::time::Duration;

use super::instrument::Resource;
use crate::environment::Environment;
use crate::error::Error;
use crate::interface::{Backend, BoxFuture};
use crate::key::ResourcePrefix;
use crate::schema::{Schema, SelectableField};

/// A backend under test.
pub trait Harness: Send + Sync {
    /// A fresh store without objects, as `setup` asks for it.
    fn open(&self, setup: Setup) -> BoxFuture<'_, Store>;

    /// Stops a store and starts it again, with what it keeps.
    fn restart(&self, store: Store) -> BoxFuture<'_, Store>;

    /// The clock that the backend lives by.
    fn clock(&self) -> Clock {
        Clock::Paused
    }

    /// The tests that this backend is exempt from, by name, each with what forces it. They are listed as
    /// passed, and print the reason.
    fn exemptions(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// The bounds of a store under test; `None` leaves a bound at the backend's default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// How many bytes of values history may keep.
    pub history_bytes_max: Option<usize>,
    /// For how long a list may be read.
    pub cursor_deadline: Option<Duration>,
}

/// The clock of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Tokio's, paused: it jumps as soon as every task waits. For backends whose work is all done in tasks
    /// of the runtime.
    Paused,
    /// The system's. For backends with threads, sockets or disks, for which a paused clock would run ahead.
    System,
}

/// A store under test.
pub struct Store {
    backend: Arc<dyn Backend>,
    environment: Environment,
    /// Lives as long as the store: a temporary directory, a server.
    guard: Option<Box<dyn Any + Send>>,
}

impl Clock {
    /// How long a test waits for what has to happen before it fails.
    pub fn patience(self) -> Duration {
        match self {
            Self::Paused => Duration::from_mins(2),
            Self::System => Duration::from_secs(20),
        }
    }

    /// How long a test waits to see that nothing happens.
    pub fn quiet(self) -> Duration {
        match self {
            Self::Paused => Duration::from_secs(2),
            Self::System => Duration::from_millis(200),
        }
    }
}

impl Store {
    /// A store under test. `environment` is the one that the backend asks for the time.
    pub fn new(backend: impl Backend + 'static, environment: Environment) -> Self {
        Self { backend: Arc::new(backend), environment, guard: None }
    }

    /// The store with another backend over its own: a cache.
    #[must_use]
    pub fn map(self, over: impl FnOnce(Arc<dyn Backend>, Environment) -> Arc<dyn Backend>) -> Self {
        Self { backend: over(self.backend, self.environment.clone()), ..self }
    }

    /// Keeps something alive until the store is dropped.
    #[must_use]
    pub fn keeping(self, guard: impl Any + Send) -> Self {
        Self { guard: Some(Box::new(guard)), ..self }
    }

    /// Closes the backend. What was kept alive for it goes on, for the backend that follows.
    pub async fn stop(self) -> Option<Box<dyn Any + Send>> {
        self.backend.close().await.unwrap();
        self.guard
    }

    /// Pods, with `spec.nodeName` as a selectable field.
    pub async fn pods(&self) -> Resource {
        self.resource("/pods").await
    }

    /// A resource of the store other than [`Store::pods`], to write in between.
    pub async fn others(&self) -> Resource {
        self.resource("/podsandmore").await
    }

    /// The resource of a prefix.
    pub async fn resource(&self, prefix: &str) -> Resource {
        let prefix = ResourcePrefix::new(prefix).unwrap();
        let schema = Schema::new(1, vec![SelectableField::new("spec.nodeName")]);
        Resource::new(self.backend.resource(prefix, Arc::new(schema)).await.unwrap())
    }

    /// Tries to open a resource.
    ///
    /// # Errors
    /// Those of [`Backend::resource`].
    pub async fn try_resource(&self, prefix: &str, schema: Schema) -> Result<Resource, Error> {
        let prefix = ResourcePrefix::new(prefix).unwrap();
        Ok(Resource::new(self.backend.resource(prefix, Arc::new(schema)).await?))
    }

    /// What the store asks for the time.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Lets time pass.
    pub async fn advance(&self, duration: Duration) {
        self.environment.sleep(duration).await;
    }
}

/// Runs one test on a runtime of its own. Called by [`crate::conformance_tests`].
///
/// # Panics
/// When the test fails, or waits for longer than any test should.
pub fn run<H: Harness>(name: &str, harness: &H, test: impl AsyncFnOnce(&H)) {
    if let Some((_, reason)) = harness.exemptions().iter().find(|(exempt, _)| *exempt == name) {
        eprintln!("{name}: exempt: {reason}");
        return;
    }
    let clock = harness.clock();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(clock == Clock::Paused);
    let runtime = builder.build().unwrap();
    runtime.block_on(async {
        let bound = clock.patience() * 30;
        assert!(tokio::time::timeout(bound, test(harness)).await.is_ok(), "{name}: not done after {bound:?}");
    });
}
