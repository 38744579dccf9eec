//! Where a server is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ureq::http::Uri;

/// The root of a server: `https://host[:port][/prefix]`, without a trailing slash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerUrl {
    text: String,
    secure: bool,
    loopback: bool,
}

/// A text that names no server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected https://host[:port][/path] or, on this machine, http://127.0.0.1:port")]
pub struct ParseUrlError;

impl ServerUrl {
    /// Whether the connection is encrypted and the server authenticated.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The URL of a route; `path` begins with a slash.
    pub(crate) fn route(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }
}

impl FromStr for ServerUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, ParseUrlError> {
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| ParseUrlError)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(ParseUrlError),
        };
        let authority =
            uri.authority().filter(|a| !a.as_str().contains('@')).ok_or(ParseUrlError)?;
        let plain = uri.query().is_none() && !text.contains('#') && text.len() <= 2048;
        if !plain || authority.host().is_empty() {
            return Err(ParseUrlError);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let loopback = host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let (scheme, path) =
            (if secure { "https" } else { "http" }, uri.path().trim_end_matches('/'));
        // The host in lower case, as it is signed.
        Ok(Self {
            text: format!("{scheme}://{}{path}", authority.as_str().to_ascii_lowercase()),
            secure,
            loopback,
        })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, printed, secure, loopback) in [
            ("https://Gwas.Example.org/", "https://gwas.example.org", true, false),
            ("https://a.org:8443/hegwas/", "https://a.org:8443/hegwas", true, false),
            ("http://127.0.0.1:8750", "http://127.0.0.1:8750", false, true),
            ("http://[::1]:1", "http://[::1]:1", false, true),
            ("http://localhost", "http://localhost", false, true),
            ("http://127.0.0.1.example.org", "http://127.0.0.1.example.org", false, false),
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!(
                (url.to_string().as_str(), url.is_secure(), url.is_loopback()),
                (printed, secure, loopback)
            );
        }
        for bad in [
            "",
            "gwas.example.org",
            "ftp://a",
            "https://",
            "https://u:p@a.org",
            "https://a.org?x=1",
            "https://a.org/#f",
        ] {
            assert_eq!(bad.parse::<ServerUrl>(), Err(ParseUrlError), "{bad}");
        }
    }
}
