//! Two writers on one connection: what is done when a reply breaks off where a frame may lie inside
//! it. Nothing here is asked while replies are what they must be.

mod inner;
#[cfg(test)]
mod tests;
mod unknown;

pub(super) use inner::Inner;

use super::LoadSwarm;
use super::conn::{DEFLATE, State};
use super::incoming::{Breach, Piece};
use super::messages::TAG;
use crate::failure::{Op, Outcome, ProtocolError, Signature};
use crate::plan::Expect;
use crate::protocol::ws_frame::{Decoder, breach_code, opcode};
use crate::swarm::{ConnId, Orders};
use crate::time::Nanos;
use inner::{Known, SEEN, Verdict};

impl LoadSwarm {
    /// A reply differs from its message in this piece. Whether the connection has failed for it:
    /// then a frame lies inside the message, by what has come so far. `head`: how that began.
    #[cold]
    pub(super) fn breaks_off(
        &mut self,
        now: Nanos,
        id: ConnId,
        head: &[u8],
        piece: Piece<'_>,
        orders: &mut Orders,
    ) -> bool {
        if piece.compressed || !self.is_ws(id.slot) || self.inner.contains_key(&id.slot) {
            return false;
        }
        let rx = self.conns[id.slot as usize].rx;
        let Some(mut inner) = begun(&self.known(id.slot), head, piece, rx) else { return false };
        let from = &piece.bytes[inner.offset - piece.at..];
        let known = self.known(id.slot);
        let verdict = match inner.feed(&known, from) {
            Verdict::Open => inner.feed(&known, piece.behind),
            verdict => verdict,
        };
        self.judge(now, id, inner, verdict, orders)
    }

    /// More has come of a connection with a doubtful reply. Whether it has failed for it.
    #[cold]
    pub(super) fn goes_on(
        &mut self,
        now: Nanos,
        id: ConnId,
        bytes: &[u8],
        orders: &mut Orders,
    ) -> bool {
        let Some(mut inner) = self.inner.remove(&id.slot) else { return false };
        if self.conns[id.slot as usize].state != State::Open {
            return false;
        }
        let verdict = inner.feed(&self.known(id.slot), bytes);
        self.judge(now, id, inner, verdict, orders)
    }

    fn judge(
        &mut self,
        now: Nanos,
        id: ConnId,
        inner: Inner,
        verdict: Verdict,
        orders: &mut Orders,
    ) -> bool {
        let (resumed, decided) = match verdict {
            Verdict::Refuted if inner.breaks_text => {
                self.violated(now, id, Breach::told(ProtocolError::Utf8, &inner.seen), orders);
                return true;
            }
            Verdict::Refuted => return false,
            Verdict::Open if !inner.is_ours() => {
                self.inner.insert(id.slot, inner);
                return false;
            }
            Verdict::Open => (false, false),
            Verdict::Proven { resumed } => (resumed, true),
        };
        let outcome = Outcome::Protocol(ProtocolError::FrameInFrame { resumed });
        self.die(now, id, Op::Decode, outcome, &[]);
        self.found_inside(id.slot, inner.offset, &inner.seen, resumed);
        if decided {
            self.order_look(id, orders);
            let code = breach_code(ProtocolError::FrameInFrame { resumed });
            self.put_control(id, opcode::CLOSE, &code.to_be_bytes(), orders);
        } else {
            // Whether the first message goes on will show while its last words are read.
            self.inner.insert(id.slot, inner);
        }
        true
    }

    /// The peer broke the protocol, so the connection has failed, and no more of it is read as
    /// frames. Behind a doubtful reply it may be the rest of it, misread; then what proves that is
    /// awaited among the last words. A text that is not known proves it by itself. The peer is told
    /// (RFC 6455 §7.1.7) after the look, so that our words are no part of what that sees.
    #[cold]
    pub(super) fn violated(
        &mut self,
        now: Nanos,
        id: ConnId,
        breach: Breach<'_>,
        orders: &mut Orders,
    ) {
        let Breach { error, said, read, left } = breach;
        self.die(now, id, Op::Decode, Outcome::Protocol(error), said);
        if self.is_doubtful(id.slot) {
            return;
        }
        let expect = self.shard.plan.messages.expect;
        // Between compressed ones even a text that lies there is none to be told by its bytes.
        let plain = expect != Expect::Echo && !self.conns[id.slot as usize].is(DEFLATE);
        if plain && let Some(found) = unknown::inside_text(read, read.len() - left.len()) {
            self.found_inside(id.slot, found.offset, &read[found.at..], true);
        }
        // A mirror reads on until the server ends it: bytes that lie unread when we close would
        // abort, and an abort may overtake our Close.
        if expect != Expect::Mirror {
            self.order_look(id, orders);
        }
        self.put_control(id, opcode::CLOSE, &breach_code(error).to_be_bytes(), orders);
    }

    /// A whole message has come behind a doubtful one. Had a frame lain inside that, this would be
    /// read out of the middle of a payload: none did. Whether the connection has failed, because
    /// then the doubtful one was a text that is no UTF-8.
    #[cold]
    pub(super) fn was_no_text(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) -> bool {
        let broken = self.inner.get(&id.slot).is_some_and(|inner| inner.breaks_text);
        if broken && let Some(inner) = self.inner.remove(&id.slot) {
            self.violated(now, id, Breach::told(ProtocolError::Utf8, &inner.seen), orders);
        }
        broken
    }

    /// Whether it has a reply in which a frame may lie.
    pub(super) fn is_doubtful(&self, slot: u32) -> bool {
        self.inner.contains_key(&slot)
    }

    /// Last words of a connection that failed with a doubtful reply.
    #[cold]
    pub(super) fn settle_doubt(&mut self, id: ConnId, bytes: &[u8], orders: &mut Orders) {
        let Some(mut inner) = self.inner.remove(&id.slot) else { return };
        let verdict = inner.feed(&self.known(id.slot), bytes);
        let resumed = match verdict {
            Verdict::Open => {
                if inner.is_ours() {
                    self.found_inside(id.slot, inner.offset, &inner.seen, false);
                }
                self.inner.insert(id.slot, inner);
                return;
            }
            Verdict::Refuted => return self.order_look(id, orders),
            Verdict::Proven { resumed } => resumed,
        };
        self.found_inside(id.slot, inner.offset, &inner.seen, resumed);
        self.order_look(id, orders);
    }

    /// It has failed, and a frame inside a message is what it failed of.
    fn found_inside(&mut self, slot: u32, offset: usize, seen: &[u8], resumed: bool) {
        let Some(dying) = self.dying.get_mut(&slot) else { return };
        let outcome = Outcome::Protocol(ProtocolError::FrameInFrame { resumed });
        if dying.signature.op != Op::Decode {
            dying.later = dying.later.or(Some(dying.signature));
        }
        dying.signature = Signature { op: Op::Decode, outcome, ..dying.signature };
        dying.words = seen[..seen.len().min(SEEN)].to_vec();
        dying.offset = Some(offset as u64);
    }

    /// Whether these bytes of a reply, from `at` on, are none of a tag of this connection.
    pub(super) fn is_no_tag(&self, slot: u32, at: usize, bytes: &[u8]) -> bool {
        self.known(slot).differs(at, bytes).is_some()
    }

    fn known(&self, slot: u32) -> Known<'_> {
        let low = |number: u64| u32::try_from(number & 0xffff_ffff).expect("32 bits are left");
        Known {
            payload: &self.payload,
            tagged: self.tagged,
            number: low(self.shard.number(slot)),
            sent: self.conns[slot as usize].sent,
            connections: self.shard.plan.connections,
        }
    }
}

/// The frame that may begin where this piece differs; `rx` has decoded the piece.
fn begun(known: &Known<'_>, head: &[u8], piece: Piece<'_>, rx: Decoder) -> Option<Inner> {
    let offset = known.differs(piece.at, piece.bytes)?;
    if !inner::begins_frame(piece.bytes[offset - piece.at]) {
        return None;
    }
    let decoded = (piece.at + piece.bytes.len() - offset) as u64;
    let (rest, message) = (decoded.saturating_add(rx.payload_left()), known.payload.len());
    // What lies at the end of the whole message is the next frame: a length was wrong.
    let missing = message.checked_sub(offset).filter(|missing| *missing > 0)? as u64;
    let fits = if piece.end { rest == missing } else { rest <= missing };
    let whose = !known.tagged || offset < TAG || known.was_sent(head);
    (fits && whose).then(|| Inner::new(offset, decoded, rx, head))
}
