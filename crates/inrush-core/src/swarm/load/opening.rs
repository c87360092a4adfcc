//! From nothing to open: connect, upgrade request, its answer.

use super::conn::{AGAIN, CONFIRMED, CONNECTED, Conn, IN_PARTS, OVERDUE, OWED, SECURE, State};
use super::messages::Owed;
use super::{LoadSwarm, Stage, size};
use crate::failure::{Op, Outcome, ProtocolError};
use crate::pace::draw;
use crate::plan::Schedule;
use crate::protocol::ws_handshake::{self, Accepted};
use crate::swarm::{ConnId, Order, Orders};
use crate::time::Nanos;
use alloc::vec::Vec;

/// Purposes of [`draw`].
pub(super) const NONCE_LOW: u64 = 1;
pub(super) const NONCE_HIGH: u64 = 2;
pub(super) const MASK: u64 = 3;
pub(super) const FIRST_MESSAGE: u64 = 4;
pub(super) const LIFETIME: u64 = 5;
pub(super) const FIRST_PING: u64 = 6;

/// One that has been opening this long no longer counts against the window of `-r max`.
pub(super) const PATIENCE: Nanos = Nanos::from_secs(1);

impl LoadSwarm {
    /// Begins one connection if one is due.
    pub(super) fn open_one(&mut self, now: Nanos, orders: &mut Orders) -> bool {
        if self.in_window >= self.window || self.pace.due() > now {
            return false;
        }
        let Some((slot, flags)) = self.next_to_open(now) else { return false };
        self.pace.begin(now);
        self.conns[slot as usize].begin(now, flags);
        let (id, route) =
            (self.id(slot), crate::ports::route(&self.shard.plan, self.shard.number(slot)));
        self.alive += 1;
        self.in_window += 1;
        self.snapshot.counts.attempted += 1;
        self.snapshot.counts.reconnects += u64::from(flags & AGAIN != 0);
        self.snapshot.gauges.opening += 1;
        orders.push(Order::Open { id, source: route.source, target: route.target });
        self.arm(now, slot);
        if self.started() && self.snapshot.ramp_ended == Nanos::ZERO {
            self.snapshot.ramp_ended = now.max(Nanos(1));
            self.looking = Some(super::Looking::all());
            self.urgent = true;
        }
        true
    }

    /// Slot and flags of the next life. New ones and those that live again take turns: a server
    /// that refuses everybody must not keep the ramp from ending.
    fn next_to_open(&mut self, now: Nanos) -> Option<(u32, u16)> {
        let again = self.again.next().is_some_and(|at| at <= now);
        if !self.started() && (self.new_first || !again) {
            self.new_first = false;
            self.conns.push(Conn::unborn());
            self.wheel.push();
            return Some((size(self.conns.len() - 1), 0));
        }
        if !again {
            return None;
        }
        self.new_first = true;
        self.again.pop(now)
    }

    /// The first time: connect() was answered. Later: there is room to write.
    pub(super) fn writable(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) {
        self.begin_batch(id.slot);
        let c = &mut self.conns[id.slot as usize];
        if c.state != State::Connect {
            self.write_on(now, id, orders);
            return;
        }
        let took = now - c.born;
        c.connect_us = u32::try_from(took.0 / 1_000).unwrap_or(u32::MAX);
        c.since = now;
        c.heard = now;
        c.flags |= CONNECTED;
        self.snapshot.counts.connected += 1;
        self.snapshot.latencies.connect.record(took);
        if self.is_tls(id.slot) {
            let c = &mut self.conns[id.slot as usize];
            c.state = State::Tls;
            c.flags |= SECURE;
            // A first life is another machine to the server; a later one has been there before.
            let resume = c.generation > 1;
            orders.push(Order::Secure { id, target: self.target(id.slot), resume });
            self.arm(now, id.slot);
        } else {
            self.begin_to_speak(now, id, orders);
        }
    }

    /// TLS has shaken hands: from here on it is like any other.
    pub(super) fn secured(&mut self, now: Nanos, id: ConnId, resumed: bool, orders: &mut Orders) {
        let c = &mut self.conns[id.slot as usize];
        if c.state != State::Tls {
            return;
        }
        self.snapshot.latencies.tls.record(now - c.since);
        c.since = now;
        let counts = &mut self.snapshot.counts;
        counts.tls_resumed += u64::from(resumed);
        counts.tls_full += u64::from(!resumed);
        self.begin_to_speak(now, id, orders);
    }

    fn begin_to_speak(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) {
        if self.is_ws(id.slot) {
            self.conns[id.slot as usize].state = State::Upgrade;
            self.put_request(id, None, orders);
            self.arm(now, id.slot);
        } else {
            self.opened(now, id, orders);
        }
    }

    /// Writes the upgrade request, or what is left of it.
    pub(super) fn put_request(&mut self, id: ConnId, left: Option<u32>, orders: &mut Orders) {
        let target = usize::from(self.target(id.slot));
        let Some(request) = &self.requests[target] else { return };
        let nonce = self.nonce(id);
        let whole = size(request.len());
        let left = left.unwrap_or(whole);
        orders.write(id, |out| {
            let from = out.len();
            request.render(nonce, out);
            out.drain(from..from + (whole - left) as usize);
        });
        let c = &mut self.conns[id.slot as usize];
        c.bytes_out += u64::from(left);
        c.tx_left = 0;
    }

    /// It was answered before the end of its request was written: the rest is kept as bytes,
    /// because what is rendered again from here on are messages.
    fn owe_request(&mut self, id: ConnId) {
        let left = self.conns[id.slot as usize].tx_left as usize;
        if left == 0 {
            return;
        }
        let target = usize::from(self.target(id.slot));
        let nonce = self.nonce(id);
        let Some(request) = &self.requests[target] else { return };
        let mut whole = Vec::new();
        request.render(nonce, &mut whole);
        let rest = whole.split_off(whole.len() - left);
        self.owed.insert(id.slot, Owed::of(rest));
        let c = &mut self.conns[id.slot as usize];
        c.tx_left = 0;
        c.flags |= OWED;
    }

    /// Takes in bytes of the answer to the upgrade.
    pub(super) fn answer(&mut self, now: Nanos, id: ConnId, bytes: &[u8], orders: &mut Orders) {
        let nonce = self.nonce(id);
        let mut held = Vec::new();
        let whole = if self.conns[id.slot as usize].is(IN_PARTS) {
            held = self.parts.remove(&id.slot).unwrap_or_default();
            held.extend_from_slice(bytes);
            // A head ends with a line: bytes that come one by one are read again once a line.
            if !bytes.contains(&b'\n') && held.len() < ws_handshake::HEAD_BYTES {
                self.parts.insert(id.slot, held);
                return;
            }
            held.as_slice()
        } else {
            bytes
        };
        let plan = &self.shard.plan;
        let (subprotocols, offer) = (&plan.subprotocols, plan.compress.as_ref());
        match ws_handshake::verify_offer(whole, nonce, subprotocols, offer) {
            Ok(None) => {
                let kept = if held.is_empty() { bytes.to_vec() } else { held };
                self.conns[id.slot as usize].flags |= IN_PARTS;
                self.parts.insert(id.slot, kept);
            }
            Ok(Some(Accepted { head, deflate })) => {
                self.owe_request(id);
                let c = &mut self.conns[id.slot as usize];
                c.flags &= !IN_PARTS;
                let took = now - c.since;
                self.snapshot.latencies.upgrade.record(took);
                if let Some(agreed) = deflate {
                    self.agree_to_compress(id.slot, agreed);
                }
                self.opened(now, id, orders);
                if whole.len() > head {
                    self.frames(now, id, &whole[head..], orders);
                }
            }
            Err(error) => {
                let said = whole.to_vec();
                self.conns[id.slot as usize].flags &= !IN_PARTS;
                self.refused_upgrade(now, id, error, &said, orders);
            }
        }
    }

    fn refused_upgrade(
        &mut self,
        now: Nanos,
        id: ConnId,
        error: ProtocolError,
        said: &[u8],
        orders: &mut Orders,
    ) {
        // What was said is kept as its last words: for a 503 the body follows.
        self.die(now, id, Op::Decode, Outcome::Protocol(error), &[]);
        self.keep_answer(id.slot, said);
        let complete = match error {
            ProtocolError::Status(_) => ws_handshake::is_complete(said),
            _ => true,
        };
        if complete {
            self.order_look(id, orders);
        }
    }

    /// It is open: its schedule begins.
    pub(super) fn opened(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) {
        self.leave_opening(id.slot);
        // Who has shaken hands with us has shown itself.
        let shown = self.is_ws(id.slot) || self.conns[id.slot as usize].is(SECURE);
        let number = self.shard.number(id.slot);
        let first = match self.shard.plan.messages.schedule {
            Schedule::Every(gap) => {
                let share = draw(self.shard.plan.seed, FIRST_MESSAGE, number) >> 32;
                let wide = (u128::from(gap.0) * u128::from(share)) >> 32;
                now + Nanos(u64::try_from(wide).expect("a share of a u64 fits one"))
            }
            Schedule::Idle | Schedule::Closed => now,
        };
        let c = &mut self.conns[id.slot as usize];
        c.state = State::Open;
        let setup = now - c.born;
        c.since = first;
        if shown {
            c.flags |= CONFIRMED;
        } else if matches!(self.stage, Stage::Quiet(_)) {
            self.late = Some(now);
        }
        let (counts, gauges) = (&mut self.snapshot.counts, &mut self.snapshot.gauges);
        counts.opened += 1;
        counts.confirmed += u64::from(shown);
        gauges.unconfirmed += u64::from(!shown);
        gauges.open += 1;
        gauges.open_peak = gauges.open_peak.max(gauges.open);
        self.snapshot.latencies.setup.record(setup);
        if self.pings.is_some() {
            self.begin_pings(now, id.slot);
        }
        if self.shard.plan.messages.schedule == Schedule::Closed && self.may_send() {
            self.send(now, now, id, orders);
        }
        self.arm(now, id.slot);
    }

    /// It is opening no more, for good or bad.
    pub(super) fn leave_opening(&mut self, slot: u32) {
        let c = &self.conns[slot as usize];
        if !c.is(OVERDUE) {
            self.in_window -= 1;
        }
        self.snapshot.gauges.opening -= 1;
    }

    pub(super) fn nonce(&self, id: ConnId) -> [u8; 16] {
        let number = u64::from(id.generation) << 32 ^ self.shard.number(id.slot);
        let (low, high) = (
            draw(self.shard.plan.seed, NONCE_LOW, number),
            draw(self.shard.plan.seed, NONCE_HIGH, number),
        );
        (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
    }
}
