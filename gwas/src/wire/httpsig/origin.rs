//! Where a server is reached: the `@authority` and `@target-uri` components (RFC 9421 sections 2.2.2 and 2.2.3).

use core::fmt;
use core::str::FromStr;

/// Scheme, host and port of a server: `https://gwas.example.org`, `http://127.0.0.1:8750`.
///
/// Normalised: lower case, without the scheme's default port, without a trailing slash. Behind a proxy that ends TLS it
/// is the public address, because that is what clients sign.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    scheme: &'static str,
    authority: String,
}

/// A text that is not the address of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a server address is http://HOST[:PORT] or https://HOST[:PORT], without user, path or query"
)]
pub struct OriginError;

impl Origin {
    /// `http` or `https`.
    pub fn scheme(&self) -> &str {
        self.scheme
    }

    /// Host, and port unless it is the scheme's default.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The absolute URI of a path (with query) that begins with a slash.
    pub fn target_uri(&self, path_and_query: &str) -> String {
        format!("{self}{path_and_query}")
    }

    /// Whether a `Host` header value names this server.
    pub fn is_named_by(&self, host: &str) -> bool {
        normalise(self.scheme, host).is_some_and(|authority| authority == self.authority)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => "http",
            "https" => "https",
            _ => return Err(OriginError),
        };
        let authority =
            normalise(scheme, rest.strip_suffix('/').unwrap_or(rest)).ok_or(OriginError)?;
        Ok(Self { scheme, authority })
    }
}

/// Host in lower case, the port only when it is not the default one; `None` if `authority` is no host with a port.
fn normalise(scheme: &str, authority: &str) -> Option<String> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let fine = match inside {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.len() <= 253
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    let digits = port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    if !fine || !digits {
        return None;
    }
    let default = if scheme == "https" { 443 } else { 80 };
    let port = port.map(str::parse::<u16>).transpose().ok()?.filter(|&p| p != default);
    let host = host.to_ascii_lowercase();
    Some(port.map_or_else(|| host.clone(), |p| format!("{host}:{p}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised() {
        for (text, authority, shown) in [
            ("http://127.0.0.1:8750", "127.0.0.1:8750", "http://127.0.0.1:8750"),
            ("HTTPS://Gwas.Example.org:443/", "gwas.example.org", "https://gwas.example.org"),
            ("http://example.org:80", "example.org", "http://example.org"),
            ("https://example.org:80", "example.org:80", "https://example.org:80"),
            ("http://[::1]:9", "[::1]:9", "http://[::1]:9"),
            ("http://[::1]", "[::1]", "http://[::1]"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!((origin.authority(), origin.to_string().as_str()), (authority, shown));
        }
        let origin: Origin = "https://example.org".parse().unwrap();
        assert_eq!(origin.target_uri("/v1/jobs?x=1"), "https://example.org/v1/jobs?x=1");
        assert!(origin.is_named_by("EXAMPLE.org:443") && !origin.is_named_by("example.org:80"));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "example.org",
            "ftp://example.org",
            "http://",
            "http:///",
            "http://user@host",
            "http://host/path",
            "http://host?x",
            "http://host:",
            "http://host:99999",
            "http://host:+1",
            "http://[::1",
            "http://ho st",
            "http://host#f",
            "http://a:b:1",
        ] {
            assert_eq!(bad.parse::<Origin>(), Err(OriginError), "{bad}");
        }
    }
}
