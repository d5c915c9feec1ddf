//! A watch: its events as they come, and its end.

use serde_json::Value;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::TcpStream;

use super::DEADLINE;

/// An open watch.
pub(crate) struct Watch {
    stream: BufReader<TcpStream>,
    head: String,
    /// What came, and is no whole line yet.
    rest: Vec<u8>,
    ended: bool,
}

impl Watch {
    /// Reads the head of the answer, which has to come before any event.
    pub(super) async fn open(stream: TcpStream) -> Self {
        let mut watch =
            Self { stream: BufReader::new(stream), head: String::new(), rest: Vec::new(), ended: false };
        loop {
            let line = watch.head_line().await;
            if line.is_empty() {
                return watch;
            }
            watch.head.push_str(&line);
            watch.head.push('\n');
        }
    }

    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The head, as it came.
    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(own, value)| own.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Value {
        self.next_or_end().await.expect("the watch ended")
    }

    /// The next event, or `None` at the clean end of the stream.
    pub(crate) async fn next_or_end(&mut self) -> Option<Value> {
        let line = self.line().await?;
        let event = serde_json::from_str(&line);
        Some(event.unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The next event's type, name and resourceVersion.
    pub(crate) async fn brief(&mut self) -> (String, String, String) {
        let event = self.next().await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &event["object"]["metadata"];
        (text(&event["type"]), text(&metadata["name"]), text(&metadata["resourceVersion"]))
    }

    /// The types and names of the next events.
    pub(crate) async fn briefs(&mut self, count: usize) -> Vec<String> {
        let mut briefs = Vec::new();
        for _ in 0..count {
            let (event_type, name, _) = self.brief().await;
            briefs.push(format!("{event_type} {name}"));
        }
        briefs
    }

    /// Fails unless the stream ends now, by its last chunk.
    pub(crate) async fn assert_ends(&mut self) {
        let event = self.next_or_end().await;
        assert_eq!(event, None, "an event instead of the end");
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap());
            }
            if self.ended {
                assert!(self.rest.is_empty(), "the last line has no end: {:?}", self.rest);
                return None;
            }
            tokio::time::timeout(DEADLINE, self.chunk()).await.expect("no event comes");
        }
    }

    async fn chunk(&mut self) {
        let size = self.head_line().await;
        let size =
            usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("{size:?} is no size of a chunk"));
        let mut content = vec![0; size + 2];
        self.stream.read_exact(&mut content).await.expect("the stream was cut");
        content.truncate(size);
        self.rest.extend_from_slice(&content);
        self.ended = size == 0;
    }

    /// A line of the protocol, without its end.
    async fn head_line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let byte = tokio::time::timeout(DEADLINE, self.stream.read_u8()).await.expect("nothing comes");
            line.push(byte.expect("the stream was cut"));
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).unwrap()
    }
}
