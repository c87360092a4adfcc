//! Asking for a WebSocket, and judging the answer.

use super::{EXTENSIONS, HEAD_BYTES, Headers, accept, bounded, has_token, key, no_headers};
use crate::failure::ProtocolError;
use crate::protocol::ws_deflate::{self, Agreed, Offer};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use httparse::{ParserConfig, Response, Status};

/// What every answer begins with.
const BEGIN: &[u8] = b"HTTP/1.";

/// An upgrade request, rendered once; only its key differs from connection to connection.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    key_at: usize,
}

impl Request {
    /// The request for `path` of `host`. A `Host` among `headers` takes the place of ours. The
    /// parts must be free of line breaks: whoever parses the arguments sees to it.
    pub fn new(
        host: &str,
        path: &str,
        headers: &[(String, String)],
        subprotocols: &[String],
    ) -> Self {
        let mut text = format!("GET {path} HTTP/1.1\r\n");
        let mut line = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                text.push_str(part);
            }
        };
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            line("Host", host);
        }
        line("Upgrade", "websocket");
        line("Connection", "Upgrade");
        line("Sec-WebSocket-Version", "13");
        if !subprotocols.is_empty() {
            line("Sec-WebSocket-Protocol", &subprotocols.join(", "));
        }
        for (name, value) in headers {
            line(name, value);
        }
        text.push_str("Sec-WebSocket-Key: ");
        let mut bytes = text.into_bytes();
        let key_at = bytes.len();
        bytes.extend_from_slice(&key([0; 16]));
        bytes.extend_from_slice(b"\r\n\r\n");
        Self { bytes, key_at }
    }

    /// Length in bytes, the same for every nonce.
    #[expect(clippy::len_without_is_empty, reason = "a request is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the request with the key of `nonce`.
    #[inline]
    pub fn render(&self, nonce: [u8; 16], out: &mut Vec<u8>) {
        let from = out.len() + self.key_at;
        out.extend_from_slice(&self.bytes);
        let key = key(nonce);
        out[from..from + key.len()].copy_from_slice(&key);
    }
}

/// A valid 101.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Length of its head in bytes; what follows are frames.
    pub head: usize,
    /// How messages may be compressed, if at all.
    pub deflate: Option<Agreed>,
}

/// Judges an answer of which `answer` is all that came so far, to a request that offered no
/// extension: the length of its head when it is a valid 101, `None` when more is needed.
///
/// # Errors
/// As [`verify_offer`].
#[inline]
pub fn verify(
    answer: &[u8],
    nonce: [u8; 16],
    subprotocols: &[String],
) -> Result<Option<usize>, ProtocolError> {
    let valid = verify_offer(answer, nonce, subprotocols, None)?;
    Ok(valid.map(|answer| answer.head))
}

/// The same when `deflate` was offered, or nothing.
///
/// # Errors
/// `NotHttp` as soon as it cannot be HTTP/1; `HeadTooLong` over 16 KiB or 64 headers; with a
/// complete head `Status` other than 101, `NoUpgrade`, `BadAccept` or `NotOffered`.
#[inline]
pub fn verify_offer(
    answer: &[u8],
    nonce: [u8; 16],
    subprotocols: &[String],
    deflate: Option<&Offer>,
) -> Result<Option<Accepted>, ProtocolError> {
    let mut headers = no_headers();
    let Some((response, length)) = parse(answer, &mut headers)? else { return Ok(None) };
    match response.code {
        Some(101) => {}
        code => return Err(ProtocolError::Status(code.unwrap_or(0))),
    }
    let (mut upgrade, mut connection, mut extended) = (None, false, false);
    let (mut accepted, mut offered, mut subprotocol) = (None, true, None);
    for header in response.headers.iter() {
        let (name, value) = (header.name, header.value.trim_ascii());
        if name.eq_ignore_ascii_case("upgrade") {
            // Two lines are a list, and that is another value (RFC 6455 §4.1, RFC 9110 §5.3).
            upgrade = Some(upgrade.is_none() && value.eq_ignore_ascii_case(b"websocket"));
        } else if name.eq_ignore_ascii_case("connection") {
            connection |= has_token(value, b"upgrade");
        } else if name.eq_ignore_ascii_case("sec-websocket-accept") {
            // It must not appear twice (RFC 6455 §11.3.3).
            accepted = Some(accepted.is_none() && value == accept(&key(nonce)));
        } else if name.eq_ignore_ascii_case("sec-websocket-protocol") {
            // One is chosen; names are compared by case (RFC 6455 §4.1).
            offered &= subprotocol.replace(value).is_none()
                && subprotocols.iter().any(|ours| ours.as_bytes() == value);
        } else if name.eq_ignore_ascii_case(EXTENSIONS) {
            extended = true;
        }
    }
    // HTTP/1.0 knows no upgrade.
    if upgrade != Some(true) || !connection || response.version != Some(1) {
        return Err(ProtocolError::NoUpgrade);
    }
    if accepted != Some(true) {
        return Err(ProtocolError::BadAccept);
    }
    if !offered {
        return Err(ProtocolError::NotOffered);
    }
    let agreed = if extended {
        let named = response.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(EXTENSIONS));
        ws_deflate::answered(deflate, named.map(|header| header.value))?
    } else {
        None
    };
    Ok(Some(Accepted { head: length, deflate: agreed }))
}

/// What follows the head of an answer so far; empty when the head is not complete.
pub fn body_of(answer: &[u8]) -> &[u8] {
    match parse(answer, &mut no_headers()) {
        Ok(Some((_, length))) => &answer[length..],
        _ => &[],
    }
}

/// How many bytes of body a complete head announces. `None` when it does not say: then the body
/// ends with the connection.
pub fn content_length(answer: &[u8]) -> Option<usize> {
    let mut headers = no_headers();
    let (response, _) = parse(answer, &mut headers).ok()??;
    // These have no body, whatever they say (RFC 9112 §6.3).
    if matches!(response.code, Some(100..=199 | 204 | 304)) {
        return Some(0);
    }
    let mut length = None;
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return None;
        }
        if header.name.eq_ignore_ascii_case("content-length") {
            let says = decimal(header.value.trim_ascii())?;
            if length.replace(says).is_some_and(|before| before != says) {
                return None;
            }
        }
    }
    length
}

fn decimal(digits: &[u8]) -> Option<usize> {
    let text = core::str::from_utf8(digits).ok()?;
    // `parse` alone would take a sign.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Length of the interim answers before the final one (RFC 9110 §15.2): those of class 1xx but 101.
pub(super) fn interim(answer: &[u8]) -> usize {
    let mut at = 0;
    while matches!(answer.get(at + 8..at + 10), Some(b" 1")) {
        let mut headers = no_headers();
        match parse_one(answer, at, &mut headers) {
            Ok(Some((response, length))) if response.code != Some(101) => at = length,
            _ => break,
        }
    }
    at
}

/// The head of the final answer, and where it ends.
#[inline]
pub(super) fn parse<'h, 'b>(
    answer: &'b [u8],
    headers: &'h mut Headers<'b>,
) -> Result<Option<(Response<'h, 'b>, usize)>, ProtocolError> {
    let at = if answer.get(9..12) == Some(b"101") { 0 } else { interim(answer) };
    parse_one(answer, at, headers)
}

/// The head that begins at `at`, and where it ends.
#[inline]
fn parse_one<'h, 'b>(
    answer: &'b [u8],
    at: usize,
    headers: &'h mut Headers<'b>,
) -> Result<Option<(Response<'h, 'b>, usize)>, ProtocolError> {
    let bytes = bounded(answer).get(at..).unwrap_or_default();
    let sure = bytes.len().min(BEGIN.len());
    if bytes[..sure] != BEGIN[..sure] {
        return Err(ProtocolError::NotHttp);
    }
    let mut response = Response::new(&mut []);
    let parser = ParserConfig::default();
    match parser.parse_response_with_uninit_headers(&mut response, bytes, headers) {
        Ok(Status::Complete(length)) => Ok(Some((response, at + length))),
        Ok(Status::Partial) if answer.len() < HEAD_BYTES => Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Err(ProtocolError::HeadTooLong)
        }
        Err(_) => Err(ProtocolError::NotHttp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const NONCE: [u8; 16] = *b"the sample nonce";
    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
        Connection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    #[test]
    fn a_request_is_rendered_with_its_key() {
        let headers = vec![("Origin".into(), "http://a".into())];
        let request = Request::new("h:80", "/p?q", &headers, &["a".into(), "b".into()]);
        let mut out = b"before".to_vec();
        request.render(NONCE, &mut out);
        assert_eq!(out.len(), 6 + request.len());
        let expected = "beforeGET /p?q HTTP/1.1\r\nHost: h:80\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n\
            Origin: http://a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        assert_eq!(core::str::from_utf8(&out), Ok(expected));
    }

    #[test]
    fn a_host_of_the_users_replaces_ours() {
        let request = Request::new("h", "/", &[("host".into(), "other".into())], &[]);
        let text = String::from_utf8(request.bytes).unwrap();
        assert!(text.contains("host: other\r\n") && !text.contains("Host: h"), "{text}");
    }

    #[test]
    fn a_good_answer_is_good_once_it_is_whole() {
        let with_frames = format!("{GOOD}\u{81}frames");
        for cut in 0..GOOD.len() {
            assert_eq!(verify(&GOOD.as_bytes()[..cut], NONCE, &[]), Ok(None), "{cut}");
        }
        assert_eq!(verify(with_frames.as_bytes(), NONCE, &[]), Ok(Some(GOOD.len())));
    }

    #[test]
    fn each_bad_answer_has_its_name() {
        use ProtocolError as E;
        let check = |from: &str, to: &str, expected| {
            assert!(GOOD.contains(from), "{from}");
            let answer = GOOD.replacen(from, to, 1);
            assert_eq!(verify(answer.as_bytes(), NONCE, &["chat".into()]), expected, "{to}");
        };
        check("101 Switching Protocols", "503 Busy", Err(E::Status(503)));
        // Interim answers are none (RFC 9110 §15.2).
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        let twice = format!("HTTP/1.1 100 Continue\r\n\r\n{hints}HTTP");
        check("HTTP", &twice, Ok(Some(GOOD.len() + twice.len() - 4)));
        check("HTTP/1.1 101", &format!("{hints}HTTP/1.1 403"), Err(E::Status(403)));
        check("HTTP/1.1 101", &format!("{hints}SSH/2.0 101"), Err(E::NotHttp));
        check("HTTP/1.1 101", &format!("{}HTTP/1.1 101", hints.repeat(420)), Err(E::HeadTooLong));
        check("101 Switching Protocols", "200", Err(E::Status(200)));
        check("HTTP/1.1", "HTTP/1.0", Err(E::NoUpgrade));
        check("HTTP/1.1", "HTTP/2.0", Err(E::NotHttp));
        check("Upgrade: WebSocket\r\n", "", Err(E::NoUpgrade));
        check("WebSocket", "h2c", Err(E::NoUpgrade));
        check("keep-alive, Upgrade", "keep-alive", Err(E::NoUpgrade));
        check("s3pPLMB", "S3pPLMB", Err(E::BadAccept));
        check("Sec-WebSocket-Accept", "Sec-WebSocket-Accepted", Err(E::BadAccept));
        check("Connection", "Sec-WebSocket-Accept: x\r\nConnection", Err(E::BadAccept));
        check("Upgrade", "Upgrade: other\r\nUpgrade", Err(E::NoUpgrade));
        check("Connection", "Upgrade: websocket\r\nConnection", Err(E::NoUpgrade));
        let again = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection";
        check("Connection", again, Err(E::BadAccept));
        check("Connection", "Sec-WebSocket-Extensions: x\r\nConnection", Err(E::NotOffered));
        check("Connection", "Sec-WebSocket-Protocol: Chat\r\nConnection", Err(E::NotOffered));
        let twice = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\nConnection";
        check("Connection", twice, Err(E::NotOffered));
        let chosen = "Sec-WebSocket-Protocol: chat\r\n";
        let length = GOOD.len() + chosen.len();
        check("Connection", &format!("{chosen}Connection"), Ok(Some(length)));
        check("\r\n\r\n", "\r\n no header\r\n\r\n", Err(E::NotHttp));
    }

    /// RFC 7692 §5.1.
    #[test]
    fn an_answer_may_agree_to_what_was_offered() {
        let check = |headers: &str, offer: Option<&str>, expected: Result<bool, E>| {
            let answer = GOOD.replacen("Connection", &format!("{headers}Connection"), 1);
            let offer = offer.map(|parameters| Offer::parse(parameters).unwrap());
            let verdict = verify_offer(answer.as_bytes(), NONCE, &[], offer.as_ref());
            let agreed = verdict.map(|answer| answer.unwrap().deflate.is_some());
            assert_eq!(agreed, expected, "{headers} {offer:?}");
        };
        use ProtocolError as E;
        let line = "sec-websocket-extensions: permessage-deflate\r\n";
        check("", Some(""), Ok(false));
        check(line, Some(""), Ok(true));
        check(line, None, Err(E::NotOffered));
        check(line, Some("server_no_context_takeover"), Err(E::NotOffered));
        check(&[line, line].concat(), Some(""), Err(E::NotOffered));
        check("Sec-WebSocket-Extensions: x\r\n", Some(""), Err(E::NotOffered));
        check("Sec-WebSocket-Extensions: \r\n", Some(""), Ok(false));
    }

    #[test]
    fn what_cannot_be_http_is_not_waited_for() {
        let check = |answer: &[u8], expected| assert_eq!(verify(answer, NONCE, &[]), expected);
        check(b"", Ok(None));
        check(b"HTTP/1.", Ok(None));
        check(b"S", Err(ProtocolError::NotHttp));
        check(b"HTTP/2", Err(ProtocolError::NotHttp));
        check(b"\r\n", Err(ProtocolError::NotHttp));
        check(b"HTTP/1.1 abc", Err(ProtocolError::NotHttp));
    }

    #[test]
    fn a_head_is_bounded() {
        let check = |headers: usize, length: usize, expected| {
            let mut answer = String::from("HTTP/1.1 503 Busy\r\n");
            for _ in 1..headers {
                answer.push_str("A: b\r\n");
            }
            answer.push_str("B: ");
            while answer.len() < length.saturating_sub(4) {
                answer.push('x');
            }
            answer.push_str("\r\n\r\n");
            assert_eq!(verify(answer.as_bytes(), NONCE, &[]), Err(expected), "{headers} {length}");
        };
        check(64, 0, ProtocolError::Status(503));
        check(65, 0, ProtocolError::HeadTooLong);
        check(1, HEAD_BYTES, ProtocolError::Status(503));
        check(1, HEAD_BYTES + 1, ProtocolError::HeadTooLong);
        check(1, 1 << 20, ProtocolError::HeadTooLong);
    }

    #[test]
    fn the_body_and_its_length() {
        let check = |answer: &str, body: &str, length| {
            assert_eq!(body_of(answer.as_bytes()), body.as_bytes(), "{answer}");
            assert_eq!(content_length(answer.as_bytes()), length, "{answer}");
        };
        check("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbu", "bu", Some(4));
        check("HTTP/1.1 503 Busy\r\ncontent-length:4 \r\nContent-Length: 4\r\n\r\n", "", Some(4));
        check("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", "", None);
        check("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n", "", None);
        check("HTTP/1.1 503 Busy\r\nContent-Length: +4\r\n\r\nx", "x", None);
        check("HTTP/1.1 503 Busy\r\nContent-Length:\r\n\r\nx", "x", None);
        check("HTTP/1.1 503 Busy\r\nContent-Length: 99999999999999999999\r\n\r\n", "", None);
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
            "",
            None,
        );
        check("HTTP/1.1 204 None\r\n\r\n", "", Some(0));
        check("oops", "", None);
    }
}
