//! Frames of RFC 6455: a streaming decoder that keeps no payload, and what is needed to write them.
//! It checks frames and their order; what a message means, and how long it may be, others decide.

mod utf8;

pub use utf8::Utf8;

use crate::failure::ProtocolError;
use alloc::vec::Vec;

/// Kinds of frames (RFC 6455 §5.2).
pub mod opcode {
    /// More of the message that began before.
    pub const CONTINUATION: u8 = 0;
    /// A message of UTF-8, or its beginning.
    pub const TEXT: u8 = 1;
    /// A message of bytes, or its beginning.
    pub const BINARY: u8 = 2;
    /// The last frame of a side.
    pub const CLOSE: u8 = 8;
    /// To be answered with a pong of the same body.
    pub const PING: u8 = 9;
    /// The answer to a ping, or unasked.
    pub const PONG: u8 = 10;
}

/// FIN: the last frame of its message.
const FIN: u8 = 0x80;
/// RSV1 to RSV3, which only extensions may set.
const RESERVED: u8 = 0x70;
/// RSV1: the message is compressed, said by its first frame (RFC 7692 §6).
pub const COMPRESSED: u8 = 0x40;
/// In the second byte: a mask follows.
const MASKED: u8 = 0x80;
/// Length that says: the next two bytes are the length.
const IN_TWO_BYTES: u8 = 126;
/// Length that says: the next eight bytes are the length.
const IN_EIGHT_BYTES: u8 = 127;
/// Longest body of a control frame (§5.5), and longest length in the second byte.
const SHORT: u8 = 125;
const MASKED_SHORT: u8 = MASKED | SHORT;
/// FIN and the opcode of a message in one frame.
const WHOLE_TEXT: u8 = FIN | opcode::TEXT;
const WHOLE_BINARY: u8 = FIN | opcode::BINARY;

/// Which side we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We are the client: the peer's frames must be unmasked (§5.1).
    Client,
    /// We are the server: the peer's frames must be masked.
    Server,
}

/// A piece of a frame's payload as it came: still masked when the frame was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Of a message.
    Data {
        /// The message is text, not binary.
        text: bool,
        /// May be empty only when the frame is.
        bytes: &'a [u8],
        /// First piece of the message.
        start: bool,
        /// Last piece of the message.
        end: bool,
        /// What comes is the message compressed (RFC 7692 §6.2).
        compressed: bool,
        /// Zero when the frame is not masked.
        mask: [u8; 4],
        /// Which byte of the mask belongs to `bytes[0]`: 0 to 3.
        offset: u32,
    },
    /// Of a control frame. It may come between the frames of a message.
    Control {
        /// See [`opcode`].
        op: u8,
        /// At most 125 bytes in all pieces together.
        bytes: &'a [u8],
        /// Last piece of the frame.
        end: bool,
        /// Zero when the frame is not masked.
        mask: [u8; 4],
        /// Which byte of the mask belongs to `bytes[0]`: 0 to 3.
        offset: u32,
    },
}

/// What of a frame comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    First,
    Second,
    Length16,
    Length64,
    Mask,
    Payload,
}

/// Where a connection's peer is in its stream of frames: at most 32 bytes, held by a test.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    /// Of the payload; while the length is read, what is known of it.
    left: u64,
    mask: [u8; 4],
    stage: Stage,
    /// Bytes of the length or the mask that are still to come.
    missing: u8,
    /// First byte of the frame.
    first: u8,
    /// Opcode of the message under way, with [`COMPRESSED`] if it is; `CONTINUATION` when there is
    /// none.
    message: u8,
    /// A piece of that message has been given out.
    begun: bool,
    /// Which byte of the mask is next.
    phase: u8,
    /// Messages may be compressed: it was agreed.
    deflate: bool,
}

impl Decoder {
    /// Takes one event off the front of `input`; `None` when all of it is used up and more is
    /// needed. Pieces are given out as they come: nothing waits for the end of a frame.
    ///
    /// # Errors
    /// The byte that shows a breach of §5 is left at the front of `input`; asked again, the decoder
    /// says the same of it.
    #[inline]
    pub fn next<'a>(
        &mut self,
        role: Role,
        input: &mut &'a [u8],
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        if self.stage == Stage::First
            && self.message == opcode::CONTINUATION
            && let Some(event) = whole_short(role, input)
        {
            return Ok(Some(event));
        }
        self.step(role, input)
    }

    /// From here on messages may come compressed (RFC 7692).
    pub fn allow_compressed(&mut self) {
        self.deflate = true;
    }

    /// Whether the stream may not end here: inside a message, between two frames of one, or inside
    /// any frame.
    pub fn mid_message(&self) -> bool {
        self.message != opcode::CONTINUATION || self.mid_frame()
    }

    /// Whether a frame has begun and not ended.
    pub fn mid_frame(&self) -> bool {
        self.stage != Stage::First
    }

    /// Bytes of payload that the frame under way still has to bring; 0 between frames and while its
    /// head is incomplete.
    pub fn payload_left(&self) -> u64 {
        if self.stage == Stage::Payload { self.left } else { 0 }
    }

    fn step<'a>(
        &mut self,
        role: Role,
        input: &mut &'a [u8],
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        while self.stage != Stage::Payload {
            let [byte, rest @ ..] = *input else { return Ok(None) };
            match self.stage {
                Stage::First => self.first_byte(*byte)?,
                Stage::Second => self.second_byte(role, *byte)?,
                Stage::Length16 | Stage::Length64 => self.length_byte(role, *byte)?,
                Stage::Mask | Stage::Payload => self.mask_byte(*byte),
            }
            *input = rest;
        }
        Ok(self.payload(input))
    }

    fn first_byte(&mut self, byte: u8) -> Result<(), ProtocolError> {
        let compressed = byte & RESERVED;
        let begins = matches!(byte & 15, opcode::TEXT | opcode::BINARY);
        if compressed != 0 && !(compressed == COMPRESSED && begins && self.deflate) {
            return Err(ProtocolError::Reserved);
        }
        let under_way = self.message != opcode::CONTINUATION;
        match byte & 15 {
            opcode::CONTINUATION if under_way => {}
            opcode::CONTINUATION => return Err(ProtocolError::Continuation),
            opcode::TEXT | opcode::BINARY if under_way => return Err(ProtocolError::Interleaved),
            op @ (opcode::TEXT | opcode::BINARY) => {
                self.message = op | compressed;
                self.begun = false;
            }
            opcode::CLOSE | opcode::PING | opcode::PONG if byte & FIN == 0 => {
                return Err(ProtocolError::ControlFragmented);
            }
            opcode::CLOSE | opcode::PING | opcode::PONG => {}
            _ => return Err(ProtocolError::Opcode),
        }
        self.first = byte;
        self.stage = Stage::Second;
        Ok(())
    }

    fn second_byte(&mut self, role: Role, byte: u8) -> Result<(), ProtocolError> {
        let masked = byte & MASKED != 0;
        if masked != (role == Role::Server) {
            return Err(ProtocolError::Mask);
        }
        let length = byte & !MASKED;
        if self.is_control() && length > SHORT {
            return Err(ProtocolError::ControlTooLong);
        }
        self.phase = 0;
        self.left = 0;
        match length {
            IN_TWO_BYTES => (self.stage, self.missing) = (Stage::Length16, 2),
            IN_EIGHT_BYTES => (self.stage, self.missing) = (Stage::Length64, 8),
            _ => {
                self.left = u64::from(length);
                self.end_length(role);
            }
        }
        Ok(())
    }

    fn length_byte(&mut self, role: Role, byte: u8) -> Result<(), ProtocolError> {
        let length = self.left << 8 | u64::from(byte);
        if self.missing == 1 {
            // It must be the shortest encoding, and its highest bit is not used.
            let least = match self.stage {
                Stage::Length16 => u64::from(IN_TWO_BYTES),
                _ => 1 << 16,
            };
            if length < least || length >> 63 != 0 {
                return Err(ProtocolError::Length);
            }
        }
        self.left = length;
        self.missing -= 1;
        if self.missing == 0 {
            self.end_length(role);
        }
        Ok(())
    }

    fn end_length(&mut self, role: Role) {
        // Whether the frame is masked was compared with our role before.
        (self.stage, self.missing) = match role {
            Role::Client => (Stage::Payload, 0),
            Role::Server => (Stage::Mask, 4),
        };
    }

    fn mask_byte(&mut self, byte: u8) {
        self.mask.rotate_left(1);
        self.mask[3] = byte;
        self.missing -= 1;
        if self.missing == 0 {
            self.stage = Stage::Payload;
        }
    }

    /// A piece of the payload, also when the payload is empty.
    fn payload<'a>(&mut self, input: &mut &'a [u8]) -> Option<Event<'a>> {
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        if take == 0 && self.left > 0 {
            return None;
        }
        let (bytes, rest) = input.split_at(take);
        *input = rest;
        self.left -= take as u64;
        let (mask, phase) = (self.mask, self.phase);
        self.phase = (phase + u8::try_from(take & 3).expect("two bits fit")) & 3;
        let offset = u32::from(phase);
        let frame_ends = self.left == 0;
        if frame_ends {
            self.stage = Stage::First;
        }
        if self.is_control() {
            let op = self.first & 15;
            return Some(Event::Control { op, bytes, end: frame_ends, mask, offset });
        }
        let (text, compressed) =
            (self.message & 15 == opcode::TEXT, self.message & COMPRESSED != 0);
        let start = !core::mem::replace(&mut self.begun, true);
        let end = frame_ends && self.first & FIN != 0;
        if end {
            self.message = opcode::CONTINUATION;
        }
        Some(Event::Data { text, bytes, start, end, compressed, mask, offset })
    }

    fn is_control(&self) -> bool {
        self.first & opcode::CLOSE != 0
    }
}

/// A whole message in one short frame that lies in the buffer: the rule, and no state is touched.
#[inline]
fn whole_short<'a>(role: Role, input: &mut &'a [u8]) -> Option<Event<'a>> {
    let (first, length, mask, rest) = match (role, *input) {
        (Role::Client, [first, length @ ..=SHORT, rest @ ..]) => (*first, *length, [0; 4], rest),
        (Role::Server, [first, length @ MASKED..=MASKED_SHORT, a, b, c, d, rest @ ..]) => {
            (*first, *length & !MASKED, [*a, *b, *c, *d], rest)
        }
        _ => return None,
    };
    let (WHOLE_TEXT | WHOLE_BINARY) = first else { return None };
    let (bytes, rest) = rest.split_at_checked(usize::from(length))?;
    *input = rest;
    let text = first == WHOLE_TEXT;
    let (start, end, compressed) = (true, true, false);
    Some(Event::Data { text, bytes, start, end, compressed, mask, offset: 0 })
}

/// Length in bytes of a frame's head, for `len` bytes of payload.
pub const fn head_len(len: usize, masked: bool) -> usize {
    let mask = if masked { 4 } else { 0 };
    let length = match len {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    2 + length + mask
}

/// Appends the head of a frame with `len` bytes of payload. `first_byte` is an [`opcode`], with
/// 0x80 for the last frame of a message. The payload is to be masked by [`apply_mask`].
#[inline]
pub fn put_head(out: &mut Vec<u8>, first_byte: u8, len: usize, mask: Option<[u8; 4]>) {
    let masked = if mask.is_some() { MASKED } else { 0 };
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ ..=SHORT), _) => out.extend_from_slice(&[first_byte, masked | short]),
        (_, Ok(length)) => {
            let [a, b] = length.to_be_bytes();
            out.extend_from_slice(&[first_byte, masked | IN_TWO_BYTES, a, b]);
        }
        _ => {
            out.extend_from_slice(&[first_byte, masked | IN_EIGHT_BYTES]);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
    }
}

/// Masks or unmasks (§5.3): the same. `offset` is the position of `bytes[0]` in its payload, of
/// which only the lowest two bits count.
#[inline]
pub fn apply_mask(bytes: &mut [u8], mut mask: [u8; 4], offset: u32) {
    if mask == [0; 4] {
        return;
    }
    mask.rotate_left((offset & 3) as usize);
    let four = u64::from(u32::from_ne_bytes(mask));
    let eight = four << 32 | four;
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let whole: [u8; 8] = (&*chunk).try_into().expect("a chunk has eight bytes");
        chunk.copy_from_slice(&(u64::from_ne_bytes(whole) ^ eight).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// The code in the unmasked body of a Close frame; 1005 when the body is empty (§7.1.5).
///
/// # Errors
/// `BadClose` when the body is one byte or its code must not be sent (§7.4, and the registry for
/// 1012 to 1014); `Utf8` when the reason after it is no UTF-8.
pub fn close_code(body: &[u8]) -> Result<u16, ProtocolError> {
    match body {
        [] => Ok(1005),
        [_] => Err(ProtocolError::BadClose),
        [high, low, reason @ ..] => match u16::from_be_bytes([*high, *low]) {
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => {
                match core::str::from_utf8(reason) {
                    Ok(_) => Ok(code),
                    Err(_) => Err(ProtocolError::Utf8),
                }
            }
            _ => Err(ProtocolError::BadClose),
        },
    }
}

/// The code of the Close frame that answers this breach (§7.4.1): 1007, 1009, 1002, or 1001 when it
/// is none of the peer's.
pub const fn breach_code(error: ProtocolError) -> u16 {
    match error {
        ProtocolError::Utf8 | ProtocolError::Deflate => 1007,
        ProtocolError::TooBig => 1009,
        ProtocolError::NoRoom => 1001,
        _ => 1002,
    }
}

#[cfg(test)]
mod tests;
