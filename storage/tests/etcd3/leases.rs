//! Leases and compaction: what several keys, and several processes, share.

use std::collections::BTreeSet;
use std::time::Duration;

use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::etcd3::EtcdOptions;
use watchkeep_storage::{Error, ReadAt};

use crate::etcd::Etcd;
use crate::gateway::Gateway;
use crate::store::{open, options, pods, until};

#[tokio::test]
async fn keys_that_are_written_together_share_a_lease() {
    let etcd = Etcd::start().await;
    let backend = open(options(&etcd.url()));
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
    let etcd = Etcd::start().await;
    let gateway = Gateway(etcd.port());
    let backend = open(options(&etcd.url()));
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
    let etcd = Etcd::start().await;
    let often = || EtcdOptions {
        compaction_interval: Duration::from_millis(300),
        health_interval: Duration::from_millis(100),
        ..options(&etcd.url())
    };
    let (one, other) = (open(often()), open(often()));
    let (pods, others) = (pods(&one).await, pods(&other).await);
    let old = pods.put(&pod("ns", "a")).await.revision;
    assert_eq!(pods.compacted_revision().get(), 0, "the first turn compacts nothing");
    let new = pods.put(&pod("ns", "a").mark("new")).await.revision;
    until("history is given up", async || pods.compacted_revision() >= new).await;
    until("the other knows", async || others.compacted_revision() >= new).await;
    let refused = others.read(others.all(), ReadAt::Exact(old)).await.unwrap_err();
    assert!(matches!(refused, Error::Compacted { .. }), "{refused:?}");
    let clock = Gateway(etcd.port()).value("compact_rev_key").await.unwrap();
    let compacted: u64 = String::from_utf8(clock).unwrap().parse().unwrap();
    assert!(compacted >= new.get());
    // Each turn moves the clock on once, whoever takes it: two processes do not compact twice as often.
    let version = async || {
        let keys = Gateway(etcd.port()).keys("compact_rev_key").await;
        keys[0]["version"].as_str().unwrap().parse::<u64>().unwrap()
    };
    let before = version().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let turns = version().await - before;
    assert!((3..=11).contains(&turns), "{turns} turns of 300 ms in 3 s");
}
