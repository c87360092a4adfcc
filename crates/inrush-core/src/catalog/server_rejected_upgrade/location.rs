//! Where a redirect leads: the Location of an answer as the URL of a WebSocket (RFC 9110
//! §10.2.2, RFC 3986 §5.2). What a server says here ends in a command, so it is taken apart and
//! checked.

use crate::plan::{Scheme, Target};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The target that a Location means, seen from the one that was asked. `None` when it is no address
/// of a WebSocket: another scheme, or characters that no URL has. User-info is left out; and so is
/// a query when ours had one, which it may give back with a secret in it.
pub(super) fn resolve(asked: &Target, location: &[u8]) -> Option<Target> {
    let text = core::str::from_utf8(location).ok()?.trim();
    let allowed = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    if text.is_empty() || !text.chars().all(allowed) {
        return None;
    }
    let text = text.split('#').next().unwrap_or_default();
    let (tls, rest) = match scheme(text) {
        Some((name, rest)) => (is_secure(name)?, rest.strip_prefix("//")?),
        None => match text.strip_prefix("//") {
            Some(rest) => (asked.tls.is_some(), rest),
            None => return Some(same_host(asked, text)),
        },
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    let good = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if !host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') || !host.chars().all(good)
    {
        return None;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']).to_owned();
    Some(target(asked, host.to_owned(), tls.then_some(name), &rest[end..]))
}

/// `https` and what follows its colon.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(':')?;
    let letters = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(letters);
    is_name.then_some((name, rest))
}

fn is_secure(scheme: &str) -> Option<bool> {
    match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => Some(false),
        "wss" | "https" => Some(true),
        _ => None,
    }
}

/// A path, or a part of one, on the same server.
fn same_host(asked: &Target, text: &str) -> Target {
    let base = asked.path.split('?').next().unwrap_or_default();
    let path = match text.as_bytes().first() {
        Some(b'/') => text.to_owned(),
        Some(b'?') | None => format!("{base}{text}"),
        Some(_) => format!("{}/{text}", base.rsplit_once('/').map_or("", |(folder, _)| folder)),
    };
    let host = asked.host.rsplit('@').next().unwrap_or_default().to_owned();
    target(asked, host, asked.tls.clone(), &path)
}

fn target(asked: &Target, host: String, tls: Option<String>, path_and_query: &str) -> Target {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let mut path = without_dots(path);
    if let Some(query) = query.filter(|_| !asked.path.contains('?')) {
        path.push('?');
        path.push_str(query);
    }
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    let url = format!("{scheme}://{host}{path}");
    Target { url, scheme: Scheme::Ws, address: asked.address, host, path, tls }
}

/// RFC 3986 §5.2.4; begins with a slash whatever it was.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    fn asked(path: &str) -> Target {
        let mut target = plan(1).targets.remove(0);
        (target.host, target.path) = ("me@h:8080".into(), path.into());
        target
    }

    #[test]
    fn locations_are_resolved_as_rfc_3986_says() {
        let check = |location: &str, expected: &str| {
            let found = resolve(&asked("/a/b"), location.as_bytes());
            assert_eq!(found.map(|target| target.url).as_deref(), Some(expected), "{location}");
        };
        check("wss://chat.example/ws", "wss://chat.example/ws");
        check("HTTPS://chat.example", "wss://chat.example/");
        check("http://h:80?x=1#top", "ws://h:80/?x=1");
        check("//other/x", "ws://other/x");
        check("/ws/", "ws://h:8080/ws/");
        check("ws", "ws://h:8080/a/ws");
        check("../ws", "ws://h:8080/ws");
        check("./../../..", "ws://h:8080/");
        check("?x", "ws://h:8080/a/b?x");
        check("http://me:secret@h/", "ws://h/");
        check("https://[::1]:8443/x", "wss://[::1]:8443/x");
    }

    #[test]
    fn what_is_no_address_of_a_websocket_is_refused() {
        for location in [
            "",
            "ftp://h/",
            "javascript:alert(1)",
            "http:/h",
            "h:8080/x",
            "http:///x",
            "http://-oProxy/",
            "http://h;reboot/",
            "/a b",
            "/\u{1b}[2J",
            "/\u{e9}",
            "http://$(id)/",
        ] {
            assert_eq!(resolve(&asked("/"), location.as_bytes()), None, "{location}");
        }
    }

    #[test]
    fn the_name_for_tls_is_the_hosts_and_our_query_is_not_given_back() {
        let found = resolve(&asked("/?token=1"), b"https://h:8443/x?token=1").unwrap();
        assert_eq!((found.tls.as_deref(), found.url.as_str()), (Some("h"), "wss://h:8443/x"));
        let found = resolve(&asked("/"), b"https://[::1]/").unwrap();
        assert_eq!(found.tls.as_deref(), Some("::1"));
        let mut secret = asked("/");
        secret.tls = Some("sni".into());
        assert_eq!(resolve(&secret, b"/x").unwrap().url, "wss://h:8080/x");
    }
}
