//! Responses: bodies, content types, Status objects and warnings.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WARNING, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

use super::error::ApiError;
use super::gzip::Large;
use super::negotiate::{Format, JSON, Negotiated};
use super::render;

/// What a body fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of every response.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// How many characters the warnings of a response may have before each is cut.
const WARNINGS_CHARS_MAX: usize = 4096;
/// How many characters a warning is cut to.
const CUT_WARNING_CHARS: usize = 256;

/// How many bytes of JSON are rendered at once by whoever answers a request: for less than a millisecond.
/// As much as a chunk of a list.
const RENDERED_AT_ONCE_MAX: usize = 128 << 10;

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body of bytes that are all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A response without a body.
pub fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}

/// A response with this body and content type.
pub fn with_type(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// JSON as it is: it should end with a line end.
pub fn json(status: StatusCode, bytes: impl Into<Bytes>) -> Response<Body> {
    with_type(status, JSON, full(bytes))
}

/// Plain text.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = with_type(status, "text/plain; charset=utf-8", full(text));
    set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

/// JSON, written down as negotiated. The JSON should end with a line end.
///
/// What is long is rendered aside while the response is sent, so that its length is not known beforehand.
pub fn rendered(status: StatusCode, json: Bytes, negotiated: &Negotiated) -> Response<Body> {
    let render: fn(&[u8]) -> Vec<u8> = match negotiated.format {
        Format::Json if negotiated.pretty => render::pretty,
        Format::Json => return self::json(status, json),
        Format::Yaml => render::yaml,
        Format::Protobuf => render::protobuf,
    };
    let media_type = negotiated.format.media_type();
    if json.len() <= RENDERED_AT_ONCE_MAX {
        return with_type(status, media_type, full(render(&json)));
    }
    let mut response = with_type(status, media_type, render::aside(json, render));
    response.extensions_mut().insert(Large);
    response
}

/// A failure as a Status object, with the header that makes clients come again if they should.
pub fn error(error: &ApiError, negotiated: &Negotiated) -> Response<Body> {
    let mut json = error.to_json();
    json.push(b'\n');
    let status = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = rendered(status, json.into(), negotiated);
    if let Some(seconds) = error.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// 404 for a path that nobody knows.
pub fn page_not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// Sets a header whose value is known beforehand.
pub fn set(response: &mut Response<Body>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

/// Adds a header `Warning` for each text. Past a bound they are cut, and past it again left out.
pub fn warn(response: &mut Response<Body>, warnings: &[impl AsRef<str>]) {
    let total: usize = warnings.iter().map(|text| text.as_ref().chars().count()).sum();
    let longest = if total > WARNINGS_CHARS_MAX { CUT_WARNING_CHARS } else { WARNINGS_CHARS_MAX };
    let mut room = WARNINGS_CHARS_MAX;
    for text in warnings {
        let length = text.as_ref().chars().count().min(longest);
        let Some(rest) = room.checked_sub(length) else { return };
        room = rest;
        if let Ok(value) = HeaderValue::from_bytes(warning(text.as_ref(), length).as_bytes()) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

/// The value of a header `Warning`: the code of a warning that is not about caching, no agent, the text.
fn warning(text: &str, length: usize) -> String {
    let mut value = String::from("299 - \"");
    for c in text.chars().take(length) {
        match c {
            '"' | '\\' => value.extend(['\\', c]),
            c if c.is_control() => value.push(' '),
            c => value.push(c),
        }
    }
    value.push('"');
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::Details;

    #[test]
    fn a_warning_is_quoted() {
        let mut response = json(StatusCode::OK, "{}\n");
        warn(&mut response, &["unknown field \"bogus\"", "a\\b\nc"]);
        let values: Vec<_> = response.headers().get_all(WARNING).iter().collect();
        assert_eq!(values, [r#"299 - "unknown field \"bogus\"""#, r#"299 - "a\\b c""#]);
    }

    #[test]
    fn warnings_have_a_bound() {
        let mut response = json(StatusCode::OK, "{}\n");
        warn(&mut response, &["x".repeat(4096)]);
        assert_eq!(response.headers()[WARNING].len(), 4096 + 8);
        let mut response = json(StatusCode::OK, "{}\n");
        warn(&mut response, &vec!["y".repeat(1000); 40]);
        let values: Vec<_> = response.headers().get_all(WARNING).iter().map(HeaderValue::len).collect();
        assert_eq!(values, [256 + 8; 16]);
    }

    #[tokio::test]
    async fn a_long_body_is_rendered_while_it_is_sent() {
        use hyper::body::Body as _;

        for (format, pretty) in [(Format::Json, true), (Format::Yaml, false)] {
            let negotiated = Negotiated { format, pretty, ..Negotiated::default() };
            for (length, known) in [(RENDERED_AT_ONCE_MAX - 2, true), (RENDERED_AT_ONCE_MAX - 1, false)] {
                let json = Bytes::from(format!("\"{}\"", "x".repeat(length)));
                let response = rendered(StatusCode::OK, json.clone(), &negotiated);
                assert_eq!(response.headers()[CONTENT_TYPE], format.media_type());
                assert_eq!(response.body().size_hint().exact().is_some(), known);
                assert_eq!(response.extensions().get::<Large>().is_some(), !known);
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert!(body.starts_with(b"\"xxx") || body.starts_with(b"xxx"));
                assert!(body.len() > length && body.ends_with(b"\n"));
            }
        }
    }

    #[tokio::test]
    async fn a_failure_is_a_status_in_the_negotiated_form() {
        let details = Details { retry_after_seconds: 3, ..Details::default() };
        let failure = ApiError::new(504, "Timeout", "later").with(details);
        let yaml = Negotiated { format: Format::Yaml, ..Negotiated::default() };
        let response = error(&failure, &yaml);
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(response.headers()[RETRY_AFTER], "3");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/yaml");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.contains("reason: Timeout\n") && text.contains("  retryAfterSeconds: 3\n"), "{text}");
    }
}
