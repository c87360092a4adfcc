//! Judges what was written on a connection, byte by byte. It shares no code with the encoder.

use inrush_core::plan::{Frame, Payload, Plan, Scheme};

/// A stream of frames that may end anywhere.
struct Frames<'a> {
    rest: &'a [u8],
    masked: bool,
}

impl Frames<'_> {
    /// Opcode and payload of the next whole frame; `None` when the bytes end before its end.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (*self.rest.first()?, *self.rest.get(1)?);
        assert_eq!(first & 0xf0, 0x80, "one frame per message, no reserved bit: {first:x}");
        assert_eq!(second & 0x80 != 0, self.masked);
        let (length, from) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(self.rest.get(2..4)?.try_into().unwrap())), 4),
            127 => panic!("no message of a test is so long"),
            short => (usize::from(short), 2),
        };
        assert!(from == 2 || length > 125, "the shortest length");
        let (mask, from) = match self.masked {
            true => (self.rest.get(from..from + 4)?, from + 4),
            false => (&[0; 4][..], from),
        };
        let body = self.rest.get(from..from + length)?;
        let body = body.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        self.rest = &self.rest[from + length..];
        Some((first & 15, body))
    }
}

/// What follows a head, if there is a whole one.
fn after_head<'a>(bytes: &'a [u8], begin: &[u8]) -> Option<&'a [u8]> {
    let shared = begin.len().min(bytes.len());
    assert_eq!(bytes[..shared], begin[..shared]);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(&bytes[end + 4..])
}

/// Whether these bytes begin message number `seq` of some connection.
fn assert_message(payload: &Payload, seq: u64, bytes: &[u8]) {
    let expected = match payload {
        Payload::Fixed(bytes) => bytes.clone(),
        Payload::Generated(size) => (b'a'..=b'z').cycle().take(*size as usize).collect(),
    };
    let tagged = matches!(payload, Payload::Generated(16..));
    for (at, byte) in bytes.iter().enumerate() {
        match at {
            0..8 if tagged => assert!(byte.is_ascii_hexdigit()),
            8..16 if tagged => {
                let tag = format!("{seq:08x}");
                assert_eq!(*byte, tag.as_bytes()[at - 8], "message {seq} is out of order");
            }
            _ => assert_eq!(Some(byte), expected.get(at), "byte {at} of message {seq}"),
        }
    }
}

/// What the load wrote: a request and messages in order, control frames between them, nothing after
/// its Close; only the last thing may be cut.
pub(super) fn check_client(plan: &Plan, scheme: Scheme, bytes: &[u8]) {
    let payload = &plan.messages.payload;
    if scheme == Scheme::Tcp {
        for (seq, message) in bytes.chunks(payload.len().max(1)).enumerate() {
            assert_message(payload, seq as u64, message);
        }
        return;
    }
    let Some(rest) = after_head(bytes, b"GET / HTTP/1.1\r\nHost: ") else { return };
    let mut frames = Frames { rest, masked: true };
    let (mut seq, mut closed) = (0, false);
    while let Some((op, body)) = frames.next() {
        assert!(!closed, "nothing follows a Close");
        match op {
            9 if body.len() == 17 && body[0] == b'+' => {
                assert!(plan.messages.ping_every.is_some(), "no keep-alive was asked for");
            }
            1 | 2 | 9 => {
                let frame = [Frame::Text, Frame::Binary, Frame::Ping][usize::from(op.min(3) - 1)];
                assert_eq!(frame, plan.messages.frame);
                assert_eq!(body.len(), payload.len());
                assert_message(payload, seq, &body);
                seq += 1;
            }
            8 => closed = true,
            10 => assert!(body.len() <= 125),
            other => panic!("opcode {other}"),
        }
    }
    assert!(!closed || frames.rest.is_empty(), "nothing follows a Close");
}

/// What a server without faults wrote: a 101 and whole frames, or an echo.
pub(super) fn check_server(scheme: Scheme, bytes: &[u8]) {
    if scheme == Scheme::Tcp {
        return;
    }
    let Some(rest) = after_head(bytes, b"HTTP/1.1 101 ") else { return };
    let mut frames = Frames { rest, masked: false };
    while let Some((op, _)) = frames.next() {
        assert!(matches!(op, 1 | 2 | 8 | 10), "opcode {op}");
    }
    assert!(frames.rest.is_empty(), "it was closed in order, so its last frame is whole");
}
