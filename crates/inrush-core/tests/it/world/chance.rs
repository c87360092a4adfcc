//! Seeds: every random choice of a world follows from one number that is printed, and that
//! `INRUSH_SEED` sets.

use inrush_core::pace::mix;

/// The seed of a test, from the environment when it is set there. A failing test shows it.
pub(crate) fn seed(default: u64) -> u64 {
    let set = std::env::var("INRUSH_SEED").ok();
    let seed = set.map_or(default, |text| text.parse().expect("INRUSH_SEED is a number"));
    println!("INRUSH_SEED={seed}");
    seed
}

/// So many seeds, or the one of the environment; `INRUSH_SEEDS` says how many for a longer search.
pub(crate) fn seeds(from: u64, count: u64) -> impl Iterator<Item = u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let one = number("INRUSH_SEED").map(|_| 1);
    (from..from + one.or(number("INRUSH_SEEDS")).unwrap_or(count)).map(seed)
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x6368_616e_6365))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// At least `low`, at most `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(crate) fn size(&mut self, (low, high): (usize, usize)) -> usize {
        low + (self.next() % (high - low + 1) as u64) as usize
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    pub(crate) fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.size((0, list.len() - 1))].clone()
    }
}
