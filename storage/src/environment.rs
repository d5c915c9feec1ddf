//! The one door to time and chance. Everything that asks for the time, sleeps, draws a random number
//! or spawns a task does it here, so that a seed and a paused runtime replay a run exactly.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Time, chance and tasks. Cheap to clone; clones share their state.
#[derive(Clone, Debug)]
pub struct Environment {
    wall: Wall,
    /// Where [`Environment::uptime`] counts from.
    origin: Instant,
    chance: Chance,
}

#[derive(Clone, Debug)]
enum Wall {
    /// The system's clock.
    System,
    /// A clock that starts at a given time, moves with the runtime's, and has jumped ahead by so many
    /// milliseconds.
    Simulated { start: SystemTime, jumped: Arc<AtomicU64> },
}

#[derive(Clone, Debug)]
enum Chance {
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Environment {
    /// The system's clock and randomness.
    pub fn system() -> Self {
        Self { wall: Wall::System, origin: instant(), chance: Chance::System }
    }

    /// A clock that starts at `start` and moves with the runtime's, and random numbers from `seed`. On a
    /// paused single-threaded runtime everything that follows is a function of the two.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn simulated(start: SystemTime, seed: u64) -> Self {
        Self {
            wall: Wall::Simulated { start, jumped: Arc::default() },
            origin: instant(),
            chance: Chance::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))),
        }
    }

    /// The time of day.
    #[expect(clippy::disallowed_methods, reason = "this is the door to the clock")]
    pub fn now(&self) -> SystemTime {
        match &self.wall {
            Wall::System => SystemTime::now(),
            Wall::Simulated { start, jumped } => {
                // Relaxed: a clock orders nothing.
                *start + self.uptime() + Duration::from_millis(jumped.load(Ordering::Relaxed))
            }
        }
    }

    /// Lets a simulated time of day jump ahead, as a clock does that is set right; whole milliseconds of it.
    /// The uptime does not notice. The system's clock is not ours to set: it stays.
    pub fn jump(&self, ahead: Duration) {
        if let Wall::Simulated { jumped, .. } = &self.wall {
            jumped.fetch_add(u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// The time since 1970; zero for a clock that stands before it.
    pub fn unix_time(&self) -> Duration {
        self.now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// The time since this environment was made, by a clock that neither jumps nor goes back. What lasts
    /// no longer than the process (deadlines, ages) counts on it.
    pub fn uptime(&self) -> Duration {
        instant().saturating_duration_since(self.origin)
    }

    /// Sleeps.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// 64 random bits.
    #[expect(clippy::disallowed_methods, reason = "this is the door to chance")]
    pub fn random(&self) -> u64 {
        match &self.chance {
            Chance::System => rand::random(),
            Chance::Seeded(state) => state.lock().next_u64(),
        }
    }

    /// Starts a task.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[expect(clippy::disallowed_methods, reason = "this is the door to spawning")]
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        tokio::spawn(task)
    }
}

/// The runtime's clock: paused where the runtime is.
fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_seed_replays_time_and_chance() {
        let run = || async {
            let environment = Environment::simulated(UNIX_EPOCH + Duration::from_secs(1000), 7);
            environment.sleep(Duration::from_secs(5)).await;
            (environment.unix_time(), environment.random(), environment.random())
        };
        let first = run().await;
        assert_eq!(first.0, Duration::from_secs(1005));
        assert_ne!(first.1, first.2);
        assert_eq!(run().await, first);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_takes_the_time_of_day_along_and_not_the_uptime() {
        let environment = Environment::simulated(UNIX_EPOCH, 7);
        environment.clone().jump(Duration::from_mins(1));
        assert_eq!((environment.unix_time(), environment.uptime()), (Duration::from_mins(1), Duration::ZERO));
    }
}
