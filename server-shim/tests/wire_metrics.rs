//! `/metrics`: what a store on the disk measures, as a collector reads it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use tokio::time::Instant;

use crate::wire_client::{CONFIG_MAPS, DEADLINE, MERGE, Wire};

/// The value of a sample, such as `name_bucket{le="1"}`.
fn sample(page: &str, name: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn a_collector_reads_what_the_store_measures() {
    let directory = tempfile::tempdir().unwrap();
    let wire = Wire::start_on_disk(directory.path()).await;
    let before = sample(wire.get("/metrics").await.text(), "watchkeep_rocksdb_group_commits_sum").unwrap();
    wire.make_config_map("a").await;
    wire.patch(MERGE, &format!("{CONFIG_MAPS}/a"), &serde_json::json!({"data": {"x": "1"}}))
        .await
        .expect(200);
    let answer = wire.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let page = answer.text();
    assert_eq!(sample(page, "watchkeep_rocksdb_group_commits_sum"), Some(before + 2.0));
    let groups = sample(page, "watchkeep_rocksdb_group_commits_count");
    for histogram in ["commit_bytes", "sync_seconds"] {
        let name = format!("watchkeep_rocksdb_{histogram}");
        assert_eq!(sample(page, &format!("{name}_count")), groups, "{page}");
        assert_eq!(sample(page, &format!("{name}_bucket{{le=\"+Inf\"}}")), groups, "{page}");
        assert!(sample(page, &format!("{name}_sum")).unwrap() > 0.0, "{page}");
        assert!(
            page.contains(&format!("# TYPE {name} histogram\n")) && page.contains(&format!("# HELP {name} "))
        );
    }
    assert!(page.contains("watchkeep_rocksdb_sync_seconds_bucket{le=\"0.00005\"}"), "{page}");
    assert_eq!(sample(page, "watchkeep_rocksdb_openings_total"), Some(1.0), "{page}");
    assert_eq!(sample(page, "watchkeep_rocksdb_refusing"), Some(0.0), "{page}");
}

#[tokio::test]
async fn the_tick_tells_how_much_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let wire = Wire::start_on_disk(directory.path()).await;
    let begin = Instant::now();
    loop {
        let answer = wire.get("/metrics").await;
        let events = sample(answer.text(), "watchkeep_rocksdb_history_events").unwrap();
        if events > 0.0 {
            assert!(sample(answer.text(), "watchkeep_rocksdb_memtable_bytes").unwrap() > 0.0);
            return;
        }
        assert!(begin.elapsed() < DEADLINE, "{}", answer.text());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
