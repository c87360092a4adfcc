//! What WebSocket libraries of all kinds say alike, and the codes of Close frames and upgrades
//! wherever they stand.

use super::prelude::*;
use crate::explain::text::last;

pub(super) static GRAMMARS: &[Grammar] =
    &[Grammar { runtime: None, phrases: &[SAYS], read: Some(read), print: None }];

static SAYS: &[Phrase] = &[
    amid("websocket", Doing::Net),
    amid("handshake with", Doing::Net),
    is("concurrent write", Class::ConcurrentMisuse).weighs(WORDS),
    is("concurrent writes", Class::ConcurrentMisuse).weighs(WORDS),
    is("concurrent send", Class::ConcurrentMisuse).weighs(WORDS),
    is("concurrent writers", Class::ConcurrentMisuse).weighs(WORDS),
    is("already being written", Class::ConcurrentMisuse).weighs(WORDS),
    is("write already in progress", Class::ConcurrentMisuse).weighs(WORDS),
    is("read already in progress", Class::ConcurrentMisuse).weighs(WORDS),
    is("another send operation is in progress", Class::ConcurrentMisuse),
    is("WebSocket is already closed", Class::LocalUseAfterClose),
    is("WebSocket is closed", Class::LocalUseAfterClose).weighs(WORDS),
    is("websocket is not connected", Class::LocalUseAfterClose),
    is("websocket is not open", Class::LocalUseAfterClose),
    is("socket is not open", Class::LocalUseAfterClose).weighs(WORDS),
    is("already closed", Class::LocalUseAfterClose).weighs(WORDS).with(&[
        "connection",
        "socket",
        "websocket",
    ]),
    is("has already been closed", Class::LocalUseAfterClose).weighs(WORDS).with(&[
        "connection",
        "socket",
        "websocket",
        "transport",
    ]),
    is("on a closed socket", Class::LocalUseAfterClose).weighs(WORDS + 1),
    is("on closed connection", Class::LocalUseAfterClose).weighs(WORDS + 1),
    is("on a closed connection", Class::LocalUseAfterClose).weighs(WORDS + 1),
    is("closed websocket", Class::LocalUseAfterClose).weighs(WORDS),
    is("after close", Class::LocalUseAfterClose)
        .weighs(WORDS - 1)
        .with(&["send ", "write ", "sent ", "socket"]),
    is("after closing", Class::LocalUseAfterClose).weighs(WORDS - 1).with(&["send", "write"]),
    is("handshake failed", Class::WsBadHandshake).weighs(WORDS - 4).with(&["websocket"]),
    is("websocket upgrade failed", Class::WsBadHandshake).weighs(WORDS),
    is("upgrade failed", Class::WsBadHandshake).weighs(WORDS - 4).with(&["websocket", "ws"]),
    is("unexpected status", Class::WsBadHandshake).weighs(WORDS).with(&[
        "websocket",
        "handshake",
        "upgrade",
    ]),
    is("unexpected response code", Class::WsBadHandshake).weighs(WORDS).with(&[
        "websocket",
        "handshake",
        "upgrade",
    ]),
    is("invalid handshake", Class::WsHandshakeMalformed).weighs(WORDS),
    is("handshake timed out", Class::WsHandshakeTimeout)
        .weighs(SURE - 1)
        .with(&["websocket", "ws", "opening"])
        .without(&["ssl", "tls"]),
    is("handshake timeout", Class::WsHandshakeTimeout).weighs(WORDS + 1).without(&["ssl", "tls"]),
    is("handshake has timed out", Class::WsHandshakeTimeout)
        .weighs(WORDS + 1)
        .without(&["ssl", "tls"]),
    is("timed out during handshake", Class::WsHandshakeTimeout).without(&["ssl", "tls"]),
    is("sec-websocket-accept", Class::WsHandshakeMalformed).weighs(WORDS).with(&[
        "invalid",
        "mismatch",
        "incorrect",
        "missing",
        "bad",
        "wrong",
        "expected",
    ]),
    is("sec-websocket-key", Class::WsHandshakeMalformed)
        .weighs(WORDS)
        .with(&["invalid", "missing", "bad", "wrong"])
        .side(Side::Client),
    is("sec-websocket-version", Class::WsHandshakeMalformed)
        .weighs(WORDS)
        .with(&["invalid", "missing", "unsupported"])
        .side(Side::Client),
    is("missing upgrade header", Class::WsHandshakeMalformed),
    is("no upgrade header", Class::WsHandshakeMalformed),
    is("can \"upgrade\" only to \"websocket\"", Class::WsHandshakeMalformed)
        .side(Side::Client)
        .last(),
    is("not a websocket handshake", Class::WsHandshakeMalformed).side(Side::Client),
    is("without a close frame", Class::WsCloseAbnormal),
    is("without close frame", Class::WsCloseAbnormal),
    is("without closing handshake", Class::WsCloseAbnormal),
    is("without completing the close handshake", Class::WsCloseAbnormal),
    is("without a closing handshake", Class::WsCloseAbnormal),
    is("no close frame", Class::WsCloseAbnormal).weighs(SURE - 4),
    is("abnormal closure", Class::WsCloseAbnormal),
    is("abnormal close", Class::WsCloseAbnormal),
    is("closed abnormally", Class::WsCloseAbnormal),
    is("CLOSE_ABNORMAL", Class::WsCloseAbnormal),
    is("ABNORMAL_CLOSURE", Class::WsCloseAbnormal),
    is("CLOSED_ABNORMALLY", Class::WsCloseAbnormal),
    is("wasClean: false", Class::WsCloseAbnormal).weighs(WORDS),
    is("no status received", Class::WsCloseNoStatus).weighs(WORDS + 1),
    is("no status code received", Class::WsCloseNoStatus).weighs(WORDS + 1),
    is("NO_STATUS_CODE", Class::WsCloseNoStatus).weighs(WORDS + 1),
    is("No status code present", Class::WsCloseNoStatus).weighs(WORDS + 1),
    is("received close frame without status", Class::WsCloseNoStatus),
    is("GOING_AWAY", Class::WsCloseNormal).weighs(WORDS),
    is("NORMAL_CLOSURE", Class::WsCloseNormal).weighs(WORDS - 1),
    is("going away", Class::WsCloseNormal).weighs(WEAK + 2).with(&["close", "websocket"]),
    is("normal closure", Class::WsCloseNormal).weighs(WEAK + 3).without(&["abnormal"]),
    is("SERVICE_RESTART", Class::WsCloseError).weighs(WORDS).side(Side::Server),
    is("TRY_AGAIN_LATER", Class::WsCloseError).weighs(WORDS).side(Side::Server),
    is("POLICY_VIOLATION", Class::WsCloseError).weighs(WORDS).side(Side::Client),
    is("UNEXPECTED_CONDITION", Class::WsCloseError).weighs(WORDS).side(Side::Server),
    is("CANNOT_ACCEPT", Class::WsCloseError).weighs(WORDS).side(Side::Client),
    is("VIOLATED_POLICY", Class::WsCloseError).weighs(WORDS).side(Side::Client),
    protocol("frame masked", ProtocolError::Mask).weighs(WORDS),
    protocol("unmasked frame", ProtocolError::Mask).weighs(WORDS).side(Side::Client),
    protocol("masked frame from server", ProtocolError::Mask),
    protocol("reserved bits", ProtocolError::Reserved).weighs(WORDS + 1),
    protocol("reserved opcode", ProtocolError::Opcode),
    protocol("unknown opcode", ProtocolError::Opcode).weighs(WORDS + 1),
    protocol("invalid opcode", ProtocolError::Opcode).weighs(WORDS + 1).with(&[
        "frame",
        "websocket",
        "ws",
    ]),
    protocol("rsv bit*", ProtocolError::Reserved),
    protocol("non-zero rsv", ProtocolError::Reserved),
    protocol("fragmented control", ProtocolError::ControlFragmented),
    protocol("control frame", ProtocolError::ControlTooLong)
        .with(&["too long", "too large", "too big", "125"])
        .weighs(WORDS + 1),
    protocol("invalid utf-8", ProtocolError::Utf8).weighs(WORDS + 1).with(&[
        "frame",
        "websocket",
        "text message",
        "1007",
    ]),
    protocol("invalid utf8", ProtocolError::Utf8).weighs(WORDS + 1).with(&[
        "frame",
        "websocket",
        "text message",
        "1007",
    ]),
    protocol("unexpected continuation", ProtocolError::Continuation),
    protocol("invalid continuation", ProtocolError::Continuation).weighs(WORDS).with(&["frame"]),
    protocol("websocket protocol error", ProtocolError::Opcode).weighs(WORDS),
    protocol("Invalid close code", ProtocolError::BadClose).weighs(SURE + 3),
    protocol("invalid close status", ProtocolError::BadClose),
    is("message too big", Class::MessageTooBig).weighs(WORDS),
    is("message too large", Class::MessageTooBig).weighs(WORDS),
    is("frame too large", Class::MessageTooBig).weighs(WORDS),
    is("frame too big", Class::MessageTooBig).weighs(WORDS),
    is("payload too big", Class::MessageTooBig).weighs(WORDS),
    is("exceeds maximum message size", Class::MessageTooBig),
    is("exceeds the maximum", Class::MessageTooBig)
        .weighs(WORDS)
        .with(&["message", "frame", "payload"])
        .without(&["retries", "connections"]),
    is("maximum message size", Class::MessageTooBig)
        .weighs(WORDS)
        .with(&["exceed", "larger", "over"]),
    is("message size limit", Class::MessageTooBig).weighs(WORDS).with(&["exceed", "over"]),
    is("payload length exceed*", Class::MessageTooBig),
    is("ping timeout", Class::KeepaliveTimeout).weighs(SURE - 2),
    is("pong timeout", Class::KeepaliveTimeout).weighs(SURE - 2),
    is("heartbeat timeout", Class::KeepaliveTimeout).weighs(SURE - 2),
    is("heartbeat timed out", Class::KeepaliveTimeout),
    is("keepalive timeout", Class::KeepaliveTimeout).weighs(WORDS + 1),
    is("keep-alive timeout", Class::KeepaliveTimeout).weighs(WORDS + 1),
    is("ping timed out", Class::KeepaliveTimeout),
    is("pong timed out", Class::KeepaliveTimeout),
    is("missed heartbeat", Class::KeepaliveTimeout),
    is("missed heartbeats", Class::KeepaliveTimeout),
    is("no heartbeat", Class::KeepaliveTimeout).weighs(WORDS),
    is("no pong", Class::KeepaliveTimeout),
    is("pong not received", Class::KeepaliveTimeout),
    is("did not respond with a pong", Class::KeepaliveTimeout),
    is("waiting for pong", Class::KeepaliveTimeout).weighs(WORDS).with(&[
        "timeout",
        "timed out",
        "deadline",
    ]),
    is("keepalive failed", Class::KeepaliveTimeout),
    is("keep alive failed", Class::KeepaliveTimeout),
    is("idle timeout", Class::KeepaliveTimeout).weighs(WORDS - 2).with(&[
        "websocket",
        "expired",
        "exceeded",
        "reached",
    ]),
    is("stale connection", Class::KeepaliveTimeout).weighs(WORDS - 3),
];

/// Words that stand before a code of a Close frame.
const BEFORE: [&str; 18] = [
    "close",
    "code",
    "closecode",
    "closed with",
    "received",
    "sent",
    "status",
    "closed",
    "closing",
    "close code",
    "closure",
    "statuscode",
    "closestatus",
    "frame",
    "with code",
    "closed with code",
    "reason code",
    "close_code",
];

fn read(text: &Text, clues: &mut Vec<Clue>) {
    let lower = &text.lower;
    if ["clos", "websocket", "ws", "frame", "1006", "then sent", "received ", "disconnect"]
        .iter()
        .any(|word| lower.contains(word))
    {
        closes(lower, clues);
    }
    statuses(lower, clues);
}

/// `close 1006`, `code: 1011`, `received 1008 (policy violation)`: the first is what came first.
fn closes(lower: &str, clues: &mut Vec<Clue>) {
    let bytes = lower.as_bytes();
    let mut at = 0;
    while let Some(found) = lower[at..].find(|c: char| c.is_ascii_digit()) {
        at += found;
        let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (begin, end) = (at, at + length);
        at = end;
        let code = lower[begin..end].parse::<u16>().ok().filter(|_| length == 4);
        let Some(code @ (1000..=1015 | 3000..=4999)) = code else { continue };
        let trim = [' ', ':', '=', '(', '[', '"', '\'', '#', '{', ',', '<'];
        let before = last(&lower[..begin], 32).trim_end_matches(trim);
        let called = BEFORE.iter().any(|word| before.ends_with(word));
        let sent = before.ends_with("sent");
        let near = ["code", "close", "received", "sent", "closed with"];
        let known = code < 3000 || near.iter().any(|word| before.ends_with(word));
        if !called || !known || bytes.get(end) == Some(&b'.') || is_port(lower, begin, before) {
            continue;
        }
        let phrase = of_code(code, sent);
        clues.push(Clue { at: begin, end, phrase, runtime: None });
    }
}

fn is_port(lower: &str, at: usize, before: &str) -> bool {
    lower[..at].ends_with(':') && !before.ends_with("code") && !before.ends_with("close")
}

/// What we sent ourselves says what the other side did wrong.
fn of_code(code: u16, sent: bool) -> Phrase {
    let phrase = match (code, sent) {
        (1006, _) => protocol("", ProtocolError::Closed(1006)).at(Printed::Read),
        (1009, true) => is("", Class::MessageTooBig).at(Printed::Read).weighs(SURE - 3),
        (1002 | 1007, true) => protocol("", ProtocolError::Opcode).weighs(SURE - 3),
        (1000 | 1001, true) => {
            protocol("", ProtocolError::Closed(code)).at(Printed::Close).weighs(WORDS + 2)
        }
        (_, true) => protocol("", ProtocolError::Closed(code)).weighs(SURE - 3),
        (_, false) => protocol("", ProtocolError::Closed(code)).at(Printed::Close),
    };
    if code == 1006 { phrase.weighs(SURE + 1) } else { phrase }
}

/// What stands before the HTTP status of a refused upgrade.
const REFUSALS: [&str; 19] = [
    "unexpected server response: ",
    "handshake status ",
    "handshake response status code 101 but got ",
    "rejected websocket connection: http ",
    "unexpected response code: ",
    "unexpected http response status code ",
    "http error: ",
    "invalid status code received: ",
    "expected http 101 response but was '",
    "returned status code '",
    "response code was not 101: ",
    "wsserverhandshakeerror: ",
    "unexpected http response status: ",
    "unexpected http response: ",
    "response status: ",
    "bad status code: ",
    "response from the server [",
    "unexpected status code: ",
    "unexpected status: ",
];

fn statuses(lower: &str, clues: &mut Vec<Clue>) {
    for needle in REFUSALS {
        let Some(found) = lower.find(needle) else { continue };
        let at = found + needle.len();
        let Some(digits) = lower.get(at..at + 3) else { continue };
        let Ok(status @ 100..=599) = digits.parse::<u16>() else { continue };
        let more = lower.as_bytes().get(at + 3).is_some_and(u8::is_ascii_digit);
        let plain = needle == "http error: ";
        let ours = ["websocket", "upgrade", "handshake", "ws:", "tungstenite"];
        if more || plain && status == 404 && !lower.starts_with(needle) && !has(lower, &ours) {
            continue;
        }
        let error =
            if status == 101 { ProtocolError::BadAccept } else { ProtocolError::Status(status) };
        let phrase = protocol("", error).in_(Phase::Upgrade).by(Op::Decode).weighs(SURE + 2);
        clues.push(Clue { at: found, end: at, phrase, runtime: None });
        return;
    }
}

fn has(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}
