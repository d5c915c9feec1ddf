//! Backups by `POST /checkpoints`: what clients are told, whoever makes them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use watchkeep_server::http::checkpoints::{Checkpoints, Failed, Made};
use watchkeep_storage::Revision;

use crate::wire_client::{DEADLINE, Wire, failure, request};

/// A server whose checkpoints are made when there is a permit, and give the results one after the other;
/// and what counts those that were begun.
async fn start(results: Vec<Result<Made, Failed>>) -> (Wire, Arc<Semaphore>, Arc<Semaphore>) {
    let (permits, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let results = Arc::new(parking_lot::Mutex::new(results.into_iter()));
    let (gate, counter) = (Arc::clone(&permits), Arc::clone(&begun));
    let make = move || {
        let (gate, counter, results) = (Arc::clone(&gate), Arc::clone(&counter), Arc::clone(&results));
        Box::pin(async move {
            counter.add_permits(1);
            gate.acquire().await.unwrap().forget();
            results.lock().next().unwrap()
        }) as watchkeep_storage::BoxFuture<'static, _>
    };
    let wire = Wire::start_with(|app| app.checkpoints = Some(Checkpoints::new(Box::new(make)))).await;
    (wire, permits, begun)
}

fn made(revision: u64) -> Made {
    let path = PathBuf::from(format!("/backups/{revision}"));
    Made { path, revision: Revision::new(revision) }
}

#[tokio::test]
async fn a_checkpoint_is_answered_with_its_path_and_revision_whatever_the_body() {
    let (wire, permits, _) = start(vec![Ok(made(7)), Ok(made(9_007_199_254_740_993))]).await;
    permits.add_permits(2);
    let answer = wire.post("/checkpoints", &json!({"any": "thing"})).await;
    assert_eq!((answer.status, answer.text()), (201, "{\"path\":\"/backups/7\",\"revision\":\"7\"}\n"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = wire.send("POST", "/checkpoints/", &[], b"no JSON").await;
    assert_eq!(answer.json()["revision"], "9007199254740993");
}

#[tokio::test]
async fn a_server_without_a_place_for_checkpoints_says_how_to_get_one() {
    let wire = Wire::start().await;
    let message = "this server makes no checkpoints: start it with --checkpoint-dir and --backend rocksdb";
    let want = failure(404, "NotFound", message, json!(null));
    wire.post("/checkpoints", &json!({})).await.assert_is(&want, "no checkpoints");
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(wire.send(method, "/checkpoints", &[], b"").await.status, 405, "{method}");
    }
    assert_eq!(wire.send("POST", "/checkpoints/7", &[], b"").await.status, 404);
}

#[tokio::test]
async fn a_checkpoint_that_fails_says_why() {
    let exists = "/backups/7 is there already".to_owned();
    let full = "/backups: no space left".to_owned();
    let results = vec![Err(Failed::Exists(exists.clone())), Err(Failed::Internal(full.clone()))];
    let (wire, permits, _) = start(results).await;
    permits.add_permits(2);
    let want = failure(409, "AlreadyExists", &exists, json!(null));
    wire.post("/checkpoints", &json!({})).await.assert_is(&want, "exists");
    let answer = wire.post("/checkpoints", &json!({})).await;
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (500, Some("InternalError")));
    assert!(answer.json()["message"].as_str().unwrap().contains(&full), "{}", answer.text());
}

#[tokio::test]
async fn checkpoints_are_made_one_at_a_time_also_when_a_client_goes_away() {
    let (wire, permits, begun) = start(vec![Ok(made(7)), Ok(made(8))]).await;
    let mut gone = wire.connect().await;
    gone.write_all(&request("POST", "/checkpoints", &[], b"{}")).await.unwrap();
    timeout(DEADLINE, begun.acquire()).await.expect("it is not begun").unwrap().forget();
    drop(gone);
    let busy = wire.post("/checkpoints", &json!({})).await;
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("1")), "{}", busy.text());
    assert_eq!(busy.json()["reason"], "TooManyRequests");
    permits.add_permits(2);
    // The first is made all the same, and then there is room for the next.
    let next = timeout(DEADLINE, async {
        loop {
            let answer = wire.post("/checkpoints", &json!({})).await;
            if answer.status != 429 {
                return answer;
            }
        }
    });
    assert_eq!(next.await.expect("it stays busy").json()["revision"], "8");
}
