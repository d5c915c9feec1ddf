//! Watches whose connection is cut: they go on by themselves, without a gap and without a repetition.

use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::{Error, EventType, WatchEvent, WatchStart};
use watchkeep_tests::etcd::Etcd;

use crate::gateway::Gateway;
use crate::proxy::Proxy;
use crate::store::{change, next, open, options, pods, put_at_last, until, watch};

#[tokio::test]
async fn a_watch_goes_on_after_each_cut() {
    let etcd = Etcd::start().unwrap();
    let proxy = Proxy::to(etcd.port()).await;
    let (direct, behind) = (open(options(etcd.url())), open(options(&proxy.url())));
    let (writing, watching) = (pods(&direct).await, pods(&behind).await);
    let mut watch = watch(&watching, WatchStart::Now).await;
    let mut shown = writing.now().await;
    for round in 0..6 {
        for at in 0..50 {
            let record = writing.put(&pod("ns", "a").mark(format!("{round}-{at}"))).await;
            // Some are read at once, some when the connection is gone.
            while at % 3 == 0 && shown < record.revision {
                shown = shown.next();
                assert_eq!(change(&mut watch).await.revision(), shown, "every event once");
            }
        }
        proxy.cut();
    }
    assert!(proxy.accepted() > 1);
    let last = writing.put(&pod("ns", "b")).await;
    while shown < last.revision {
        shown = shown.next();
        assert_eq!(change(&mut watch).await.revision(), shown, "every event once");
    }
}

/// One commit of more events than fit into a response, cut in its midst.
#[tokio::test]
async fn a_commit_that_was_shown_in_part_is_shown_to_its_end() {
    const OBJECTS: usize = 4000;
    let etcd = Etcd::start().unwrap();
    let proxy = Proxy::to(etcd.port()).await;
    let (direct, behind) = (open(options(etcd.url())), open(options(&proxy.url())));
    let (writing, watching) = (pods(&direct).await, pods(&behind).await);
    for at in 0..OBJECTS {
        let object = pod("ns", &format!("a-{at:04}")).mark("m".repeat(2000));
        writing.try_put(&object, watchkeep_storage::Expect::Absent).await.unwrap();
    }
    let mut watch = watch(&watching, WatchStart::Now).await;
    Gateway(etcd.port()).delete("/registry/pods/").await;
    for at in 0..OBJECTS {
        let change = change(&mut watch).await;
        assert_eq!(change.event_type, EventType::Deleted);
        assert_eq!(change.event.key.as_str(), format!("/pods/ns/a-{at:04}"));
        if at == OBJECTS / 10 {
            proxy.cut();
        }
    }
    assert!(proxy.accepted() > 2, "the connection was cut while events were under way");
    let next = writing.put(&pod("ns", "next")).await;
    assert_eq!(change(&mut watch).await.record(), Some(&next));
}

#[tokio::test]
async fn a_watch_and_its_store_outlive_a_restart_of_etcd() {
    let mut etcd = Etcd::start().unwrap();
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let mut watch = watch(&pods, WatchStart::Now).await;
    let before = pods.put(&pod("ns", "a")).await;
    assert_eq!(change(&mut watch).await.record(), Some(&before));
    etcd.restart().unwrap();
    assert_eq!(pods.find(&pod("ns", "a")).await, Some(before));
    put_at_last(&pods, &pod("ns", "b")).await;
    let after = change(&mut watch).await;
    assert_eq!(after.event.key, pods.key(&pod("ns", "b")));
}

#[tokio::test]
async fn a_watch_that_missed_what_is_compacted_ends() {
    let etcd = Etcd::start().unwrap();
    let proxy = Proxy::to(etcd.port()).await;
    let (direct, behind) = (open(options(etcd.url())), open(options(&proxy.url())));
    let (writing, watching) = (pods(&direct).await, pods(&behind).await);
    let mut watch = watch(&watching, WatchStart::Now).await;
    proxy.refuse(true);
    proxy.cut();
    // One event is enough, although etcd would still have it.
    let missed = writing.put(&pod("ns", "a")).await.revision;
    writing.compact(missed).await.unwrap();
    proxy.refuse(false);
    let error = next(&mut watch).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Compacted { .. }), "{error:?}");
    assert!(next(&mut watch).await.is_none());
    assert!(watching.compacted_revision() >= missed);
}

#[tokio::test]
async fn a_watch_ends_when_nothing_answers_for_too_long() {
    let etcd = Etcd::start().unwrap();
    let proxy = Proxy::to(etcd.port()).await;
    let behind = open(watchkeep_storage::etcd3::EtcdOptions {
        watch_resume_timeout: std::time::Duration::from_secs(1),
        ..options(&proxy.url())
    });
    let watching = pods(&behind).await;
    let mut watch = watch(&watching, WatchStart::Now).await;
    proxy.refuse(true);
    proxy.cut();
    let error = next(&mut watch).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. } | Error::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn progress_that_is_asked_for_comes_also_after_a_cut() {
    let etcd = Etcd::start().unwrap();
    let proxy = Proxy::to(etcd.port()).await;
    let backend = open(options(&proxy.url()));
    let (pods, others) = (pods(&backend).await, crate::store::resource(&backend, "/others").await);
    let mut watching = watch(&pods, WatchStart::Now).await;
    let mut elsewhere = watch(&others, WatchStart::Now).await;
    proxy.cut();
    until("the store answers", async || pods.current_revision().await.is_ok()).await;
    let last = pods.put(&pod("ns", "a")).await;
    pods.request_progress().await.unwrap();
    assert_eq!(change(&mut watching).await.record(), Some(&last));
    let Some(Ok(WatchEvent::Bookmark(bookmark))) = next(&mut watching).await else { panic!("no bookmark") };
    assert!(bookmark.revision >= last.revision);
    // The watches of other resources were not asked.
    let came = tokio::time::timeout(std::time::Duration::from_millis(300), next(&mut elsewhere)).await;
    assert!(came.is_err(), "{came:?}");
}
