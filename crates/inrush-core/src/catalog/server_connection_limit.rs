//! The server lets in so many and refuses the rest: it says so, or the number it refuses at is
//! always the same.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, Phase, ProtocolError};
use crate::tally::{Row, Times};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub(super) static CAUSE: Cause = Cause {
    id: "server-connection-limit",
    culprit: Culprit::Server,
    what: "The server has a limit of connections and refused what came beyond it",
    unsure: None,
    same_as: &[
        "Go \"websocket: bad handshake\" (503 or 429), \"websocket: close 1013 (try again later)\"",
        "Node \"Unexpected server response: 503\"",
        "Python \"server rejected WebSocket connection: HTTP 503\"",
        "Rust \"HTTP error: 503 Service Unavailable\"",
        "nginx \"worker_connections are not enough\"",
    ],
    scenario: Scenario::Repro {
        name: "server-connection-limit",
        says: "A server lets in a fixed number of connections and answers the others 503",
        class: Class::WsBadHandshake,
    },
    texts: Texts {
        what: "The server has a limit of connections and refuses what comes beyond it",
        decide: "ss -Htn state established 'sport = :PORT' | wc -l        on the server",
        remedy: "raise the limit, or hold fewer connections",
        command: "grep -rniE 'max_?conn|worker_connections|max_?clients' /etc/SERVER",
        shows_up: &[
            shows(Class::ServerConnLimit, Where::Anywhere, Confidence::Proven),
            shows(Class::WsBadHandshake, Where::Code(&[429, 503]), Confidence::Possible),
            shows(Class::WsCloseError, Where::Code(&[1013]), Confidence::Likely),
        ],
    },
    recognise,
};

/// So many refusals at the same number are no accident,
const REFUSALS: u64 = 20;
/// when they fill at least so many moments of 10 ms.
const MOMENTS: usize = 3;

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let said = pool.take(|row| (refuses(row) || ends_a_stream(row)) && names_limit(row));
    let said = said.map(|claim| {
        let words = seen::last_words(&claim.rows).unwrap_or_default();
        let text = format!("it said so: \"{}\"", words::shown(meaning(&words).as_bytes()));
        claim.sure(Confidence::Proven).says(text)
    });
    let mut constant = None;
    for target in pool.targets() {
        let wanted = |row: &Row| row.key.target == target && refuses(row);
        let rows: Vec<&Row> = pool.rows().iter().filter(|row| wanted(row)).collect();
        let Some(text) = steady(case, &rows) else { continue };
        let claim = pool.take(wanted).map(|claim| {
            let said = seen::last_words(&claim.rows).unwrap_or_default();
            let quote = format!("its answer: \"{}\"", words::shown(&said));
            claim.sure(Confidence::Likely).says(text).says(quote).or(&["server-rejected-upgrade"])
        });
        constant = Claim::join(constant, claim);
    }
    let claim = Claim::join(said, constant)?;
    let held = case.opened.max(1);
    let claim = claim
        .remedy(
            "server",
            "find the limit in its settings (names differ: max_connections, maxconn, limit_conn)",
            "grep -rniE 'max_?conn|limit_conn|worker_connections|max_?clients' /etc/SERVER",
        )
        .remedy(
            "run",
            "stay below it to judge everything else",
            words::again_with(case.plan, held, "-r 1k/s"),
        );
    Some(claim)
}

fn refuses(row: &Row) -> bool {
    match seen::protocol(row) {
        // Others were open, or nothing is known of a limit.
        Some(ProtocolError::Status(503 | 429)) => row.open_max > 0,
        Some(ProtocolError::Closed(1013)) => true,
        _ => false,
    }
}

/// A stream has no status and no code: its server says a line and closes.
fn ends_a_stream(row: &Row) -> bool {
    seen::phase(row) == Phase::Open && seen::peer_closed(row) && row.key.heard
}

/// At least half of the answers that were kept say it.
fn names_limit(row: &Row) -> bool {
    let examples = || row.examples.iter().map(|example| example.last_words.as_slice());
    let spoken = examples().filter(|words| !words.is_empty()).count();
    let said = examples().filter(|words| meaning(words).lines().any(is_of_connections)).count();
    said > 0 && said * 2 >= spoken
}

/// A line, in lower case, that speaks of too many connections at once, and not of another limit:
/// of requests, of a rate, of time.
fn is_of_connections(line: &str) -> bool {
    let mut words = line.split(|c: char| !c.is_ascii_alphanumeric());
    let has = |list: &[&str]| words.clone().any(|word| list.contains(&word));
    let what = [
        "connection",
        "connections",
        "conn",
        "conns",
        "client",
        "clients",
        "socket",
        "sockets",
        "websockets",
        "session",
        "sessions",
    ];
    let much = ["limit", "limits", "max", "maximum", "many", "full", "capacity", "exceeded"];
    let other = ["rate", "request", "requests", "time", "timeout", "quota", "size", "memory"];
    let one_word = ["maxconn", "maxconnections", "maxclients"];
    (has(&what) && has(&much) && !has(&other)) || words.any(|word| one_word.contains(&word))
}

/// The reason and the body of an HTTP answer, or the text of a Close frame, in lower case. Headers
/// are left out: `Connection:` stands in each of them.
fn meaning(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words).to_lowercase();
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("http/") => {
            format!("{}\n{body}", head.lines().next().unwrap_or_default())
        }
        None if text.starts_with("http/") => text.lines().next().unwrap_or_default().into(),
        _ => text,
    }
}

/// In words, how the refusals show one number of open connections; `None` when they do not.
fn steady(case: &Case<'_>, rows: &[&Row]) -> Option<String> {
    let refusals: u64 = rows.iter().map(|row| row.count).sum();
    let mut times = Times::default();
    rows.iter().for_each(|row| times.merge(&row.times));
    if refusals < REFUSALS || times.buckets.len() < MOMENTS {
        return None;
    }
    let n = count(refusals);
    let least = rows.iter().map(|row| row.open_min).min()?;
    let most = rows.iter().map(|row| row.open_max).max()?;
    if least > 0 && (most - least.min(most)) * 100 <= most {
        let open = count(most);
        return Some(format!(
            "the number open at each of {n} refusals was the same: {open} a loop"
        ));
    }
    // Each event loop counts its own; together they show the limit by who was let in: the first
    // ones, and nobody after them.
    let first = rows.iter().flat_map(|row| &row.examples).map(|one| one.connection).min()?;
    let all = case.opened > 0 && case.plan.lifetime.is_none();
    let nobody_later = (case.opened + refusals) * 100 >= case.attempted * 99;
    (all && nobody_later && first * 100 >= case.opened * 99).then(|| {
        let opened = count(case.opened);
        format!("the first {opened} were let in, and none of the {n} after them")
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Peer, Phase};

    fn status(code: u16, words: &[u8]) -> Seen {
        let outcome = Outcome::Protocol(ProtocolError::Status(code));
        Seen::new(Phase::Upgrade, Op::Decode, outcome).words(words)
    }

    const PLAIN: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\nsorry";

    #[test]
    fn a_limit_is_said_in_words() {
        let check = |words: &[u8], open, cause: &str| {
            let found = Lab::ws().book(5, status(503, words).open(open, open)).diagnoses();
            assert_eq!(found[0].cause, cause, "{:?}", String::from_utf8_lossy(words));
        };
        let limit = "server-connection-limit";
        let other = "server-rejected-upgrade";
        check(b"HTTP/1.1 503 Service Unavailable\r\n\r\nToo many connections", 100, limit);
        check(b"HTTP/1.1 503 Connection Limit Reached\r\n\r\n", 100, limit);
        check(b"HTTP/1.1 503 x\r\n\r\n{\"error\":\"max_clients\"}", 100, limit);
        check(b"HTTP/1.1 503 x\r\n\r\nToo many connections", 0, other);
        check(b"HTTP/1.1 503 x\r\nConnection: close\r\nX-Limit: 3\r\n\r\nno", 100, other);
        check(b"HTTP/1.1 503 x\r\n\r\nupstream connection timed out", 100, other);
        check(PLAIN, 100, other);
        for others in [
            "rate limit exceeded for this user",
            "per-client request limit",
            "server time limit exceeded",
            "session quota exceeded",
            "session timeout exceeded",
            "the server is at full capacity",
        ] {
            check(format!("HTTP/1.1 429 x\r\n\r\n{others}").as_bytes(), 100, other);
        }
    }

    #[test]
    fn one_answer_of_many_does_not_speak_for_all() {
        let other: &[u8] = b"HTTP/1.1 503 x\r\n\r\ndown for maintenance";
        let limit: &[u8] = b"HTTP/1.1 503 x\r\n\r\ntoo many connections";
        let check = |of_limit, cause: &str| {
            let seen = |words| status(503, words).open(9, 90);
            let lab = Lab::ws().opened(90).book(of_limit, seen(limit));
            let found = lab.book(8 - of_limit, seen(other)).diagnoses();
            assert_eq!((found[0].cause.as_str(), found[0].count), (cause, 8), "{of_limit}");
        };
        check(1, "server-rejected-upgrade");
        check(4, "server-connection-limit");
    }

    #[test]
    fn the_same_number_at_each_refusal_is_a_limit() {
        let check = |count, step_ms, first, last, cause, confidence| {
            let seen = status(503, PLAIN).every(0, step_ms).open(first, last);
            Lab::ws().opened(500).book(count, seen).expect(&[(cause, count, confidence)]);
        };
        let limit = "server-connection-limit";
        let other = "server-rejected-upgrade";
        check(200, 5, 500, 504, limit, Confidence::Likely);
        check(200, 5, 100, 500, other, Confidence::Proven);
        check(19, 50, 500, 500, other, Confidence::Proven);
        check(200, 0, 500, 500, other, Confidence::Proven);
        check(200, 5, 0, 0, other, Confidence::Proven);
    }

    #[test]
    fn loops_that_share_a_limit_unevenly_show_it_by_who_was_let_in() {
        let check = |from_number, cause| {
            let seen = |open| status(503, PLAIN).every(0, 1).open(open, open).from(from_number);
            let mut lab = Lab::ws().opened(500).book(300, seen(230));
            lab.attempted = 1_000;
            let found = lab.book(200, seen(270).peer(Peer::Absent)).diagnoses();
            assert_eq!((found[0].cause.as_str(), found[0].count), (cause, 500));
        };
        check(501, "server-connection-limit");
        check(3, "server-rejected-upgrade");
    }

    #[test]
    fn close_1013_with_words_is_a_limit() {
        let seen = |words: &[u8]| {
            let outcome = Outcome::Protocol(ProtocolError::Closed(1013));
            Seen::new(Phase::Open, Op::Decode, outcome).words(words)
        };
        let lab = Lab::ws().book(9, seen(b"too many clients"));
        lab.expect(&[("server-connection-limit", 9, Confidence::Proven)]);
        let lab = Lab::ws().book(9, seen(b"try again later"));
        lab.expect(&[("server-closed-with-reason", 9, Confidence::Proven)]);
    }
}
