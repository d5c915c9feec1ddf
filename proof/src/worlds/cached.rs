//! The cache over any other world. It is filled anew whenever the store below was started again.

use std::sync::Arc;
use std::time::Duration;

use watchkeep_cacher::{CachedBackend, CacherOptions};
use watchkeep_storage::conformance::Clock;
use watchkeep_storage::{Backend, Environment};

use super::{Kept, World};

/// Longer than any program takes.
const LONG: Duration = Duration::from_hours(10_000);
/// So little that programs fall out of the window.
const WINDOW_BYTES: usize = 64 << 10;

/// A cache over the store of another world.
pub struct Cached<W> {
    world: W,
    cache: Option<Arc<CachedBackend>>,
}

fn over<W: World>(world: &W) -> Arc<CachedBackend> {
    let options = CacherOptions {
        cursor_deadline: LONG,
        window_bytes_max: WINDOW_BYTES,
        pictures_max: 4,
        ..CacherOptions::default()
    };
    Arc::new(CachedBackend::new(world.backend(), options, world.environment().clone()))
}

impl<W: World> World for Cached<W> {
    const CLOCK: Clock = W::CLOCK;
    const NAME: &'static str = W::CACHED_NAME;
    const CACHED_NAME: &'static str = "a cache over a cache";

    async fn open(seed: u64) -> Self {
        let world = W::open(seed).await;
        Self { cache: Some(over(&world)), world }
    }

    fn backend(&self) -> Arc<dyn Backend> {
        match &self.cache {
            Some(cache) => Arc::clone(cache) as Arc<dyn Backend>,
            None => unreachable!("it is only away within a restart"),
        }
    }

    fn environment(&self) -> &Environment {
        self.world.environment()
    }

    async fn restart(&mut self) -> Kept {
        self.cache = None;
        let kept = self.world.restart().await;
        self.cache = Some(over(&self.world));
        kept
    }

    async fn crash(&mut self) -> Kept {
        self.cache = None;
        let kept = self.world.crash().await;
        self.cache = Some(over(&self.world));
        kept
    }

    async fn advance(&mut self, by: Duration) {
        self.world.advance(by).await;
    }

    fn expiry_slack(&self) -> Option<Duration> {
        self.world.expiry_slack()
    }

    async fn disturb(&mut self) {
        self.world.disturb().await;
    }

    fn open_lists_survive_compaction(&self) -> bool {
        self.world.open_lists_survive_compaction()
    }

    fn compaction_is_remembered(&self) -> bool {
        self.world.compaction_is_remembered()
    }
}
