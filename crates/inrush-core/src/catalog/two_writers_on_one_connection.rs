//! Frames that lie inside other frames: two threads of the server wrote on one connection at once.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, Failure, ProtocolError};
use crate::plan::Expect;
use crate::protocol::ws_frame::{Decoder, Event, Role, opcode};
use crate::tally::Row;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub(super) static CAUSE: Cause = Cause {
    id: "two-writers-on-one-connection",
    culprit: Culprit::Server,
    what: "Two threads of the server wrote on one connection at once: a frame lies inside another",
    unsure: None,
    same_as: &[
        "Go \"concurrent write to websocket connection\", \"websocket: bad opcode 3\", \
         \"websocket: unexpected reserved bits 0x60\", \"websocket: RSV2 set, RSV3 set\"",
        "Node \"Invalid WebSocket frame: RSV2 and RSV3 must be clear\", \
         \"Invalid WebSocket frame: invalid UTF-8 sequence\"",
        "Java \"The remote endpoint was in state [TEXT_FULL_WRITING]\", \"Send pending\"",
        "Python \"sent 1002 (protocol error) reserved bits must be 0\", \
         \"sent 1007 (invalid frame payload data)\"",
        "Rust \"WebSocket protocol error: Reserved bits are non-zero\"",
        "browsers \"One or more reserved bits are on\", \"Could not decode a text frame as UTF-8\"",
    ],
    scenario: Scenario::Repro {
        name: "concurrent-write",
        says: "A server's second writer puts a frame into the middle of the first one's",
        class: Class::WsProtocolError,
    },
    texts: Texts {
        what: "Two threads of one program write (or read) on one connection at once",
        decide: "go run -race ./...; grep -n 'WriteMessage\\|send(' SOURCE",
        remedy: "let one writer own the connection (a queue, or a lock around each write)",
        command: "go run -race ./...",
        shows_up: &[
            shows(Class::ConcurrentMisuse, Where::Anywhere, Confidence::Proven),
            shows(Class::WsProtocolError, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| resumes(row).is_some())?;
    let resumed = claim.rows.iter().filter(|row| resumes(row) == Some(true));
    let resumed: u64 = resumed.map(|row| row.count).sum();
    let examples = claim.rows.iter().flat_map(|row| &row.examples);
    let lines: Vec<String> = examples.filter_map(|one| inside(case, one)).take(2).collect();
    let claim = lines.into_iter().fold(claim, Claim::says);
    let (all, went_on) = (count(claim.count()), count(resumed));
    let claim = match resumed {
        // The server has one bug: what it was seen to do on some, it did on the others.
        1.. => claim
            .sure(Confidence::Proven)
            .says(format!("on {went_on} of {all} the interrupted message went on right after it")),
        0 => claim
            .sure(Confidence::Likely)
            .what("A frame lies inside another: two writers, or one that forgets half of a write")
            .says(format!(
                "on none of {all} the interrupted message was seen to go on: a writer that forgets \
                 the rest of a short write, or fills a buffer again before it is sent, looks like \
                 this too"
            )),
    };
    Some(remedies(case, claim))
}

/// Whether the interrupted frame went on; `None` for any other failure.
fn resumes(row: &Row) -> Option<bool> {
    match seen::protocol(row) {
        Some(ProtocolError::FrameInFrame { resumed }) => Some(resumed),
        _ => None,
    }
}

/// `connection 7: at byte 32 of an echo of 64 bytes begins a text frame of 64 bytes: 81 40 30 30
/// "\x81@00"`
fn inside(case: &Case<'_>, failure: &Failure) -> Option<String> {
    let (offset, words) = (failure.offset?, failure.last_words.as_slice());
    let messages = &case.plan.messages;
    let whole = match messages.expect {
        Expect::Echo => format!("an echo of {} bytes", count(messages.payload.len() as u64)),
        _ => "a message".into(),
    };
    let (connection, at, frame) = (count(failure.connection), count(offset), frame(words));
    let (hex, text) = (words::hex(words), words::shown(&words[..words.len().min(40)]));
    Some(format!(
        "connection {connection}: at byte {at} of {whole} begins {frame}: {hex} \
         \"{text}\""
    ))
}

/// `a text frame of 64 bytes`
fn frame(words: &[u8]) -> String {
    let (mut rx, mut rest) = (Decoder::default(), words);
    let Ok(event) = rx.next(Role::Client, &mut rest) else { return "a frame".into() };
    let came = match event {
        Some(Event::Data { bytes, .. } | Event::Control { bytes, .. }) => bytes.len() as u64,
        None if rx.payload_left() == 0 => return "a frame".into(),
        None => 0,
    };
    let kind = match words.first().map_or(0, |first| first & 15) {
        opcode::TEXT => "text",
        opcode::BINARY => "binary",
        opcode::PING => "ping",
        opcode::PONG => "pong",
        opcode::CLOSE => "Close",
        _ => return "a frame".into(),
    };
    format!("a {kind} frame of {} bytes", count(came + rx.payload_left()))
}

fn remedies(case: &Case<'_>, claim: Claim) -> Claim {
    let claim = claim
        .remedy(
            "server",
            "Go: one goroutine that writes all messages of a connection (a channel in front of \
             it), or a mutex around every write; pings and Close by WriteControl; the race \
             detector names both writers",
            "go run -race .",
        )
        .remedy(
            "server",
            "find every place that writes: broadcast, heartbeat and answer are the usual two",
            "grep -rnE 'WriteMessage|WriteJSON|NextWriter|\\.send\\(|send_text|sendText|socket\\.write' \
             SOURCE",
        );
    let claim = claim
        .remedy(
            "server",
            "Node: send through ws.send() alone, never through the socket below it",
            "grep -rnE '_socket|\\.socket\\.write|cork\\(' SOURCE",
        )
        .remedy(
            "server",
            "Python: one task per connection that sends, fed by an asyncio.Queue; from threads only \
             by asyncio.run_coroutine_threadsafe",
            "PYTHONASYNCIODEBUG=1 python -X dev SERVER.py",
        )
        .remedy(
            "server",
            "Java: one sender per session: Spring's ConcurrentWebSocketSessionDecorator, or await \
             each sendText() before the next",
            "jstack $(pgrep -n java) | grep -B 2 -A 12 -E 'sendText|sendMessage'",
        );
    claim.remedy(
        "run",
        "keep offset and bytes of the first ones for the authors: message_offset, last_words",
        words::again(case.plan, "--json two-writers.json"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    fn said(error: ProtocolError) -> Seen {
        Seen::new(Phase::Open, Op::Decode, Outcome::Protocol(error)).heard()
    }

    fn inside(resumed: bool) -> Seen {
        let words = b"\x81\x400000000c00000003qrstuvwxyzab\x1b[2J";
        said(ProtocolError::FrameInFrame { resumed }).words(words).offset(32)
    }

    #[test]
    fn what_lies_inside_what_is_shown() {
        let lab = Lab::ws().book(7, inside(true).from(12)).book(2, inside(false));
        let lab = lab.book(3, said(ProtocolError::Reserved).words(b"qrst"));
        let found = lab.expect(&[
            ("two-writers-on-one-connection", 9, Confidence::Proven),
            ("protocol-violation", 3, Confidence::Proven),
        ]);
        let lines: Vec<_> = found[0].because.iter().map(|line| line.text.as_str()).collect();
        assert!(
            lines[0].ends_with(
                ": at byte 32 of an echo of 64 bytes begins a text frame of 64 bytes: 81 40 30 30 \
                 30 30 30 30 30 63 30 30 30 30 30 30 \"\\x81@0000000c00000003qrstuvwxyzab\\x1b[2J\""
            ),
            "{lines:?}"
        );
        assert_eq!(lines[2], "on 7 of 9 the interrupted message went on right after it");
        assert_eq!(found[1].alternatives, ["two-writers-on-one-connection"]);
    }

    #[test]
    fn one_that_never_went_on_is_likely() {
        let lab = Lab::ws().book(4, inside(false));
        let found = lab.expect(&[("two-writers-on-one-connection", 4, Confidence::Likely)]);
        assert!(found[0].what.contains("two writers, or one that"), "{}", found[0].what);
        let last = found[0].because.last().unwrap();
        assert!(last.text.contains("short write"), "{last:?}");
    }

    #[test]
    fn frames_are_named_by_their_heads() {
        let check = |words: &[u8], expected| assert_eq!(frame(words), expected, "{words:02x?}");
        check(b"\x89\x00ijkl", "a ping frame of 0 bytes");
        check(b"\x82\x7e\x11\x70abc", "a binary frame of 4,464 bytes");
        check(b"\x88\x02\x03\xe8", "a Close frame of 2 bytes");
        check(b"\x81", "a frame");
        check(b"\xff\xff", "a frame");
        check(b"", "a frame");
    }
}
