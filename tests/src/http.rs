//! Plain HTTP requests, each on a connection of its own: for tests that kill the server, where a client
//! that tries again by itself would hide what happened.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value as Json;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// An answer that has arrived as a whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// In how many seconds to come again, if the answer says so.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body, where it is one JSON document.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> io::Result<Json> {
        Ok(serde_json::from_str(&self.body)?)
    }
}

/// Sends a request to an address such as `127.0.0.1:8001`, and reads the answer to its end.
///
/// # Errors
/// When the connection ends before the answer does: whether the request had an effect is then unknown.
pub fn send(address: &str, method: &str, path: &str, body: Option<&Json>) -> io::Result<Answer> {
    let mut stream = ask(address, method, path, body)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is cut off"))
}

fn ask(address: &str, method: &str, path: &str, body: Option<&Json>) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let body = body.map(Json::to_string).unwrap_or_default();
    // HTTP/1.0: the body ends with the connection, also that of a watch.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    Ok(stream)
}

/// An answer whose body is read line by line while it comes: that of a watch.
#[derive(Debug)]
pub struct Lines {
    reader: BufReader<TcpStream>,
    /// The status.
    pub status: u16,
}

impl Lines {
    /// Sends a GET, and reads the head of the answer.
    ///
    /// # Errors
    /// When the connection ends before the head does.
    pub fn get(address: &str, path: &str) -> io::Result<Self> {
        let mut lines = Self { reader: BufReader::new(ask(address, "GET", path, None)?), status: 0 };
        let cut_off = || io::Error::new(io::ErrorKind::UnexpectedEof, "the head is cut off");
        let first = lines.next_line()?.ok_or_else(cut_off)?;
        lines.status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(cut_off)?;
        while !lines.next_line()?.ok_or_else(cut_off)?.trim().is_empty() {}
        Ok(lines)
    }

    /// The next whole line; `None` at the end of the answer, also where that is in the middle of a line.
    ///
    /// # Errors
    /// When the connection is broken, or nothing comes for too long.
    pub fn next_line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(line.ends_with('\n').then_some(line))
    }
}

/// An answer whose body has the length that its head says, if that says one.
fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let number = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim().parse::<u64>().ok())?
        })
    };
    let whole = number("content-length").is_none_or(|length| length == body.len() as u64);
    whole.then(|| Answer { status, retry_after: number("retry-after"), body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_none() {
        let answer = parse("HTTP/1.0 201 Created\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (201, "{}"));
        assert!(parse("HTTP/1.0 201 Created\r\nContent-Length: 3\r\n\r\n{}").is_none());
        assert!(parse("HTTP/1.0 201 Created\r\nContent-").is_none());
        assert_eq!(parse("HTTP/1.0 200 OK\r\n\r\n{}").unwrap().status, 200);
        let later = parse("HTTP/1.0 500 X\r\nretry-after: 3\r\n\r\n{}").unwrap();
        assert_eq!(later.retry_after, Some(3));
    }
}
