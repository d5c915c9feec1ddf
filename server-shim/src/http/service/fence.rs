//! Who may ask a server where everybody is an administrator: programs on this machine, but not the web
//! pages that its browser shows.
//!
//! Promises: behind the fence nothing is answered that was addressed to a name of others (a page whose
//! name was rebound to this machine), and nothing that a page of others asks for (a request across
//! sites). Programs that are no browsers send neither and notice nothing.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderName, HeaderValue, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Uri};

use crate::http::error::ApiError;

/// Where browsers tell how the page that asks is related to this server.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets in what is meant for this machine.
pub(super) struct Fence {
    /// The address that the server listens on.
    own: IpAddr,
}

impl Fence {
    pub(super) fn new(own: IpAddr) -> Self {
        Self { own }
    }

    /// Looks at whom a request is addressed to, and who sent it.
    ///
    /// # Errors
    /// 403 says what is wrong.
    pub(super) fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
        // HTTP/2 and requests through a proxy have it in the URI. Without either it was no browser.
        let named = headers.get_all(HOST).iter().all(|host| self.is_here(authority(host).as_ref()))
            && uri.authority().is_none_or(|named| self.is_here(Some(named)));
        if !named {
            return Err(refused("its Host is neither a loopback address nor the address of this server"));
        }
        if !headers.get_all(ORIGIN).iter().all(|origin| self.is_here(origin_authority(origin).as_ref())) {
            return Err(refused("its Origin is a page that is not from this machine"));
        }
        if headers.get_all(SEC_FETCH_SITE).iter().any(|site| site.as_bytes() == b"cross-site") {
            return Err(refused("a page of another site has sent it"));
        }
        Ok(())
    }

    fn is_here(&self, named: Option<&Authority>) -> bool {
        // A name before an `@` is a way to look like somebody else.
        let Some(named) = named.filter(|named| !named.as_str().contains('@')) else { return false };
        let host = named.host();
        if host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost") {
            return true;
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        bare.parse::<IpAddr>()
            .map(|ip| ip.to_canonical())
            .is_ok_and(|ip| ip.is_loopback() || ip == self.own.to_canonical())
    }
}

fn authority(value: &HeaderValue) -> Option<Authority> {
    value.to_str().ok()?.parse().ok()
}

/// The authority of an origin; none for `null`, that of a page without one.
fn origin_authority(value: &HeaderValue) -> Option<Authority> {
    let uri: Uri = value.to_str().ok()?.parse().ok()?;
    uri.scheme()?;
    uri.authority().cloned()
}

fn refused(why: &str) -> ApiError {
    let message = format!(
        "the request is refused: {why}. Everybody is an administrator of this server, so it answers this \
         machine only, unless it runs with --allow-anonymous-network-access"
    );
    ApiError::new(403, "Forbidden", message).with_empty_details()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(uri: &str, lines: &[(&'static str, &str)]) -> bool {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = lines.iter().map(line).collect();
        Fence::new("192.0.2.7".parse().unwrap()).check(&headers, &uri.parse().unwrap()).is_ok()
    }

    #[test]
    fn this_machine_and_the_own_address_pass_under_any_port() {
        for host in [
            "localhost",
            "LOCALHOST:8001",
            "localhost.:1",
            "127.0.0.1:8001",
            "127.8.9.1",
            "[::1]:8001",
            "[::1]",
            "[::ffff:127.0.0.1]:1",
            "192.0.2.7:6443",
        ] {
            assert!(passes("/api", &[("host", host)]), "{host}");
            assert!(passes(&format!("http://{host}/api"), &[]), "{host}");
            assert!(
                passes("/api", &[("host", "localhost"), ("origin", &format!("http://{host}"))]),
                "{host}"
            );
        }
        assert!(passes("/api", &[]), "a program of HTTP/1.0");
    }

    #[test]
    fn other_names_do_not_pass_wherever_they_stand() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "192.0.2.8",
            "10.0.0.1:8001",
            "[2001:db8::1]:8001",
            "x",
        ] {
            assert!(!passes("/api", &[("host", host)]), "{host}");
            assert!(!passes(&format!("http://{host}/api"), &[("host", "localhost")]), "{host}");
            let origin = format!("http://{host}");
            assert!(!passes("/api", &[("host", "localhost"), ("origin", &origin)]), "{host}");
        }
        assert!(!passes("/api", &[("host", "")]));
        assert!(!passes("/api", &[("host", "localhost"), ("host", "evil.example")]));
    }

    #[test]
    fn pages_without_an_origin_and_of_other_sites_do_not_pass() {
        for origin in ["null", "localhost", "", "file://", "https://evil.example:8001"] {
            assert!(!passes("/api", &[("host", "localhost"), ("origin", origin)]), "{origin}");
        }
        for (site, expected) in
            [("cross-site", false), ("same-origin", true), ("same-site", true), ("none", true)]
        {
            assert_eq!(
                passes("/api", &[("host", "localhost"), ("sec-fetch-site", site)]),
                expected,
                "{site}"
            );
        }
    }
}
