//! Looking at the server's side of connections that never said a byte: at the end of the ramp to
//! confirm them, at the end of the hold to fail those that nobody served.

use super::conn::{CONFIRMED, QUIET, State};
use super::{LoadSwarm, Stage, size};
use crate::failure::{Look, Op, Outcome, Peer};
use crate::swarm::{ConnId, Order, Orders};
use crate::time::Nanos;

/// A server is given so long to accept before a place in its queue, or none, is held against it.
const GRACE: Nanos = Nanos::from_millis(100);

/// A walk over all slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looking {
    next: u32,
}

impl Looking {
    /// From the first slot on.
    pub(super) fn all() -> Self {
        Self { next: 0 }
    }
}

impl LoadSwarm {
    /// Orders a look at the next one that needs it. Says whether there was one.
    pub(super) fn look_at_one(&mut self, orders: &mut Orders) -> bool {
        let Some(Looking { next }) = self.looking else { return false };
        for slot in next..size(self.conns.len()) {
            let c = &self.conns[slot as usize];
            let unsure = c.state == State::Open && !c.is(CONFIRMED);
            if unsure && !self.not_local[usize::from(self.target(slot))] {
                self.looking = Some(Looking { next: slot + 1 });
                orders.push(Order::Look(self.id(slot), self.target(slot)));
                return true;
            }
        }
        self.looking = None;
        false
    }

    /// Begins a walk for those that opened too late for the one at the end of the hold, when
    /// nothing is opening any more. Says whether it did.
    pub(super) fn look_at_late(&mut self, now: Nanos) -> bool {
        let due = self.late_due() <= now;
        if due {
            self.late = None;
            self.looking = Some(Looking::all());
        }
        due
    }

    /// When that walk begins.
    pub(super) fn late_due(&self) -> Nanos {
        let waits = self.stopping || self.snapshot.gauges.opening > 0;
        self.late.filter(|_| !waits).map_or(Nanos::MAX, |at| at + GRACE)
    }

    /// What the look showed.
    pub(super) fn looked(&mut self, now: Nanos, id: ConnId, look: Look, orders: &mut Orders) {
        match self.conns[id.slot as usize].state {
            State::Looking => self.bury(now, id, look, orders),
            State::Open => self.looked_at_open(now, id, look, orders),
            _ => {}
        }
    }

    fn looked_at_open(&mut self, now: Nanos, id: ConnId, look: Look, orders: &mut Orders) {
        self.judge_open(now, id, look, orders);
        // Its lifetime is over: it was looked at to be closed.
        let c = &self.conns[id.slot as usize];
        if c.state == State::Open && c.is(QUIET) {
            self.begin_close(now, id, orders);
        }
    }

    fn judge_open(&mut self, now: Nanos, id: ConnId, look: Look, orders: &mut Orders) {
        let c = &mut self.conns[id.slot as usize];
        match look.peer {
            Peer::Accepted { .. } | Peer::Closing if !c.is(CONFIRMED) => {
                c.flags |= CONFIRMED;
                self.snapshot.counts.confirmed += 1;
                self.snapshot.gauges.unconfirmed -= 1;
            }
            Peer::Absent | Peer::HalfOpen | Peer::Queued if !c.is(CONFIRMED) => {
                let since = match self.stage {
                    Stage::Quiet(since) => since,
                    _ if c.is(QUIET) => now,
                    _ => return,
                };
                let connected_at = c.connected_at();
                if now < connected_at + GRACE {
                    self.late = self.late.max(Some(connected_at));
                    return;
                }
                let held = &mut self.snapshot.gauges.held;
                *held = held.saturating_sub(u64::from(connected_at <= since));
                self.die(now, id, Op::Look, Outcome::NotServed, &[]);
                self.bury(now, id, look, orders);
            }
            Peer::NotLocal => {
                let target = usize::from(self.target(id.slot));
                self.not_local[target] = true;
            }
            _ => {}
        }
    }
}
