//! Slots that shall live again, each not before its time.

use crate::time::Nanos;
use alloc::collections::VecDeque;

/// Slot and flags of a next life, and when it may begin.
type Life = (Nanos, u32, u16);

/// Those whose lifetime is over begin at once, those that failed after a pause: two queues, so that
/// neither holds up the other, and each is in order of time.
#[derive(Debug, Default)]
pub(super) struct Again {
    churned: VecDeque<Life>,
    failed: VecDeque<Life>,
}

impl Again {
    /// Its lifetime is over.
    pub(super) fn churned(&mut self, at: Nanos, slot: u32, flags: u16) {
        self.churned.push_back((at, slot, flags));
    }

    /// It failed, and is tried again at `at`.
    pub(super) fn failed(&mut self, at: Nanos, slot: u32, flags: u16) {
        self.failed.push_back((at, slot, flags));
    }

    /// When the next may begin.
    pub(super) fn next(&self) -> Option<Nanos> {
        let times = [&self.churned, &self.failed].map(|queue| queue.front().map(|(at, ..)| *at));
        times.into_iter().flatten().min()
    }

    /// Slot and flags of one that may begin.
    pub(super) fn pop(&mut self, now: Nanos) -> Option<(u32, u16)> {
        let due = self.next().filter(|at| *at <= now)?;
        let is_first = |queue: &VecDeque<Life>| queue.front().is_some_and(|(at, ..)| *at == due);
        let queue = if is_first(&self.failed) { &mut self.failed } else { &mut self.churned };
        queue.pop_front().map(|(_, slot, flags)| (slot, flags))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.churned.is_empty() && self.failed.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.churned.clear();
        self.failed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_one_kind_holds_up_no_other() {
        let at = Nanos::from_millis;
        let mut again = Again::default();
        again.failed(at(100), 1, 0);
        again.churned(at(1), 2, 0);
        again.failed(at(150), 3, 0);
        assert_eq!((again.next(), again.pop(at(0))), (Some(at(1)), None));
        assert_eq!(again.pop(at(50)), Some((2, 0)));
        assert_eq!((again.pop(at(50)), again.next()), (None, Some(at(100))));
        assert_eq!([again.pop(at(200)), again.pop(at(200))], [Some((1, 0)), Some((3, 0))]);
        assert!(again.is_empty());
    }
}
