//! Which cluster, and how it is reached.

use std::path::{Path, PathBuf};
use std::time::Duration;

use watchkeep_storage::conformance::object::pod;
use watchkeep_storage::etcd3::{EtcdBackend, EtcdOptions, OpenError};
use watchkeep_storage::{Backend as _, Environment, Error, WatchStart};
use watchkeep_tests::etcd::Etcd;

use crate::store::{change, open, options, pods, until, watch};

fn certificates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/etcd3/tls")
}

#[tokio::test]
async fn options_that_name_no_cluster_are_refused() {
    let refused = |options: EtcdOptions| EtcdBackend::open(options, Environment::system()).err().unwrap();
    assert!(matches!(refused(EtcdOptions::new([""; 0])), OpenError::NoServers));
    for server in ["localhost:2379", "ftp://localhost:2379", "http://", ""] {
        let error = refused(EtcdOptions::new([server]));
        assert!(matches!(error, OpenError::Server { .. }), "{server}: {error}");
    }
    let https = || EtcdOptions::new(["https://localhost:2379"]);
    assert!(matches!(refused(https()), OpenError::NoCertificates { .. }));
    let missing = EtcdOptions { ca_file: Some("/nowhere/ca.pem".into()), ..https() };
    let error = refused(missing).to_string();
    assert!(error.starts_with("/nowhere/ca.pem: "), "{error}");
    let half = EtcdOptions { cert_file: Some(certificates().join("client.pem")), ..with_ca(https()) };
    assert!(matches!(refused(half), OpenError::HalfAnIdentity));
}

fn with_ca(options: EtcdOptions) -> EtcdOptions {
    EtcdOptions { ca_file: Some(certificates().join("ca.pem")), ..options }
}

#[tokio::test]
async fn members_and_client_know_each_other_by_certificates() {
    let etcd = Etcd::start_with_tls(&certificates()).unwrap();
    let url = etcd.url();
    let unnamed = open(with_ca(EtcdOptions { request_timeout: Duration::from_secs(2), ..options(url) }));
    assert!(pods(&unnamed).await.current_revision().await.is_err(), "etcd asks for a certificate");
    let named = EtcdOptions {
        cert_file: Some(certificates().join("client.pem")),
        key_file: Some(certificates().join("client-key.pem")),
        ..with_ca(options(url))
    };
    let backend = open(named);
    let pods = pods(&backend).await;
    let mut watching = watch(&pods, WatchStart::Now).await;
    let record = pods.put(&pod("ns", "a")).await;
    assert_eq!(change(&mut watching).await.record(), Some(&record));
}

#[tokio::test]
async fn a_member_that_is_away_is_passed_over() {
    let (etcd, gone) = (Etcd::start().unwrap(), Etcd::start().unwrap());
    let away = gone.url().to_owned();
    drop(gone);
    // Whom chance asks first does not matter.
    for at in 0..6 {
        let servers = vec![away.clone(), etcd.url().to_owned(), away.clone()];
        let backend = open(EtcdOptions { servers, ..options(etcd.url()) });
        let pods = pods(&backend).await;
        let created = pods.try_put(&pod("ns", &format!("a{at}")), watchkeep_storage::Expect::Absent).await;
        assert!(created.is_ok(), "what was never sent is sent to the next: {created:?}");
        let mut watching = watch(&pods, WatchStart::Now).await;
        let record = pods.put(&pod("ns", &format!("b{at}"))).await;
        assert_eq!(change(&mut watching).await.record(), Some(&record));
        until("the store is ready", async || pods.readiness().is_ok()).await;
    }
}

#[tokio::test]
async fn two_prefixes_are_two_stores_of_one_sequence() {
    let etcd = Etcd::start().unwrap();
    let below = |prefix: &str| open(EtcdOptions { prefix: prefix.to_owned(), ..options(etcd.url()) });
    let (one, other) = (below("/one"), below("/one-more/"));
    let (here, there) = (pods(&one).await, pods(&other).await);
    let first = here.put(&pod("ns", "a")).await;
    assert_eq!(there.find(&pod("ns", "a")).await, None);
    let second = there.put(&pod("ns", "a")).await;
    assert!(second.revision > first.revision);
    assert_eq!(here.stats().await.unwrap().objects, 1);
}

#[tokio::test]
async fn a_closed_store_takes_no_requests() {
    let etcd = Etcd::start().unwrap();
    let backend = open(options(etcd.url()));
    let pods = pods(&backend).await;
    let record = pods.put(&pod("ns", "a")).await;
    backend.close().await.unwrap();
    let refused = pods.get(&record.key, watchkeep_storage::Freshness::Latest).await.unwrap_err();
    assert!(matches!(refused, Error::NotReady { .. }), "{refused:?}");
    assert!(pods.readiness().is_err());
}
