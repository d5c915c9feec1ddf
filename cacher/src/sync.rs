//! The locks and atomics of what is tried in every interleaving: topics, requests for progress, and what is
//! published. They are `parking_lot`'s, std's and `arc-swap`'s; in the unit tests with the feature `model` they are
//! loom's.

#[cfg(not(all(test, feature = "model")))]
pub(crate) use arc_swap::ArcSwap as Swap;
#[cfg(not(all(test, feature = "model")))]
pub(crate) use parking_lot::{Mutex, RwLock};
#[cfg(not(all(test, feature = "model")))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, fence};

#[cfg(all(test, feature = "model"))]
pub(crate) use self::modelled::{AtomicBool, AtomicU64, AtomicUsize, Mutex, RwLock, Swap, fence};

/// Those of loom, with the methods of `parking_lot`.
#[cfg(all(test, feature = "model"))]
#[expect(clippy::unwrap_used, reason = "a lock is only poisoned by a thread that has failed the test")]
mod modelled {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, fence};
    use loom::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

    #[derive(Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    #[derive(Default)]
    pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

    /// As `arc-swap`'s, and no stronger than an atomic pointer: who loads it may get an older one, unless what it
    /// has seen before says otherwise.
    pub(crate) struct Swap<T> {
        stored: parking_lot::Mutex<Vec<Arc<T>>>,
        newest: AtomicUsize,
    }

    impl<T> Swap<T> {
        pub(crate) fn from_pointee(value: T) -> Self {
            Self { stored: parking_lot::Mutex::new(vec![Arc::new(value)]), newest: AtomicUsize::new(0) }
        }

        pub(crate) fn load_full(&self) -> Arc<T> {
            let newest = self.newest.load(Ordering::Acquire);
            self.stored.lock().get(newest).cloned().unwrap()
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            let newest = {
                let mut stored = self.stored.lock();
                stored.push(value);
                stored.len() - 1
            };
            self.newest.store(newest, Ordering::Release);
        }
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }

    impl<T> RwLock<T> {
        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap()
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap()
        }
    }
}

/// What a few threads are made to do.
#[cfg(test)]
pub(crate) mod explore {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[cfg(feature = "model")]
    pub(crate) use loom::thread::spawn;
    #[cfg(not(feature = "model"))]
    pub(crate) use std::thread::spawn;

    /// Carries it out in every interleaving with a few preemptions.
    #[cfg(feature = "model")]
    pub(crate) fn explore(scene: impl Fn() + Send + Sync + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(scene);
    }

    /// Carries it out so often on real threads.
    #[cfg(not(feature = "model"))]
    pub(crate) fn explore(scene: impl Fn() + Send + Sync + 'static) {
        for _ in 0..200 {
            scene();
        }
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    pub(crate) struct Woken(AtomicUsize);

    impl Woken {
        pub(crate) fn times(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
