//! What happens by time alone: ends, pushes, alarms, held replies, the stop; one thing per look.

use super::conn::{Alarm, Ending, Flag, State};
use super::{ServeSwarm, Stopping};
use crate::fault::Kind;
use crate::pace::draw;
use crate::plan::Mode;
use crate::protocol::ws_frame::opcode;
use crate::swarm::{Close, Orders};
use crate::time::Nanos;

/// What a pushing server says: 64 bytes, a line.
const PUSHED: &[u8; 64] = b"inrush serve --mode push says this because nobody asked, 64 B.\r\n";
/// Purpose of the draw that spreads the first pushes.
const FIRST_PUSH: u64 = 0x70_75_73_68;
/// Pushes are not said while so much is unwritten.
const PUSH_WATER: usize = 64 << 10;

impl ServeSwarm {
    /// Does one thing that is due, if any.
    pub(super) fn one_due(&mut self, now: Nanos, orders: &mut Orders) {
        if let Some(slot) = self.soon.pop_front() {
            self.go_on(now, slot, orders);
            return self.rearm(slot);
        }
        if let Some(committed) = self.gate.one_due(now, orders) {
            self.counts.faults += committed;
            return;
        }
        if let Some((slot, _)) = self.wheel.pop(now) {
            self.due(now, slot, orders);
            return self.rearm(slot);
        }
        self.stop_next(now, orders);
    }

    /// When the next thing is due; a moment in the past when one is due already.
    pub(super) fn next_due(&self) -> Nanos {
        if !self.soon.is_empty() || self.stopping.is_some_and(|s| s.cursor < self.conns.len()) {
            return Nanos::ZERO;
        }
        self.gate.next_due().min(self.wheel.next().unwrap_or(Nanos::MAX))
    }

    /// Sets the wheel to this connection's next moment.
    pub(super) fn rearm(&mut self, slot: u32) {
        if matches!(self.conn(slot).state, State::Gone | State::Free) {
            return;
        }
        let due = self.next_of(slot);
        if self.wheel.due(slot) != due {
            self.wheel.set(slot, due);
        }
    }

    fn next_of(&self, slot: u32) -> Nanos {
        let conn = &self.conns[slot as usize];
        let mut next = if conn.timer == Nanos::ZERO { Nanos::MAX } else { conn.timer };
        if conn.faults != 0 {
            next = next.min(self.close_after(slot));
        }
        if self.rare.is_empty() || conn.ending != Ending::None {
            return next;
        }
        let Some(rare) = self.rare.get(&slot) else { return next };
        let alarm = rare.alarms.iter().map(|(at, _)| *at).min().unwrap_or(Nanos::MAX);
        let held = rare.held.front().map_or(Nanos::MAX, |(at, _)| *at);
        next.min(alarm).min(held)
    }

    /// When the fault close-after ends it.
    fn close_after(&self, slot: u32) -> Nanos {
        match self.fault(slot, |kind| matches!(kind, Kind::CloseAfter(_))) {
            Some(Kind::CloseAfter(after)) => self.conns[slot as usize].born + after,
            _ => Nanos::MAX,
        }
    }

    /// One moment of one connection has come.
    fn due(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        let conn = *self.conn(slot);
        if matches!(conn.state, State::Gone | State::Free) {
            return;
        }
        if conn.faults != 0 && self.close_after(slot) <= now {
            self.commit();
            return self.close(slot, Close::Fin, orders);
        }
        if conn.timer != Nanos::ZERO && conn.timer <= now {
            return self.timer(now, slot, orders);
        }
        if conn.ending != Ending::None {
            return;
        }
        let held = self.rare.get(&slot).and_then(|rare| rare.held.front());
        if held.is_some_and(|(at, _)| *at <= now) {
            let reply = self.with_rare(slot, |rare| rare.held.pop_front());
            // After our Close frame nothing may follow (RFC 6455 §5.5.1).
            let speaking = matches!(conn.state, State::Tcp | State::Ws);
            if let Some((_, reply)) = reply.filter(|_| speaking) {
                self.say(now, slot, orders, |out| out.extend_from_slice(&reply));
            }
            return;
        }
        let alarms = self.rare.get(&slot).map_or(&[][..], |rare| &rare.alarms);
        let alarm = alarms.iter().find(|(at, _)| *at <= now).map(|(_, alarm)| *alarm);
        if let Some(alarm) = alarm {
            self.silence(slot, alarm);
            match alarm {
                Alarm::Upgrade => self.upgrade_late(now, slot, orders),
                Alarm::TakeAsTcp => self.take_as_tcp(now, slot, orders),
                Alarm::Read => self.read_slowly(now, slot, orders),
                Alarm::Look(after) => self.look(now, slot, after, orders),
                Alarm::CloseCode(code) => self.close_by_fault(now, slot, code, orders),
            }
        }
    }

    /// The connection's own timer: our patience has ended, or a push is due.
    fn timer(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        let conn = *self.conn(slot);
        match conn.ending {
            Ending::Rst => return self.close(slot, Close::Rst, orders),
            Ending::Fin | Ending::Half => return self.close(slot, Close::Fin, orders),
            Ending::None => {}
        }
        if conn.state == State::Parting {
            self.counts.close_unanswered += 1;
            return self.close(slot, Close::Fin, orders);
        }
        let (due, every) = (conn.timer + self.plan.push_every, self.plan.push_every);
        // What a stalled server missed is not made up for in a burst.
        self.conn(slot).timer = if due > now { due } else { now + every };
        if self.waiting(slot) > PUSH_WATER {
            self.counts.unsent += 1;
        } else {
            self.reply(now, slot, opcode::TEXT, PUSHED, orders);
        }
    }

    /// The connection is open: a pushing server begins, at a fraction of its rhythm.
    pub(super) fn schedule_push(&mut self, now: Nanos, slot: u32) {
        let every = self.plan.push_every.0;
        let ending = self.conn(slot).ending != Ending::None;
        if self.plan.mode != Mode::Push || every == 0 || ending {
            return;
        }
        let seed = self.plan.seed ^ u64::from(self.plan.index) << 32;
        let fraction = draw(seed, FIRST_PUSH, u64::from(self.conn(slot).ordinal)) % every;
        self.conn(slot).timer = now + Nanos(fraction.max(1));
    }

    /// The stop, one connection at a time.
    fn stop_next(&mut self, now: Nanos, orders: &mut Orders) {
        let Some(Stopping { mut cursor, until }) = self.stopping else { return };
        let idle = |state| matches!(state, State::Free | State::Gone);
        while self.conns.get(cursor).is_some_and(|conn| idle(conn.state)) {
            cursor += 1;
        }
        self.stopping = Some(Stopping { cursor: cursor + 1, until });
        let Some(conn) = self.conns.get(cursor).copied() else { return };
        let slot = u32::try_from(cursor).expect("slots are 32-bit numbers");
        let talking = conn.state == State::Ws && conn.ending == Ending::None;
        if now >= until {
            self.close(slot, Close::Fin, orders);
        } else if talking {
            self.say_going_away(now, slot, orders);
        } else if !conn.has(Flag::Tail) && conn.ending == Ending::None {
            self.close(slot, Close::Fin, orders);
        } else if conn.ending == Ending::None {
            self.end(now, slot, Ending::Fin);
        }
        if !idle(self.conn(slot).state) {
            self.conn(slot).timer = until;
            self.rearm(slot);
        }
    }
}
