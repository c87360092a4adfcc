//! Hearing who asks for a WebSocket, and answering.

use super::{EXTENSIONS, HEAD_BYTES, VERSION, accept, bounded, has_token, no_headers};
use crate::protocol::ws_deflate::{self, Agreed};
use alloc::format;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use httparse::{ParserConfig, Status};

/// What a request turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Its head is not complete.
    More,
    /// It asks for a WebSocket.
    Upgrade {
        /// `Sec-WebSocket-Key`.
        key: &'a [u8],
        /// Path and query.
        path: &'a str,
        /// `Sec-WebSocket-Protocol` as it came: names with commas between; see [`first_offered`].
        subprotocols: Option<&'a str>,
        /// The first offer of compression that we can agree to.
        deflate: Option<Agreed>,
        /// Length of the head in bytes; what follows are frames.
        len: usize,
    },
    /// It is valid HTTP/1 and asks for something else, or for another version than 13.
    NotWebSocket {
        /// Length of the head in bytes.
        len: usize,
    },
    /// It is no HTTP/1, or asks in a wrong way (RFC 6455 §4.2.1).
    Bad,
    /// Its head is over 16 KiB or 64 headers.
    TooLong,
}

/// Whether a connection that begins with these bytes speaks HTTP: `GET ` decides. `None` while it
/// can still become that.
pub fn looks_like_http(first: &[u8]) -> Option<bool> {
    let verb = b"GET ";
    let sure = first.len().min(verb.len());
    match first[..sure] == verb[..sure] {
        true if sure < verb.len() => None,
        decided => Some(decided),
    }
}

/// Reads a request of which `bytes` is all that came so far.
pub fn read_request(bytes: &[u8]) -> Asked<'_> {
    let mut headers = no_headers();
    let mut request = httparse::Request::new(&mut []);
    let parser = ParserConfig::default();
    let bounded = bounded(bytes);
    let len = match parser.parse_request_with_uninit_headers(&mut request, bounded, &mut headers) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) if bytes.len() < HEAD_BYTES => return Asked::More,
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Asked::TooLong,
        Err(_) => return Asked::Bad,
    };
    let (mut upgrade, mut connection, mut deflate) = (false, false, None);
    let (mut version, mut key, mut subprotocols) = (None, None, None);
    for header in request.headers.iter() {
        let (name, value) = (header.name, header.value.trim_ascii());
        if name.eq_ignore_ascii_case("upgrade") {
            upgrade |= has_token(value, b"websocket");
        } else if name.eq_ignore_ascii_case("connection") {
            connection |= has_token(value, b"upgrade");
        } else if name.eq_ignore_ascii_case("sec-websocket-version") {
            if version.replace(value).is_some() {
                return Asked::Bad;
            }
        } else if name.eq_ignore_ascii_case("sec-websocket-key") {
            if key.replace(value).is_some() {
                return Asked::Bad;
            }
        } else if name.eq_ignore_ascii_case("sec-websocket-protocol") && subprotocols.is_none() {
            let Ok(list) = core::str::from_utf8(value) else { return Asked::Bad };
            subprotocols = Some(list);
        } else if name.eq_ignore_ascii_case(EXTENSIONS) && deflate.is_none() {
            // What is no text is no offer that we know.
            deflate = core::str::from_utf8(value).ok().and_then(ws_deflate::accept);
        }
    }
    let get = request.method == Some("GET") && request.version == Some(1);
    if !(get && upgrade && connection && version == Some(VERSION)) {
        return Asked::NotWebSocket { len };
    }
    match (key, request.path) {
        (Some(key), Some(path)) if is_key(key) => {
            Asked::Upgrade { key, path, subprotocols, deflate, len }
        }
        _ => Asked::Bad,
    }
}

/// The subprotocol its client likes best: the first of the list.
pub fn first_offered(subprotocols: &str) -> Option<&str> {
    subprotocols.split(',').map(str::trim).find(|name| !name.is_empty())
}

/// Appends the 101 that belongs to `key`.
pub fn render_answer(
    key: &[u8],
    subprotocol: Option<&str>,
    deflate: Option<Agreed>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: ",
    );
    out.extend_from_slice(&accept(key));
    if let Some(name) = subprotocol {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(name.as_bytes());
    }
    if let Some(agreed) = deflate {
        out.extend_from_slice(format!("\r\n{EXTENSIONS}: {agreed}").as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// Appends an answer that is no upgrade, after which the connection is closed. A 426 names the
/// version we speak (RFC 6455 §4.4).
pub fn render_status(status: u16, body: &str, out: &mut Vec<u8>) {
    let reason = reason(status);
    let (hint, connection) = match status {
        426 => ("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", "Upgrade, close"),
        // What a gateway says; the header tells which one.
        502 | 504 => ("Server: inrush\r\n", "close"),
        _ => ("", "close"),
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} {reason}\r\n{hint}Connection: {connection}\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    out.extend_from_slice(answer.as_bytes());
}

/// RFC 9110 §15, those that servers give when asked for a WebSocket. A reason may be empty.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

/// Base64 of 16 bytes.
fn is_key(key: &[u8]) -> bool {
    let mut nonce = [0; 18];
    key.len() == 24 && STANDARD.decode_slice(key, &mut nonce) == Ok(16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::ProtocolError;
    use crate::protocol::ws_deflate::Offer;
    use crate::protocol::ws_handshake::{
        Accepted, Request, body_of, content_length, verify, verify_offer,
    };
    use alloc::string::String;

    const NONCE: [u8; 16] = *b"the sample nonce";

    fn request(subprotocols: &[String]) -> Vec<u8> {
        let mut out = Vec::new();
        Request::new("h", "/chat?room=1", &[], subprotocols).render(NONCE, &mut out);
        out
    }

    #[test]
    fn our_own_request_is_understood_and_our_answer_accepted() {
        for subprotocols in [&[][..], &["a".into(), "b".into()]] {
            let mut bytes = request(subprotocols);
            let whole = bytes.len();
            for cut in 0..whole {
                assert_eq!(read_request(&bytes[..cut]), Asked::More, "{cut}");
            }
            bytes.extend_from_slice(b"\x81\x80frames");
            let Asked::Upgrade { key, path, subprotocols: list, deflate: None, len } =
                read_request(&bytes)
            else {
                panic!("{:?}", read_request(&bytes));
            };
            assert_eq!((path, len), ("/chat?room=1", whole));
            let chosen = list.and_then(first_offered);
            assert_eq!(chosen, subprotocols.first().map(String::as_str));
            let mut answer = Vec::new();
            render_answer(key, chosen, None, &mut answer);
            assert_eq!(verify(&answer, NONCE, subprotocols), Ok(Some(answer.len())));
        }
    }

    /// RFC 7692 §5: several headers of that name are one list.
    #[test]
    fn the_first_good_offer_of_all_headers_is_agreed_to() {
        let offers = [
            "permessage-bzip2, permessage-deflate; server_max_window_bits=99",
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate",
        ];
        let headers: Vec<_> =
            offers.iter().map(|offer| (EXTENSIONS.into(), (*offer).into())).collect();
        let mut bytes = Vec::new();
        Request::new("h", "/", &headers, &[]).render(NONCE, &mut bytes);
        let Asked::Upgrade { key, deflate, .. } = read_request(&bytes) else { panic!() };
        let mut answer = Vec::new();
        render_answer(key, None, deflate, &mut answer);
        let text = core::str::from_utf8(&answer).unwrap();
        let line = "\r\nSec-WebSocket-Extensions: permessage-deflate; \
            server_no_context_takeover; client_no_context_takeover; \
            server_max_window_bits=10\r\n\r\n";
        assert!(text.ends_with(line), "{text}");
        let offer = Offer::parse("server_max_window_bits=10").unwrap();
        let verdict = verify_offer(&answer, NONCE, &[], Some(&offer)).unwrap().unwrap();
        assert_eq!(verdict, Accepted { head: answer.len(), deflate });
    }

    #[test]
    fn what_is_no_upgrade_is_told_from_what_is_wrong() {
        let good = String::from_utf8(request(&[])).unwrap();
        let check = |from: &str, to: &str, bad: bool| {
            assert!(good.contains(from), "{from}");
            let bytes = good.replacen(from, to, 1).into_bytes();
            let expected = if bad { Asked::Bad } else { Asked::NotWebSocket { len: bytes.len() } };
            assert_eq!(read_request(&bytes), expected, "{to}");
        };
        check("GET", "POST", false);
        check("HTTP/1.1", "HTTP/1.0", false);
        check("Upgrade: websocket\r\n", "", false);
        check("Connection: Upgrade", "Connection: close", false);
        check("Version: 13", "Version: 8", false);
        check("Sec-WebSocket-Key", "Sec-WebSocket-Keys", true);
        check("dGhl", "dGh*", true);
        check("dGhl", "", true);
        check("Host: h", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", true);
        check("Host: h", "Sec-WebSocket-Version: 8", true);
        check("Host: h", "Host h", true);
        check("HTTP/1.1", "SPDY/1.1", true);
    }

    #[test]
    fn a_head_is_bounded() {
        let check = |line: &str, times: usize, expected| {
            let bytes = ["GET / HTTP/1.1\r\n", &line.repeat(times)].concat();
            assert_eq!(read_request(bytes.as_bytes()), expected, "{times} {line}");
        };
        check("A: b\r\n", 64, Asked::More);
        check("A: b\r\n", 65, Asked::TooLong);
        check("A", HEAD_BYTES - 17, Asked::More);
        check("A", HEAD_BYTES, Asked::TooLong);
        check("A", 1 << 20, Asked::TooLong);
    }

    #[test]
    fn http_is_told_by_four_bytes() {
        let check = |first: &str, expected| {
            assert_eq!(looks_like_http(first.as_bytes()), expected, "{first}");
        };
        check("", None);
        check("GET", None);
        check("GET ", Some(true));
        check("GET / HTTP/1.1\r\n", Some(true));
        check("G T", Some(false));
        check("hello", Some(false));
        check("get ", Some(false));
    }

    #[test]
    fn a_refusal_is_complete() {
        for status in [400, 426, 503, 299] {
            let mut answer = Vec::new();
            render_status(status, "no, thank you", &mut answer);
            assert_eq!(verify(&answer, NONCE, &[]), Err(ProtocolError::Status(status)));
            assert_eq!(body_of(&answer), b"no, thank you");
            assert_eq!(content_length(&answer), Some(13));
        }
    }
}
