//! Leases and compaction: what several keys, and several processes, share.

use std::collections::BTreeSet;
use std::time::Duration;

use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::etcd3::EtcdOptions;
use watchkeep_storage::{Backend as _, Error, ReadAt};
use watchkeep_tests::etcd::Etcd;

use crate::gateway::Gateway;
use crate::store::{open, options, pods, until};

#[tokio::test]
async fn keys_that_are_written_together_share_a_lease() {
    let etcd = Etcd::start().unwrap();
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    for at in 0..20 {
        pods.put_for(&pod("ns", &format!("a{at}")), Some(Duration::from_hours(1))).await;
    }
    pods.put_for(&pod("ns", "short"), Some(Duration::from_mins(1))).await;
    pods.put(&pod("ns", "kept")).await;
    let keys = Gateway(etcd.port()).keys("/registry/pods/").await;
    let leases: BTreeSet<_> = keys.iter().map(|key| key["lease"].as_str().map(str::to_owned)).collect();
    assert_eq!(
        (keys.len(), leases.len()),
        (22, 3),
        "one for an hour, one for a minute, and none: {leases:?}"
    );
}

#[tokio::test]
async fn a_lease_that_is_gone_is_replaced() {
    let etcd = Etcd::start().unwrap();
    let gateway = Gateway(etcd.port());
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let hour = Some(Duration::from_hours(1));
    pods.put_for(&pod("ns", "a"), hour).await;
    let lease = gateway.keys("/registry/pods/").await[0]["lease"].as_str().unwrap().to_owned();
    gateway.ask("kv/lease/revoke", &serde_json::json!({"ID": lease})).await;
    assert_eq!(pods.find(&pod("ns", "a")).await, None);
    pods.put_for(&pod("ns", "b"), hour).await;
    assert_ne!(gateway.keys("/registry/pods/").await[0]["lease"].as_str().unwrap(), lease);
}

#[tokio::test]
async fn processes_take_turns_to_compact_and_learn_of_each_other() {
    let etcd = Etcd::start().unwrap();
    let often = || EtcdOptions {
        compaction_interval: Duration::from_millis(300),
        health_interval: Duration::from_millis(100),
        ..options(etcd.url())
    };
    let one = open(often());
    let writing = pods(&one).await;
    let old = writing.put(&pod("ns", "a")).await.revision;
    assert_eq!(writing.compacted_revision().get(), 0, "the first turn compacts nothing");
    let new = writing.put(&pod("ns", "a").mark("new")).await.revision;
    until("history is given up", async || writing.compacted_revision() >= new).await;

    let other = open(often());
    let reading = pods(&other).await;
    until("the other knows", async || reading.compacted_revision() >= new).await;
    let refused = reading.read(reading.all(), ReadAt::Exact(old)).await.unwrap_err();
    assert!(matches!(refused, Error::Compacted { .. }), "{refused:?}");

    // Each turn moves the clock on once, whoever takes it: two processes do not compact twice as often.
    let clock = async || {
        let keys = Gateway(etcd.port()).keys("compact_rev_key").await;
        keys[0]["version"].as_str().unwrap().parse::<u64>().unwrap()
    };
    let (before, begin) = (clock().await, tokio::time::Instant::now());
    until("the clock moves on", async || clock().await >= before + 8).await;
    let turns = begin.elapsed().as_millis() / 300;
    assert!(turns >= 7, "8 turns of 300 ms took {:?}", begin.elapsed());

    // Who is left goes on.
    one.close().await.unwrap();
    let (before, last) = (clock().await, reading.put(&pod("ns", "b")).await.revision);
    until("the other takes its turns", async || clock().await > before + 2).await;
    until("history is given up again", async || reading.compacted_revision() >= last).await;
}
