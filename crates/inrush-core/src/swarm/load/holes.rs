//! Places of the schedule that were given up, because the message could not be sent. What was sent
//! before keeps the time it was meant for.

use alloc::collections::VecDeque;

/// Holes kept of one connection; beyond it the two oldest become one.
const HOLES: usize = 64;

/// Of one connection: sequence numbers that come after a hole, and how many places it has.
#[derive(Debug, Default)]
pub(super) struct Holes(VecDeque<(u32, u64)>);

impl Holes {
    /// The place before message `next` is given up.
    pub(super) fn add(&mut self, next: u32) {
        match self.0.back_mut() {
            Some((at, places)) if *at == next => *places += 1,
            _ => self.0.push_back((next, 1)),
        }
        if self.0.len() > HOLES
            && let Some((_, places)) = self.0.pop_front()
            && let Some((_, first)) = self.0.front_mut()
        {
            *first += places;
        }
    }

    /// Places given up after message `seq` was sent.
    pub(super) fn after(&self, seq: u32) -> u64 {
        self.0.iter().rev().take_while(|(at, _)| *at > seq).map(|(_, places)| places).sum()
    }

    /// No message before `seq` is asked for any more. Says whether none is left.
    pub(super) fn forget(&mut self, seq: u32) -> bool {
        while self.0.front().is_some_and(|(at, _)| *at <= seq) {
            self.0.pop_front();
        }
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_before_a_hole_is_not_moved_by_it() {
        let mut holes = Holes::default();
        [2, 2, 2, 5].into_iter().for_each(|next| holes.add(next));
        let after = |holes: &Holes| [0, 1, 2, 4, 5].map(|seq| holes.after(seq));
        assert_eq!(after(&holes), [4, 4, 1, 1, 0]);
        assert!(!holes.forget(2));
        assert_eq!(after(&holes), [1, 1, 1, 1, 0]);
        assert!(holes.forget(5));
    }

    #[test]
    fn holes_are_bounded_and_lose_no_place() {
        let mut holes = Holes::default();
        (1..=1_000).for_each(|next| holes.add(next));
        assert_eq!((holes.0.len(), holes.after(0)), (HOLES, 1_000));
    }
}
