//! One wake-up per connection: a hierarchical timer wheel. Setting and clearing cost the same with
//! ten connections as with a million, and a jump over hours costs no more than one over a tick.

use crate::time::Nanos;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Bits of a tick's number per level.
const BITS: u32 = 6;
/// Slots of a level: one bit each of a `u64`.
const SLOTS: u32 = 1 << BITS;
/// 2^(14 + 7 * 6) ns: what lies more than two years ahead is filed at the horizon, and again there.
const LEVELS: u32 = 7;
/// A tick is 2^14 ns, 16.4 us: less than what a sleep overshoots (ENGINE.md, timers).
const TICK_SHIFT: u32 = 14;
/// The last tick of the present turn of the highest level has all of these bits.
const HORIZON: u64 = (1 << (BITS * LEVELS)) - 1;
/// `next` looks at so many of a later tick at most; of the present one at all.
const LOOK: usize = 64;

/// No id.
const NIL: u32 = u32::MAX;
/// In `prev`: the rest is a slot and not an id, because the node is the first of that slot.
const FIRST: u32 = 1 << 31;

/// Place of one id in the wheel: 16 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    due: Nanos,
    next: u32,
    /// `NIL` when it is not queued.
    prev: u32,
}

/// Wake-ups of the ids `0..len()`, at most one each.
#[derive(Debug)]
pub struct Wheel {
    nodes: Vec<Node>,
    /// First id of each slot, level by level.
    heads: Box<[u32; (SLOTS * LEVELS) as usize]>,
    /// Which slots of each level are not empty.
    occupied: [u64; LEVELS as usize],
    /// All before this tick has been taken out.
    tick: u64,
}

impl Wheel {
    /// An empty wheel with room for `n` ids.
    pub fn with_capacity(n: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(n),
            heads: Box::new([NIL; (SLOTS * LEVELS) as usize]),
            occupied: [0; LEVELS as usize],
            tick: 0,
        }
    }

    /// Adds one id, the next number; it is not queued. There can be 2^31 - 1 of them.
    pub fn push(&mut self) {
        debug_assert!(self.nodes.len() < FIRST as usize, "an id has 31 bits");
        self.nodes.push(Node { due: Nanos::MAX, next: NIL, prev: NIL });
    }

    /// How many ids there are, queued or not.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no id at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Wakes `id` at `due`, and no more when it was to be woken before. `Nanos::MAX` is never.
    #[inline]
    pub fn set(&mut self, id: u32, due: Nanos) {
        self.clear(id);
        if due != Nanos::MAX {
            self.file(id, due);
        }
    }

    /// Takes `id` out; nothing happens when it was not queued.
    #[inline]
    pub fn clear(&mut self, id: u32) {
        let Node { next, prev, .. } = self.nodes[id as usize];
        if prev == NIL {
            return;
        }
        if next != NIL {
            self.nodes[next as usize].prev = prev;
        }
        if prev & FIRST == 0 {
            self.nodes[prev as usize].next = next;
        } else {
            let at = prev & !FIRST;
            self.heads[at as usize] = next;
            if next == NIL {
                self.occupied[(at / SLOTS) as usize] &= !(1 << (at % SLOTS));
            }
        }
        self.nodes[id as usize] = Node { due: Nanos::MAX, next: NIL, prev: NIL };
    }

    /// When `id` is to be woken; `Nanos::MAX` when it is not queued.
    #[inline]
    pub fn due(&self, id: u32) -> Nanos {
        self.nodes[id as usize].due
    }

    /// Whether `id` is queued.
    #[inline]
    pub fn is_set(&self, id: u32) -> bool {
        self.nodes[id as usize].prev != NIL
    }

    /// Takes out one id that is due at `now`, with the time it was due. Never an early one; those
    /// of one tick come in any order.
    #[inline]
    pub fn pop(&mut self, now: Nanos) -> Option<(u32, Nanos)> {
        let target = now.0 >> TICK_SHIFT;
        loop {
            if let Some(found) = self.pop_present(now) {
                return Some(found);
            }
            if self.tick >= target {
                return None;
            }
            let occupied = self.first_occupied().map_or(target, |(_, _, tick)| tick);
            self.advance(occupied.clamp(self.tick + 1, target));
        }
    }

    /// A time not later than the earliest one set; `None` when nothing is queued. After `pop(now)`
    /// has found nothing it is later than `now`, so a caller who sleeps until then gets on.
    pub fn next(&self) -> Option<Nanos> {
        let (level, slot, tick) = self.first_occupied()?;
        let begin = Nanos(tick << TICK_SHIFT);
        if level > 0 {
            return Some(begin);
        }
        // A later tick may hold a whole storm: then its beginning is near enough.
        let limit = if tick == self.tick { usize::MAX } else { LOOK };
        let mut earliest = Nanos::MAX;
        for (seen, id) in self.ids(slot).enumerate() {
            if seen == limit {
                return Some(begin);
            }
            earliest = earliest.min(self.nodes[id as usize].due);
        }
        Some(earliest)
    }

    /// Takes out one of the present tick's that is due.
    #[inline]
    fn pop_present(&mut self, now: Nanos) -> Option<(u32, Nanos)> {
        let slot = digit(self.tick, 0);
        if self.occupied[0] >> slot & 1 == 0 {
            return None;
        }
        let id = self.ids(slot).find(|id| self.nodes[*id as usize].due <= now)?;
        let due = self.due(id);
        self.clear(id);
        Some((id, due))
    }

    /// Goes on to the tick `to`. No slot in between may be occupied.
    fn advance(&mut self, to: u64) {
        // Only those beyond the horizon can be left in a tick that is over.
        let left = self.empty(0, digit(self.tick, 0));
        self.tick = to;
        self.file_again(left);
        for level in 1..LEVELS {
            let list = self.empty(level, digit(to, level));
            self.file_again(list);
        }
    }

    /// Level, slot and first tick of the occupied slot that comes next.
    #[inline]
    fn first_occupied(&self) -> Option<(u32, u32, u64)> {
        // Slots of a lower level divide the present slot of the next one: they all come before it.
        let level = (0..LEVELS).find(|level| self.occupied[*level as usize] != 0)?;
        let slot = self.occupied[level as usize].trailing_zeros();
        let shift = BITS * level;
        let turn = self.tick >> (shift + BITS) << (shift + BITS);
        Some((level, slot, turn | u64::from(slot) << shift))
    }

    /// Those in a slot of the lowest level.
    fn ids(&self, slot: u32) -> impl Iterator<Item = u32> + '_ {
        let queued = |id: u32| (id != NIL).then_some(id);
        core::iter::successors(queued(self.heads[slot as usize]), move |id| {
            queued(self.nodes[*id as usize].next)
        })
    }

    /// Takes all out of a slot: the first id of a list that is linked by `next`.
    fn empty(&mut self, level: u32, slot: u32) -> u32 {
        self.occupied[level as usize] &= !(1 << slot);
        core::mem::replace(&mut self.heads[(level * SLOTS + slot) as usize], NIL)
    }

    fn file_again(&mut self, mut id: u32) {
        while id != NIL {
            let Node { due, next, .. } = self.nodes[id as usize];
            self.file(id, due);
            id = next;
        }
    }

    /// Puts an id that is in no list into the slot it belongs to.
    #[inline]
    fn file(&mut self, id: u32, due: Nanos) {
        let tick = (due.0 >> TICK_SHIFT).clamp(self.tick, self.tick | HORIZON);
        // The highest digit that differs from the present tick's says how far it is.
        let level = ((tick ^ self.tick) | 1).ilog2() / BITS;
        let slot = digit(tick, level);
        let at = level * SLOTS + slot;
        let next = self.heads[at as usize];
        if next != NIL {
            self.nodes[next as usize].prev = id;
        }
        self.nodes[id as usize] = Node { due, next, prev: FIRST | at };
        self.heads[at as usize] = id;
        self.occupied[level as usize] |= 1 << slot;
    }
}

/// The digit of `tick` that chooses a slot of `level`.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "six bits are left")]
fn digit(tick: u64, level: u32) -> u32 {
    (tick >> (BITS * level) & (SLOTS as u64 - 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(dues: &[u64]) -> Wheel {
        let mut wheel = Wheel::with_capacity(dues.len());
        for (id, due) in (0..).zip(dues) {
            wheel.push();
            wheel.set(id, Nanos(*due));
        }
        wheel
    }

    #[test]
    fn a_node_is_small() {
        assert_eq!(size_of::<Node>(), 16);
    }

    #[test]
    fn none_is_early_and_each_fires_once() {
        let tick = 1 << TICK_SHIFT;
        let mut wheel = wheel(&[5, 7, tick, 3 * tick + 1, 64 * tick, 90_000_000_000]);
        let mut check = |now: u64, expected: &[u32]| {
            let mut ids: Vec<u32> =
                core::iter::from_fn(|| wheel.pop(Nanos(now))).map(|(id, _)| id).collect();
            ids.sort_unstable();
            assert_eq!(ids, expected, "at {now}");
        };
        check(4, &[]);
        check(5, &[0]);
        check(6, &[]);
        check(tick - 1, &[1]);
        check(3 * tick, &[2]);
        check(3 * tick + 1, &[3]);
        check(89_999_999_999, &[4]);
        check(u64::MAX, &[5]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn set_replaces_and_never_is_not_queued() {
        let mut wheel = wheel(&[10, 20]);
        wheel.set(0, Nanos(30));
        assert_eq!((wheel.due(0), wheel.next()), (Nanos(30), Some(Nanos(20))));
        wheel.set(1, Nanos::MAX);
        assert!(!wheel.is_set(1) && wheel.due(1) == Nanos::MAX);
        wheel.clear(0);
        wheel.clear(0);
        assert_eq!((wheel.next(), wheel.pop(Nanos::MAX), wheel.len()), (None, None, 2));
    }

    #[test]
    fn the_past_is_due_at_once() {
        let mut wheel = wheel(&[Nanos::from_secs(1).0]);
        assert!(wheel.pop(Nanos::from_secs(2)).is_some());
        wheel.set(0, Nanos(1));
        assert_eq!(wheel.next(), Some(Nanos(1)));
        assert_eq!(wheel.pop(Nanos::from_secs(2)), Some((0, Nanos(1))));
    }

    /// 2^50 ticks: a wheel that went tick by tick would not come back.
    #[test]
    fn a_jump_over_centuries_is_cheap_and_the_far_side_is_found() {
        let far = u64::MAX - 1;
        let mut wheel = wheel(&[far, far - 1, 1 << 57]);
        let mut now = Nanos::ZERO;
        let mut steps = 0;
        let mut popped = Vec::new();
        while let Some(next) = wheel.next() {
            now = next;
            popped.extend(core::iter::from_fn(|| wheel.pop(now)));
            steps += 1;
        }
        assert_eq!(popped, [(2, Nanos(1 << 57)), (1, Nanos(far - 1)), (0, Nanos(far))]);
        assert!(steps < 1_000 && now == Nanos(far), "{steps}");
    }

    #[test]
    fn a_storm_in_one_tick_is_not_counted_through_from_afar() {
        let due = 10 << TICK_SHIFT;
        let mut wheel = wheel(&[due + 9; 1_000]);
        assert_eq!(wheel.next(), Some(Nanos(due)));
        assert_eq!(wheel.pop(Nanos(due)), None);
        assert_eq!(wheel.next(), Some(Nanos(due + 9)));
    }
}
