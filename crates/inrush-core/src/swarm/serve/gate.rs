//! Whether this worker takes connections at all: lack of descriptors, spare ones left to siblings,
//! and the faults that concern the listener or the whole process.

use crate::errno::Errno;
use crate::fault::{Fault, Kind};
use crate::pace::draw;
use crate::plan::{OnEmfile, Serve};
use crate::swarm::{Order, Orders};
use crate::time::Nanos;
use alloc::vec::Vec;

/// First and longest pause after an accept() without descriptors.
const PAUSES: (Nanos, Nanos) = (Nanos::from_millis(5), Nanos::from_secs(1));
/// Purpose of the draws for faults of the listener.
const GATE: u64 = 0x67_61_74_65;

/// Why the listener is out of the poller: a bit each.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Why {
    /// accept() failed for lack of something.
    Failed = 1,
    /// The descriptors that are left are for siblings to spare.
    Spare = 2,
    /// The fault slow-accept.
    Slow = 4,
    /// The fault stall-accept, for ever.
    Stall = 8,
    /// The listener is closed, for lack of descriptors.
    Dead = 16,
    /// The listener is closed because we stop.
    Stopped = 32,
}

/// The listener of one worker, as far as the swarm decides about it.
#[derive(Debug)]
pub(super) struct Gate {
    faults: Vec<Fault>,
    seed: u64,
    on_emfile: OnEmfile,
    spare: u64,
    left: u64,
    shut: u8,
    pause: Nanos,
    /// When `Failed` ends.
    again: Nanos,
    /// When `Slow` ends.
    next: Nanos,
    /// When the whole loop stalls next; set by the first look, as is the death.
    stall: Nanos,
    /// When the process dies.
    death: Nanos,
    begun: bool,
}

impl Gate {
    pub(super) fn new(plan: &Serve) -> Self {
        Self {
            faults: plan.faults.clone(),
            seed: draw(plan.seed, GATE, u64::from(plan.index)),
            on_emfile: plan.on_emfile,
            spare: u64::from(plan.spare_descriptors),
            left: u64::MAX,
            shut: 0,
            pause: PAUSES.0,
            again: Nanos::MAX,
            next: Nanos::MAX,
            stall: Nanos::MAX,
            death: Nanos::MAX,
            begun: false,
        }
    }

    /// `count` connections have been taken now. Returns how many faults that committed.
    pub(super) fn took_one(&mut self, now: Nanos, count: u64, orders: &mut Orders) -> u64 {
        self.pause = PAUSES.0;
        self.open(Why::Failed, orders);
        self.again = Nanos::MAX;
        let (mut committed, ordinal, seed) = (0, count - 1, self.seed);
        let slow = self.faults.iter().find_map(|fault| match fault.kind {
            Kind::SlowAccept(each) if fault.select.hits(seed, ordinal) => Some(each),
            _ => None,
        });
        if let Some(each) = slow {
            self.next = now + each;
            self.shut(Why::Slow, orders);
            committed += 1;
        }
        committed + u64::from(self.stall_before(count, orders))
    }

    /// Whether the process dies with its `count`-th connection.
    pub(super) fn dies_at(&self, count: u64) -> bool {
        let deadly =
            |fault: &Fault| matches!(fault.kind, Kind::DieAfterCount(n) if u64::from(n) == count);
        self.faults.iter().any(deadly)
    }

    /// The process may open so many more descriptors.
    pub(super) fn left(&mut self, descriptors: u64, orders: &mut Orders) {
        self.left = descriptors;
        if self.left < self.spare {
            self.shut(Why::Spare, orders);
        } else {
            self.open(Why::Spare, orders);
        }
    }

    /// A descriptor has become free; `live` connections are left.
    pub(super) fn one_closed(&mut self, live: u64, orders: &mut Orders) {
        self.left(self.left.saturating_add(1), orders);
        if live == 0 {
            // Others use the descriptors: no close of ours could ever bring the listener back.
            self.open(Why::Spare, orders);
        }
    }

    /// All siblings are full: spare no more.
    pub(super) fn spare_none(&mut self, orders: &mut Orders) {
        self.spare = 0;
        self.open(Why::Spare, orders);
    }

    /// accept() failed.
    pub(super) fn failed(&mut self, now: Nanos, errno: Errno, left: u64, orders: &mut Orders) {
        if is_of_one_connection(errno) {
            return;
        }
        self.left = left;
        let descriptors = matches!(errno, Errno::EMFILE | Errno::ENFILE);
        match self.on_emfile {
            OnEmfile::Die => {
                self.shut |= Why::Dead as u8;
                orders.push(Order::StopListening);
            }
            // Without memory the spare descriptor does not help.
            OnEmfile::Shed if descriptors => orders.push(Order::Shed),
            OnEmfile::Shed | OnEmfile::Pause => {
                self.again = now + self.pause;
                self.pause = (self.pause * 2).min(PAUSES.1);
                self.shut(Why::Failed, orders);
            }
        }
    }

    /// For good: we stop.
    pub(super) fn stop(&mut self, orders: &mut Orders) {
        if self.shut & Why::Dead as u8 == 0 {
            orders.push(Order::StopListening);
        }
        self.shut |= Why::Stopped as u8;
    }

    /// It does not accept, and descriptors are the reason.
    pub(super) fn paused(&self) -> bool {
        self.shut & (Why::Failed as u8 | Why::Spare as u8 | Why::Dead as u8) != 0
    }

    /// When something is due here.
    pub(super) fn next_due(&self) -> Nanos {
        if !self.begun {
            return Nanos::ZERO;
        }
        self.again.min(self.next).min(self.stall).min(self.death)
    }

    /// Does what is due, one thing. Returns the faults committed; `None` when nothing was due.
    pub(super) fn one_due(&mut self, now: Nanos, orders: &mut Orders) -> Option<u64> {
        if !self.begun {
            return Some(self.begin(now, orders));
        }
        if self.death <= now {
            self.death = Nanos::MAX;
            orders.push(Order::Die);
            return Some(1);
        }
        if self.stall <= now {
            let (stop, every) = self.pauses()?;
            self.stall = now + every.max(stop);
            orders.push(Order::Stall(stop));
            return Some(1);
        }
        if self.again <= now {
            self.again = Nanos::MAX;
            self.open(Why::Failed, orders);
            return Some(0);
        }
        if self.next <= now {
            self.next = Nanos::MAX;
            self.open(Why::Slow, orders);
            return Some(0);
        }
        None
    }

    /// The first look: times count from here.
    fn begin(&mut self, now: Nanos, orders: &mut Orders) -> u64 {
        self.begun = true;
        if let Some((_, every)) = self.pauses() {
            self.stall = now + every;
        }
        for fault in &self.faults {
            if let Kind::DieAfterTime(after) = fault.kind {
                self.death = self.death.min(now + after);
            }
        }
        u64::from(self.stall_before(0, orders))
    }

    fn pauses(&self) -> Option<(Nanos, Nanos)> {
        self.faults.iter().find_map(|fault| match fault.kind {
            Kind::Pause(stop, every) => Some((stop, every)),
            _ => None,
        })
    }

    /// Stalls for ever when stall-accept hits the next connection.
    fn stall_before(&mut self, ordinal: u64, orders: &mut Orders) -> bool {
        let seed = self.seed;
        let hit = self.shut & Why::Stall as u8 == 0
            && self
                .faults
                .iter()
                .any(|fault| fault.kind == Kind::StallAccept && fault.select.hits(seed, ordinal));
        if hit {
            self.shut(Why::Stall, orders);
        }
        hit
    }

    fn shut(&mut self, why: Why, orders: &mut Orders) {
        if self.shut == 0 {
            orders.push(Order::AcceptOn(false));
        }
        self.shut |= why as u8;
    }

    fn open(&mut self, why: Why, orders: &mut Orders) {
        let before = self.shut;
        self.shut &= !(why as u8);
        if before != 0 && self.shut == 0 {
            orders.push(Order::AcceptOn(true));
        }
    }
}

/// accept(2): network errors of the new socket come out of accept() and say nothing about the next.
fn is_of_one_connection(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ECONNABORTED
            | Errno::EPERM
            | Errno::EPROTO
            | Errno::ENOPROTOOPT
            | Errno::ENETDOWN
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::EHOSTUNREACH
            | Errno::ECONNRESET
            | Errno::ETIMEDOUT
    )
}
