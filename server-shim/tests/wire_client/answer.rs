//! An answer: its head, and its body without the chunks that it came in.

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::DEADLINE;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The head, as it came.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads an answer to the end of the connection; `None` if the connection was closed without one.
    pub(super) async fn read(mut stream: TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("no answer");
        if bytes.is_empty() {
            return None;
        }
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("no whole head");
        let body = bytes.split_off(end + 4);
        let mut answer = Self { status: 0, head: String::from_utf8(bytes).unwrap(), body };
        answer.status = answer.head.split(' ').nth(1).unwrap().parse().unwrap();
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(&answer.body);
        } else if let (Some(length), true) = (answer.header("content-length"), read.is_ok()) {
            let whole = answer.body.is_empty() || answer.body.len() == length.parse::<usize>().unwrap();
            assert!(whole, "{} bytes of {length} came", answer.body.len());
        }
        Some(answer)
    }

    /// All values of a header.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The object of an answer that has to be this one.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// Fails unless the answer is exactly this Status, under its code and as JSON.
    pub(crate) fn assert_is(&self, expected: &Value, about: &str) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{about}");
        let shown: String = self.text().chars().take(2000).collect();
        assert!(self.json() == *expected, "{about:.200}:\n   got {} {shown}expect {expected}\n", self.status);
        let code = expected["code"].as_u64().unwrap_or(200);
        assert_eq!(u64::from(self.status), code, "{about:.200}");
    }
}

/// The content of a chunked body, whose last chunk has to be there.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n").expect("the body was cut");
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let chunk = &bytes[end + 2..];
        if size == 0 {
            return content;
        }
        content.extend_from_slice(&chunk[..size]);
        bytes = &chunk[size + 2..];
    }
}
