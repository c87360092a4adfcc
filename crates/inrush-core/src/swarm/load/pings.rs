//! Pings: as messages, whose replies are pongs, and as a keep-alive beside the messages. When one
//! is due follows from the connection's birth and its number; three counters are all that is kept
//! of a connection, and they lie here only when keep-alive was asked for.

use super::conn::{Conn, QUIET, State};
use super::messages::{TAG, read_tag, tag};
use super::opening::FIRST_PING;
use super::{LoadSwarm, Stage};
use crate::pace::draw;
use crate::plan::{Frame, Plan};
use crate::protocol::ws_frame::opcode;
use crate::swarm::{ConnId, Orders};
use crate::time::Nanos;
use alloc::vec::Vec;

/// What a keep-alive ping begins with: no tag of a message does.
const MARK: u8 = b'+';

/// After the hold, a pong that was due so long ago does not come any more.
const PONG_PATIENCE: Nanos = Nanos::from_secs(1);

/// Keep-alive pings of one connection.
#[derive(Clone, Copy, Debug)]
struct Pinged {
    /// Number of the next one; those before it were sent, or their time went by.
    next: u32,
    /// Number of the last one that was sent.
    last: u32,
    /// All before this one are answered; `next` when all that were sent are.
    answered: u32,
}

/// Keep-alive pings of a worker.
#[derive(Debug)]
pub(super) struct Pings {
    every: Nanos,
    /// By slot.
    of: Vec<Pinged>,
}

impl Pings {
    /// None when none were asked for.
    pub(super) fn new(plan: &Plan, slots: usize) -> Option<Self> {
        let every = plan.messages.ping_every.filter(|every| *every > Nanos::ZERO)?;
        Some(Self { every, of: Vec::with_capacity(slots) })
    }
}

impl LoadSwarm {
    /// It is open: pings begin, the first after a seeded share of the interval.
    pub(super) fn begin_pings(&mut self, now: Nanos, slot: u32) {
        let first = self.first_ping(slot);
        let Some(pings) = &mut self.pings else { return };
        let next = due_after(first, pings.every, now);
        let at = slot as usize;
        if pings.of.len() <= at {
            pings.of.resize(at + 1, Pinged { next: 0, last: 0, answered: 0 });
        }
        pings.of[at] = Pinged { next, last: next, answered: next };
    }

    /// When keep-alive wakes an open connection: its next ping is due, or a pong is overdue.
    pub(super) fn ping_wakes(&self, slot: u32, c: &Conn) -> Nanos {
        self.ping_due(slot, c).min(self.pong_deadline(slot, c))
    }

    /// When its next ping is due.
    pub(super) fn ping_due(&self, slot: u32, c: &Conn) -> Nanos {
        match self.pinged(slot) {
            Some(pinged) if self.may_send() && !c.is(QUIET) => self.due_of_ping(slot, pinged.next),
            _ => Nanos::MAX,
        }
    }

    /// When the peer has been silent too long while a pong was due. Once we are silent ourselves,
    /// its silence proves nothing.
    pub(super) fn pong_deadline(&self, slot: u32, c: &Conn) -> Nanos {
        match self.pinged(slot) {
            Some(Pinged { next, answered, .. })
                if answered < next && matches!(self.stage, Stage::Running(_)) =>
            {
                let due = self.due_of_ping(slot, answered);
                c.heard.max(due) + self.shard.plan.timeouts.reply
            }
            _ => Nanos::MAX,
        }
    }

    /// Whether a pong is due for longer than any that is only under way.
    pub(super) fn awaits_pong(&self, now: Nanos, slot: u32) -> bool {
        let patience = self.shard.plan.timeouts.reply.min(PONG_PATIENCE);
        self.pinged(slot).is_some_and(|Pinged { next, answered, .. }| {
            answered < next && self.due_of_ping(slot, answered) + patience <= now
        })
    }

    /// Sends the ping that is due. Whatever else came due while nobody looked is given up: one
    /// answer tells as much as many.
    pub(super) fn send_ping(&mut self, now: Nanos, id: ConnId, orders: &mut Orders) {
        let Some(Pinged { next, answered, .. }) = self.pinged(id.slot) else { return };
        let first = self.first_ping(id.slot);
        let due = self.due_of_ping(id.slot, next);
        let mut body = [MARK; 1 + TAG];
        body[1..].copy_from_slice(&tag(self.shard.number(id.slot), next));
        let sent = self.put_control(id, opcode::PING, &body, orders);
        let Some(pings) = &mut self.pings else { return };
        let (after, pinged) = (due_after(first, pings.every, now), &mut pings.of[id.slot as usize]);
        pinged.next = after;
        if sent {
            pinged.last = next;
            self.snapshot.counts.pings += 1;
            self.snapshot.latencies.lag.record(now - due);
        } else if answered == next {
            // Whoever was not asked owes no answer.
            pinged.answered = after;
        }
    }

    /// A pong: of a keep-alive ping, of a message, or unasked (RFC 6455 §5.5.3).
    pub(super) fn pong(&mut self, now: Nanos, id: ConnId, body: &[u8], orders: &mut Orders) {
        if self.kept_alive(now, id, body) || self.shard.plan.messages.frame != Frame::Ping {
            return;
        }
        self.snapshot.counts.received_bytes += body.len() as u64;
        // A heartbeat of the peer's own carries something else, and is nobody's reply.
        let other = !self.tagged && body != self.payload.as_slice();
        if self.expects_replies() && body.len() == self.payload.len() && !other {
            let (seq, intact) = self.compare(id, body);
            self.replied(now, id, seq, intact, orders);
        }
    }

    /// Whether this pong answers a keep-alive ping. A peer may answer the latest alone (§5.5.3).
    fn kept_alive(&mut self, now: Nanos, id: ConnId, body: &[u8]) -> bool {
        let Some(pinged) = self.pinged(id.slot) else { return false };
        let [MARK, rest @ ..] = body else { return false };
        let ours = self.shard.number(id.slot) & 0xffff_ffff;
        let Some((number, n)) = read_tag(rest).filter(|_| rest.len() == TAG) else { return false };
        if u64::from(number) != ours || n > pinged.last {
            return false;
        }
        if n >= pinged.answered && pinged.answered < pinged.next {
            let took = now - self.due_of_ping(id.slot, n);
            self.snapshot.latencies.ping.record(took);
            self.snapshot.counts.pongs += 1;
            let answered = if n < pinged.last { n + 1 } else { pinged.next };
            if let Some(pings) = &mut self.pings {
                pings.of[id.slot as usize].answered = answered;
            }
        }
        true
    }

    fn pinged(&self, slot: u32) -> Option<Pinged> {
        let pings = self.pings.as_ref()?;
        let open = self.conns[slot as usize].state == State::Open && self.is_ws(slot);
        pings.of.get(slot as usize).copied().filter(|_| open)
    }

    fn due_of_ping(&self, slot: u32, n: u32) -> Nanos {
        let every = self.pings.as_ref().map_or(Nanos::MAX, |pings| pings.every);
        self.first_ping(slot) + every * u64::from(n)
    }

    /// When ping 0 would be due; the hand-shake may last longer, and then it is none.
    fn first_ping(&self, slot: u32) -> Nanos {
        let Some(pings) = &self.pings else { return Nanos::MAX };
        let share = draw(self.shard.plan.seed, FIRST_PING, self.shard.number(slot)) >> 32;
        let wide = (u128::from(pings.every.0) * u128::from(share)) >> 32;
        let wait = Nanos(u64::try_from(wide).expect("a share of a u64 fits one"));
        self.conns[slot as usize].born + wait
    }
}

/// Number of the first ping that is due later than `now`.
fn due_after(first: Nanos, every: Nanos, now: Nanos) -> u32 {
    if first > now {
        return 0;
    }
    u32::try_from((now - first).0 / every.0.max(1) + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_ping_is_the_first_that_is_still_to_come() {
        let ms = Nanos::from_millis;
        let check = |now, expected| assert_eq!(due_after(ms(30), ms(100), ms(now)), expected);
        check(0, 0);
        check(29, 0);
        check(30, 1);
        check(129, 1);
        check(130, 2);
        check(1_029, 10);
    }
}
