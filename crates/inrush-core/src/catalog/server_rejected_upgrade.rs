//! The server answered the upgrade in good HTTP, with another status than 101.

mod location;

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, ProtocolError};
use crate::plan::{Plan, Target};
use crate::protocol::ws_handshake::Answer;
use crate::tally::Row;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Statuses told one by one.
const TOLD: usize = 3;
/// Places that are told of redirects,
const LOCATIONS: usize = 3;
/// each at most so long: longer ones were cut when they were kept.
const LOCATION: usize = 480;
/// Headers told of each answer.
const HEADERS: [&str; 4] = ["Server", "Via", "WWW-Authenticate", "Content-Type"];

pub(super) static CAUSE: Cause = Cause {
    id: "server-rejected-upgrade",
    culprit: Culprit::Server,
    what: "The server answered the upgrade with an HTTP status instead of 101",
    unsure: Some("a proxy in between may have answered in its place: see the Server header"),
    same_as: &[
        "Go \"websocket: bad handshake\"",
        "Node \"Unexpected server response: 503\"",
        "Java \"java.net.http.WebSocketHandshakeException\"",
        "Python \"server rejected WebSocket connection: HTTP 503\"",
        "Rust \"HTTP error: 503 Service Unavailable\"",
    ],
    scenario: Scenario::Repro {
        name: "upgrade-rejected",
        says: "A server answers the upgrade with 503",
        class: Class::WsBadHandshake,
    },
    texts: Texts {
        what: "The server answered the upgrade with an HTTP status instead of 101",
        decide: "curl -isN --http1.1 -m 5 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H \
               'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: aGFuZHNoYWtlIG5vLiAxIQ==' \
               http://HOST:PORT/PATH",
        remedy: "send what it asks for: path, Origin, credentials",
        command: "curl -is http://HOST:PORT/PATH",
        shows_up: &[shows(Class::WsBadHandshake, Where::Anywhere, Confidence::Likely)],
    },
    recognise,
};

/// One status: how often, the first answer that was kept, and which target gave it.
struct Status<'a> {
    code: u16,
    count: u64,
    answer: Option<Answer<'a>>,
    target: Option<&'a Target>,
}

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| matches!(seen::protocol(row), Some(ProtocolError::Status(_))))?;
    let rows = claim.rows.clone();
    let statuses = statuses(case.plan, &rows);
    let mut list: Vec<_> = statuses.iter().map(|one| (one.code, one.count)).collect();
    list.sort_unstable();
    let list: Vec<_> = list.iter().map(|(code, n)| format!("{code} ({})", count(*n))).collect();
    let mut claim = claim.sure(Confidence::Proven).says(format!("status {}", list.join(", ")));
    for one in statuses.iter().take(TOLD) {
        claim = told(claim, one);
    }
    claim = redirected(case.plan, claim, &rows);
    for one in statuses.iter().take(TOLD) {
        claim = helped(case.plan, claim, one);
    }
    claim.same_as = statuses.first().map(same_as);
    Some(claim.remedy(
        "server-host",
        "its log says why it refused",
        "journalctl -u SERVICE --since -10min | grep -iE 'upgrade|websocket|handshake|50[0-9]'",
    ))
}

/// The most frequent first.
fn statuses<'a>(plan: &'a Plan, rows: &'a [Row]) -> Vec<Status<'a>> {
    let mut all: BTreeMap<u16, Status<'a>> = BTreeMap::new();
    for row in rows {
        let Some(ProtocolError::Status(code)) = seen::protocol(row) else { continue };
        let target = plan.targets.get(usize::from(row.key.target));
        let one = all.entry(code).or_insert(Status { code, count: 0, answer: None, target });
        one.count += row.count;
        if one.answer.is_none() {
            one.answer = row.examples.iter().find_map(|example| Answer::read(&example.last_words));
        }
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by_key(|one| Reverse(one.count));
    all
}

/// What the server said with it.
fn told(mut claim: Claim, one: &Status<'_>) -> Claim {
    let Some(answer) = &one.answer else {
        return claim.says(format!("of the {} no more than its status was kept", one.code));
    };
    let mut line = format!("{} {}", one.code, words::shown(answer.reason.as_bytes()));
    line.truncate(line.trim_end().len());
    for name in HEADERS {
        if let Some(value) = answer.header(name) {
            line.push_str(&format!(" · {name}: {}", words::shown(value)));
        }
    }
    claim = claim.says(line);
    if let Some(wait) = answer.header("Retry-After") {
        claim = claim.says(match wait.iter().all(u8::is_ascii_digit) {
            true => format!("it asks to wait {} s before the next try", words::shown(wait)),
            false => format!("it asks to come back after \"{}\"", words::shown(wait)),
        });
    }
    match &*answer.body {
        [] => claim,
        body => claim.says(format!("its body: \"{}\"", words::shown(body))),
    }
}

/// Every place a redirect leads to, and the run that goes there.
fn redirected(plan: &Plan, mut claim: Claim, rows: &[Row]) -> Claim {
    let mut known: Vec<(u16, &[u8])> = Vec::new();
    for row in rows {
        let Some(ProtocolError::Status(301..=303 | 307..=308)) = seen::protocol(row) else {
            continue;
        };
        let Some(target) = plan.targets.get(usize::from(row.key.target)) else { continue };
        let answers = row.examples.iter().filter_map(|one| Answer::read(&one.last_words));
        for location in answers.filter_map(|answer| answer.header("Location")) {
            if known.len() < LOCATIONS && !known.contains(&(row.key.target, location)) {
                known.push((row.key.target, location));
                claim = leads(plan, claim, target, location);
            }
        }
    }
    claim
}

fn leads(plan: &Plan, claim: Claim, asked: &Target, location: &[u8]) -> Claim {
    let shown = words::shown_most(location, LOCATION);
    let claim = claim.says(format!("it redirects to \"{shown}\""));
    match location::resolve(asked, location).filter(|_| location.len() <= LOCATION) {
        None => claim.says("that is no address of a WebSocket"),
        Some(to) if (&to.host, &to.path, to.tls.is_some()) == own(asked) => {
            claim.says("that is where it was asked: following it would never end")
        }
        Some(to) => {
            let text = match (asked.tls.is_some(), to.tls.is_some()) {
                (false, true) => "go where it redirects to, with TLS: inrush follows no redirect",
                _ => "go where it redirects to: inrush follows none by itself",
            };
            claim.remedy("run", text, words::again_at(plan, to))
        }
    }
}

fn own(target: &Target) -> (&String, &String, bool) {
    (&target.host, &target.path, target.tls.is_some())
}

fn helped(plan: &Plan, claim: Claim, one: &Status<'_>) -> Claim {
    let again = |flags: &str| words::again(plan, flags);
    let path = words::path(one.target);
    let shown = words::shown(path.as_bytes());
    let by_hand = words::ask(one.target, "/PATH");
    match one.code {
        401 | 403 | 407 => authorized(plan, claim, one),
        200..=299 | 404 | 405 | 410 => claim.remedy(
            "client-host",
            &format!("no WebSocket at {shown}: find the path that answers 101"),
            by_hand,
        ),
        301..=303 | 307..=308 => claim,
        300..=399 => claim.remedy("client-host", "find the path that answers 101", by_hand),
        400 | 426 => upgraded(claim, one)
            .remedy("run", "name the subprotocol it wants", again("--subprotocol NAME"))
            .remedy(
                "client-host",
                "ask it yourself, with other headers and versions",
                words::ask(one.target, path),
            ),
        429 | 503 => claim.remedy("run", "ask it less often", again("-r 50/s")),
        502 | 504 => claim.remedy(
            "server-host",
            "a proxy answered for a server that it did not reach: does that one run?",
            "ss -ltnp; tail -n 20 /var/log/nginx/error.log",
        ),
        500.. => claim.remedy("run", "see whether it depends on the rate", again("-r 50/s")),
        _ => claim,
    }
}

/// It wants to know who we are, in its own way (RFC 9110 §11.6.1).
fn authorized(plan: &Plan, claim: Claim, one: &Status<'_>) -> Claim {
    let asks = one.answer.as_ref().and_then(|answer| answer.header("WWW-Authenticate"));
    let scheme = asks.and_then(|value| value.split(|byte| b" ,\t".contains(byte)).next());
    let scheme = scheme.unwrap_or_default();
    let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    let own_way = ["Digest", "Negotiate", "NTLM"].into_iter().find(|name| is(name));
    let (text, flags) = match own_way {
        Some(_) => ("a session's cookie instead: inrush does not speak that", "Cookie: NAME=ID"),
        None if is("Basic") => {
            ("BASE64 is what  printf USER:PASSWORD | base64  prints", "Authorization: Basic BASE64")
        }
        None => ("bring what it asks for", "Authorization: Bearer TOKEN"),
    };
    let claim = match scheme {
        [] => claim.says(format!("on {} it does not say which proof it wants", one.code)),
        scheme => claim.says(format!("on {} it asks for {}", one.code, words::shown(scheme))),
    };
    let claim = claim.remedy("run", text, words::again(plan, &format!("-H '{flags}'")));
    if !scheme.is_empty() {
        return claim;
    }
    let origin = words::again(plan, "--origin https://ALLOWED-ORIGIN");
    claim.remedy("run", "or come from the origin it allows", origin)
}

/// It speaks another version, or wants something else than a WebSocket.
fn upgraded(claim: Claim, one: &Status<'_>) -> Claim {
    let header = |name| one.answer.as_ref().and_then(|answer| answer.header(name));
    let claim = match header("Sec-WebSocket-Version") {
        Some(version) if version != b"13" => claim.says(format!(
            "it speaks WebSocket version {}, we speak 13 (RFC 6455)",
            words::shown(version)
        )),
        _ => claim,
    };
    match header("Upgrade") {
        Some(other) if !other.eq_ignore_ascii_case(b"websocket") => {
            claim.says(format!("it wants an upgrade to {}", words::shown(other)))
        }
        _ => claim,
    }
}

/// The same in other programs' words, which have the status in them.
fn same_as(one: &Status<'_>) -> Vec<String> {
    let reason = one.answer.as_ref().map_or("", |answer| answer.reason);
    let whole = format!("{} {}", one.code, words::shown(reason.as_bytes()));
    let said = |text: &&str| {
        let text = text.replace("503 Service Unavailable", whole.trim_end());
        text.replace("503", &one.code.to_string())
    };
    CAUSE.same_as.iter().map(said).collect()
}

#[cfg(test)]
mod tests;
