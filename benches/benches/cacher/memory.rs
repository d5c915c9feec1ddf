//! What is resident: of objects, in cache and memory backend together, and of watches.

use futures_util::{FutureExt as _, StreamExt as _};

use crate::clocks::resident;
use crate::pods::{NODES, Pods, Size, on_node};

const WATCHERS: usize = 100_000;

#[expect(clippy::cast_precision_loss, reason = "bytes of a bench")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// What history and window keep counts, too: each object was written once.
pub(crate) async fn objects(size: Size) {
    let before = resident();
    let pods = Pods::new(size).await;
    let (all, canonical) = (resident() - before, size.bytes * pods.len());
    let beyond = all.saturating_sub(canonical) / pods.len();
    println!(
        "  {} pods, resident {} MiB: {:.3} x the canonical bytes, which is {beyond} bytes an object beyond them",
        pods.len(),
        all >> 20,
        ratio(all, canonical)
    );
}

/// Watches that keep up: each was read once and waits for its waker.
pub(crate) async fn watchers(size: Size) {
    let pods = Pods::new(size).await;
    let before = resident();
    let mut watches = Vec::with_capacity(WATCHERS);
    for n in 0..WATCHERS {
        let mut watch = pods.watch(on_node(n % NODES)).await;
        assert!(watch.next().now_or_never().is_none());
        watches.push(watch);
    }
    println!("  {WATCHERS} watchers that keep up: {} bytes each", (resident() - before) / WATCHERS);
    drop(watches);
}
