//! Streams of WebSocket frames: what the decoder gives out is what came in, however it is cut.

use super::messages;
use inrush_core::failure::ProtocolError;
use inrush_core::protocol::ws_frame::{
    COMPRESSED, Decoder, Event, Role, apply_mask, head_len, opcode, put_head,
};

/// The first byte says the role, how many bytes of sizes follow, and whether messages may be
/// compressed; after the sizes comes the stream.
pub fn check(input: &[u8]) {
    let Some((how, rest)) = input.split_first() else { return };
    let role = if how & 1 == 0 { Role::Client } else { Role::Server };
    let Some((sizes, wire)) = rest.split_at_checked(usize::from(how >> 1 & 7)) else { return };
    let sizes: Vec<usize> = sizes.iter().map(|size| usize::from(*size).max(1)).collect();
    let sizes = if sizes.is_empty() { &[1][..] } else { &sizes };
    let mut decoder = Decoder::default();
    if how & 16 != 0 {
        decoder.allow_compressed();
    } else {
        // It knows no compression.
        messages::agree(role, wire, sizes);
    }
    any_cut_says_the_same(decoder, role, wire, sizes);
}

/// The stream in one piece and in pieces of these sizes, in turn.
pub fn any_cut_says_the_same(decoder: Decoder, role: Role, wire: &[u8], sizes: &[usize]) {
    let whole = Stream::decode(decoder, role, wire, &[usize::MAX]);
    whole.is_what_came_in(role, wire);
    assert_eq!(whole, Stream::decode(decoder, role, wire, sizes), "pieces of {sizes:?}");
}

/// One frame as far as it came.
#[derive(Debug, Default, PartialEq, Eq)]
struct Frame {
    /// The first byte of a whole frame; without FIN while the frame goes on.
    first: u8,
    mask: [u8; 4],
    /// Unmasked.
    payload: Vec<u8>,
    whole: bool,
}

/// All that a decoder said of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stream {
    frames: Vec<Frame>,
    result: Option<ProtocolError>,
    consumed: usize,
    payload_left: u64,
    mid_message: bool,
}

impl Stream {
    fn decode(mut decoder: Decoder, role: Role, wire: &[u8], sizes: &[usize]) -> Self {
        let mut stream = Self::default();
        let (mut rest, mut sizes) = (wire, sizes.iter().cycle());
        while let (false, Some(size)) = (rest.is_empty() || stream.result.is_some(), sizes.next()) {
            let (mut piece, later) = rest.split_at(rest.len().min(*size));
            rest = later;
            stream.piece(&mut decoder, role, &mut piece);
            stream.consumed = wire.len() - rest.len() - piece.len();
        }
        stream.payload_left = decoder.payload_left();
        stream.mid_message = decoder.mid_message();
        stream
    }

    fn piece(&mut self, decoder: &mut Decoder, role: Role, piece: &mut &[u8]) {
        loop {
            let before = piece.len();
            match decoder.next(role, piece) {
                Ok(Some(event)) => {
                    assert!(piece.len() < before || event_is_empty(&event), "it gets on");
                    self.event(event, !decoder.mid_frame());
                }
                Ok(None) => return assert!(piece.is_empty(), "nothing is left behind"),
                Err(error) => {
                    let byte = *piece;
                    assert!(!byte.is_empty(), "the byte that shows it stays in front");
                    assert_eq!(decoder.next(role, piece), Err(error), "an error stays");
                    assert_eq!(*piece, byte);
                    self.result = Some(error);
                    return;
                }
            }
        }
    }

    fn event(&mut self, event: Event<'_>, whole: bool) {
        let fresh = self.frames.last().is_none_or(|frame| frame.whole);
        let (first, bytes, mask, offset) = match event {
            Event::Data { text, bytes, start, end, compressed, mask, offset } => {
                assert!(!end || whole, "a message ends with a frame");
                assert!(!start || fresh, "a message begins with a frame");
                let kind = match (fresh && start, text) {
                    (true, true) => opcode::TEXT,
                    (true, false) => opcode::BINARY,
                    (false, _) => opcode::CONTINUATION,
                };
                // Said by the first frame of a message (RFC 7692 §6).
                let rsv1 = if compressed && kind != opcode::CONTINUATION { COMPRESSED } else { 0 };
                (kind | rsv1 | if end { 0x80 } else { 0 }, bytes, mask, offset)
            }
            Event::Control { op, bytes, end, mask, offset } => {
                assert_eq!(end, whole);
                (op | 0x80, bytes, mask, offset)
            }
        };
        if fresh {
            self.frames.push(Frame { first, mask, ..Frame::default() });
        }
        let frame = self.frames.last_mut().expect("one was pushed when there was none");
        assert_eq!((frame.mask, frame.payload.len() & 3), (mask, offset as usize));
        let from = frame.payload.len();
        frame.payload.extend_from_slice(bytes);
        apply_mask(&mut frame.payload[from..], mask, offset);
        frame.first |= first;
        frame.whole = whole;
    }

    /// Encoding what was decoded gives the stream again, to its end or to the error.
    fn is_what_came_in(&self, role: Role, wire: &[u8]) {
        let mut again = vec![];
        for frame in &self.frames {
            let left = usize::try_from(self.payload_left).expect("a target has 64 bits");
            let length = frame.payload.len() + if frame.whole { 0 } else { left };
            let mask = (role == Role::Server).then_some(frame.mask);
            let from = again.len();
            // Of a frame that goes on it is not known whether it is the last of its message.
            let first = if frame.whole { frame.first } else { wire[from] };
            put_head(&mut again, first, length, mask);
            assert_eq!(again.len() - from, head_len(length, mask.is_some()));
            let from = again.len();
            again.extend_from_slice(&frame.payload);
            apply_mask(&mut again[from..], frame.mask, 0);
        }
        assert_eq!(again, wire[..again.len()]);
        assert!(again.len() <= self.consumed && self.consumed <= wire.len());
        // A head without payload is all that may be used up beside: 2 + 8 + 4 bytes.
        assert!(self.consumed - again.len() <= 14, "{self:?}");
        assert_eq!(self.result.is_none(), self.consumed == wire.len());
        if self.result.is_none() && self.consumed > again.len() {
            assert!(self.mid_message, "inside a head no stream may end");
        }
    }
}

/// Only the event of an empty frame uses nothing up: its head was taken before.
fn event_is_empty(event: &Event<'_>) -> bool {
    match event {
        Event::Data { bytes, .. } | Event::Control { bytes, .. } => bytes.is_empty(),
    }
}
