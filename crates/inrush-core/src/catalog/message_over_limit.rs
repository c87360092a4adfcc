//! A message was larger than one side allows.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, ProtocolError as E};
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
        let over = |error| matches!(error, E::TooBig | E::HeadTooLong | E::Closed(1009));
        seen::protocol(row).is_some_and(over)
    })?;
    let has = |error| claim.rows.iter().any(|row| seen::protocol(row) == Some(error));
    let (theirs, long, head) = (has(E::Closed(1009)), has(E::TooBig), has(E::HeadTooLong));
    let mut claim = claim.sure(Confidence::Proven);
    if !theirs {
        claim = claim.what(match (long, head) {
            (true, _) => "The server sent a message larger than we allow",
            _ => "The head of the server's answer is longer than we allow",
        });
    }
    if long {
        claim = claim
            .says("our limit is 16 MiB, or the length of our own messages: a frame that says more, \
                   unfinished frames that have come to more, or more after decompressing")
            .remedy("server", "say less in one message, or end it", words::again(case.plan, ""));
        if case.plan.compress.is_some() {
            let again = words::uncompressed(case.plan);
            claim = claim.remedy("run", "see how long it is without compression", again);
        }
    }
    if head {
        let target = claim.rows.first().and_then(|row| seen::target(case, row));
        let by_hand = words::ask(target, words::path(target));
        claim = claim
            .says("our limit is 16 KiB and 64 headers; what stands in them was not read")
            .remedy("client-host", "see which headers they are (cookies of a gateway?)", by_hand);
    }
    Some(if theirs { over_theirs(case, claim) } else { claim })
}

fn over_theirs(case: &Case<'_>, claim: Claim) -> Claim {
    let size = match &case.plan.messages.payload {
        Payload::Generated(size) => u64::from(*size),
        Payload::Fixed(bytes) => bytes.len() as u64,
    };
    let said = seen::last_words(&claim.rows).unwrap_or_default();
    claim
        .says(format!("the server closed with 1009: \"{}\"", words::shown(&said)))
        .says(format!("our messages are {} bytes", count(size)))
        .remedy(
            "run",
            "find the size that passes",
            words::again(case.plan, &format!("-s {}B", (size / 2).max(16))),
        )
        .remedy(
            "server",
            "find and raise its limit (gorilla SetReadLimit, ws maxPayload, websockets max_size)",
            "grep -rnE 'SetReadLimit|maxPayload|max_size|max_message_size' SOURCE",
        )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};
    use alloc::vec::Vec;

    #[test]
    fn each_sides_limits_are_told_apart() {
        let check = |errors: &[E], what: &str, because: &[&str], command: &str| {
            let said = |error| Seen::new(Phase::Open, Op::Decode, Outcome::Protocol(error)).heard();
            let lab = errors.iter().fold(Lab::ws(), |lab, error| lab.book(2, said(*error)));
            let failed = 2 * errors.len() as u64;
            let found = lab.expect(&[("message-over-limit", failed, Confidence::Proven)]);
            assert!(found[0].what.contains(what), "{}", found[0].what);
            let lines: Vec<_> = found[0].because.iter().map(|fact| fact.text.as_str()).collect();
            assert_eq!(lines.len(), because.len(), "{lines:?}");
            for (line, part) in lines.iter().zip(because) {
                assert!(line.contains(part), "{line}");
            }
            let commands = found[0].remedy.iter().filter_map(|remedy| remedy.command.as_deref());
            assert!(commands.clone().any(|it| it.contains(command)), "{:?}", found[0].remedy);
        };
        let (theirs, ours, head) = (E::Closed(1009), E::TooBig, E::HeadTooLong);
        check(&[theirs], "than the other side allows", &["with 1009", "64 bytes"], "-s 32B");
        check(&[ours], "larger than we allow", &["16 MiB"], "inrush run");
        check(&[head], "head of the server's answer", &["64 headers"], "curl ");
        check(&[ours, theirs], "the other side", &["16 MiB", "1009", "64 bytes"], "-s 32B");
    }
}
