//! Another client of etcd: its JSON gateway, for what the backend would never do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A client of the etcd on a port of this machine.
pub(crate) struct Gateway(pub(crate) u16);

/// A text as the gateway takes it.
pub(crate) fn encoded(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

/// The key behind all that begin with a text.
fn end_of(prefix: &str) -> String {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().unwrap() += 1;
    encoded(end)
}

impl Gateway {
    /// Writes a value, whatever it is.
    pub(crate) async fn put(&self, key: &str, value: impl AsRef<[u8]>) {
        self.ask("kv/put", &json!({"key": encoded(key), "value": encoded(value)})).await;
    }

    /// The value of a key.
    pub(crate) async fn value(&self, key: &str) -> Option<Vec<u8>> {
        let range = self.ask("kv/range", &json!({"key": encoded(key)})).await;
        Some(STANDARD.decode(range["kvs"][0]["value"].as_str()?).unwrap())
    }

    /// What is stored below a prefix, without the values.
    pub(crate) async fn keys(&self, prefix: &str) -> Vec<Value> {
        let request = json!({"key": encoded(prefix), "range_end": end_of(prefix), "keys_only": true});
        self.ask("kv/range", &request).await["kvs"].as_array().cloned().unwrap_or_default()
    }

    /// Deletes everything below a prefix, by one commit.
    pub(crate) async fn delete(&self, prefix: &str) {
        self.ask("kv/deleterange", &json!({"key": encoded(prefix), "range_end": end_of(prefix)})).await;
    }

    /// Posts a request to a method.
    pub(crate) async fn ask(&self, method: &str, request: &Value) -> Value {
        let (mut stream, body) =
            (TcpStream::connect(("127.0.0.1", self.0)).await.unwrap(), request.to_string());
        let head = format!(
            "POST /v3/{method} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        // A short body may come in chunks: the object is what stands between the outer braces.
        let object = body.find('{').zip(body.rfind('}')).map(|(start, end)| &body[start..=end]).unwrap();
        let dechunked = object.split("\r\n").step_by(2).collect::<String>();
        serde_json::from_str(&dechunked).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}
