//! The server closed in order and said why: a Close frame with a code.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, seen};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, ProtocolError};
use alloc::collections::BTreeMap;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "server-closed-with-reason",
    culprit: Culprit::Server,
    what: "The server ended these connections in order, with a Close frame",
    unsure: None,
    same_as: &[
        "Go \"websocket: close 1011 (internal server error)\"",
        "Node 'close' event with code 1011",
        "Java WebSocket.Listener.onClose(1011)",
        "Python \"received 1011 (internal error)\"",
        "Rust \"Close(Some(CloseFrame { code: Error\"",
    ],
    scenario: Scenario::Repro {
        name: "close-1013",
        says: "A server closes each connection with code 1013",
        class: Class::WsCloseError,
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| matches!(seen::protocol(row), Some(ProtocolError::Closed(_))))?;
    let mut codes: BTreeMap<u16, u64> = BTreeMap::new();
    for row in &claim.rows {
        if let Some(ProtocolError::Closed(code)) = seen::protocol(row) {
            *codes.entry(code).or_default() += row.count;
        }
    }
    let said = seen::last_words(&claim.rows).map(|said| words::shown(&said));
    let mut claim = claim.sure(Confidence::Proven);
    for (code, n) in codes {
        claim = claim.says(format!("code {code} ({}) on {}", meaning(code), count(n)));
    }
    if let Some(said) = said {
        claim = claim.says(format!("its words: \"{said}\""));
    }
    let claim = claim
        .remedy(
            "server-host",
            "its log at that moment says why",
            "journalctl -u SERVICE --since -10min | grep -iE 'close|websocket|error'",
        )
        .remedy(
            "run",
            "if it closes idle connections, say something now and then",
            words::again(case.plan, "-m 1/10s"),
        );
    Some(claim)
}

/// RFC 6455 §7.4.1 and the IANA registry.
fn meaning(code: u16) -> &'static str {
    match code {
        1000 => "normal",
        1001 => "going away",
        1002 => "protocol error: it did not like our frames",
        1003 => "unsupported data",
        1005 => "no code",
        1007 => "invalid payload data",
        1008 => "policy violation",
        1010 => "an extension is missing",
        1011 => "internal error of the server",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        3000..=3999 => "registered by a library",
        4000..=4999 => "private to this application",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn code_and_words_are_told() {
        let closed = |code| {
            let outcome = Outcome::Protocol(ProtocolError::Closed(code));
            Seen::new(Phase::Open, Op::Decode, outcome).heard()
        };
        let lab = Lab::ws().book(7, closed(1001).words(b"bye\x07")).book(3, closed(1005));
        let found = lab.expect(&[("server-closed-with-reason", 10, Confidence::Proven)]);
        assert_eq!(found[0].because[0].text, "code 1001 (going away) on 7");
        assert_eq!(found[0].because[2].text, "its words: \"bye\\x07\"");
    }
}
