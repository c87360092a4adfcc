//! The server broke RFC 6455 on an open connection.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, seen, shows, words};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, ProtocolError};
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "protocol-violation",
    culprit: Culprit::Server,
    what: "The server sent bytes that break the WebSocket protocol (RFC 6455)",
    unsure: Some("two threads that write on one connection at once look like this too"),
    same_as: &[
        "Go \"websocket: bad opcode 3\", \"websocket: bad MASK\"",
        "Node \"Invalid WebSocket frame: RSV1 must be clear\"",
        "Java \"java.net.ProtocolException\" in WebSocket.Listener.onError",
        "Python \"sent 1002 (protocol error) reserved bits must be 0\"",
        "Rust \"WebSocket protocol error: Encountered invalid opcode: 3\"",
    ],
    scenario: Scenario::Repro {
        name: "protocol-violation",
        says: "A server answers with a frame of an unknown opcode",
        class: Class::WsProtocolError,
    },
    texts: Texts {
        what: "The peer sent bytes that break the WebSocket protocol (RFC 6455)",
        decide: "tcpdump -ni any -w ws.pcap port PORT; tshark -r ws.pcap -Y websocket",
        remedy: "repair the library that wrote the frame, or take the proxy out that changes \
               them",
        command: "tshark -r ws.pcap -Y websocket -V",
        shows_up: &[shows(Class::WsProtocolError, Where::Anywhere, Confidence::Likely)],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| row.class(case.plan) == Class::WsProtocolError)?;
    let said = seen::last_words(&claim.rows).unwrap_or_default();
    let mixed = claim.rows.iter().any(|row| {
        matches!(
            seen::protocol(row),
            Some(
                ProtocolError::Interleaved
                    | ProtocolError::Continuation
                    | ProtocolError::Opcode
                    | ProtocolError::Reserved
            )
        )
    });
    let closes = claim.rows.iter().all(|row| seen::protocol(row) == Some(ProtocolError::BadClose));
    let claim = claim.sure(Confidence::Proven).says(match said.as_slice() {
        [] => "the frames themselves are the evidence".into(),
        [_] if closes => "a Close frame of one byte: a code has two (§5.5.1)".into(),
        [high, low, text @ ..] if closes => format!(
            "a Close frame with code {}, which no endpoint may send (§7.4): \"{}\"",
            u16::from_be_bytes([*high, *low]),
            words::shown(text)
        ),
        _ => format!("the bytes there: {} \"{}\"", words::hex(&said), words::shown(&said)),
    });
    let claim = if mixed { claim.or(&["two-writers-on-one-connection"]) } else { claim };
    let claim = match case.plan.compress {
        Some(_) => claim.remedy(
            "run",
            "without compression a frame inside another is told from the stream itself",
            words::uncompressed(case.plan),
        ),
        None => claim,
    };
    let address = seen::first_address(case, &claim.rows);
    let claim = claim
        .remedy(
            "server",
            "Go: look for two goroutines that write on one connection; one writer or a mutex",
            "go run -race .",
        )
        .root_remedy(
            "client-host",
            "keep the bytes of one connection for its authors",
            format!("tcpdump -ni any -w violation.pcap tcp port {}", words::port(address)),
        )
        .remedy(
            "run",
            "see whether one connection alone shows it",
            words::again_with(case.plan, 1, "-m 1/s"),
        );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn frames_that_break_the_rules_are_shown() {
        let seen = |error| Seen::new(Phase::Open, Op::Decode, Outcome::Protocol(error));
        let lab = Lab::ws()
            .book(5, seen(ProtocolError::Opcode).words(&[0x83, 0x01]))
            .book(5, seen(ProtocolError::Utf8).words(&[0x81, 0x01, 0xff]));
        let found = lab.expect(&[("protocol-violation", 10, Confidence::Proven)]);
        assert!(found[0].because[0].text.contains("83 01"), "{:?}", found[0].because);
        assert_eq!(found[0].alternatives, ["two-writers-on-one-connection"]);
        let check = |words: &[u8], line: &str| {
            let lab = Lab::ws().book(5, seen(ProtocolError::BadClose).words(words));
            let found = lab.expect(&[("protocol-violation", 5, Confidence::Proven)]);
            assert!(found[0].because[0].text.contains(line), "{:?}", found[0].because);
        };
        check(&[0x0b, 0xb7], "code 2999");
        check(b"\x03\xf7bye", "code 1015, which no endpoint may send (§7.4): \"bye\"");
        check(&[3], "one byte");
    }
}
