//! The timer wheel against a model that is obviously right: a map from id to time.

use inrush_core::time::Nanos;
use inrush_core::wheel::Wheel;
use proptest::prelude::*;
use std::collections::BTreeMap;

const IDS: u32 = 40;

#[derive(Clone, Debug)]
enum Deed {
    /// Wake this id so long after now, or before.
    Set(u32, i64),
    /// Wake this id at this moment, however far.
    SetAt(u32, u64),
    Clear(u32),
    /// Time passes.
    Pass(u64),
    /// Time passes until the wheel says that something is due.
    PassUntilNext,
    /// So many are taken out, if so many are due.
    Pop(usize),
}

/// Lengths from nanoseconds to centuries, each magnitude as likely as the others.
fn length() -> impl Strategy<Value = u64> {
    (0_u32..64, any::<u64>()).prop_map(|(bits, random)| random >> bits)
}

fn deed() -> impl Strategy<Value = Deed> {
    let near = (0_u32..50, any::<u64>()).prop_map(|(bits, random)| (random >> 14 >> bits) as i64);
    prop_oneof![
        6 => (0..IDS, near).prop_map(|(id, after)| Deed::Set(id, after)),
        1 => (0..IDS, -100_000_i64..0).prop_map(|(id, before)| Deed::Set(id, before)),
        1 => (0..IDS, length()).prop_map(|(id, at)| Deed::SetAt(id, at)),
        2 => (0..IDS).prop_map(Deed::Clear),
        2 => (16_u32..64, any::<u64>()).prop_map(|(bits, random)| Deed::Pass(random >> bits)),
        4 => Just(Deed::PassUntilNext),
        4 => (0_usize..10).prop_map(Deed::Pop),
    ]
}

struct World {
    wheel: Wheel,
    model: BTreeMap<u32, Nanos>,
    now: Nanos,
}

impl World {
    fn new() -> Self {
        let mut wheel = Wheel::with_capacity(0);
        (0..IDS).for_each(|_| wheel.push());
        Self { wheel, model: BTreeMap::new(), now: Nanos::ZERO }
    }

    fn earliest(&self) -> Option<Nanos> {
        self.model.values().min().copied()
    }

    fn set(&mut self, id: u32, due: Nanos) {
        self.wheel.set(id, due);
        if due == Nanos::MAX {
            self.model.remove(&id);
        } else {
            self.model.insert(id, due);
        }
    }

    fn carry_out(&mut self, deed: &Deed) {
        match *deed {
            Deed::Set(id, after) => self.set(id, Nanos(self.now.0.saturating_add_signed(after))),
            Deed::SetAt(id, at) => self.set(id, Nanos(at)),
            Deed::Clear(id) => {
                self.wheel.clear(id);
                self.model.remove(&id);
            }
            Deed::Pass(by) => self.now += Nanos(by),
            Deed::PassUntilNext => {
                self.now = self.wheel.next().map_or(self.now, |next| next.max(self.now));
            }
            Deed::Pop(count) => (0..count).for_each(|_| {
                self.pop();
            }),
        }
    }

    /// Takes one out, and says whether there was one.
    fn pop(&mut self) -> bool {
        match self.wheel.pop(self.now) {
            Some((id, due)) => {
                assert!(due <= self.now, "early");
                assert_eq!(self.model.remove(&id), Some(due));
                true
            }
            None => {
                assert!(self.earliest().is_none_or(|due| due > self.now), "one was forgotten");
                let next = self.wheel.next();
                assert!(next.is_none_or(|next| next > self.now), "a sleeper would not get on");
                false
            }
        }
    }

    fn check(&self) {
        for id in 0..IDS {
            let due = self.model.get(&id).copied();
            assert_eq!(self.wheel.due(id), due.unwrap_or(Nanos::MAX));
            assert_eq!(self.wheel.is_set(id), due.is_some());
        }
        match (self.wheel.next(), self.earliest()) {
            (Some(next), Some(earliest)) => assert!(next <= earliest, "{next:?} {earliest:?}"),
            (next, earliest) => assert_eq!(next, earliest),
        }
    }
}

proptest! {
    #![proptest_config(crate::cases(512))]

    #[test]
    fn the_wheel_does_what_a_map_does(deeds in prop::collection::vec(deed(), 1..200)) {
        let mut world = World::new();
        for deed in &deeds {
            world.carry_out(deed);
            world.check();
        }
        // Whoever sleeps until `next` each time wakes all of them, and not too often: each level
        // that a far one comes down through costs one step.
        let mut steps = 0;
        while let Some(next) = world.wheel.next() {
            world.now = world.now.max(next);
            while world.pop() {}
            steps += 1;
            prop_assert!(steps <= 16 * IDS + 600, "it does not end");
        }
        prop_assert!(world.model.is_empty());
    }
}
