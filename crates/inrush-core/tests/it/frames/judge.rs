//! The rules of RFC 6455 §5 over the frames that websocket-sans-io finds; it knows no rules itself.

use super::Whole;
use inrush_core::failure::ProtocolError;
use inrush_core::protocol::ws_frame::{Role, opcode};
use websocket_sans_io::{FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEvent as Theirs};

/// What a stream says, and the first rule it breaks; `deflate`: it may be compressed (RFC 7692).
pub(super) fn decode(
    role: Role,
    wire: &[u8],
    deflate: bool,
) -> (Vec<Whole>, Result<(), ProtocolError>) {
    let (data, control, wholes) = (vec![], vec![], vec![]);
    let mut judge = Judge { role, deflate, message: 0, data, control, wholes };
    let result = judge.all(wire);
    (judge.wholes, result)
}

struct Judge {
    role: Role,
    deflate: bool,
    /// Kind of the message under way, or 0.
    message: u8,
    data: Vec<u8>,
    control: Vec<u8>,
    wholes: Vec<Whole>,
}

impl Judge {
    fn all(&mut self, wire: &[u8]) -> Result<(), ProtocolError> {
        let mut decoder = WebsocketFrameDecoder::new();
        let mut head = vec![];
        // One byte at a time: so its head is known byte by byte.
        for byte in wire {
            let mut one = [*byte];
            let mut left = &mut one[..];
            loop {
                let got = decoder.add_data(left).unwrap();
                let taken = got.consumed_bytes;
                match got.event {
                    Some(Theirs::PayloadChunk { .. }) => self.bytes(&head, &left[..taken]),
                    Some(Theirs::Start { frame_info, .. }) => {
                        head.extend_from_slice(&left[..taken]);
                        self.head(&head)?;
                        self.agree(&head, &frame_info);
                    }
                    Some(Theirs::End { .. }) => {
                        self.end(&head);
                        head.clear();
                    }
                    None => {
                        head.extend_from_slice(&left[..taken]);
                        if taken == 0 {
                            break;
                        }
                    }
                }
                left = &mut left[taken..];
            }
        }
        // Whether a head that is cut off is wrong already.
        self.head(&head)
    }

    /// The rules, on as much of a head as there is.
    fn head(&self, head: &[u8]) -> Result<(), ProtocolError> {
        let Some(first) = head.first() else { return Ok(()) };
        let (op, fin) = (first & 15, first & 0x80 != 0);
        let compressed = self.deflate && first & 0x70 == 0x40 && (op == 1 || op == 2);
        if first & 0x70 != 0 && !compressed {
            return Err(ProtocolError::Reserved);
        }
        match (op, self.message & 15) {
            (0, 0) => return Err(ProtocolError::Continuation),
            (1 | 2, 1 | 2) => return Err(ProtocolError::Interleaved),
            (3..=7 | 11.., _) => return Err(ProtocolError::Opcode),
            (8..=10, _) if !fin => return Err(ProtocolError::ControlFragmented),
            _ => {}
        }
        let Some(second) = head.get(1) else { return Ok(()) };
        if (second & 0x80 != 0) != (self.role == Role::Server) {
            return Err(ProtocolError::Mask);
        }
        if op >= 8 && second & 0x7f > 125 {
            return Err(ProtocolError::ControlTooLong);
        }
        let long = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let wrong = match (second & 0x7f, head.get(2..4), head.get(2..10)) {
            (126, Some(bytes), _) => long(bytes) < 126,
            (127, _, Some(bytes)) => long(bytes) < 65_536 || bytes[0] & 0x80 != 0,
            _ => false,
        };
        if wrong { Err(ProtocolError::Length) } else { Ok(()) }
    }

    /// Guards the judge: it must mean the same head as websocket-sans-io.
    fn agree(&self, head: &[u8], theirs: &FrameInfo) {
        let ops = [(0, Opcode::Continuation), (1, Opcode::Text), (2, Opcode::Binary)];
        let controls = [(8, Opcode::ConnectionClose), (9, Opcode::Ping), (10, Opcode::Pong)];
        let op = ops.iter().chain(&controls).find(|(op, _)| *op == head[0] & 15);
        let op = op.expect("other opcodes were refused");
        assert_eq!((theirs.opcode, theirs.fin), (op.1, head[0] & 0x80 != 0));
        assert_eq!(theirs.mask.is_some(), self.role == Role::Server);
    }

    fn bytes(&mut self, head: &[u8], unmasked: &[u8]) {
        let control = head[0] & 8 != 0;
        let so_far = if control { &mut self.control } else { &mut self.data };
        so_far.extend_from_slice(unmasked);
    }

    fn end(&mut self, head: &[u8]) {
        let op = head[0] & 15;
        if op & 8 != 0 {
            self.wholes.push((op, std::mem::take(&mut self.control)));
            return;
        }
        if op != opcode::CONTINUATION {
            self.message = op | head[0] & 0x40;
        }
        if head[0] & 0x80 != 0 {
            self.wholes.push((self.message, std::mem::take(&mut self.data)));
            self.message = 0;
        }
    }
}
