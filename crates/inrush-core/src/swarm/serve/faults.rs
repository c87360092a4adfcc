//! Which of the plan's faults hit which connection and which reply: pure choice, no deed.

use super::ServeSwarm;
use crate::fault::{Fault, Kind, Select};
use crate::pace::draw;
use crate::plan::Serve;
use crate::time::Nanos;
use alloc::vec::Vec;

/// The first so many faults of a plan that hit connections are looked at: a bit each.
const CONNECTION_FAULTS: usize = 32;

/// The faults of one worker.
#[derive(Debug)]
pub(super) struct Faults {
    connection: Vec<(Fault, u64)>,
    reply: Vec<(Fault, u64)>,
    replies: u64,
}

/// What becomes of one reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) dropped: bool,
    pub(super) corrupted: bool,
    pub(super) twice: bool,
    pub(super) interleaved: bool,
    pub(super) delay: Option<Nanos>,
}

impl Faults {
    pub(super) fn new(plan: &Serve) -> Self {
        let seeded = plan.faults.iter().zip(0_u64..).map(|(fault, number)| {
            // Workers and faults that are drawn must not all hit the same ordinals.
            let drawn = draw(plan.seed, number, u64::from(plan.index));
            (*fault, if matches!(fault.select, Select::Ratio(_)) { drawn } else { plan.seed })
        });
        let (reply, mut connection): (Vec<_>, Vec<_>) =
            seeded.partition(|(fault, _)| fault.kind.per_reply());
        connection.retain(|(fault, _)| hits_connections(fault.kind));
        connection.truncate(CONNECTION_FAULTS);
        Self { connection, reply, replies: 0 }
    }

    /// The faults of the connection accepted as number `ordinal`, a bit each.
    pub(super) fn of_connection(&self, ordinal: u64) -> u32 {
        let chosen = self.connection.iter().enumerate();
        chosen
            .filter(|(_, (fault, seed))| fault.select.hits(*seed, ordinal))
            .fold(0, |bits, (number, _)| bits | 1 << number)
    }

    /// The first fault of these bits that is wanted.
    pub(super) fn among(&self, bits: u32, wanted: impl Fn(Kind) -> bool) -> Option<Kind> {
        let mut chosen = self.connection.iter().enumerate();
        chosen
            .find(|(number, (fault, _))| bits & 1 << number != 0 && wanted(fault.kind))
            .map(|(_, (fault, _))| fault.kind)
    }

    /// What becomes of the next reply.
    pub(super) fn next_reply(&mut self) -> Deed {
        let mut deed = Deed::default();
        if self.reply.is_empty() {
            return deed;
        }
        let ordinal = self.replies;
        self.replies += 1;
        for (fault, seed) in &self.reply {
            if !fault.select.hits(*seed, ordinal) {
                continue;
            }
            match fault.kind {
                Kind::DropReply => deed.dropped = true,
                Kind::CorruptReply => deed.corrupted = true,
                Kind::DuplicateReply => deed.twice = true,
                Kind::InterleaveFrames => deed.interleaved = true,
                Kind::DelayReply(by) => deed.delay = deed.delay.max(Some(by)),
                _ => {}
            }
        }
        deed
    }
}

impl ServeSwarm {
    /// The first wanted fault that this connection has.
    #[inline]
    pub(super) fn fault(&self, slot: u32, wanted: impl Fn(Kind) -> bool) -> Option<Kind> {
        let bits = self.conns[slot as usize].faults;
        if bits == 0 { None } else { self.faults.among(bits, wanted) }
    }

    /// The same for a fault that a connection commits once.
    pub(super) fn fault_once(&self, slot: u32, wanted: impl Fn(Kind) -> bool) -> Option<Kind> {
        let spent = self.conns[slot as usize].has(super::Flag::Spent);
        if spent { None } else { self.fault(slot, wanted) }
    }

    /// The fault message-limit: whether these bytes make the message too long.
    pub(super) fn over_limit(&mut self, slot: u32, length: usize) -> bool {
        let limit = self.fault(slot, |kind| matches!(kind, Kind::MessageLimit(_)));
        let Some(Kind::MessageLimit(limit)) = limit else { return false };
        let before = self.rare.get(&slot).map_or(0, |rare| rare.parts.len());
        let over = before + length > limit as usize;
        self.counts.faults += u64::from(over);
        over
    }

    /// The fault bad-opcode: what a reply's frame is said to be. 3 is reserved (RFC 6455 §5.2).
    pub(super) fn opcode(&mut self, slot: u32, kind: u8) -> u8 {
        if self.fault(slot, |kind| matches!(kind, Kind::BadOpcode)).is_none() {
            return kind;
        }
        self.commit();
        3
    }

    /// Counts one fault committed.
    pub(super) fn commit(&mut self) {
        self.counts.faults += 1;
    }
}

/// The others are about the process or its listener: see `gate`.
fn hits_connections(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Pause(..)
            | Kind::SlowAccept(_)
            | Kind::StallAccept
            | Kind::DieAfterCount(_)
            | Kind::DieAfterTime(_)
            | Kind::FdLimit(_)
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;
    use alloc::vec;

    fn faults(index: u32, faults: Vec<Fault>) -> Faults {
        Faults::new(&Serve { index, faults, ..plan() })
    }

    #[test]
    fn a_ratio_is_drawn_for_each_worker_and_fault_and_repeats() {
        let ratio = |kind| Fault { kind, select: Select::Ratio(100_000) };
        let both = vec![ratio(Kind::CloseAfterAccept), ratio(Kind::Leak)];
        let bits = |index| {
            let faults = faults(index, both.clone());
            (0..10_000).map(|ordinal| faults.of_connection(ordinal)).collect::<Vec<_>>()
        };
        assert_eq!(bits(0), bits(0));
        assert_ne!(bits(0), bits(1));
        let together = bits(0).iter().filter(|bits| **bits == 3).count();
        assert!((50..200).contains(&together), "independent ones meet in 1 %: {together}");
    }

    #[test]
    fn reply_faults_go_by_the_replies_of_the_worker() {
        let mut faults = faults(
            0,
            vec![
                Fault { kind: Kind::DropReply, select: Select::Every(3) },
                Fault { kind: Kind::DelayReply(Nanos(5)), select: Select::First(1) },
            ],
        );
        assert_eq!(faults.next_reply().delay, Some(Nanos(5)));
        assert_eq!(faults.next_reply(), Deed::default());
        assert!(faults.next_reply().dropped);
    }
}
