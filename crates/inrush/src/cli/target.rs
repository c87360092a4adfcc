//! TARGET: `tcp://host:port`, `ws://host[:port]/path`, the same through TLS as `tls://` and
//! `wss://`, bare `host:port`. Read, not resolved.

use crate::cli::units::wrong;
use inrush_core::plan::Scheme;
use inrush_core::units::UnitError;
use std::net::Ipv6Addr;
use std::str::FromStr;

const KNOWN: &str = "known here: tcp://host:port, tls://host:port, ws://host[:port]/path, \
                     wss://host[:port]/path, host:port (tcp)";

/// One target as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetSpec {
    /// As it was typed; user-info masked.
    pub(crate) url: String,
    /// Protocol.
    pub(crate) scheme: Scheme,
    /// Through TLS.
    pub(crate) tls: bool,
    /// Name or address to resolve, without brackets.
    pub(crate) host: String,
    /// Port, the protocol's own when none was typed.
    pub(crate) port: u16,
    /// `Host` header: name and port as typed.
    pub(crate) host_header: String,
    /// Path and query, at least `/`.
    pub(crate) path: String,
    /// `user:password` of the URL, percent-encoded as it was typed.
    pub(crate) userinfo: Option<String>,
}

impl FromStr for TargetSpec {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if let Some(bad) =
            text.chars().find(|c| c.is_control() || c.is_whitespace() || !c.is_ascii())
        {
            return wrong(format!("{bad:?} cannot be in a target"), "percent-encode it");
        }
        let ((scheme, tls), rest, typed) = match text.split_once("://") {
            Some((scheme, rest)) => (known(scheme, rest)?, rest, true),
            None => ((Scheme::Tcp, false), text, false),
        };
        if rest.contains('#') {
            return wrong("a target has no fragment", "leave out '#' and what follows");
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if scheme == Scheme::Tcp && !matches!(path, "" | "/") {
            let hint = if typed { "leave the path out" } else { &*format!("write ws://{text}") };
            return wrong("a tcp target has no path", hint);
        }
        let (userinfo, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user.to_owned()), address),
            None => (None, authority),
        };
        if userinfo.is_some() && scheme == Scheme::Tcp {
            return wrong("a tcp target has no user", "leave out what stands before '@'");
        }
        let (host, port) = host_and_port(address)?;
        let port = match (port, scheme) {
            (Some(port), _) => port,
            (None, Scheme::Ws) if tls => 443,
            (None, Scheme::Ws) => 80,
            (None, Scheme::Tcp) => {
                let ws = if tls { "wss" } else { "ws" };
                let hint = format!("write {address}:PORT or {ws}://{address}/");
                return wrong("a port is missing", hint);
            }
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self {
            url: crate::show::secret::url(text),
            scheme,
            tls,
            host,
            port,
            host_header: address.to_owned(),
            path,
            userinfo,
        })
    }
}

/// The protocol, and whether it goes through TLS.
fn known(scheme: &str, rest: &str) -> Result<(Scheme, bool), UnitError> {
    match scheme.to_ascii_lowercase().as_str() {
        "tcp" => Ok((Scheme::Tcp, false)),
        "tls" => Ok((Scheme::Tcp, true)),
        "ws" => Ok((Scheme::Ws, false)),
        "wss" => Ok((Scheme::Ws, true)),
        "http" => wrong("unknown scheme 'http'", format!("write ws://{rest}")),
        "https" => wrong("unknown scheme 'https'", format!("write wss://{rest}")),
        other => wrong(format!("unknown scheme '{other}'"), KNOWN),
    }
}

/// A host without brackets, and a port if there is one.
pub(crate) fn host_and_port(text: &str) -> Result<(String, Option<u16>), UnitError> {
    let (host, port) = if let Some(inside) = text.strip_prefix('[') {
        let Some((host, port)) = inside.split_once(']') else {
            return wrong("the bracket is not closed", "write [::1]:8080");
        };
        if host.parse::<Ipv6Addr>().is_err() {
            return wrong(format!("'{host}' is no IPv6 address"), "write [::1]:8080");
        }
        match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if port.is_empty() => (host, None),
            None => return wrong(format!("'{port}' after the bracket"), "write [::1]:8080"),
        }
    } else if text.matches(':').count() > 1 {
        return wrong("an IPv6 address needs brackets", "write [::1]:8080");
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "-._:".contains(c));
    if host.is_empty() || host.len() > 253 || host.contains(odd) {
        return wrong(
            format!("'{host}' is no host name"),
            "write localhost, example.com or 10.0.0.5",
        );
    }
    let port = match port.map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return wrong("not a port", "write a number from 1 to 65535"),
    };
    Ok((host.to_owned(), port))
}

/// `--connect-to H1:P1:H2:P2`: connections to the first pair go to the second. An empty host or
/// port on the left fits any, on the right keeps what was typed (curl).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectTo {
    from: (String, Option<u16>),
    to: (String, Option<u16>),
}

impl FromStr for ConnectTo {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        const FORM: &str = "write HOST1:PORT1:HOST2:PORT2";
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let end = if rest.starts_with('[') {
                rest.find(']').map_or(rest.len(), |at| at + 1)
            } else {
                0
            };
            let end = rest[end..].find(':').map_or(rest.len(), |at| end + at);
            parts.push(&rest[..end]);
            match rest[end..].strip_prefix(':') {
                Some(after) => rest = after,
                None => break,
            }
        }
        let [h1, p1, h2, p2] = parts[..] else { return wrong("not four parts", FORM) };
        let host = |text: &str| match text {
            "" => Ok(String::new()),
            _ => host_and_port(text).map(|(host, _)| host),
        };
        let port = |text: &str| match text {
            "" => Ok(None),
            _ => match text.parse::<u16>() {
                Ok(port) if port > 0 => Ok(Some(port)),
                _ => wrong(format!("'{text}' is no port"), FORM),
            },
        };
        Ok(Self { from: (host(h1)?, port(p1)?), to: (host(h2)?, port(p2)?) })
    }
}

impl ConnectTo {
    /// Where a connection to `host`:`port` goes instead, when this rule fits it.
    pub(crate) fn apply(&self, host: &str, port: u16) -> Option<(String, u16)> {
        let ((from_host, from_port), (to_host, to_port)) = (&self.from, &self.to);
        let fits_host = from_host.is_empty() || from_host.eq_ignore_ascii_case(host);
        let fits = fits_host && from_port.is_none_or(|from| from == port);
        let host = if to_host.is_empty() { host } else { to_host };
        fits.then(|| (host.to_owned(), to_port.unwrap_or(port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_are_read() {
        for (text, scheme, host, port, header, path) in [
            ("tcp://10.0.0.5:9000", Scheme::Tcp, "10.0.0.5", 9000, "10.0.0.5:9000", "/"),
            ("localhost:8888", Scheme::Tcp, "localhost", 8888, "localhost:8888", "/"),
            ("ws://example.com", Scheme::Ws, "example.com", 80, "example.com", "/"),
            ("WS://h:8080/ws?a=b", Scheme::Ws, "h", 8080, "h:8080", "/ws?a=b"),
            ("ws://h?a", Scheme::Ws, "h", 80, "h", "/?a"),
            ("ws://[::1]:8080/", Scheme::Ws, "::1", 8080, "[::1]:8080", "/"),
            ("[::1]:8080", Scheme::Tcp, "::1", 8080, "[::1]:8080", "/"),
            ("ws://[::1]", Scheme::Ws, "::1", 80, "[::1]", "/"),
            ("wss://h/x", Scheme::Ws, "h", 443, "h", "/x"),
            ("tls://h:993", Scheme::Tcp, "h", 993, "h:993", "/"),
        ] {
            let spec: TargetSpec = text.parse().unwrap();
            let seen = (spec.scheme, &*spec.host, spec.port, &*spec.host_header, &*spec.path);
            assert_eq!(seen, (scheme, host, port, header, path), "{text}");
            assert_eq!(spec.tls, text.starts_with("wss") || text.starts_with("tls"));
        }
        let spec: TargetSpec = "ws://me:secret@h/".parse().unwrap();
        assert_eq!((&*spec.url, spec.userinfo.as_deref()), ("ws://***@h/", Some("me:secret")));
    }

    #[test]
    fn targets_that_are_refused() {
        for (text, message, hint) in [
            ("https://h/x", "unknown scheme", "write wss://h/x"),
            ("tls://h", "port is missing", "wss://h/"),
            ("tls://h:1/x", "no path", "leave the path out"),
            ("http://h/x", "unknown scheme", "write ws://h/x"),
            ("udp://h:1", "unknown scheme 'udp'", "known here"),
            ("localhost", "port is missing", "ws://localhost/"),
            ("tcp://h", "port is missing", "h:PORT"),
            ("h:1/ws", "no path", "write ws://h:1/ws"),
            ("tcp://h:1/x", "no path", "leave the path out"),
            ("::1:8080", "brackets", "[::1]:8080"),
            ("ws://[::1:80", "not closed", "[::1]"),
            ("h:0", "not a port", "65535"),
            ("h:70000", "not a port", "65535"),
            (":8080", "no host name", "localhost"),
            ("ws://h/#x", "fragment", "'#'"),
            ("ws://h/a\nb", "cannot be", "percent"),
            ("tcp://u@h:1", "no user", "'@'"),
        ] {
            let error = text.parse::<TargetSpec>().unwrap_err();
            assert!(
                error.message.contains(message) && error.hint.contains(hint),
                "{text}: {error:?}"
            );
        }
    }

    #[test]
    fn connect_to_rules() {
        let check = |rule: &str, host, port, expected: Option<(&str, u16)>| {
            let to = rule.parse::<ConnectTo>().unwrap().apply(host, port);
            assert_eq!(to, expected.map(|(host, port)| (host.to_owned(), port)), "{rule}");
        };
        check("a:80:b:81", "a", 80, Some(("b", 81)));
        check("a:80:b:81", "a", 82, None);
        check("::[::1]:9", "a", 80, Some(("::1", 9)));
        check("a::b:", "A", 7, Some(("b", 7)));
        for rule in ["a:80:b", "a:80:b:81:c", "a:x:b:1", ""] {
            assert!(rule.parse::<ConnectTo>().is_err(), "{rule}");
        }
    }
}
