//! A proxy answered in the server's place: what stands behind it failed it.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, ProtocolError};
use crate::protocol::ws_handshake::Answer;
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "proxy-upstream-failed",
    culprit: Culprit::Server,
    what: "A proxy answered the upgrade: the server behind it could not be reached or failed",
    unsure: Some("some servers answer 502 themselves, for what they ask in turn"),
    same_as: &[
        "Go \"websocket: bad handshake\", with status 502 or 504",
        "Node \"Unexpected server response: 502\"",
        "nginx \"connect() failed (111: Connection refused) while connecting to upstream\"",
        "HAProxy \"<NOSRV>\", \"SC--\", \"sH--\"",
        "Envoy \"upstream connect error or disconnect/reset before headers\"",
    ],
    scenario: Scenario::Repro {
        name: "proxy-upstream-failed",
        says: "A proxy answers the upgrade with 502: what stands behind it failed",
        class: Class::WsBadHandshake,
    },
    texts: Texts {
        what: "The proxy could not reach the server behind it, or got no answer from it",
        decide: "curl -iv http://UPSTREAM:PORT/        from the proxy's host",
        remedy: "start the server behind the proxy, or correct its address and limits there",
        command: "curl -iv http://UPSTREAM:PORT/; journalctl -u SERVICE -n 100",
        shows_up: &[
            shows(Class::ProxyUpstreamFailure, Where::Anywhere, Confidence::Likely),
            shows(Class::WsBadHandshake, Where::Code(&[502, 504]), Confidence::Likely),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(of_a_gateway)?;
    let examples = claim.rows.iter().flat_map(|row| &row.examples);
    let mut answers = examples.filter_map(|example| Answer::read(&example.last_words));
    let server = answers.find_map(|answer| {
        Some((answer.status, words::shown(answer.header("Server")?)))
    });
    let n = count(claim.count());
    let mut claim = claim
        .sure(if server.is_some() { Confidence::Proven } else { Confidence::Likely })
        .says(format!("{n} were answered 502 or 504, which only a gateway says (RFC 9110 §15.6)"));
    if let Some((status, server)) = server {
        claim = claim.says(format!("{status} · Server: {server}"));
    }
    if let Some(said) = seen::last_words(&claim.rows) {
        claim = claim.says(format!("its answer: \"{}\"", words::shown(&said)));
    }
    let claim = claim
        .remedy(
            "server-host",
            "its error log names the server behind it, and what that said",
            "tail -n 50 /var/log/nginx/error.log; journalctl -u haproxy -u envoy -n 50",
        )
        .remedy(
            "server-host",
            "is the server behind it there?",
            "ss -ltn; curl -v http://UPSTREAM:PORT/",
        )
        .remedy(
            "run",
            "go around the proxy and compare",
            words::again(case.plan, "--connect-to PROXY:PORT:UPSTREAM:PORT"),
        );
    Some(claim)
}

/// RFC 9110 §15.6.3 and §15.6.5: the server was acting as a gateway or proxy.
fn of_a_gateway(row: &Row) -> bool {
    matches!(seen::protocol(row), Some(ProtocolError::Status(502 | 504)))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn a_gateway_speaks_for_what_stands_behind_it() {
        let refused = |status| {
            let outcome = Outcome::Protocol(ProtocolError::Status(status));
            Seen::new(Phase::Upgrade, Op::Decode, outcome)
        };
        let bad = b"HTTP/1.1 502 Bad Gateway\r\nServer: nginx/1.27\r\n\r\n<html>";
        let found = Lab::ws()
            .book(6, refused(502).words(bad))
            .book(2, refused(503).words(b"HTTP/1.1 503 Busy\r\n\r\n"))
            .expect(&[
                ("proxy-upstream-failed", 6, Confidence::Proven),
                ("server-rejected-upgrade", 2, Confidence::Proven),
            ]);
        assert!(found[0].because[1].text.contains("Server: nginx/1.27"));
        let silent = Lab::ws().book(3, refused(504).words(b"HTTP/1.1 504 \r\n\r\n"));
        silent.expect(&[("proxy-upstream-failed", 3, Confidence::Likely)]);
    }
}
