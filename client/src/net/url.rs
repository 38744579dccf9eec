//! Where a server is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use gwas::wire::httpsig::Origin;

/// The address of a server: `https://host[:port]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerUrl {
    origin: Origin,
    loopback: bool,
}

/// A text that names no server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected https://HOST[:PORT] or, on this machine, http://127.0.0.1:PORT, without a path")]
pub struct ParseUrlError;

impl ServerUrl {
    /// Whether the connection is encrypted and the server authenticated.
    pub fn is_secure(&self) -> bool {
        self.origin.scheme() == "https"
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl FromStr for ServerUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, ParseUrlError> {
        let origin: Origin = text.parse().map_err(|_| ParseUrlError)?;
        let authority = origin.authority();
        // `[::1]:8750`, `127.0.0.1:8750`, `localhost`
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => authority.split(':').next(),
        };
        let host = host.unwrap_or_default();
        let loopback =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        Ok(Self { origin, loopback })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for (text, secure, loopback) in [
            ("https://Gwas.Example.org/", true, false),
            ("http://127.0.0.1:8750", false, true),
            ("http://[::1]:1", false, true),
            ("http://LOCALHOST:80", false, true),
            ("http://127.0.0.1.example.org", false, false),
            ("http://localhost.example.org", false, false),
            ("http://10.0.0.1", false, false),
        ] {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!((url.is_secure(), url.is_loopback()), (secure, loopback), "{text}");
        }
        for bad in
            ["", "gwas.example.org", "ftp://a", "https://", "https://u:p@a.org", "https://a.org/x"]
        {
            assert_eq!(bad.parse::<ServerUrl>(), Err(ParseUrlError), "{bad}");
        }
    }
}
