//! The one wake-up of each connection: what it waits for next, and what is done when it comes.

use super::conn::{CONFIRMED, Conn, OVERDUE, OWED, QUIET, State};
use super::opening::{LIFETIME, PATIENCE};
use super::{LoadSwarm, Stage};
use crate::failure::{Op, Outcome};
use crate::pace::draw;
use crate::plan::{Expect, Schedule};
use crate::swarm::{ConnId, Order, Orders};
use crate::time::Nanos;

/// How long the answer to our Close is awaited.
const CLOSE_WAIT: Nanos = Nanos::from_secs(1);

/// One that has been closing this long no longer holds up the others.
const CLOSE_PATIENCE: Nanos = Nanos::from_millis(100);

impl LoadSwarm {
    /// Sees to it that the connection is woken in time. A wake-up that is set earlier is left: it
    /// finds nothing to do and sets the right one, which is cheaper than moving it each time. One
    /// that is late already queues behind those that are due, or it would be woken for ever.
    #[inline]
    pub(super) fn arm(&mut self, now: Nanos, slot: u32) {
        let due = self.due(slot);
        if due == Nanos::MAX {
            self.wheel.clear(slot);
            return;
        }
        let due = due.max(now);
        if self.wheel.due(slot) > due {
            self.wheel.set(slot, due);
        }
    }

    /// Wakes one connection that is due.
    pub(super) fn wake_one(&mut self, now: Nanos, orders: &mut Orders) -> bool {
        let Some((slot, _)) = self.wheel.pop(now) else { return false };
        self.begin_batch(slot);
        match self.conns[slot as usize].state {
            State::Connect | State::Tls | State::Upgrade => self.wake_opening(now, slot, orders),
            State::Open => self.wake_open(now, slot, orders),
            State::Closing => self.wake_closing(now, slot, orders),
            State::Dying if self.due(slot) <= now => self.order_look(self.id(slot), orders),
            _ => {}
        }
        if self.conns[slot as usize].state != State::Gone {
            self.arm(now, slot);
        }
        true
    }

    fn due(&self, slot: u32) -> Nanos {
        let c = &self.conns[slot as usize];
        let limits = &self.shard.plan.timeouts;
        match c.state {
            State::Connect => self.patience(c).min(c.born + limits.connect),
            State::Tls | State::Upgrade => {
                self.patience(c).min(c.connected_at() + limits.handshake)
            }
            State::Open => self.due_open(slot, c),
            State::Closing if c.is(OVERDUE) => c.since + CLOSE_WAIT,
            State::Closing => c.since + CLOSE_PATIENCE,
            State::Dying => self.dying.get(&slot).map_or(Nanos::ZERO, |d| d.until),
            State::Looking | State::Gone => Nanos::MAX,
        }
    }

    fn patience(&self, c: &Conn) -> Nanos {
        if self.window == u32::MAX || c.is(OVERDUE) { Nanos::MAX } else { c.born + PATIENCE }
    }

    #[inline]
    fn due_open(&self, slot: u32, c: &Conn) -> Nanos {
        let mut due = self.reply_deadline(slot, c);
        if !c.is(QUIET) && matches!(self.stage, Stage::Running(_)) {
            due = due.min(self.next_send(c));
        }
        if self.pings.is_some() {
            due = due.min(self.ping_wakes(slot, c));
        }
        if self.shard.plan.lifetime.is_some() {
            let end = self.life_end(slot, c);
            due = due.min(if c.is(QUIET) { self.drained_at(end) } else { end });
        }
        due
    }

    fn next_send(&self, c: &Conn) -> Nanos {
        match self.shard.plan.messages.schedule {
            Schedule::Idle => Nanos::MAX,
            Schedule::Every(gap) => c.since + gap * u64::from(c.sent),
            // Without replies to wait for, the socket's room is the only pace.
            Schedule::Closed if self.expects_replies() || c.tx_left > 0 || c.is(OWED) => Nanos::MAX,
            Schedule::Closed => c.since,
        }
    }

    /// When the peer has been silent too long while replies were due. One that never said a byte
    /// may be given up by the hand-shake limit too: nobody has served it.
    #[inline]
    fn reply_deadline(&self, slot: u32, c: &Conn) -> Nanos {
        // Once we are silent ourselves, the peer's silence proves nothing, unless it never spoke.
        let speaking = matches!(self.stage, Stage::Running(_)) || !c.has_heard();
        if c.outstanding() == 0 || !self.expects_replies() || !speaking {
            return Nanos::MAX;
        }
        let limits = &self.shard.plan.timeouts;
        let patience =
            if c.is(CONFIRMED) { limits.reply } else { limits.reply.min(limits.handshake) };
        c.heard.max(self.due_of(slot, c.received)) + patience
    }

    fn life_end(&self, slot: u32, c: &Conn) -> Nanos {
        let Some((low, high)) = self.shard.plan.lifetime else { return Nanos::MAX };
        let number = self.shard.number(slot) ^ u64::from(c.generation) << 40;
        let spread = (high - low).0.saturating_add(1);
        c.born + low + Nanos(draw(self.shard.plan.seed, LIFETIME, number) % spread)
    }

    fn wake_opening(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        let c = &mut self.conns[slot as usize];
        let limits = &self.shard.plan.timeouts;
        let over = match c.state {
            State::Connect => c.born + limits.connect,
            _ => c.connected_at() + limits.handshake,
        };
        if over <= now {
            let handshake = c.state != State::Connect;
            self.snapshot.counts.handshakes_timed_out += u64::from(handshake);
            self.fail(now, self.id(slot), Op::Deadline, Outcome::TimedOut, orders);
        } else if self.window != u32::MAX && !c.is(OVERDUE) && c.born + PATIENCE <= now {
            c.flags |= OVERDUE;
            self.in_window -= 1;
        }
    }

    fn wake_closing(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        let c = &mut self.conns[slot as usize];
        if c.since + CLOSE_WAIT <= now {
            self.finish(now, self.id(slot), false, orders);
        } else if !c.is(OVERDUE) && c.since + CLOSE_PATIENCE <= now {
            c.flags |= OVERDUE;
            self.in_close_window -= 1;
        }
    }

    fn wake_open(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        let (c, id) = (self.conns[slot as usize], self.id(slot));
        if self.reply_deadline(slot, &c).min(self.pong_deadline(slot, &c)) <= now {
            self.fail(now, id, Op::Deadline, Outcome::TimedOut, orders);
            return;
        }
        if self.shard.plan.lifetime.is_some() {
            let end = self.life_end(slot, &c);
            if end <= now {
                self.conns[slot as usize].flags |= QUIET;
                if c.outstanding() == 0 || self.drained_at(end) <= now {
                    self.end_life(now, id, orders);
                }
                return;
            }
        }
        if self.ping_due(slot, &c) <= now {
            self.send_ping(now, id, orders);
            return;
        }
        let due = self.next_send(&c);
        if due <= now && self.may_send() {
            // A closed loop has no schedule to be late for.
            let closed = self.shard.plan.messages.schedule == Schedule::Closed;
            self.send(now, if closed { now } else { due }, id, orders);
        }
    }

    /// Its lifetime is over. Whoever was not served by now has failed, as at the end of the hold.
    fn end_life(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) {
        let unsure = !self.conns[id.slot as usize].is(CONFIRMED);
        if self.was_never_answered(now, id.slot) {
            self.fail(now, id, Op::Deadline, Outcome::TimedOut, orders);
        } else if unsure && !self.not_local[usize::from(self.target(id.slot))] {
            orders.push(Order::Look(id, self.target(id.slot)));
        } else {
            self.begin_close(now, id, orders);
        }
    }

    /// Whether what we send is answered.
    #[inline]
    pub(super) fn expects_replies(&self) -> bool {
        matches!(self.shard.plan.messages.expect, Expect::Echo | Expect::Reply)
    }

    /// Messages are sent only while the hold lasts.
    #[inline]
    pub(super) fn may_send(&self) -> bool {
        matches!(self.stage, Stage::Running(_)) && !self.stopping
    }
}
