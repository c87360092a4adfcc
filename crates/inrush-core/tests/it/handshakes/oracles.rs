//! Heads with one thing or another wrong, each judged as tungstenite judges it, but for the
//! differences that `Differs` lists on either side.

use crate::bodies::handshake::{self, NONCE};
use crate::bodies::{answers, requests};
use inrush_core::protocol::ws_handshake::{Request, key, render_answer};
use proptest::prelude::*;

/// What can be done to a head.
#[derive(Clone, Debug)]
enum Change {
    /// A line is left out.
    Drop(prop::sample::Index),
    /// A line comes twice, the second one with another value or the same.
    Again(prop::sample::Index, Option<&'static str>),
    /// A line has another value.
    Value(prop::sample::Index, &'static str),
    /// Two lines change places.
    Swap(prop::sample::Index, prop::sample::Index),
    /// A name is written in another case.
    Case(prop::sample::Index, bool),
    /// Something stands before a line: white space folds it into the one before.
    Before(prop::sample::Index, &'static str),
    /// Something stands after a line.
    After(prop::sample::Index, &'static str),
    /// The first line is another one.
    First(&'static str),
    /// A header of so many bytes.
    Long(usize),
    /// So many headers more.
    Many(usize),
    /// Lines end with LF alone.
    Bare,
    /// Bytes are others.
    Bytes(Vec<(prop::sample::Index, u8)>),
    /// The end is missing.
    Cut(usize),
    /// Frames follow.
    Tail(Vec<u8>),
}

const VALUES: [&str; 16] = [
    "websocket",
    "WebSocket",
    "websocket, h2c",
    "Upgrade",
    "keep-alive, Upgrade",
    "keep-alive Upgrade",
    "\tupgrade\t,x",
    "close",
    "13",
    "8",
    "",
    "chat",
    "Chat",
    "dGhlIHNhbXBsZSBub25jZQ==",
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "\u{e9}",
];

const FIRST: [&str; 17] = [
    "GET / HTTP/1.1",
    "GET / HTTP/1.0",
    "GET / HTTP/2.0",
    "GET  / HTTP/1.1",
    "get / HTTP/1.1",
    "POST / HTTP/1.1",
    "GET http://h/p HTTP/1.1",
    "GET // HTTP/1.1",
    "GET * HTTP/1.1",
    "GET /\u{e9} HTTP/1.1",
    "HTTP/1.1 101",
    "HTTP/1.1 101 \u{e9}",
    "HTTP/1.0 101 Switching Protocols",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 099 Low",
    "HTTP/1.1 10 Short",
    "\r\nHTTP/1.1 101 Late",
];

fn change() -> impl Strategy<Value = Change> {
    let line = any::<prop::sample::Index>;
    let value = || prop::sample::select(&VALUES[..]);
    let space = prop::sample::select(&[" ", "\t", "\r\n", "\0", ":", "X-"][..]);
    let end = prop::sample::select(&[" ", "\t", ",", ", x", "\r", "\u{7f}"][..]);
    let bytes = prop::collection::vec((line(), any::<u8>()), 1..3);
    prop_oneof![
        line().prop_map(Change::Drop),
        (line(), prop::option::of(value())).prop_map(|(at, value)| Change::Again(at, value)),
        (line(), value()).prop_map(|(at, value)| Change::Value(at, value)),
        (line(), line()).prop_map(|(a, b)| Change::Swap(a, b)),
        (line(), any::<bool>()).prop_map(|(at, upper)| Change::Case(at, upper)),
        (line(), space).prop_map(|(at, space)| Change::Before(at, space)),
        (line(), end).prop_map(|(at, end)| Change::After(at, end)),
        prop::sample::select(&FIRST[..]).prop_map(Change::First),
        prop_oneof![1_usize..200, 16_000_usize..16_400, Just(70_000)].prop_map(Change::Long),
        (50_usize..130).prop_map(Change::Many),
        Just(Change::Bare),
        bytes.prop_map(Change::Bytes),
        (1_usize..40).prop_map(Change::Cut),
        prop::collection::vec(any::<u8>(), 1..20).prop_map(Change::Tail),
    ]
}

/// The head with all that done to it.
fn changed(head: &[u8], changes: &[Change]) -> Vec<u8> {
    let text = std::str::from_utf8(head).unwrap();
    let mut lines: Vec<String> = text.split_terminator("\r\n").map(Into::into).collect();
    lines.retain(|line| !line.is_empty());
    let (mut end, mut after, mut cut, mut bytes) = ("\r\n", Vec::new(), 0, vec![]);
    for change in changes {
        // The first line always stays.
        let headers = lines.len() - 1;
        let at = |index: &prop::sample::Index| 1 + index.index(headers);
        let named = |line: &str, value: &str| {
            let name = line.split(':').next().unwrap_or_default();
            format!("{name}: {value}")
        };
        match change {
            Change::Drop(line) if lines.len() > 2 => drop(lines.remove(at(line))),
            Change::Drop(_) => {}
            Change::Again(line, value) => {
                let line = lines[at(line)].clone();
                lines.push(value.map_or(line.clone(), |value| named(&line, value)));
            }
            Change::Value(line, value) => {
                let at = at(line);
                lines[at] = named(&lines[at], value);
            }
            Change::Swap(a, b) => {
                let (a, b) = (at(a), at(b));
                lines.swap(a, b);
            }
            Change::Case(line, upper) => {
                let at = at(line);
                let name = lines[at].split(':').next().unwrap_or_default().to_owned();
                let other =
                    if *upper { name.to_ascii_uppercase() } else { name.to_ascii_lowercase() };
                lines[at] = lines[at].replacen(&name, &other, 1);
            }
            Change::Before(line, what) => lines[at(line)].insert_str(0, what),
            Change::After(line, what) => lines[at(line)].push_str(what),
            Change::First(line) => lines[0] = (*line).to_owned(),
            Change::Long(length) => lines.push(format!("A: {}", "x".repeat(*length))),
            Change::Many(count) => lines.extend((0..*count).map(|nth| format!("A{nth}: b"))),
            Change::Bare => end = "\n",
            Change::Bytes(others) => bytes.extend(others),
            Change::Cut(less) => cut += less,
            Change::Tail(tail) => after.extend_from_slice(tail),
        }
    }
    let mut head = lines.iter().fold(String::new(), |head, line| head + line + end).into_bytes();
    head.extend_from_slice(end.as_bytes());
    for (at, byte) in bytes {
        let at = at.index(head.len());
        head[at] = byte;
    }
    head.truncate(head.len() - cut.min(head.len()));
    head.extend(after);
    head
}

fn an_answer(subprotocol: Option<&str>) -> Vec<u8> {
    let mut head = vec![];
    render_answer(&key(NONCE), subprotocol, None, &mut head);
    head
}

fn a_request() -> Vec<u8> {
    let (mut head, origin) = (vec![], ("Origin".to_owned(), "http://h".to_owned()));
    Request::new("h", "/p?q", &[origin], &["chat".into()]).render(NONCE, &mut head);
    head
}

proptest! {
    #![proptest_config(crate::cases(2_048))]

    #[test]
    fn changed_answers_are_judged_as_by_tungstenite(
        changes in prop::collection::vec(change(), 0..4),
        offered in any::<bool>(),
        chosen in any::<bool>(),
    ) {
        let head = changed(&an_answer(chosen.then_some("chat")), &changes);
        handshake::answer(&head, offered);
        answers::agree(&head, offered);
    }

    #[test]
    fn changed_requests_are_judged_as_by_tungstenite(
        changes in prop::collection::vec(change(), 0..4),
    ) {
        let head = changed(&a_request(), &changes);
        handshake::request(&head);
        requests::agree(&head);
    }
}

/// A text with one part replaced.
fn with(head: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(head).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

/// Each difference of the list is one that there is.
#[test]
fn where_we_differ_from_tungstenites_client_and_where_not() {
    use answers::Differs as D;
    let good = an_answer(None);
    let check = |from: &str, to: &str, expected| {
        assert_eq!(answers::agree(&with(&good, from, to), false), expected, "{to}");
    };
    check("Upgrade: websocket", "UPGRADE:\tWebSocket ", None);
    check("HTTP/1.1", "HTTP/1.0", None);
    check("101 Switching Protocols", "503 Busy", None);
    check("Connection", " Connection", None);
    check("Sec-", &format!("A: {}\r\nSec-", "x".repeat(16 << 10)), Some(D::Limit));
    check("Sec-", &format!("{}Sec-", "A: b\r\n".repeat(62)), Some(D::Limit));
    check("HTTP", "\r\nHTTP", Some(D::Sooner));
    check("Connection: ", "Connection: keep-alive, ", Some(D::ConnectionList));
    check("Connection: ", "Connection: close\r\nConnection: ", Some(D::ConnectionList));
    check("\r\n\r\n", "\r\nUpgrade: other\r\n\r\n", Some(D::Twice));
    check("\r\n\r\n", "\r\nSec-WebSocket-Accept: x\r\n\r\n", Some(D::Twice));
    check("Sec-", "Sec-WebSocket-Extensions: x\r\nSec-", Some(D::Extension));
    assert_eq!(answers::agree(&good, true), Some(D::NoSubprotocol));
    let chosen = an_answer(Some("chat"));
    assert_eq!(answers::agree(&chosen, true), None);
    let twice = with(&chosen, "\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n");
    assert_eq!(answers::agree(&twice, true), Some(D::Twice));
}

/// Each difference of the list is one that there is.
#[test]
fn where_we_differ_from_tungstenites_server_and_where_not() {
    use requests::Differs as D;
    let good = a_request();
    let check = |from: &str, to: &str, expected| {
        assert_eq!(requests::agree(&with(&good, from, to)), expected, "{to}");
    };
    check("Upgrade: websocket", "UPGRADE:\tWebSocket ", None);
    check("Connection: ", "Connection: keep-alive, ", None);
    check("HTTP/1.1", "HTTP/1.0", None);
    check("Origin: ", "Origin: x\r\n ", None);
    check("Version: 13", "Version: 8", None);
    check("Origin: ", &format!("Origin: {}", "x".repeat(16 << 10)), Some(D::Limit));
    check("Connection: ", "Connection: close\r\nConnection: ", Some(D::List));
    check("Upgrade: ", "Upgrade: h2c, ", Some(D::List));
    check("Connection: ", "Connection: keep-alive ", Some(D::Spaces));
    check("/p?q", "http://", Some(D::Path));
    check("Host: ", "Sec-WebSocket-Version: 8\r\nHost: ", None);
    check("\r\n\r\n", "\r\nSec-WebSocket-Version: 8\r\n\r\n", Some(D::Twice));
    check("\r\n\r\n", "\r\nSec-WebSocket-Key: x\r\n\r\n", Some(D::Twice));
    assert_eq!(requests::agree(&[&good[..], b"\x81"].concat()), Some(D::Early));
    let mut bytes = with(&good, "Protocol: chat", "Protocol: ~");
    *bytes.iter_mut().find(|byte| **byte == b'~').unwrap() = 0xff;
    assert_eq!(requests::agree(&bytes), Some(D::Subprotocol));
}
