//! Answers to an upgrade as tungstenite's client judges them: the same, or for a stated reason not.

use super::handshake::{NONCE, offers};
use super::heads::{Head, Pipe};
use inrush_core::failure::ProtocolError;
use inrush_core::protocol::ws_handshake::{HEAD_BYTES, key, verify};
use tungstenite::Error;
use tungstenite::error::ProtocolError as Violation;
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::client::{ClientHandshake, Response};
use tungstenite::handshake::machine::TryParse;
use tungstenite::http::Request;

/// tungstenite reads at most so many bytes of a hand-shake.
const THEIR_LIMIT: usize = 65_536;

/// What tungstenite says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Theirs {
    More,
    Valid(usize),
    Status(u16),
    Refused(String),
}

/// Why we say something else than tungstenite: all the reasons that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Our heads have at most 16 KiB and 64 headers, theirs 64 KiB and 124 (no RFC sets a limit).
    Limit,
    /// Answers of class 1xx but 101 come before the final one (RFC 9110 §15.2); tungstenite takes
    /// the first for that.
    Interim,
    /// We do not wait for more of what cannot begin an answer (RFC 9112 §4: the status line comes
    /// first; §2.2 lets servers alone skip an empty line).
    Sooner,
    /// `Connection` is a list, also in several lines (RFC 6455 §4.1 item 3, RFC 9110 §5.3);
    /// tungstenite wants the one word in the first line.
    ConnectionList,
    /// A server may choose none of the subprotocols (RFC 6455 §4.2.2 item 5); for tungstenite it
    /// must choose.
    NoSubprotocol,
    /// What occurs twice: tungstenite looks at the first one. `Upgrade` twice is another value
    /// than "websocket" (RFC 6455 §4.1 item 2, RFC 9110 §5.3); `Sec-WebSocket-Accept` and
    /// `Sec-WebSocket-Protocol` must not (RFC 6455 §11.3.3, §11.3.4).
    Twice,
    /// An extension that was not offered (§4.1 item 5); tungstenite does not look.
    Extension,
}

/// Both judge in the same way, or differ for one of the reasons.
pub fn agree(bytes: &[u8], offered: bool) -> Option<Differs> {
    let ours = verify(bytes, NONCE, &offers(offered));
    let theirs = theirs(bytes, offered);
    let head = Head::read(bytes);
    let once = |name: &str| head.all(name).len() == 1;
    let over = bytes.len() >= HEAD_BYTES || head.count() > 64;
    let valid = matches!(theirs, Theirs::Valid(_));
    let differs = match (ours, &theirs) {
        (Ok(None), Theirs::More) => return None,
        (Ok(Some(ours)), Theirs::Valid(theirs)) if ours == *theirs => return None,
        (Err(ProtocolError::Status(ours)), Theirs::Status(theirs)) if ours == *theirs => {
            return None;
        }
        (Err(_), Theirs::Refused(_)) => return None,
        (_, Theirs::Status(100 | 102..=199)) => Differs::Interim,
        (Err(ProtocolError::HeadTooLong), _) if over => Differs::Limit,
        (Err(ProtocolError::NotHttp), _) if !begins(bytes) => Differs::Sooner,
        (Ok(Some(_)), Theirs::Refused(_)) if !is_one_word(&head) => Differs::ConnectionList,
        (Ok(Some(_)), Theirs::Refused(_))
            if offered && head.all("sec-websocket-protocol").is_empty() =>
        {
            Differs::NoSubprotocol
        }
        (Err(ProtocolError::NoUpgrade), _) if valid && !once("upgrade") => Differs::Twice,
        (Err(ProtocolError::BadAccept), _) if valid && !once("sec-websocket-accept") => {
            Differs::Twice
        }
        (Err(ProtocolError::NotOffered), _)
            if valid && head.all("sec-websocket-protocol").len() > 1 =>
        {
            Differs::Twice
        }
        (Err(ProtocolError::NotOffered), _)
            if valid && !head.all("sec-websocket-extensions").is_empty() =>
        {
            Differs::Extension
        }
        _ => panic!("ours: {ours:?}, theirs: {theirs:?}\n{}", bytes.escape_ascii()),
    };
    Some(differs)
}

fn begins(bytes: &[u8]) -> bool {
    let sure = bytes.len().min(7);
    bytes[..sure] == b"HTTP/1."[..sure]
}

fn is_one_word(head: &Head<'_>) -> bool {
    let first = head.all("connection").first().copied().unwrap_or_default();
    first.eq_ignore_ascii_case(b"upgrade")
}

fn theirs(bytes: &[u8], offered: bool) -> Theirs {
    let key = String::from_utf8(key(NONCE).to_vec()).expect("base64 is ASCII");
    let mut request = Request::builder()
        .uri("ws://h/")
        .header("Host", "h")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", key);
    if offered {
        request = request.header("Sec-WebSocket-Protocol", "chat");
    }
    let request = request.body(()).expect("each part is valid");
    let bytes = &bytes[..bytes.len().min(THEIR_LIMIT)];
    let pipe = Pipe::new(bytes, &[]);
    let handshake = ClientHandshake::start(pipe, request, None).expect("each part is there");
    match handshake.handshake() {
        Ok(_) => match Response::try_parse(bytes) {
            Ok(Some((length, _))) => Theirs::Valid(length),
            other => panic!("it was valid before: {other:?}"),
        },
        Err(HandshakeError::Failure(Error::Http(response))) => {
            Theirs::Status(response.status().as_u16())
        }
        Err(HandshakeError::Failure(Error::Protocol(Violation::HandshakeIncomplete))) => {
            Theirs::More
        }
        Err(other) => Theirs::Refused(format!("{other:?}")),
    }
}
