//! Where requests go: the address, the protocol, and what every request has to show.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::http::request::Builder;
use hyper::http::uri::{Scheme, Uri};
use hyper::{Method, Request, Version};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::cli::Common;
use crate::error::LoadError;
use crate::tls;

/// A server.
pub(crate) struct Target {
    scheme: Scheme,
    authority: String,
    token: Option<HeaderValue>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How its certificate is checked, where there is one.
    pub(crate) tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Whether it is asked in HTTP/2.
    pub(crate) http2: bool,
}

impl Target {
    /// Reads the URL and the files, and looks the name up once.
    pub(crate) async fn resolve(url: &str, flags: &Common) -> Result<Self, LoadError> {
        let bad = || LoadError::Usage(format!("no URL of a server: {url}"));
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let scheme = uri.scheme().cloned().ok_or_else(bad)?;
        let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
        let encrypted = scheme == Scheme::HTTPS;
        if !encrypted && scheme != Scheme::HTTP {
            return Err(bad());
        }
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let authority = uri.authority().ok_or_else(bad)?.to_string();
        let token = flags.token.as_ref().map(|token| HeaderValue::try_from(format!("Bearer {token}")));
        let token = token.transpose().map_err(|error| LoadError::Request(error.into()))?;
        let mut addresses =
            tokio::net::lookup_host((host.as_str(), port)).await.map_err(LoadError::io(url))?;
        let address = addresses.next().ok_or_else(bad)?;
        let tls = if encrypted {
            let name = ServerName::try_from(host.clone()).map_err(|_| bad())?;
            Some((TlsConnector::from(Arc::new(tls::client(flags)?)), name))
        } else {
            None
        };
        Ok(Self { scheme, authority, token, address, tls, http2: flags.http2 })
    }

    /// The beginning of a request: HTTP/2 has the server in the URI, HTTP/1.1 in a header.
    pub(crate) fn request(&self, method: Method, path: &str) -> Builder {
        let request = Request::builder().method(method);
        let request = if self.http2 {
            let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.as_str());
            match uri.path_and_query(path).build() {
                Ok(uri) => request.uri(uri).version(Version::HTTP_2),
                Err(_) => request.uri(path),
            }
        } else {
            request.uri(path).header(HOST, self.authority.as_str())
        };
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        }
    }
}
