//! How connections end: by us, in order; or failed, with their last words and a last look.

use super::conn::{
    AGAIN, CONFIRMED, CONNECTED, IN_PARTS, NOTIFIED, OVERDUE, PEER_CLOSED, SECURE, State,
};
use super::{LoadSwarm, Stage};
use crate::errno::Errno;
use crate::failure::{
    Failure, Look, Op, Outcome, Peer, Phase, ProtocolError, Signature, TlsError, tcp_state,
};
use crate::plan::Reconnect;
use crate::protocol::ws_frame::{Decoder, Event, Role, close_code, opcode};
use crate::protocol::ws_handshake;
use crate::swarm::{ConnId, Order, Orders};
use crate::tally::Key;
use crate::time::Nanos;
use alloc::vec::Vec;

/// Last words are read for so long,
const DYING: Nanos = Nanos::from_millis(100);
/// to so many bytes,
const DYING_BYTES: u64 = 64 << 10;
/// and so many are kept. Of an answer to the upgrade what tells most is kept before its body.
const WORDS: usize = ws_handshake::BODY_BYTES;
/// A burst is so many closes by the peer, or a tenth of the open ones,
const BURST: u64 = 20;
/// within this time.
const BURST_TIME: Nanos = Nanos::from_millis(100);
/// A failed connection is not tried again sooner.
const RETRY: Nanos = Nanos::from_millis(100);

/// A connection that has failed and is not booked yet.
#[derive(Debug)]
pub(super) struct Dying {
    pub(super) signature: Signature,
    pub(super) later: Option<Signature>,
    pub(super) words: Vec<u8>,
    /// So many more bytes may be kept.
    room: usize,
    /// Where in its message they begin, for what was found inside one.
    pub(super) offset: Option<u64>,
    at: Nanos,
    /// Its last words are awaited until then.
    pub(super) until: Nanos,
    /// Application bytes when it failed: what decides "before any response".
    heard: bool,
    read: u64,
}

impl LoadSwarm {
    /// A read, a write or a connect ended it: FIN when `errno` is `None`.
    pub(super) fn ended(
        &mut self,
        now: Nanos,
        id: ConnId,
        op: Op,
        errno: Option<Errno>,
        orders: &mut Orders,
    ) {
        self.begin_batch(id.slot);
        let c = &self.conns[id.slot as usize];
        // Without a close_notify nobody knows whether all was said (RFC 8446 §6.1).
        let cut = c.is(SECURE) && !c.is(NOTIFIED);
        let handshake = matches!(c.state, State::Tls | State::Upgrade);
        let mid_message = c.rx.mid_message() || handshake || c.outstanding() > 0 || cut;
        let outcome = errno.map_or(Outcome::Eof { mid_message }, Outcome::Errno);
        match c.state {
            State::Closing => self.finish(now, id, false, orders),
            State::Dying => {
                let later = Signature { phase: self.phase(id.slot), op, outcome };
                if let Some(dying) = self.dying.get_mut(&id.slot) {
                    dying.later = dying.later.or(Some(later));
                }
                self.order_look(id, orders);
            }
            State::Looking | State::Gone => {}
            State::Connect if matches!(op, Op::Socket | Op::Bind | Op::Connect) => {
                self.die(now, id, op, outcome, &[]);
                self.book(now, id, None);
            }
            State::Connect => self.ended_connecting(now, id, outcome, orders),
            State::Tls | State::Upgrade | State::Open if op == Op::Write => {
                // What the peer said before may still lie unread: 200 of 200 (FAILURES §0.2).
                self.die(now, id, op, outcome, &[]);
                orders.push(Order::ReadOn(id, true));
            }
            State::Tls | State::Upgrade | State::Open => {
                self.die(now, id, op, outcome, &[]);
                self.order_look(id, orders);
            }
        }
    }

    /// TLS ended it, in its hand-shake or later: an alert may come at any time.
    pub(super) fn ended_by_tls(
        &mut self,
        now: Nanos,
        id: ConnId,
        error: TlsError,
        words: &[u8],
        orders: &mut Orders,
    ) {
        match self.conns[id.slot as usize].state {
            State::Closing => self.finish(now, id, false, orders),
            State::Connect | State::Tls | State::Upgrade | State::Open => {
                self.die(now, id, Op::Decode, Outcome::Tls(error), words);
                self.order_look(id, orders);
            }
            State::Dying => self.order_look(id, orders),
            State::Looking | State::Gone => {}
        }
    }

    /// connect() was answered by an error; by ECONNRESET or FIN only after it had succeeded.
    fn ended_connecting(&mut self, now: Nanos, id: ConnId, outcome: Outcome, orders: &mut Orders) {
        let established = matches!(
            outcome,
            Outcome::Eof { .. } | Outcome::Errno(Errno::ECONNRESET | Errno::EPIPE)
        );
        if established {
            self.snapshot.counts.connected += 1;
            self.conns[id.slot as usize].flags |= CONNECTED;
        }
        let op = if established { Op::Read } else { Op::Connect };
        self.die(now, id, op, outcome, &[]);
        self.order_look(id, orders);
    }

    /// It has failed, and there is nothing left to be read.
    pub(super) fn fail(
        &mut self,
        now: Nanos,
        id: ConnId,
        op: Op,
        outcome: Outcome,
        orders: &mut Orders,
    ) {
        self.die(now, id, op, outcome, &[]);
        self.order_look(id, orders);
    }

    /// It has failed. Everything but the last look is settled here.
    #[cold]
    pub(super) fn die(&mut self, now: Nanos, id: ConnId, op: Op, outcome: Outcome, said: &[u8]) {
        let signature = Signature { phase: self.phase_of(id.slot, op), op, outcome };
        let c = &self.conns[id.slot as usize];
        let (opening, open, confirmed) = (c.opening(), c.state == State::Open, c.is(CONFIRMED));
        // Through TLS, the hand-shake itself was an answer.
        let heard = c.has_heard() || open && c.is(SECURE);
        let mut words = Vec::new();
        if c.is(IN_PARTS) {
            // A Close that has begun may still end among the last words.
            words = self.parts.get(&id.slot).cloned().unwrap_or_default();
        }
        words.extend(self.said.take(id.slot).unwrap_or_default());
        words.extend_from_slice(&said[..said.len().min(WORDS)]);
        words.truncate(WORDS);
        if opening {
            self.leave_opening(id.slot);
        }
        if open {
            self.snapshot.gauges.open -= 1;
            self.snapshot.gauges.unconfirmed -= u64::from(!confirmed);
            self.settle_messages(now, id.slot, true);
        }
        if matches!(outcome, Outcome::Eof { .. } | Outcome::Errno(Errno::ECONNRESET | Errno::EPIPE))
        {
            self.count_burst(now);
        }
        let unjudged = signature.phase == Phase::Upgrade && op == Op::Write;
        let most = if unjudged { ws_handshake::HEAD_BYTES + WORDS } else { WORDS };
        let (later, offset, until, room) = (None, None, now + DYING, most - words.len());
        let (at, read) = (now, 0);
        let dying = Dying { signature, later, words, room, offset, at, until, heard, read };
        self.dying.insert(id.slot, dying);
        self.conns[id.slot as usize].state = State::Dying;
        self.arm(now, id.slot);
    }

    /// Bytes of a connection that has failed already.
    pub(super) fn last_words(&mut self, id: ConnId, bytes: &[u8], orders: &mut Orders) {
        let Some(dying) = self.dying.get_mut(&id.slot) else { return };
        let kept = bytes.len().min(dying.room);
        dying.words.extend_from_slice(&bytes[..kept]);
        dying.room -= kept;
        dying.read += bytes.len() as u64;
        let (full, wrote) = (dying.read >= DYING_BYTES, dying.signature.op == Op::Write);
        if wrote {
            self.reinterpret(id, bytes);
        }
        if self.is_doubtful(id.slot) {
            self.settle_doubt(id, bytes, orders);
        }
        if full && self.conns[id.slot as usize].state == State::Dying {
            self.order_look(id, orders);
        }
    }

    /// What was said to the upgrade is kept in short.
    pub(super) fn keep_answer(&mut self, slot: u32, answer: &[u8]) {
        if let Some(dying) = self.dying.get_mut(&slot) {
            (dying.words, dying.room) = ws_handshake::keep(answer);
        }
    }

    /// A write failed, and what the peer had said before lay unread: that is what ended it, and the
    /// write's errno what it led to.
    fn reinterpret(&mut self, id: ConnId, mut bytes: &[u8]) {
        let ws = self.is_ws(id.slot);
        let nonce = self.nonce(id);
        let (c, dying) = (&mut self.conns[id.slot as usize], self.dying.get_mut(&id.slot));
        let Some(dying) = dying.filter(|_| ws) else { return };
        let said = if dying.signature.phase == Phase::Upgrade {
            let plan = &self.shard.plan;
            let (subprotocols, offer) = (&plan.subprotocols, plan.compress.as_ref());
            let judged = ws_handshake::verify_offer(&dying.words, nonce, subprotocols, offer);
            if judged.is_err() {
                (dying.words, dying.room) = ws_handshake::keep(&dying.words);
            }
            judged.err()
        } else {
            let begun = self.parts.entry(id.slot).or_default();
            last_close(&mut c.rx, &mut bytes, begun).map(|(error, reason)| {
                dying.words = reason;
                error
            })
        };
        if let Some(error) = said {
            let (op, outcome) = (Op::Decode, Outcome::Protocol(error));
            let seen = Signature { op, outcome, ..dying.signature };
            dying.later = dying.later.or(Some(dying.signature));
            dying.signature = seen;
        }
    }

    pub(super) fn order_look(&mut self, id: ConnId, orders: &mut Orders) {
        self.conns[id.slot as usize].state = State::Looking;
        self.wheel.clear(id.slot);
        orders.push(Order::Look(id, self.target(id.slot)));
    }

    /// Its last look has come: it is counted and closed.
    pub(super) fn bury(&mut self, now: Nanos, id: ConnId, look: Look, orders: &mut Orders) {
        self.book(now, id, Some(look));
        orders.push(self.closing_order(id));
    }

    /// Counts a failed connection and forgets it.
    #[cold]
    pub(super) fn book(&mut self, now: Nanos, id: ConnId, look: Option<Look>) {
        let Some(mut dying) = self.dying.remove(&id.slot) else { return };
        if dying.signature.op != Op::Decode || dying.signature.phase != Phase::Upgrade {
            dying.words.truncate(WORDS);
        }
        let target = self.target(id.slot);
        let c = &self.conns[id.slot as usize];
        let fin_seen = matches!(dying.signature.outcome, Outcome::Eof { .. })
            || look.as_ref().is_some_and(|look| saw_fin(look, c.bytes_in));
        let key = Key {
            target,
            signature: dying.signature,
            peer: look.as_ref().map_or(Peer::Unseen, |look| look.peer),
            fin_seen,
            heard: dying.heard,
            spoke: c.bytes_out > 0 || c.is(SECURE),
        };
        let failure = Failure {
            at: dying.at,
            connection: self.shard.number(id.slot) + 1,
            signature: dying.signature,
            later: dying.later,
            age: dying.at - c.connected_at(),
            bytes_in: c.bytes_in,
            bytes_out: c.bytes_out,
            fin_seen,
            look,
            last_words: dying.words,
            offset: dying.offset,
        };
        let open = self.snapshot.gauges.open;
        self.urgent |= self.snapshot.tally.book(key, failure, open);
        self.snapshot.counts.failed += 1;
        let orderly = matches!(
            dying.signature.outcome,
            Outcome::Protocol(ProtocolError::Closed(1000 | 1001))
        );
        let again = match self.shard.plan.reconnect {
            Reconnect::Never => false,
            Reconnect::Failed => !orderly,
            Reconnect::Always => true,
        };
        self.gone(id.slot, again.then_some((now + RETRY, AGAIN)));
    }

    /// Begins to close an open connection in order. From here nothing the peer does is a failure.
    pub(super) fn begin_close(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) {
        self.settle_messages(now, id.slot, false);
        let ws = self.is_ws(id.slot);
        let c = &mut self.conns[id.slot as usize];
        c.state = State::Closing;
        c.since = now;
        c.flags &= !OVERDUE;
        self.in_close_window += 1;
        let gauges = &mut self.snapshot.gauges;
        gauges.open -= 1;
        gauges.unconfirmed -= u64::from(!c.is(CONFIRMED));
        gauges.closing += 1;
        self.snapshot.counts.undecided += u64::from(!c.is(CONFIRMED));
        if ws {
            if !self.conns[id.slot as usize].is(PEER_CLOSED) {
                self.put_control(id, opcode::CLOSE, &1000_u16.to_be_bytes(), orders);
            }
            self.arm(now, id.slot);
        } else {
            self.finish(now, id, true, orders);
        }
    }

    /// It is closed.
    pub(super) fn finish(&mut self, now: Nanos, id: ConnId, answered: bool, orders: &mut Orders) {
        let c = &self.conns[id.slot as usize];
        let (overdue, answered) = (c.is(OVERDUE), answered || c.is(PEER_CLOSED));
        self.in_close_window -= u32::from(!overdue);
        self.snapshot.gauges.closing -= 1;
        self.snapshot.counts.finished += 1;
        self.snapshot.counts.close_unanswered += u64::from(!answered);
        orders.push(self.closing_order(id));
        self.gone(id.slot, self.shard.plan.lifetime.map(|_| (now, 0)));
    }

    /// Closes the next one of all. Says whether there was one.
    pub(super) fn close_one(&mut self, now: Nanos, from: u32, orders: &mut Orders) -> bool {
        if self.in_close_window >= self.close_window {
            return false;
        }
        for slot in from..super::size(self.conns.len()) {
            let (state, id) = (self.conns[slot as usize].state, self.id(slot));
            match state {
                State::Open if self.was_never_answered(now, slot) => {
                    self.fail(now, id, Op::Deadline, Outcome::TimedOut, orders);
                }
                State::Open => self.begin_close(now, id, orders),
                State::Connect | State::Tls | State::Upgrade => self.abandon(id, orders),
                _ => continue,
            }
            self.stage = Stage::Closing(slot + 1);
            return true;
        }
        self.stage = Stage::Closing(u32::MAX);
        false
    }

    /// Replies were due and awaited, and not one byte ever came: nobody has served it. Nor has
    /// anybody when a server shook hands with all, answered none and fell silent.
    pub(super) fn was_never_answered(&self, now: Nanos, slot: u32) -> bool {
        let c = &self.conns[slot as usize];
        let since = self.unanswered && c.received == 0 && c.heard <= c.since;
        let silent = !c.has_heard() || since;
        let waits = self.expects_replies() && c.outstanding() > 0 && silent;
        !self.stopping && (waits || since && self.awaits_pong(now, slot))
    }

    /// We stop before it was open.
    fn abandon(&mut self, id: ConnId, orders: &mut Orders) {
        self.leave_opening(id.slot);
        self.snapshot.counts.unfinished += 1;
        orders.push(self.closing_order(id));
        self.gone(id.slot, None);
    }

    /// On a stop, one that is still opening is given up before the open ones drain.
    pub(super) fn abandon_one(&mut self, orders: &mut Orders) -> bool {
        while (self.abandoned as usize) < self.conns.len() {
            let slot = self.abandoned;
            self.abandoned += 1;
            if self.conns[slot as usize].opening() {
                self.abandon(self.id(slot), orders);
                return true;
            }
        }
        false
    }

    fn gone(&mut self, slot: u32, again: Option<(Nanos, u16)>) {
        self.conns[slot as usize].state = State::Gone;
        self.wheel.clear(slot);
        self.parts.remove(&slot);
        self.owed.remove(&slot);
        self.said.take(slot);
        if !self.inner.is_empty() {
            self.inner.remove(&slot);
        }
        self.incoming.forget(slot);
        self.compressed.forget(slot);
        if !self.holes.is_empty() {
            self.holes.remove(&slot);
        }
        self.alive -= 1;
        match again.filter(|_| self.may_send()) {
            Some((at, AGAIN)) => self.again.failed(at, slot, AGAIN),
            Some((at, flags)) => self.again.churned(at, slot, flags),
            None => {}
        }
    }

    fn phase_of(&self, slot: u32, op: Op) -> Phase {
        match op {
            Op::Socket => Phase::Socket,
            Op::Bind => Phase::Bind,
            _ => self.phase(slot),
        }
    }

    fn phase(&self, slot: u32) -> Phase {
        let c = &self.conns[slot as usize];
        match c.state {
            State::Connect if c.is(CONNECTED) && self.is_tls(slot) => Phase::Tls,
            State::Connect if c.is(CONNECTED) && self.is_ws(slot) => Phase::Upgrade,
            State::Connect if c.is(CONNECTED) => Phase::Open,
            State::Connect => Phase::Connect,
            State::Tls => Phase::Tls,
            State::Upgrade => Phase::Upgrade,
            State::Open => Phase::Open,
            State::Closing => Phase::Close,
            State::Dying | State::Looking | State::Gone => {
                self.dying.get(&slot).map_or(Phase::Close, |dying| dying.signature.phase)
            }
        }
    }

    fn count_burst(&mut self, now: Nanos) {
        if now - self.burst.0 > BURST_TIME {
            self.burst = (now, 0);
        }
        self.burst.1 += 1;
        let tenth = (self.snapshot.gauges.open + self.burst.1).div_ceil(10);
        if self.burst.1 >= BURST.min(tenth) && !self.snapshot.burst {
            self.snapshot.burst = true;
            self.urgent = true;
        }
    }
}

/// The Close frame among these bytes, with what it says, once it is whole. `begun`: the body of the
/// control frame under way.
fn last_close(
    rx: &mut Decoder,
    bytes: &mut &[u8],
    begun: &mut Vec<u8>,
) -> Option<(ProtocolError, Vec<u8>)> {
    while let Ok(Some(event)) = rx.next(Role::Client, bytes) {
        let Event::Control { op, bytes: more, end, .. } = event else { continue };
        begun.extend_from_slice(more);
        if !end {
            continue;
        }
        let body = core::mem::take(begun);
        if op == opcode::CLOSE {
            return Some(match close_code(&body) {
                Ok(code) => (ProtocolError::Closed(code), body.get(2..).unwrap_or_default().into()),
                Err(error) => (error, body),
            });
        }
    }
    None
}

/// FIN counts as one received byte (FAILURES §0.4).
fn saw_fin(look: &Look, bytes_in: u64) -> bool {
    match look.state {
        tcp_state::CLOSE_WAIT => true,
        tcp_state::CLOSE => look.bytes_received == bytes_in + 1,
        _ => false,
    }
}
