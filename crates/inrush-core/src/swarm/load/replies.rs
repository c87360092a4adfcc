//! Matching what comes back: echo, reply or push; late, duplicated, corrupted and overtaken apart.

use super::conn::{COMPARED, CONFIRMED, IN_PARTS, PEER_CLOSED, QUIET, State};
use super::incoming::{Breach, MESSAGE_BYTES, Piece};
use super::messages::{TAG, read_tag};
use super::{Conn, LoadSwarm, size};
use crate::failure::{Op, Outcome, ProtocolError, ProtocolError as E};
use crate::plan::{Expect, Frame, Schedule};
use crate::protocol::ws_frame::{Event, Role, close_code, opcode};
use crate::swarm::{ConnId, Orders};
use crate::time::Nanos;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Replies of one connection that later ones overtook; the oldest is given up beyond this.
const GAPS: usize = 1_024;
/// The same of one worker.
const ALL_GAPS: u64 = 1 << 20;

/// Sequence numbers that were overtaken.
#[derive(Debug, Default)]
pub(super) struct Gaps(BTreeSet<u32>);

/// An echo that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Its first bytes, up to a tag.
    head: Vec<u8>,
    /// Bytes so far.
    at: usize,
    /// Whether one differed.
    bad: bool,
}

impl LoadSwarm {
    /// Takes in bytes in whatever state the connection is.
    #[inline]
    pub(super) fn bytes(&mut self, now: Nanos, id: ConnId, bytes: &[u8], orders: &mut Orders) {
        self.begin_batch(id.slot);
        match self.conns[id.slot as usize].state {
            State::Open if self.is_ws(id.slot) => self.frames(now, id, bytes, orders),
            State::Open => self.stream(now, id, bytes, orders),
            State::Closing => self.frames(now, id, bytes, orders),
            State::Upgrade => self.answer(now, id, bytes, orders),
            State::Dying => self.last_words(id, bytes, orders),
            State::Connect | State::Tls | State::Looking | State::Gone => {}
        }
    }

    /// Takes in bytes of a WebSocket.
    #[inline]
    pub(super) fn frames(&mut self, now: Nanos, id: ConnId, mut bytes: &[u8], orders: &mut Orders) {
        let (read, mut said) = (bytes, self.shard.plan.messages.frame == Frame::Ping);
        if !self.inner.is_empty() && self.goes_on(now, id, bytes, orders) {
            return;
        }
        loop {
            let c = &mut self.conns[id.slot as usize];
            if !matches!(c.state, State::Open | State::Closing) {
                return;
            }
            match c.rx.next(Role::Client, &mut bytes) {
                Ok(None) => {
                    if !said {
                        // Pings and pongs are the library's: a program that hangs sends them too.
                        c.heard = self.heard_before;
                    }
                    if c.rx.payload_left() > MESSAGE_BYTES as u64 {
                        let over = Breach { error: E::TooBig, said: &[], read, left: bytes };
                        self.is_too_long(now, id, false, over, orders);
                    }
                    return;
                }
                Ok(Some(Event::Data { text, bytes: got, start, end, compressed, .. })) => {
                    said = true;
                    let over = Breach { error: E::TooBig, said: got, read, left: bytes };
                    if !(start && end) && self.is_too_long(now, id, start, over, orders) {
                        return;
                    }
                    let c = &self.conns[id.slot as usize];
                    let (at, open, behind) = (0, c.state == State::Open, bytes);
                    let piece = Piece { at, bytes: got, text, start, end, behind, compressed };
                    if compressed && open {
                        self.compressed_piece(now, id, piece, orders);
                        continue;
                    }
                    self.snapshot.counts.received_bytes += got.len() as u64;
                    if open {
                        self.message(now, id, read, piece, orders);
                    }
                }
                Ok(Some(Event::Control { op, bytes: body, end, .. })) => {
                    self.control_piece(now, id, op, body, end, orders);
                }
                Err(_) if c.state == State::Closing => return,
                Err(error) => {
                    self.violated(
                        now,
                        id,
                        Breach { error, said: bytes, read, left: bytes },
                        orders,
                    );
                }
            }
        }
    }

    /// Whether a message has come to more than our limit, or says that it will, and its connection
    /// has failed for it: one without an end would never fail otherwise. A frame counts as a byte
    /// at least.
    #[cold]
    fn is_too_long(
        &mut self,
        now: Nanos,
        id: ConnId,
        start: bool,
        over: Breach<'_>,
        orders: &mut Orders,
    ) -> bool {
        let most = MESSAGE_BYTES.max(self.payload.len()) as u64;
        let c = &mut self.conns[id.slot as usize];
        let before = if start { 0 } else { c.message_bytes };
        c.message_bytes = before.saturating_add(size(over.said.len().max(1)));
        let comes = u64::from(c.message_bytes).saturating_add(c.rx.payload_left());
        let long = comes > most && c.state == State::Open;
        if long {
            self.violated(now, id, over, orders);
        }
        long
    }

    /// Takes in bytes of a bare stream. Boundaries are the size of our own messages.
    fn stream(&mut self, now: Nanos, id: ConnId, mut bytes: &[u8], orders: &mut Orders) {
        let c = &mut self.conns[id.slot as usize];
        if !c.is(CONFIRMED) {
            c.flags |= CONFIRMED;
            self.snapshot.counts.confirmed += 1;
            self.snapshot.gauges.unconfirmed -= 1;
        }
        let (sent, unasked, all) = (c.sent, c.outstanding() == 0, bytes);
        self.snapshot.counts.received_bytes += bytes.len() as u64;
        let expect = self.shard.plan.messages.expect;
        if expect != Expect::Echo {
            self.data(now, id, Piece::of_stream(bytes, true), orders);
            if !matches!(expect, Expect::Push | Expect::Mirror) {
                self.heard_say(id.slot, all, unasked);
            }
            return;
        }
        let length = self.payload.len().max(1);
        // What comes before our first message is a greeting, and no reply.
        while sent > 0 && !bytes.is_empty() && self.conns[id.slot as usize].state == State::Open {
            let at = self.partial.get(&id.slot).map_or(0, |partial| partial.at);
            let take = (length - at.min(length - 1)).min(bytes.len());
            let (piece, rest) = bytes.split_at(take);
            bytes = rest;
            let end = at + take == length;
            self.data(now, id, Piece::of_stream(piece, end), orders);
        }
        self.heard_say(id.slot, all, unasked);
    }

    /// Whether the reply that is coming in is none of ours.
    pub(super) fn is_strange(&self, slot: u32) -> bool {
        !self.partial.is_empty() && self.partial.get(&slot).is_some_and(|partial| partial.bad)
    }

    /// Takes in a piece of a WebSocket message, which came with this read.
    #[inline]
    pub(super) fn message(
        &mut self,
        now: Nanos,
        id: ConnId,
        read: &[u8],
        piece: Piece<'_>,
        orders: &mut Orders,
    ) {
        if !self.inner.is_empty() && piece.is_whole() && self.was_no_text(now, id, orders) {
            return;
        }
        // An echo is compared first: what equals our own text need not be validated.
        let unknown = piece.text && self.data_is != Expect::Echo;
        if unknown && !self.incoming.is_text(id.slot, piece) {
            let (error, said, left) = (ProtocolError::Utf8, piece.bytes, piece.behind);
            self.violated(now, id, Breach { error, said, read, left }, orders);
        } else {
            self.data(now, id, piece, orders);
        }
    }

    /// Takes in a piece of a message; one of another kind than an echo is UTF-8 if it has to be.
    #[inline]
    fn data(&mut self, now: Nanos, id: ConnId, piece: Piece<'_>, orders: &mut Orders) {
        let end = piece.end;
        match self.data_is {
            Expect::None => {}
            Expect::Push => self.snapshot.counts.received += u64::from(end),
            Expect::Mirror => self.mirror(now, id, piece, orders),
            Expect::Reply if end => {
                let c = &self.conns[id.slot as usize];
                if c.outstanding() > 0 {
                    let seq = c.received;
                    self.replied(now, id, Some(seq), true, orders);
                }
            }
            Expect::Reply => {}
            Expect::Echo
                if end && (self.partial.is_empty() || !self.partial.contains_key(&id.slot)) =>
            {
                let (seq, intact) = self.compare(id, piece.bytes);
                if !intact && self.breaks_off(now, id, piece.bytes, piece, orders) {
                    return;
                }
                let ours = intact && self.opcode == opcode::TEXT;
                if piece.text && !ours && self.is_broken_text(now, id, piece, orders) {
                    return;
                }
                self.replied(now, id, seq, intact, orders);
            }
            Expect::Echo => self.echo_piece(now, id, piece, orders),
        }
    }

    fn echo_piece(&mut self, now: Nanos, id: ConnId, piece: Piece<'_>, orders: &mut Orders) {
        let skip = if self.tagged { TAG } else { 0 };
        let bytes = piece.bytes;
        let at = self.partial.get(&id.slot).map_or(0, |partial| partial.at);
        let room = TAG.saturating_sub(at).min(bytes.len());
        let strange = self.tagged && self.is_no_tag(id.slot, at, &bytes[..room]);
        let partial = self.partial.entry(id.slot).or_default();
        partial.head.extend_from_slice(&bytes[..room]);
        let from = at.max(skip).min(at + bytes.len());
        let got = &bytes[from - at..];
        let differs = strange || self.payload.get(from..from + got.len()) != Some(got);
        let first = differs && !partial.bad;
        partial.bad |= differs;
        partial.at += bytes.len();
        if first {
            let head = partial.head.clone();
            if self.breaks_off(now, id, &head, Piece { at, ..piece }, orders) {
                return;
            }
        }
        if piece.text && self.is_broken_text(now, id, piece, orders) {
            return;
        }
        if !piece.end {
            return;
        }
        let partial = self.partial.remove(&id.slot).expect("it was made above");
        let intact = !partial.bad && partial.at == self.payload.len();
        let (seq, tag_fits) = self.sequence(id, &partial.head);
        self.replied(now, id, seq, intact && tag_fits, orders);
    }

    /// Which message this whole reply answers, and whether it is the same.
    #[inline]
    pub(super) fn compare(&self, id: ConnId, got: &[u8]) -> (Option<u32>, bool) {
        let (seq, tag_fits) = self.sequence(id, got);
        let skip = if self.tagged { TAG } else { 0 };
        let same = got.len() == self.payload.len() && got.get(skip..) == self.payload.get(skip..);
        (seq, same && tag_fits)
    }

    /// The sequence number by its tag, or by order when it has none that can be ours.
    #[inline]
    fn sequence(&self, id: ConnId, head: &[u8]) -> (Option<u32>, bool) {
        let c = &self.conns[id.slot as usize];
        let in_order = (c.outstanding() > 0).then_some(c.received);
        if !self.tagged {
            return (in_order, true);
        }
        let ours = self.shard.number(id.slot) & 0xffff_ffff;
        match read_tag(head) {
            Some((number, seq)) if u64::from(number) == ours && seq < c.sent => (Some(seq), true),
            _ => (in_order, false),
        }
    }

    /// A reply has come: in order, overtaking others, overtaken, or once too often.
    #[inline]
    pub(super) fn replied(
        &mut self,
        now: Nanos,
        id: ConnId,
        seq: Option<u32>,
        intact: bool,
        orders: &mut Orders,
    ) {
        let c = &mut self.conns[id.slot as usize];
        if !c.is(COMPARED) {
            c.flags |= COMPARED;
            self.snapshot.counts.first_replies += 1;
            self.snapshot.counts.first_not_echo += u64::from(!intact);
        }
        let Some(seq) = seq else {
            self.snapshot.counts.duplicated += u64::from(c.sent > 0);
            return;
        };
        if seq == c.received {
            c.received = c.received.wrapping_add(1);
        } else if seq > c.received && self.shard.plan.messages.frame == Frame::Ping {
            // A pong may answer all pings before it (RFC 6455 §5.5.3); only its own is measured.
            let skipped = seq - c.received;
            c.received = seq.wrapping_add(1);
            self.outstanding = self.outstanding.saturating_sub(u64::from(skipped));
            self.snapshot.counts.received += u64::from(skipped);
        } else if seq > c.received {
            let skipped = c.received..seq;
            c.received = seq.wrapping_add(1);
            self.overtaken(id.slot, skipped);
        } else if !self.fill_gap(id.slot, seq) {
            self.snapshot.counts.duplicated += 1;
            return;
        }
        self.outstanding = self.outstanding.saturating_sub(1);
        let took = now - self.due_of(id.slot, seq);
        if !self.holes.is_empty() {
            self.forget_holes(id.slot);
        }
        let counts = &mut self.snapshot.counts;
        counts.received += 1;
        counts.corrupted += u64::from(!intact);
        counts.late += u64::from(took > self.shard.plan.timeouts.reply);
        self.snapshot.latencies.rtt.record(took);
        self.after_reply(now, id, orders);
    }

    #[inline]
    fn after_reply(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) {
        let c = &self.conns[id.slot as usize];
        if c.is(QUIET) {
            if c.outstanding() == 0 {
                self.begin_close(now, id, orders);
            }
        } else if self.shard.plan.messages.schedule == Schedule::Closed
            && c.outstanding() == 0
            && self.may_send()
        {
            self.send(now, now, id, orders);
            self.arm(now, id.slot);
        }
    }

    #[cold]
    fn forget_holes(&mut self, slot: u32) {
        let received = self.conns[slot as usize].received;
        if self.holes.get_mut(&slot).is_some_and(|holes| holes.forget(received)) {
            self.holes.remove(&slot);
        }
    }

    #[cold]
    fn overtaken(&mut self, slot: u32, skipped: core::ops::Range<u32>) {
        let gaps = self.gaps.entry(slot).or_default();
        for seq in skipped {
            gaps.0.insert(seq);
            self.gap_count += 1;
            if gaps.0.len() > GAPS || self.gap_count > ALL_GAPS {
                gaps.0.pop_first();
                self.gap_count -= 1;
                self.snapshot.counts.lost += 1;
                self.outstanding = self.outstanding.saturating_sub(1);
            }
        }
    }

    #[cold]
    fn fill_gap(&mut self, slot: u32, seq: u32) -> bool {
        let filled = self.gaps.get_mut(&slot).is_some_and(|gaps| gaps.0.remove(&seq));
        self.gap_count -= u64::from(filled);
        filled
    }

    /// No more replies are awaited. Those that were overtaken are lost, and so are all when the
    /// connection failed; of the rest, those past the reply time-out.
    pub(super) fn settle_messages(&mut self, now: Nanos, slot: u32, failed: bool) {
        self.partial.remove(&slot);
        if !self.expects_replies() {
            return;
        }
        let overtaken = self.gaps.remove(&slot).map_or(0, |gaps| gaps.0.len() as u64);
        self.gap_count -= overtaken;
        let c: &Conn = &self.conns[slot as usize];
        let waiting = u64::from(c.outstanding());
        let limit = self.shard.plan.timeouts.reply;
        let old = (0..c.outstanding())
            .take_while(|i| self.due_of(slot, c.received.wrapping_add(*i)) + limit <= now)
            .count() as u64;
        let lost = overtaken + if failed { waiting } else { old };
        self.snapshot.counts.lost += lost;
        self.snapshot.counts.messages_unfinished += waiting + overtaken - lost;
        self.outstanding = self.outstanding.saturating_sub(waiting + overtaken);
    }

    fn control_piece(
        &mut self,
        now: Nanos,
        id: ConnId,
        op: u8,
        body: &[u8],
        end: bool,
        orders: &mut Orders,
    ) {
        let c = &mut self.conns[id.slot as usize];
        if end && !c.is(IN_PARTS) {
            self.control(now, id, op, body, orders);
            return;
        }
        c.flags |= IN_PARTS;
        let parts = self.parts.entry(id.slot).or_default();
        parts.extend_from_slice(body);
        if end {
            c.flags &= !IN_PARTS;
            let whole = self.parts.remove(&id.slot).unwrap_or_default();
            self.control(now, id, op, &whole, orders);
        }
    }

    fn control(&mut self, now: Nanos, id: ConnId, op: u8, body: &[u8], orders: &mut Orders) {
        let closing = self.conns[id.slot as usize].state == State::Closing;
        match op {
            opcode::PING if !closing => {
                self.put_control(id, opcode::PONG, body, orders);
            }
            opcode::PONG if !closing => self.pong(now, id, body, orders),
            opcode::CLOSE if closing => self.finish(now, id, true, orders),
            opcode::CLOSE => self.peer_closes(now, id, body, orders),
            _ => {}
        }
    }

    /// The peer's Close, unasked for, is answered in kind (RFC 6455 §5.5.1); then the connection
    /// has failed, unless it is a mirror: the end is the peer's to choose.
    fn peer_closes(&mut self, now: Nanos, id: ConnId, body: &[u8], orders: &mut Orders) {
        let reason = body.get(2..).unwrap_or_default();
        let code = match close_code(body) {
            Ok(code) => code,
            Err(error) => return self.violated(now, id, Breach::told(error, body), orders),
        };
        self.put_control(id, opcode::CLOSE, body.get(..2).unwrap_or_default(), orders);
        if self.shard.plan.messages.expect == Expect::Mirror {
            self.conns[id.slot as usize].flags |= PEER_CLOSED;
            self.begin_close(now, id, orders);
            return;
        }
        let outcome = Outcome::Protocol(ProtocolError::Closed(code));
        self.die(now, id, Op::Decode, outcome, reason);
        self.order_look(id, orders);
    }
}
