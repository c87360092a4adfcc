//! Messages as they come: whether text is UTF-8, however it is cut, and the mirror, which says each
//! message again. A mirror is what conformance suites want of a client; no other run keeps bytes.

use super::conn::{DEFLATE, OWED};
use super::{Conn, LoadSwarm};
use crate::failure::{Op, Outcome, ProtocolError};
use crate::protocol::ws_frame::{Utf8, opcode};
use crate::swarm::{ConnId, Order, Orders};
use crate::time::Nanos;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Longest message that is taken in, when our own are not longer.
pub(super) const MESSAGE_BYTES: usize = 16 << 20;
/// A mirror whose peer asks and does not listen is given up when it owes more: room for one
/// longest message that is not written and one more that comes in.
const OWED_BYTES: usize = 2 * MESSAGE_BYTES;

/// A piece of a message, as it came: a server masks nothing (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Where in its message it begins; only of an echo.
    pub(super) at: usize,
    pub(super) bytes: &'a [u8],
    /// Of a text message.
    pub(super) text: bool,
    /// First piece of the message.
    pub(super) start: bool,
    /// Last piece of the message.
    pub(super) end: bool,
    /// What was read behind it.
    pub(super) behind: &'a [u8],
    /// It came compressed: no frame can lie in it.
    pub(super) compressed: bool,
}

/// How the peer broke the protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breach<'a> {
    pub(super) error: ProtocolError,
    /// What shows it.
    pub(super) said: &'a [u8],
    /// What came at once,
    pub(super) read: &'a [u8],
    /// and what of it lies behind the breach.
    pub(super) left: &'a [u8],
}

impl<'a> Breach<'a> {
    /// One that no frame can explain.
    pub(super) fn told(error: ProtocolError, said: &'a [u8]) -> Self {
        Self { error, said, read: &[], left: &[] }
    }
}

impl<'a> Piece<'a> {
    /// Of a bare stream, where only a known length makes an end.
    pub(super) fn of_stream(bytes: &'a [u8], end: bool) -> Self {
        Self { at: 0, bytes, text: false, start: true, end, behind: &[], compressed: false }
    }

    #[inline]
    pub(super) fn is_whole(&self) -> bool {
        self.start && self.end
    }
}

/// What is kept of messages that come in pieces, by slot; nothing of the others.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    texts: BTreeMap<u32, Utf8>,
    /// The mirror's.
    parts: BTreeMap<u32, Vec<u8>>,
    /// Mirrors that do not read before their socket has taken what they owe.
    paused: BTreeSet<u32>,
    /// Messages sent back: tells their masks apart.
    mirrored: u32,
}

impl Incoming {
    /// Whether this text, with what came before it, is UTF-8 or can become it (RFC 6455 §8.1).
    pub(super) fn is_text(&mut self, slot: u32, piece: Piece<'_>) -> bool {
        if piece.is_whole() {
            return simdutf8::basic::from_utf8(piece.bytes).is_ok();
        }
        if piece.start {
            self.texts.remove(&slot);
        }
        let text = self.texts.entry(slot).or_default();
        let valid = text.feed(piece.bytes);
        if !piece.end {
            return valid;
        }
        self.texts.remove(&slot).is_some_and(|text| text.done())
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self, slot: u32) {
        self.texts.remove(&slot);
        self.parts.remove(&slot);
        self.paused.remove(&slot);
    }
}

impl LoadSwarm {
    /// Whether an echo is text that is no UTF-8, and its connection has failed for it. Where a
    /// frame may lie inside it, that is found out first.
    pub(super) fn is_broken_text(
        &mut self,
        now: Nanos,
        id: ConnId,
        piece: Piece<'_>,
        orders: &mut Orders,
    ) -> bool {
        if self.incoming.is_text(id.slot, piece) {
            return false;
        }
        if let Some(inner) = self.inner.get_mut(&id.slot) {
            inner.breaks_text = true;
            return false;
        }
        self.violated(now, id, Breach::told(ProtocolError::Utf8, piece.bytes), orders);
        true
    }

    /// Sends a message back once it is whole.
    pub(super) fn mirror(&mut self, now: Nanos, id: ConnId, piece: Piece<'_>, orders: &mut Orders) {
        let c: &Conn = &self.conns[id.slot as usize];
        if c.is(OWED) && self.incoming.paused.insert(id.slot) {
            orders.push(Order::ReadOn(id, false));
        }
        // What lies in the socket is still read, so a pause alone is no bound.
        if self.owed_bytes(id.slot) > OWED_BYTES {
            let outcome = Outcome::Protocol(ProtocolError::TooBig);
            return self.fail(now, id, Op::Write, outcome, orders);
        }
        if piece.is_whole() || !self.is_ws(id.slot) {
            return self.send_back(id, piece.text, piece.bytes, orders);
        }
        let parts = self.incoming.parts.entry(id.slot).or_default();
        if parts.len() + piece.bytes.len() > MESSAGE_BYTES {
            let breach = Breach::told(ProtocolError::TooBig, piece.bytes);
            return self.violated(now, id, breach, orders);
        }
        parts.extend_from_slice(piece.bytes);
        if piece.end {
            let whole = self.incoming.parts.remove(&id.slot).unwrap_or_default();
            self.send_back(id, piece.text, &whole, orders);
        }
    }

    fn send_back(&mut self, id: ConnId, text: bool, message: &[u8], orders: &mut Orders) {
        let counts = &mut self.snapshot.counts;
        counts.received += 1;
        counts.sent += 1;
        counts.sent_bytes += message.len() as u64;
        let seq = self.incoming.mirrored;
        self.incoming.mirrored = seq.wrapping_add(1);
        let kind = if text { opcode::TEXT } else { opcode::BINARY };
        if self.conns[id.slot as usize].is(DEFLATE) {
            self.put_compressed(id, kind, message, seq, orders);
        } else {
            self.put_frame(id, kind, message, seq, orders);
        }
    }

    /// There is room to write: a paused mirror reads on.
    pub(super) fn read_on(&mut self, id: ConnId, orders: &mut Orders) {
        if self.incoming.paused.remove(&id.slot) {
            orders.push(Order::ReadOn(id, true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_judged_as_a_whole_however_it_is_cut() {
        let check = |text: &[u8]| {
            let expected = core::str::from_utf8(text);
            for cut in 0..=text.len() {
                let mut incoming = Incoming::default();
                let (first, last) = text.split_at(cut);
                let whole = Piece { text: true, ..Piece::of_stream(b"\xff", true) };
                let piece = |bytes, start| Piece { bytes, start, end: !start, ..whole };
                // One that was broken off before is no part of this one.
                incoming.is_text(3, piece(b"\xe2", true));
                let begun = incoming.is_text(3, piece(first, true));
                let so_far = core::str::from_utf8(first);
                assert_eq!(begun, so_far.is_ok() || is_cut(first), "{text:x?} {cut}");
                assert!(!incoming.is_text(4, whole));
                let valid = incoming.is_text(3, piece(last, false));
                assert_eq!(valid, expected.is_ok(), "{text:x?} {cut}");
                assert!(incoming.texts.is_empty());
            }
        };
        check(b"");
        check("grüße, 好, 𝄞".as_bytes());
        check(b"\xf4\x90\x80\x80");
        check(b"\xe2\x82");
        check(b"a\xff");
    }

    fn is_cut(text: &[u8]) -> bool {
        core::str::from_utf8(text).is_err_and(|error| error.error_len().is_none())
    }
}
