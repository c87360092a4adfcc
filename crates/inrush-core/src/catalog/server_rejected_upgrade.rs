//! The server answered the upgrade in good HTTP, with another status than 101.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, seen};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, ProtocolError};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

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
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| matches!(seen::protocol(row), Some(ProtocolError::Status(_))))?;
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for row in &claim.rows {
        if let Some(ProtocolError::Status(status)) = seen::protocol(row) {
            *statuses.entry(status).or_default() += row.count;
        }
    }
    let list: Vec<String> =
        statuses.iter().map(|(status, n)| format!("{status} ({})", count(*n))).collect();
    let most = statuses.iter().max_by_key(|(_, n)| **n).map_or(0, |(status, _)| *status);
    let said = seen::last_words(&claim.rows).unwrap_or_default();
    let answer = match said.as_slice() {
        [] => "the answer had no more than its status".into(),
        _ => format!("its answer: \"{}\"", words::shown(&said)),
    };
    let body = said.windows(4).position(|four| four == b"\r\n\r\n").map(|at| &said[at + 4..]);
    let mut claim = claim.sure(Confidence::Proven).says(format!("status {}", list.join(", ")));
    claim = claim.says(answer);
    if let Some(body @ [_, ..]) = body {
        claim = claim.says(format!("its body: \"{}\"", words::shown(body)));
    }
    Some(helped(case, claim, most))
}

fn helped(case: &Case<'_>, claim: Claim, status: u16) -> Claim {
    let plan = case.plan;
    let address = seen::first_address(case, &claim.rows);
    let claim = match status {
        401 | 403 => claim
            .remedy(
                "run",
                "bring what it asks for",
                words::again(plan, "-H 'Authorization: Bearer TOKEN'"),
            )
            .remedy(
                "run",
                "or the origin it allows",
                words::again(plan, "--origin https://ALLOWED-ORIGIN"),
            ),
        404 | 405 | 426 | 200..=399 => claim.remedy(
            "client-host",
            "find the path that upgrades: it answers 101",
            format!(
                "curl -isN --http1.1 -m 5 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H \
                 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: SW5ydXNoIGhhbmRzaGs=' \
                 http://{}:{}/PATH",
                words::ip(address),
                words::port(address)
            ),
        ),
        429 | 500.. => {
            claim.remedy("run", "see whether it depends on the rate", words::again(plan, "-r 50/s"))
        }
        _ => claim,
    };
    claim.remedy(
        "server-host",
        "its log says why it refused",
        "journalctl -u SERVICE --since -10min | grep -iE 'upgrade|websocket|handshake|50[0-9]'",
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn status_and_body_are_shown_escaped() {
        let status = |code| {
            let outcome = Outcome::Protocol(ProtocolError::Status(code));
            Seen::new(Phase::Upgrade, Op::Decode, outcome)
        };
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nServer: x\r\n\r\n\x1b[31mback soon";
        let lab = Lab::ws().opened(40).book(60, status(503).words(answer).open(0, 40));
        let lab = lab.book(2, status(404).words(b"HTTP/1.1 404 Not Found\r\n\r\n"));
        let found = lab.expect(&[("server-rejected-upgrade", 62, Confidence::Proven)]);
        let because: Vec<_> = found[0].because.iter().map(|line| line.text.as_str()).collect();
        assert!(because.contains(&"status 404 (2), 503 (60)"), "{because:?}");
        assert!(found[0].seen_as[0].contains("HTTP status 503 instead of 101 (60)"));
        assert!(found[0].remedy[0].command.as_deref().unwrap().ends_with("-r 50/s"));
    }
}
