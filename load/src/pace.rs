//! The beat of a schedule, from a thread of its own: the runtime's timer wakes up to a millisecond late, which is
//! longer than a write takes.

use std::io;
use std::thread;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::schedule::Schedule;

/// Tells how many writes are due: none is lost when the runtime comes late.
#[derive(Debug)]
pub(crate) struct Pace {
    due: watch::Receiver<u64>,
}

impl Pace {
    /// The beat of a schedule. Its thread ends with the first beat that nobody awaits.
    pub(crate) fn of(schedule: Schedule) -> io::Result<Self> {
        let (beat, due) = watch::channel(0);
        thread::Builder::new().name("pace".to_owned()).spawn(move || {
            let mut passed = 0;
            loop {
                let early = schedule.due(passed).saturating_duration_since(Instant::now());
                if !early.is_zero() {
                    thread::park_timeout(early);
                    continue;
                }
                passed += 1;
                if beat.send(passed).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { due })
    }

    /// Waits until more writes are due than the last time, and returns how many are since the beginning.
    pub(crate) async fn due(&mut self) -> u64 {
        // The thread ends after us.
        _ = self.due.changed().await;
        *self.due.borrow_and_update()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_is_told_when_it_is_due_and_not_before() {
        let schedule = Schedule::new(Instant::now(), 500);
        let mut pace = Pace::of(schedule).unwrap();
        let mut told = 0;
        while told < 20 {
            let due = pace.due().await;
            assert!(due > told, "{due} after {told}");
            assert!(Instant::now() >= schedule.due(due - 1), "write {due} is not due yet");
            told = due;
        }
    }
}
