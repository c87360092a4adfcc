//! The answer to the upgrade is no opening hand-shake of RFC 6455: some other server is there.

mod foreign;

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, seen, shows, words};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, Phase, ProtocolError};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "not-a-websocket-server",
    culprit: Culprit::Server,
    what: "What answers there is no WebSocket server: its answer is no opening hand-shake",
    unsure: None,
    same_as: &[
        "Go \"malformed HTTP response\", \"websocket: bad handshake\"",
        "Node \"Parse Error: Expected HTTP/\", \"Invalid Sec-WebSocket-Accept header\"",
        "Java \"java.net.http.WebSocketHandshakeException\"",
        "Python \"did not receive a valid HTTP response\", \"invalid Upgrade header\"",
        "Rust \"WebSocket protocol error: Handshake not finished\"",
    ],
    scenario: Scenario::Repro {
        name: "not-a-websocket-server",
        says: "The upgrade is answered with bytes that are no HTTP",
        class: Class::WsHandshakeMalformed,
    },
    texts: Texts {
        what: "What answers there is no WebSocket server",
        decide: "curl -isN --http1.1 -m 5 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H \
               'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: aGFuZHNoYWtlIG5vLiAxIQ==' \
               http://HOST:PORT/PATH",
        remedy: "name the port and path of the WebSocket, and let proxies pass the upgrade",
        command: "grep -rn 'proxy_set_header Upgrade' /etc/nginx",
        shows_up: &[
            shows(Class::WsHandshakeMalformed, Where::Anywhere, Confidence::Likely),
            shows(Class::ProtocolMismatch, Where::Anywhere, Confidence::Possible),
            shows(Class::WsBadHandshake, Where::Code(&[101, 200]), Confidence::Likely),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| {
        let malformed = row.class(case.plan) == Class::WsHandshakeMalformed;
        malformed || garbage_without_end(row)
    })?;
    let said = seen::last_words(&claim.rows).unwrap_or_default();
    let text = match said.as_slice() {
        [] => "its answer breaks the opening hand-shake (RFC 6455 §4.2.2)".into(),
        _ => format!("it answered {} \"{}\"", words::hex(&said), words::shown(&said)),
    };
    if claim.rows.iter().all(|row| seen::protocol(row) == Some(ProtocolError::BadAccept)) {
        return Some(foreign::answered(case, claim));
    }
    let known = protocol_of(&said);
    let address = seen::first_address(case, &claim.rows);
    let mut claim = claim.sure(Confidence::Proven).says(text);
    if let Some(known) = known {
        claim = claim.says(format!("that is {known}"));
    }
    let tcp = format!("inrush run tcp://{}:{}", words::ip(address), words::port(address));
    let target = claim.rows.first().and_then(|row| seen::target(case, row));
    let by_hand = words::ask(target, words::path(target));
    let claim = claim
        .remedy("client-host", "ask it yourself: a WebSocket server answers 101", by_hand)
        .remedy("server-host", "see which program has that port", words::queue_command(address))
        .remedy("run", "if it is a plain TCP server, speak TCP to it", tcp);
    Some(claim)
}

/// It ended, or fell silent, before its answer could be judged, and what it said is no HTTP.
fn garbage_without_end(row: &Row) -> bool {
    let unjudged = seen::peer_closed(row) || seen::deadline(row);
    let said = row.examples.iter().map(|example| example.last_words.as_slice());
    let mut said = said.filter(|words| !words.is_empty()).peekable();
    let garbage = said.peek().is_some()
        && said.all(|words| !words.starts_with(&b"HTTP/1."[..words.len().min(7)]));
    seen::phase(row) == Phase::Upgrade && row.key.heard && unjudged && garbage
}

fn protocol_of(said: &[u8]) -> Option<&'static str> {
    match said {
        _ if said.starts_with(b"GET ") => {
            Some("our own request: an echo server sends back what it hears")
        }
        _ if said.starts_with(b"SSH-") => Some("an SSH server"),
        _ if said.starts_with(b"-ERR") => Some("a Redis (or POP3) server"),
        _ if said.starts_with(b"220 ") || said.starts_with(b"220-") => {
            Some("the greeting of a mail or FTP server")
        }
        _ if said.starts_with(b"HTTP/1.1 101") || said.starts_with(b"HTTP/1.0 101") => {
            Some("a 101 whose headers do not answer our request")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome};

    #[test]
    fn garbage_is_shown_and_known_protocols_are_named() {
        let check = |error, words: &[u8], line: &str| {
            let seen = Seen::new(Phase::Upgrade, Op::Decode, Outcome::Protocol(error));
            let lab = Lab::ws().book(9, seen.words(words));
            let found = lab.expect(&[("not-a-websocket-server", 9, Confidence::Proven)]);
            let text = &found[0].because.last().unwrap().text;
            assert!(text.contains(line), "{text}");
        };
        use ProtocolError::{NoUpgrade, NotHttp};
        check(NotHttp, b"\x00\xff\x1b[2J", "it answered 00 ff 1b 5b 32 4a \"\\x00\\xff\\x1b[2J\"");
        check(NotHttp, b"GET / HTTP/1.1\r\n", "our own request");
        check(NotHttp, b"SSH-2.0-x", "an SSH server");
        check(NoUpgrade, b"HTTP/1.1 101 Switching Protocols\r\n", "do not answer our request");
    }

    #[test]
    fn garbage_and_then_the_end_is_garbage_half_an_answer_is_not() {
        let check = |words: &[u8], cause: &str| {
            let eof = Seen::new(Phase::Upgrade, Op::Read, Outcome::Eof { mid_message: true });
            let found = Lab::ws().book(9, eof.words(words)).diagnoses();
            assert_eq!(found[0].cause, cause, "{words:?}");
        };
        check(b"\x00\x01\x02", "not-a-websocket-server");
        check(b"HTTP/1.1 10", "server-closed-without-reason");
        check(b"HT", "server-closed-without-reason");
    }
}
