//! Requests for an upgrade as tungstenite's server judges them: the same, or for a stated reason
//! not.

use super::heads::{Head, Pipe};
use inrush_core::protocol::ws_handshake::{Asked, HEAD_BYTES, read_request};
use tungstenite::Error;
use tungstenite::error::ProtocolError as Violation;
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{NoCallback, Request, ServerHandshake};
use tungstenite::http::Uri;

/// tungstenite reads at most so many bytes of a hand-shake.
const THEIR_LIMIT: usize = 65_536;

/// What tungstenite says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Theirs {
    More,
    Valid(usize),
    /// A request, and then more.
    Junk,
    Refused(String),
}

/// Why we say something else than tungstenite: all the reasons that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Our heads have at most 16 KiB and 64 headers, theirs 64 KiB and 124 (no RFC sets a limit).
    Limit,
    /// `Connection` and `Upgrade` are lists, also in several lines (RFC 6455 §4.2.1 items 3 and 4,
    /// RFC 9110 §5.3, §7.8); tungstenite looks at the first lines, and of `Upgrade` at one word.
    List,
    /// tungstenite also takes a `Connection` whose words have mere spaces between them
    /// (RFC 9110 §5.6.1: commas).
    Spaces,
    /// A path that is no URI of the `http` crate; we leave paths to who looks at them (§4.2.1
    /// item 1 wants a Request-URI, which no one here asks for).
    Path,
    /// `Sec-WebSocket-Key` and `Sec-WebSocket-Version` must not occur twice (§11.3.1, §11.3.5);
    /// tungstenite looks at the first one.
    Twice,
    /// Frames that come before the answer. A client must wait for it (§4.1), but nothing says that
    /// a server refuses what came too early; to tungstenite it is junk.
    Early,
    /// A `Sec-WebSocket-Protocol` that is no text (§11.3.4: tokens); tungstenite does not look.
    Subprotocol,
}

/// Both judge in the same way, or differ for one of the reasons.
pub fn agree(bytes: &[u8]) -> Option<Differs> {
    let ours = read_request(bytes);
    let theirs = theirs(bytes);
    let head = Head::read(bytes);
    let over = bytes.len() >= HEAD_BYTES || head.count() > 64;
    let twice = |name: &str| head.all(name).len() > 1;
    let differs = match (ours, &theirs) {
        (Asked::More, Theirs::More) => return None,
        (Asked::Upgrade { len, .. }, Theirs::Valid(theirs)) if len == *theirs => return None,
        (Asked::Bad | Asked::NotWebSocket { .. }, Theirs::Refused(_) | Theirs::Junk) => {
            return None;
        }
        (Asked::Upgrade { len, .. }, Theirs::Junk) if len < bytes.len() => {
            return agree(&bytes[..len]).or(Some(Differs::Early));
        }
        (Asked::TooLong, _) if over => Differs::Limit,
        (Asked::Upgrade { .. }, Theirs::Refused(_)) if !their_lists(&head) => Differs::List,
        (Asked::Upgrade { path, .. }, Theirs::Refused(_)) if path.parse::<Uri>().is_err() => {
            Differs::Path
        }
        (Asked::Bad, Theirs::Valid(_))
            if twice("sec-websocket-key") || twice("sec-websocket-version") =>
        {
            Differs::Twice
        }
        (Asked::NotWebSocket { .. }, Theirs::Valid(_)) if is_without_commas(&head) => {
            Differs::Spaces
        }
        (Asked::Bad, Theirs::Valid(_)) if has_no_text(&head) => Differs::Subprotocol,
        _ => panic!("ours: {ours:?}, theirs: {theirs:?}\n{}", bytes.escape_ascii()),
    };
    Some(differs)
}

/// Whether the first lines are as tungstenite wants them.
fn their_lists(head: &Head<'_>) -> bool {
    let first = |name: &str| head.all(name).first().copied().unwrap_or_default();
    let connection = first("connection");
    let text = connection.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let mut words = connection.split(|byte| matches!(byte, b' ' | b','));
    text && words.any(|word| word.eq_ignore_ascii_case(b"upgrade"))
        && first("upgrade").eq_ignore_ascii_case(b"websocket")
}

fn is_without_commas(head: &Head<'_>) -> bool {
    let mut words =
        head.all("connection").into_iter().flat_map(|value| value.split(|b| *b == b','));
    !words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

fn has_no_text(head: &Head<'_>) -> bool {
    let first = head.all("sec-websocket-protocol").first().copied().unwrap_or_default();
    std::str::from_utf8(first).is_err()
}

fn theirs(bytes: &[u8]) -> Theirs {
    let bytes = &bytes[..bytes.len().min(THEIR_LIMIT)];
    match ServerHandshake::start(Pipe::new(bytes, &[]), NoCallback, None).handshake() {
        Ok(_) => match Request::try_parse(bytes) {
            Ok(Some((length, _))) => Theirs::Valid(length),
            other => panic!("it was valid before: {other:?}"),
        },
        Err(HandshakeError::Failure(Error::Protocol(Violation::HandshakeIncomplete))) => {
            Theirs::More
        }
        Err(HandshakeError::Failure(Error::Protocol(Violation::JunkAfterRequest))) => Theirs::Junk,
        Err(other) => Theirs::Refused(format!("{other:?}")),
    }
}
