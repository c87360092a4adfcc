//! An open WebSocket on the server's side: whole messages in, replies out, control frames, ends.

use super::ServeSwarm;
use super::conn::{Ending, Flag, Rare, State};
use crate::failure::{Op, Outcome, ProtocolError};
use crate::fault::Kind;
use crate::plan::Mode;
use crate::protocol::ws_frame::{self, COMPRESSED, Event, Role, opcode};
use crate::swarm::Orders;
use crate::time::Nanos;
use alloc::vec::Vec;

/// Longest message that is echoed.
const MESSAGE_BYTES: usize = 16 << 20;
/// RFC 6455 §7.4.1.
mod code {
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const NO_STATUS: u16 = 1005;
    pub(super) const TRY_AGAIN_LATER: u16 = 1013;
}

impl ServeSwarm {
    /// Frames, or parts of them.
    pub(super) fn frames(&mut self, now: Nanos, slot: u32, mut bytes: &[u8], orders: &mut Orders) {
        loop {
            let event = self.conn(slot).decoder.next(Role::Server, &mut bytes);
            match event {
                Ok(None) => return,
                Ok(Some(event)) => self.event(now, slot, event, orders),
                Err(error) => self.violated(now, slot, error, orders),
            }
            let conn = self.conn(slot);
            if conn.ending != Ending::None || !matches!(conn.state, State::Ws | State::Parting) {
                return;
            }
        }
    }

    fn event(&mut self, now: Nanos, slot: u32, event: Event<'_>, orders: &mut Orders) {
        match event {
            // After our own Close no message is answered (RFC 6455 §5.5.1).
            Event::Data { .. } if self.conn(slot).state == State::Parting => {}
            Event::Data { text, bytes, start, end, compressed, mask, offset } => {
                self.counts.received_bytes += bytes.len() as u64;
                self.counts.received += u64::from(end);
                if start {
                    self.conn(slot).set(Flag::Text, text);
                }
                if self.over_limit(slot, bytes.len()) {
                    return self.violated(now, slot, ProtocolError::TooBig, orders);
                }
                let piece = Piece { bytes, mask, offset };
                if compressed {
                    self.compressed_piece(now, slot, piece, (start, end), orders);
                } else if self.plan.mode == Mode::Echo {
                    self.piece(now, slot, piece, start && end, end, orders);
                } else if text {
                    self.text_piece(now, slot, piece, (start, end), orders);
                }
                if end {
                    self.close_after_message(now, slot, orders);
                }
            }
            Event::Control { op, bytes, end, mask, offset } => {
                let piece = Piece { bytes, mask, offset };
                if let Some(body) = self.control_body(slot, piece, end) {
                    self.control(now, slot, op, &body, orders);
                }
            }
        }
    }

    /// A message that came whole is answered from the read buffer; others are gathered first.
    fn piece(
        &mut self,
        now: Nanos,
        slot: u32,
        piece: Piece<'_>,
        whole: bool,
        end: bool,
        orders: &mut Orders,
    ) {
        let text = self.conn(slot).has(Flag::Text);
        let kind = if text { opcode::TEXT } else { opcode::BINARY };
        if !whole {
            if let Some(message) = self.gather(now, slot, piece, text, end, orders) {
                self.reply(now, slot, kind, &message, orders);
            }
            return;
        }
        let mut message = core::mem::take(&mut self.scratch);
        message.clear();
        piece.unmask(&mut message);
        if text && simdutf8::basic::from_utf8(&message).is_err() {
            self.violated(now, slot, ProtocolError::Utf8, orders);
        } else {
            self.reply(now, slot, kind, &message, orders);
        }
        message.clear();
        self.scratch = message;
    }

    /// Text that nobody wants has to be UTF-8 all the same (RFC 6455 §8.1).
    fn text_piece(
        &mut self,
        now: Nanos,
        slot: u32,
        piece: Piece<'_>,
        (start, end): (bool, bool),
        orders: &mut Orders,
    ) {
        let mut bytes = core::mem::take(&mut self.scratch);
        bytes.clear();
        piece.unmask(&mut bytes);
        let valid = if start && end {
            simdutf8::basic::from_utf8(&bytes).is_ok()
        } else {
            self.with_rare(slot, |rare| rare.utf8.feed(&bytes) && (!end || rare.utf8.done()))
        };
        self.scratch = bytes;
        if !valid {
            self.violated(now, slot, ProtocolError::Utf8, orders);
        }
    }

    /// The message once its last piece has come. Text is refused at its first wrong byte, however
    /// much of it is still to come.
    pub(super) fn gather(
        &mut self,
        now: Nanos,
        slot: u32,
        piece: Piece<'_>,
        text: bool,
        end: bool,
        orders: &mut Orders,
    ) -> Option<Vec<u8>> {
        let so_far = self.rare.get(&slot).map_or(0, |rare| rare.parts.len());
        if so_far + piece.bytes.len() > MESSAGE_BYTES {
            self.violated(now, slot, ProtocolError::TooBig, orders);
            return None;
        }
        if !self.has_room(piece.bytes.len()) {
            self.no_room(now, slot, orders);
            return None;
        }
        let valid = self.with_rare(slot, |rare| {
            let from = rare.parts.len();
            piece.unmask(&mut rare.parts);
            !text || rare.utf8.feed(&rare.parts[from..])
        });
        if valid && !end {
            return None;
        }
        let take =
            |rare: &mut Rare| (core::mem::take(&mut rare.parts), core::mem::take(&mut rare.utf8));
        let (message, utf8) = self.with_rare(slot, take);
        if !utf8.done() {
            self.violated(now, slot, ProtocolError::Utf8, orders);
            return None;
        }
        Some(message)
    }

    /// What this worker keeps is at its bound: this peer is told to try later.
    pub(super) fn no_room(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        self.failed(now, slot, Op::Decode, Outcome::Protocol(ProtocolError::NoRoom));
        self.say_and_end(now, slot, code::TRY_AGAIN_LATER, orders);
    }

    /// A message has come, and is valid: an echo says it again.
    pub(super) fn take_message(
        &mut self,
        now: Nanos,
        slot: u32,
        kind: u8,
        message: &[u8],
        orders: &mut Orders,
    ) {
        if self.plan.mode == Mode::Echo {
            self.reply(now, slot, kind, message, orders);
        }
    }

    /// Says a message, unless a fault makes something else of it.
    pub(super) fn reply(
        &mut self,
        now: Nanos,
        slot: u32,
        kind: u8,
        payload: &[u8],
        orders: &mut Orders,
    ) {
        let framed = self.conn(slot).state == State::Ws;
        let deed = self.faults.next_reply();
        if deed.dropped {
            return self.commit();
        }
        let corrupted = deed.corrupted && !payload.is_empty();
        self.counts.sent_bytes += payload.len() as u64;
        let packed = self.compressed_reply(slot, payload, corrupted);
        let (kind, payload, flipped) = match &packed {
            Some(packed) => (kind | COMPRESSED, packed.as_slice(), false),
            None => (kind, payload, corrupted),
        };
        let kind = if framed { self.opcode(slot, kind) } else { kind };
        let interleaved = deed.interleaved && framed && !payload.is_empty();
        let render = |out: &mut Vec<u8>| {
            if framed {
                ws_frame::put_head(out, 0x80 | kind, payload.len(), None);
            }
            // A second writer cannot begin before the first has, nor after it has ended.
            let cut = if interleaved { payload.len() / 2 } else { payload.len() };
            out.extend_from_slice(&payload[..cut]);
            if interleaved {
                ws_frame::put_head(out, 0x80 | kind, payload.len(), None);
                out.extend_from_slice(payload);
                out.extend_from_slice(&payload[cut..]);
            }
            // The last byte lies beyond the tag of a tagged message, and in UTF-8 it is ASCII or a
            // continuation byte: both stay what they are when their lowest bit turns.
            if let Some(last) = out.last_mut().filter(|_| flipped) {
                *last ^= 1;
            }
        };
        self.counts.faults += u64::from(corrupted) + u64::from(interleaved);
        self.counts.sent += 1;
        let halved = |k| matches!(k, Kind::CloseMidWrite | Kind::RstMidWrite);
        if let Some(fault) = self.fault(slot, halved) {
            self.commit();
            let how = if fault == Kind::RstMidWrite { Ending::Rst } else { Ending::Fin };
            self.say(now, slot, orders, |out| {
                let before = out.len();
                render(out);
                out.truncate(before + (out.len() - before) / 2);
            });
            return self.end(now, slot, how);
        }
        if let Some(by) = deed.delay {
            self.commit();
            let mut reply = Vec::new();
            render(&mut reply);
            if deed.twice {
                self.commit();
                let again = reply.clone();
                self.hold(now, slot, now + by, again, orders);
            }
            return self.hold(now, slot, now + by, reply, orders);
        }
        self.say(now, slot, orders, render);
        if deed.twice {
            self.commit();
            self.say(now, slot, orders, render);
        }
    }

    /// Sends a Close frame and awaits the peer's.
    pub(super) fn say_close(&mut self, now: Nanos, slot: u32, code: u16, orders: &mut Orders) {
        self.say(now, slot, orders, |out| put_close(out, Some(code)));
        let conn = self.conn(slot);
        if conn.ending == Ending::None {
            conn.state = State::Parting;
            conn.timer = now + super::CLOSE_PATIENCE;
            self.leave_open(slot);
        }
    }

    /// We stop: the peer is told.
    pub(super) fn say_going_away(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        self.say_close(now, slot, code::GOING_AWAY, orders);
    }

    /// The fault close-code, after the first message.
    fn close_after_message(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        if self.conn(slot).faults == 0 || self.conn(slot).state != State::Ws {
            return;
        }
        let fault = self.fault(slot, |k| matches!(k, Kind::CloseCode(_)));
        if let Some(Kind::CloseCode(code)) = fault {
            self.close_by_fault(now, slot, code, orders);
        }
    }

    /// The fault close-code happens now.
    pub(super) fn close_by_fault(&mut self, now: Nanos, slot: u32, code: u16, orders: &mut Orders) {
        if self.conn(slot).state == State::Ws && self.conn(slot).ending == Ending::None {
            self.commit();
            self.say_close(now, slot, code, orders);
        }
    }

    /// The whole unmasked body of a control frame; `None` while parts are missing.
    fn control_body(&mut self, slot: u32, piece: Piece<'_>, end: bool) -> Option<Body> {
        let mut body = Body::default();
        let begun = self.rare.get(&slot).is_some_and(|rare| !rare.control.is_empty());
        if end && !begun {
            piece.unmask_into(&mut body);
            return Some(body);
        }
        self.with_rare(slot, |rare| piece.unmask(&mut rare.control));
        if !end {
            return None;
        }
        let control = self.with_rare(slot, |rare| core::mem::take(&mut rare.control));
        body.extend(&control);
        Some(body)
    }

    fn control(&mut self, now: Nanos, slot: u32, op: u8, body: &Body, orders: &mut Orders) {
        let body = body.as_slice();
        match op {
            opcode::PING if self.conn(slot).state == State::Ws => {
                self.say(now, slot, orders, |out| {
                    ws_frame::put_head(out, 0x80 | opcode::PONG, body.len(), None);
                    out.extend_from_slice(body);
                });
            }
            opcode::CLOSE => self.peer_closes(now, slot, body, orders),
            _ => {}
        }
    }

    /// The peer's Close: answered with the same code, or it is the answer to ours.
    fn peer_closes(&mut self, now: Nanos, slot: u32, body: &[u8], orders: &mut Orders) {
        if self.conn(slot).state == State::Parting {
            return self.end(now, slot, Ending::Fin);
        }
        match ws_frame::close_code(body) {
            Ok(code) => {
                let code = (code != code::NO_STATUS).then_some(code);
                self.say(now, slot, orders, |out| put_close(out, code));
                self.end(now, slot, Ending::Fin);
            }
            Err(error) => self.violated(now, slot, error, orders),
        }
    }

    /// The peer broke the protocol: it is told how, and no more of it is read as frames.
    pub(super) fn violated(
        &mut self,
        now: Nanos,
        slot: u32,
        error: ProtocolError,
        orders: &mut Orders,
    ) {
        if self.conn(slot).state == State::Parting {
            return self.end(now, slot, Ending::Half);
        }
        self.failed(now, slot, Op::Decode, Outcome::Protocol(error));
        self.say_and_end(now, slot, ws_frame::breach_code(error), orders);
    }

    fn say_and_end(&mut self, now: Nanos, slot: u32, code: u16, orders: &mut Orders) {
        self.say(now, slot, orders, |out| put_close(out, Some(code)));
        self.end(now, slot, Ending::Half);
    }
}

/// Bytes of a payload as they came.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    bytes: &'a [u8],
    mask: [u8; 4],
    offset: u32,
}

impl Piece<'_> {
    pub(super) fn unmask(self, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(self.bytes);
        ws_frame::apply_mask(&mut out[from..], self.mask, self.offset);
    }

    fn unmask_into(self, body: &mut Body) {
        let from = body.length;
        body.extend(self.bytes);
        ws_frame::apply_mask(&mut body.bytes[from..body.length], self.mask, self.offset);
    }
}

/// The body of a control frame: at most 125 bytes (RFC 6455 §5.5), which the decoder holds.
struct Body {
    bytes: [u8; 125],
    length: usize,
}

impl Default for Body {
    fn default() -> Self {
        Self { bytes: [0; 125], length: 0 }
    }
}

impl Body {
    fn extend(&mut self, more: &[u8]) {
        let more = &more[..more.len().min(self.bytes.len() - self.length)];
        self.bytes[self.length..self.length + more.len()].copy_from_slice(more);
        self.length += more.len();
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

fn put_close(out: &mut Vec<u8>, code: Option<u16>) {
    let body = code.map(u16::to_be_bytes);
    let body = body.as_ref().map_or(&[][..], |body| &body[..]);
    ws_frame::put_head(out, 0x80 | opcode::CLOSE, body.len(), None);
    out.extend_from_slice(body);
}
