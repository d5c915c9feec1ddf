//! The program itself: how it ends.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::client::{CONFIG_MAPS, DEADLINE};

/// A running program with a request that never ends.
struct Busy {
    child: Child,
    log: BufReader<ChildStderr>,
    request: TcpStream,
    _folder: tempfile::TempDir,
}

impl Busy {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_watchkeep"))
            .args(["serve", "--backend", "memory", "--listen", "127.0.0.1:0", "--shutdown-grace", "1h"])
            .arg("--kubeconfig")
            .arg(folder.path().join("kubeconfig"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        timeout(DEADLINE, output.read_line(&mut ready)).await.expect("it is not ready").unwrap();
        let address = ready.split("http://").nth(1).unwrap().split(';').next().unwrap();
        let mut request = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {CONFIG_MAPS} HTTP/1.1\r\nHost: {address}\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
        );
        request.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(request.read_u8().await.unwrap(), b'H', "it is under way");
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, request, _folder: folder }
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().await.unwrap().success());
    }

    /// Reads the log up to a line with this text.
    async fn logs(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let length =
                timeout(DEADLINE, self.log.read_line(&mut line)).await.expect("no such line").unwrap();
            assert_ne!(length, 0, "the log ends without {text:?}");
        }
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("INT", "INT"), ("TERM", "INT"), ("TERM", "TERM")] {
        let mut busy = Busy::start().await;
        busy.signal(first).await;
        busy.logs("stopping").await;
        assert_eq!(busy.child.try_wait().unwrap(), None, "one signal waits for the request");
        busy.signal(second).await;
        busy.logs(&format!("stopped at once by a second signal, SIG{second}")).await;
        let status = timeout(DEADLINE, busy.child.wait()).await.expect("it does not end").unwrap();
        assert_eq!(status.code(), Some(1));
    }
}

#[tokio::test]
async fn one_signal_ends_it_when_the_last_request_is_answered() {
    let mut busy = Busy::start().await;
    busy.signal("TERM").await;
    busy.logs("stopping").await;
    busy.request.write_all(b"no object").await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, busy.request.read_to_string(&mut answer)).await.expect("no answer").unwrap();
    assert!(answer.contains("HTTP/1.1 400"), "{answer}");
    let status = timeout(DEADLINE, busy.child.wait()).await.expect("it does not end").unwrap();
    assert_eq!(status.code(), Some(0));
}
