//! The reflector: fills the cache from a list and follows the store's watch. What breaks is begun anew.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Weak;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use watchkeep_storage::defect::{self, Defect};
use watchkeep_storage::{
    Environment, Error, ListRequest, Listing, Predicate, ReadAt, Revision, Scope, WatchRequest, WatchStart,
};

use crate::refill;
use crate::shared::{Ended, Shared};

/// The pauses between two attempts, doubled each time: the reference's.
const PAUSE_MIN: Duration = Duration::from_millis(800);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often pictures are looked for that were read too slowly.
const TIDY_INTERVAL: Duration = Duration::from_millis(500);

/// Runs until the cache is gone.
pub(crate) async fn run(shared: Weak<Shared>, environment: Environment) {
    let mut pause = Pause::new(&environment);
    loop {
        let Some(cache) = shared.upgrade() else { return };
        let begin = environment.uptime();
        let filled = fill(&cache).await;
        cache.telemetry.filled(filled.is_ok(), environment.uptime().saturating_sub(begin));
        match filled {
            Ok(revision) => {
                pause.begin(cache.published());
                drop(cache);
                if follow_beside_refill(&shared, revision, &environment).await.is_none() {
                    return;
                }
                let Some(cache) = shared.upgrade() else { return };
                if !pause.was_in_vain(cache.published()) {
                    continue;
                }
            }
            Err(error) => {
                tracing::warn!(%error, prefix = %cache.store.prefix(), "the cache could not be filled, and is tried again");
                cache.ready.reset(error.to_string(), &environment);
                drop(cache);
            }
        }
        pause.wait().await;
    }
}

/// Gives up what was read too slowly, until the cache is gone.
pub(crate) async fn tidy(shared: Weak<Shared>, environment: Environment) {
    loop {
        environment.sleep(TIDY_INTERVAL).await;
        let Some(shared) = shared.upgrade() else { return };
        shared.tidy();
    }
}

/// Lists everything, and opens the watch that follows the list. Returns the revision of the list.
async fn fill(shared: &Shared) -> Result<Revision, Error> {
    let scope = shared.store.prefix().under(None)?;
    let predicate = Predicate::everything();
    let request = ListRequest { scope, at: ReadAt::Latest, start: None, limit: None, predicate };
    let Listing { revision, mut cursor, .. } = shared.store.list(request).await?;
    let mut records = Vec::new();
    loop {
        let mut batch = cursor.next().await?;
        if batch.is_empty() {
            break;
        }
        records.append(&mut batch);
    }
    drop(cursor);
    if defect::on(Defect::CacheRefillKeepsDeleted) {
        let before = shared.current();
        let places = before.places(&shared.store.prefix().under(None)?, None);
        let listed = std::mem::take(&mut records);
        records = before.records(&places).cloned().chain(listed).collect();
    }
    let watcher = shared.store.watch(everything_after(shared, revision)?).await?;
    shared.refill(shared.current().of(records, revision), watcher);
    Ok(revision)
}

/// Follows the store, and reads what came before meanwhile. A cache that has to be filled anew, or is gone, does not
/// wait for that.
async fn follow_beside_refill(
    shared: &Weak<Shared>,
    filled_at: Revision,
    environment: &Environment,
) -> Option<()> {
    let refill = pin!(refill::run(shared.clone(), filled_at));
    match select(pin!(follow(shared, environment)), refill).await {
        Either::Left((followed, _)) => followed,
        Either::Right(((), follow)) => follow.await,
    }
}

/// Publishes what the store shows until the cache has to be filled anew; `None` when it is gone.
async fn follow(shared: &Weak<Shared>, environment: &Environment) -> Option<()> {
    let mut pause = Pause::new(environment);
    loop {
        let ended = poll_fn(|context| match shared.upgrade() {
            Some(shared) => shared.poll_source(context).map(Some),
            None => Poll::Ready(None),
        });
        let mut error = match ended.await? {
            Ended::Watch(error) => error,
            Ended::Distrusted => return Some(()),
        };
        // What breaks may pass: the watch goes on where it was, as long as the store still knows what came next.
        loop {
            let cache = shared.upgrade()?;
            tracing::info!(%error, prefix = %cache.store.prefix(), "the watch of the store has ended");
            if matches!(error, Error::Compacted { .. } | Error::Corrupt { .. }) {
                cache.ready.reset(error.to_string(), environment);
                return Some(());
            }
            let is_in_vain = pause.was_in_vain(cache.published());
            drop(cache);
            if is_in_vain {
                pause.wait().await;
            }
            let cache = shared.upgrade()?;
            pause.begin(cache.published());
            match reopen(&cache).await {
                Ok(()) => break,
                Err(failed) => error = failed,
            }
        }
    }
}

async fn reopen(shared: &Shared) -> Result<(), Error> {
    let late = defect::on(Defect::CacheReopensAtHead);
    let from = if late { shared.store.current_revision().await? } else { shared.published() };
    let request = everything_after(shared, from)?;
    let watcher = shared.store.watch(request).await?;
    shared.go_on(watcher);
    Ok(())
}

pub(crate) fn everything_after(shared: &Shared, revision: Revision) -> Result<WatchRequest, Error> {
    let scope: Scope = shared.store.prefix().under(None)?;
    let (start, predicate) = (WatchStart::After(revision), Predicate::everything());
    Ok(WatchRequest { scope, start, predicate, progress: true })
}

/// The pause before the next attempt: none after one that got somewhere.
struct Pause<'e> {
    environment: &'e Environment,
    next: Duration,
    /// By uptime.
    begun: Duration,
    at: Revision,
}

impl<'e> Pause<'e> {
    fn new(environment: &'e Environment) -> Self {
        Self { environment, next: PAUSE_MIN, begun: environment.uptime(), at: Revision::ZERO }
    }

    /// An attempt begins at a revision.
    fn begin(&mut self, at: Revision) {
        (self.begun, self.at) = (self.environment.uptime(), at);
    }

    /// Whether it has neither moved the cache on nor lasted. What was not begun here, the first one, never is.
    fn was_in_vain(&mut self, now_at: Revision) -> bool {
        let is_in_vain = now_at <= self.at && self.environment.uptime() < self.begun + self.next;
        if !is_in_vain {
            self.next = PAUSE_MIN;
        }
        is_in_vain
    }

    /// Waits, and longer the next time. Caches that lost their store together do not come back together.
    async fn wait(&mut self) {
        let chance = u32::try_from(self.environment.random() >> 32).unwrap_or_default();
        let pause = self.next.mul_f64(1.0 + f64::from(chance) / f64::from(u32::MAX));
        self.next = (self.next * 2).min(PAUSE_MAX);
        self.environment.sleep(pause).await;
    }
}
