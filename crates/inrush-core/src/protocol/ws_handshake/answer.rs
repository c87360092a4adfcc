//! An answer to the upgrade that is no good 101: what it says, and what of it is worth keeping.

use super::client::{body_of, content_length, interim, parse};
use super::{has_token, no_headers};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use httparse::{Response, Status, parse_chunk_size};

/// Bytes kept of a body.
pub const BODY_BYTES: usize = 512;
/// Bytes kept of a head: status line and telling headers.
const KEPT_HEAD: usize = 1_024;
/// Bytes kept of one line, but of a Location twice as many.
const LINE: usize = 256;

/// Headers that say why, or who answered, the most telling first. Cookies are not among them.
const TELLING: [&str; 16] = [
    "location",
    "retry-after",
    "www-authenticate",
    "sec-websocket-accept",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "upgrade",
    "connection",
    "server",
    "via",
    "age",
    "x-cache",
    "content-type",
    "content-encoding",
    "transfer-encoding",
];

/// An answer, as far as it came or was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// 503
    pub status: u16,
    /// `Service Unavailable`, or nothing.
    pub reason: &'a str,
    /// In their order.
    headers: Vec<(&'a str, &'a [u8])>,
    /// What came of it, without the lengths of its chunks (RFC 9112 §7.1).
    pub body: Cow<'a, [u8]>,
}

impl<'a> Answer<'a> {
    /// Reads an answer with a complete head; `None` when it is none.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut headers = no_headers();
        let (response, length) = parse(bytes, &mut headers).ok()??;
        Some(Self {
            status: response.code?,
            reason: response.reason.unwrap_or_default(),
            headers: response.headers.iter().map(|h| (h.name, h.value.trim_ascii())).collect(),
            body: match is_chunked(&response) {
                true => Cow::Owned(unchunked(&bytes[length..]).0),
                false => Cow::Borrowed(&bytes[length..]),
            },
        })
    }

    /// The first header of this name that is not empty.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut named = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.find_map(|(_, value)| Some(*value).filter(|value| !value.is_empty()))
    }
}

/// Whether a complete head, and the body that it announces, have come. An answer that says nothing
/// of its length ends with the connection.
pub fn is_complete(answer: &[u8]) -> bool {
    let mut headers = no_headers();
    let Ok(Some((response, length))) = parse(answer, &mut headers) else { return false };
    let body = &answer[length..];
    if is_chunked(&response) {
        return unchunked(body).1;
    }
    content_length(answer).is_some_and(|length| body.len() >= length)
}

fn is_chunked(response: &Response<'_, '_>) -> bool {
    let coded = |name: &str| name.eq_ignore_ascii_case("transfer-encoding");
    let mut named = response.headers.iter().filter(|header| coded(header.name));
    named.any(|header| has_token(header.value, b"chunked"))
}

/// What a body in chunks says as far as it came, and whether that is all of it.
fn unchunked(mut body: &[u8]) -> (Vec<u8>, bool) {
    let mut said = Vec::new();
    loop {
        let Ok(Status::Complete((head, length))) = parse_chunk_size(body) else {
            return (said, false);
        };
        if length == 0 {
            return (said, true);
        }
        body = &body[head..];
        let came = usize::try_from(length).unwrap_or(usize::MAX).min(body.len());
        said.extend_from_slice(&body[..came]);
        body = body[came..].strip_prefix(b"\r\n").unwrap_or_default();
    }
}

/// The same answer, as short as is worth keeping: status line, telling headers and the beginning of
/// the body; and how many bytes more of the body are wanted. What is no answer is cut.
pub fn keep(answer: &[u8]) -> (Vec<u8>, usize) {
    let Some(read) = Answer::read(answer) else {
        let kept = answer[..answer.len().min(BODY_BYTES)].to_vec();
        return (kept, 0);
    };
    let answer = &answer[interim(answer)..];
    let mut kept = Vec::new();
    let mut line = |parts: [&[u8]; 2], most: usize| {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if kept.len() + length.min(most) + 4 > KEPT_HEAD {
            return;
        }
        let from = kept.len();
        parts.iter().for_each(|part| kept.extend_from_slice(part));
        kept.truncate(from + most);
        kept.extend_from_slice(b"\r\n");
    };
    let first = answer.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    line([first, b""], LINE);
    for name in TELLING {
        let mut named = read.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        if let Some((name, value)) = named.find(|(_, value)| !value.is_empty()) {
            let most = if name.eq_ignore_ascii_case(TELLING[0]) { 2 * LINE } else { LINE };
            line([&[name.as_bytes(), b": "].concat(), value], most);
        }
    }
    kept.extend_from_slice(b"\r\n");
    let body = body_of(answer);
    let body = &body[..body.len().min(BODY_BYTES)];
    kept.extend_from_slice(body);
    (kept, BODY_BYTES - body.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn chunks_are_put_together() {
        let check = |body: &str, said: &str, complete: bool| {
            let head = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
            let answer = format!("{head}{body}");
            assert_eq!(is_complete(answer.as_bytes()), complete, "{body:?}");
            let (kept, _) = keep(answer.as_bytes());
            assert_eq!(&*Answer::read(&kept).unwrap().body, said.as_bytes(), "{body:?}");
        };
        check("5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n", "hello world", true);
        check("5\r\nhello\r\n6\r\n wo", "hello wo", false);
        check("5\r\nhello\r\nno length\r\n", "hello", false);
        check("5\r\nhello", "hello", false);
        check("ffffffffffffffff\r\nhello", "hello", false);
        check("", "", false);
        check("0\r\n\r\n", "", true);
    }

    #[test]
    fn a_long_head_hides_no_body() {
        let mut answer = String::from("HTTP/1.1 403 No Entry\r\nSet-Cookie: secret\r\n");
        for at in 0..40 {
            answer.push_str(&format!("X-Noise-{at}: {}\r\n", "n".repeat(200)));
        }
        answer.push_str("server: edge\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\nwhy not");
        let (kept, room) = keep(answer.as_bytes());
        let expected = "HTTP/1.1 403 No Entry\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
            server: edge\r\n\r\nwhy not";
        assert_eq!(core::str::from_utf8(&kept), Ok(expected));
        assert_eq!(room, BODY_BYTES - 7);
        let read = Answer::read(&kept).unwrap();
        let body: &[u8] = &read.body;
        assert_eq!((read.status, read.reason, body), (403, "No Entry", &b"why not"[..]));
        assert_eq!(read.header("Server"), Some(&b"edge"[..]));
        assert_eq!(read.header("set-cookie"), None);
        assert_eq!(keep(&kept), (kept.clone(), room), "what was kept is kept as it is");
    }

    #[test]
    fn what_is_kept_is_bounded_and_still_an_answer() {
        let mut answer = format!("HTTP/1.1 302 {}\r\n", "F".repeat(2_000));
        for name in TELLING {
            answer.push_str(&format!("{name}: {}\r\n", "v".repeat(700)));
        }
        answer.push_str("\r\n");
        answer.push_str(&"b".repeat(9_000));
        let (kept, room) = keep(answer.as_bytes());
        assert!(kept.len() <= KEPT_HEAD + 2 + BODY_BYTES, "{}", kept.len());
        let read = Answer::read(&kept).unwrap();
        assert_eq!((read.status, read.body.len(), room), (302, BODY_BYTES, 0));
        assert_eq!(read.header("location").map(<[u8]>::len), Some(2 * LINE - 10));
    }

    #[test]
    fn what_is_no_answer_is_cut() {
        let check = |bytes: &[u8], length| assert_eq!(keep(bytes), (bytes[..length].to_vec(), 0));
        check(b"", 0);
        check(b"SSH-2.0", 7);
        check(b"HTTP/1.1 200 OK\r\nServer: x", 26);
        check(&[b'x'; 2_000], BODY_BYTES);
    }
}
