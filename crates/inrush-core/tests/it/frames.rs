//! WebSocket frames against two other implementations, tungstenite and websocket-sans-io: in both
//! roles, cut anywhere, and with bytes that no honest peer sends.

mod judge;
mod oracles;

use inrush_core::failure::ProtocolError;
use inrush_core::protocol::ws_frame::{
    COMPRESSED, Decoder, Event, Role, Utf8, apply_mask, close_code, head_len, opcode, put_head,
};
use proptest::prelude::*;
use std::io::{self, Read, Write};
use tungstenite::protocol::Role as TheirRole;
use tungstenite::{Message, WebSocket};

/// A message or a control frame, whole and unmasked.
type Whole = (u8, Vec<u8>);

/// All that a decoder made of a stream in pieces of these sizes, in turn.
fn decode(role: Role, wire: &[u8], sizes: &[usize]) -> (Vec<Whole>, Result<(), ProtocolError>) {
    decode_with(Decoder::default(), role, wire, sizes)
}

/// The kind of a compressed message has RSV1.
fn decode_with(
    mut decoder: Decoder,
    role: Role,
    wire: &[u8],
    sizes: &[usize],
) -> (Vec<Whole>, Result<(), ProtocolError>) {
    let mut wholes = vec![];
    let (mut data, mut control, mut begun) = (vec![], vec![], false);
    let mut sizes = sizes.iter().cycle();
    let mut rest = wire;
    while !rest.is_empty() {
        let (mut piece, later) =
            rest.split_at(rest.len().min(*sizes.next().expect("they go round")));
        rest = later;
        loop {
            let (so_far, op, bytes, end, mask, offset) = match decoder.next(role, &mut piece) {
                Ok(Some(Event::Data { text, bytes, start, end, compressed, mask, offset })) => {
                    assert_eq!(start, !begun);
                    begun = !end;
                    let op = if text { opcode::TEXT } else { opcode::BINARY };
                    let op = if compressed { op | COMPRESSED } else { op };
                    (&mut data, op, bytes, end, mask, offset)
                }
                Ok(Some(Event::Control { op, bytes, end, mask, offset })) => {
                    (&mut control, op, bytes, end, mask, offset)
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(role, &mut piece), Err(error), "it stays wrong");
                    return (wholes, Err(error));
                }
            };
            let from = so_far.len();
            so_far.extend_from_slice(bytes);
            apply_mask(&mut so_far[from..], mask, offset);
            if end {
                wholes.push((op, std::mem::take(so_far)));
            }
        }
        assert!(piece.is_empty());
    }
    (wholes, Ok(()))
}

/// A message to be sent: its kind, its frames, and the pings before each frame.
#[derive(Clone, Debug)]
struct Sent {
    text: bool,
    frames: Vec<(Vec<Vec<u8>>, Vec<u8>)>,
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    // ASCII, so that it may be text, in lengths around the borders of the encoding too.
    let length = prop_oneof![8 => 0_usize..40, 2 => 120_usize..300, 1 => 65_530_usize..65_540];
    (length, any::<u64>()).prop_map(|(length, seed)| {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b' ' + (state % 95) as u8
        };
        std::iter::repeat_with(&mut next).take(length).collect()
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    let ping = prop::collection::vec(any::<u8>(), 0..=125);
    let frame = (prop::collection::vec(ping, 0..2), body());
    (any::<bool>(), prop::collection::vec(frame, 1..4))
        .prop_map(|(text, frames)| Sent { text, frames })
}

fn put_frame(out: &mut Vec<u8>, first: u8, body: &[u8], mask: Option<[u8; 4]>) {
    let from = out.len();
    put_head(out, first, body.len(), mask);
    assert_eq!(out.len() - from, head_len(body.len(), mask.is_some()));
    let from = out.len();
    out.extend_from_slice(body);
    apply_mask(&mut out[from..], mask.unwrap_or_default(), 0);
}

/// Renders messages with our encoder; also says what must come out.
fn render(messages: &[Sent], mask: Option<[u8; 4]>) -> (Vec<u8>, Vec<Whole>) {
    let (mut wire, mut wholes) = (vec![], vec![]);
    for Sent { text, frames } in messages {
        let kind = if *text { opcode::TEXT } else { opcode::BINARY };
        let mut whole = vec![];
        for (nth, (pings, body)) in frames.iter().enumerate() {
            for ping in pings {
                put_frame(&mut wire, 0x80 | opcode::PING, ping, mask);
                wholes.push((opcode::PING, ping.clone()));
            }
            let fin = if nth + 1 == frames.len() { 0x80 } else { 0 };
            let op = if nth == 0 { kind } else { opcode::CONTINUATION };
            put_frame(&mut wire, fin | op, body, mask);
            whole.extend_from_slice(body);
        }
        wholes.push((kind, whole));
    }
    (wire, wholes)
}

/// What tungstenite reads, and what it wrote.
struct Pipe {
    input: io::Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.input.read(into)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tungstenite(role: TheirRole, wire: Vec<u8>) -> WebSocket<Pipe> {
    let pipe = Pipe { input: io::Cursor::new(wire), output: vec![] };
    WebSocket::from_raw_socket(pipe, role, None)
}

fn plain(message: Message) -> Whole {
    match message {
        Message::Text(text) => (opcode::TEXT, text.as_bytes().to_vec()),
        Message::Binary(bytes) => (opcode::BINARY, bytes.to_vec()),
        Message::Ping(bytes) => (opcode::PING, bytes.to_vec()),
        Message::Pong(bytes) => (opcode::PONG, bytes.to_vec()),
        Message::Close(_) | Message::Frame(_) => panic!("none was sent: {message:?}"),
    }
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), Just(vec![usize::MAX]), prop::collection::vec(1_usize..200, 1..8),]
}

const MASK: [u8; 4] = [0x5a, 0, 0xff, 0x21];

/// Both roles: ours as the receiver, theirs as the receiver of the same, and the mask between.
fn both() -> [(Role, TheirRole, Option<[u8; 4]>); 2] {
    [(Role::Client, TheirRole::Client, None), (Role::Server, TheirRole::Server, Some(MASK))]
}

proptest! {
    #![proptest_config(crate::cases(96))]

    #[test]
    fn what_we_write_tungstenite_and_we_read(
        messages in prop::collection::vec(sent(), 0..5),
        sizes in sizes(),
    ) {
        for (ours, theirs, mask) in both() {
            let (wire, wholes) = render(&messages, mask);
            let mut socket = tungstenite(theirs, wire.clone());
            for whole in &wholes {
                prop_assert_eq!(&plain(socket.read().unwrap()), whole);
            }
            prop_assert!(socket.read().is_err());
            prop_assert_eq!(decode(ours, &wire, &sizes), (wholes, Ok(())));
        }
    }

    #[test]
    fn what_tungstenite_writes_we_read(
        bodies in prop::collection::vec((0_u8..4, body()), 0..5),
        sizes in sizes(),
    ) {
        let pairs = [(Role::Client, TheirRole::Server), (Role::Server, TheirRole::Client)];
        for (ours, theirs) in pairs {
            let mut socket = tungstenite(theirs, vec![]);
            let mut wholes = vec![];
            for (kind, body) in &bodies {
                let short = body[..body.len().min(125)].to_vec();
                let message = match kind {
                    0 => Message::text(String::from_utf8(body.clone()).unwrap()),
                    1 => Message::binary(body.clone()),
                    2 => Message::Ping(short.into()),
                    _ => Message::Pong(short.into()),
                };
                wholes.push(plain(message.clone()));
                socket.send(message).unwrap();
            }
            let wire = socket.into_inner().output;
            prop_assert_eq!(decode(ours, &wire, &sizes), (wholes, Ok(())));
        }
    }

    #[test]
    fn damaged_streams_are_judged_as_by_websocket_sans_io(
        messages in prop::collection::vec(sent(), 0..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        sizes in sizes(),
    ) {
        for (role, _, mask) in both() {
            let mut wire = render(&messages, mask).0;
            for (at, byte) in &damage {
                // Most damage to its beginning, where heads are.
                let reach = wire.len().min(64);
                if reach > 0 {
                    wire[at.index(reach)] = *byte;
                }
            }
            wire.truncate(cut.index(wire.len() + 1));
            prop_assert_eq!(decode(role, &wire, &sizes), judge::decode(role, &wire, false));
        }
    }

    #[test]
    fn text_in_pieces_is_judged_as_by_the_standard_library(
        bytes in prop::collection::vec(prop_oneof![b' '..=b'~', 0x80_u8..=0xff], 0..200),
        text in ".{0,60}",
        sizes in sizes(),
    ) {
        for bytes in [text.as_bytes(), &[text.as_bytes(), &bytes].concat()] {
            let (mut utf8, mut fed, mut rest) = (Utf8::default(), true, bytes);
            for size in sizes.iter().cycle() {
                let (piece, later) = rest.split_at(rest.len().min(*size));
                rest = later;
                fed = utf8.feed(piece);
                if rest.is_empty() {
                    break;
                }
            }
            let result = std::str::from_utf8(bytes);
            prop_assert_eq!(utf8.done(), result.is_ok());
            prop_assert_eq!(fed, result.is_ok() || result.is_err_and(|e| e.error_len().is_none()));
        }
    }
}

proptest! {
    #![proptest_config(crate::cases(4_096))]

    #[test]
    fn random_streams_are_judged_as_by_websocket_sans_io(
        wire in prop::collection::vec(prop_oneof![
            3 => prop::sample::select(
                &b"\x81\x82\x01\x80\x00\x02\x88\x89\x7e\x7f\xfe\xff\x85\xc1\x42"[..],
            ),
            1 => any::<u8>(),
        ], 0..60),
        sizes in sizes(),
    ) {
        for role in [Role::Client, Role::Server] {
            prop_assert_eq!(decode(role, &wire, &sizes), judge::decode(role, &wire, false));
            let mut agreed = Decoder::default();
            agreed.allow_compressed();
            let ours = decode_with(agreed, role, &wire, &sizes);
            prop_assert_eq!(ours, judge::decode(role, &wire, true));
        }
        let _ = close_code(&wire);
    }
}
