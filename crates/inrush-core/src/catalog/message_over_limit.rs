//! A message was larger than one side allows.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, ProtocolError};
use crate::plan::Payload;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "message-over-limit",
    culprit: Culprit::Server,
    what: "A message was larger than the other side allows",
    unsure: None,
    same_as: &[
        "Go \"websocket: read limit exceeded\", \"websocket: close 1009\"",
        "Node \"Max payload size exceeded\"",
        "Java \"The decoded text message was too big for the output buffer\"",
        "Python \"received 1009 (message too big)\"",
        "Rust \"Space limit exceeded: Message too long\"",
    ],
    scenario: Scenario::Repro {
        name: "message-over-limit",
        says: "A message over the server's read limit is answered with Close 1009",
        class: Class::WsCloseError,
    },
    texts: Texts {
        what: "A message was larger than the side that reads it allows",
        decide: "grep -rniE 'max.?(message|payload|frame).?size|read_?limit' CONFIG",
        remedy: "raise the reader's limit, or send smaller messages",
        command: "inrush run ws://HOST:PORT/PATH -c 1 -m 1/s -s 1MiB",
        shows_up: &[
            shows(Class::MessageTooBig, Where::Anywhere, Confidence::Likely),
            shows(Class::WsCloseError, Where::Code(&[1009]), Confidence::Likely),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| {
        matches!(seen::protocol(row), Some(ProtocolError::TooBig | ProtocolError::Closed(1009)))
    })?;
    let theirs = claim.rows.iter().any(|row| seen::protocol(row) != Some(ProtocolError::TooBig));
    let size = match &case.plan.messages.payload {
        Payload::Generated(size) => u64::from(*size),
        Payload::Fixed(bytes) => bytes.len() as u64,
    };
    let claim = claim.sure(Confidence::Proven);
    let claim = if theirs {
        let said = seen::last_words(&claim.rows).unwrap_or_default();
        claim
            .says(format!("the server closed with 1009: \"{}\"", words::shown(&said)))
            .says(format!("our messages are {} bytes", count(size)))
    } else {
        claim
            .what("The server sent a message larger than we allow")
            .says("the frame's own length says so: nothing of it was kept")
    };
    let claim = claim
        .remedy(
            "run",
            "find the size that passes",
            words::again(case.plan, &format!("-s {}B", (size / 2).max(16))),
        )
        .remedy(
            "server",
            "find and raise its limit (gorilla SetReadLimit, ws maxPayload, websockets max_size)",
            "grep -rnE 'SetReadLimit|maxPayload|max_size|max_message_size' SOURCE",
        );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn both_sides_limits_are_one_cause() {
        let said = |error| Seen::new(Phase::Open, Op::Decode, Outcome::Protocol(error)).heard();
        let lab = Lab::ws().book(8, said(ProtocolError::Closed(1009)));
        let lab = lab.book(2, said(ProtocolError::TooBig));
        let found = lab.expect(&[("message-over-limit", 10, Confidence::Proven)]);
        assert!(found[0].remedy[0].command.as_deref().unwrap().ends_with("-s 32B"));
    }
}
