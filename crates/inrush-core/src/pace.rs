//! When the next connect and the next message are due: open loop, so a slow answer delays nothing.

use crate::plan::Rate;
use crate::time::Nanos;

/// A bijection of 64 bits that leaves no pattern (SplitMix64's finaliser): all our "random" choices
/// are this function of seed and number.
#[inline]
pub fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Random bits of a number under a seed and for one purpose.
#[inline]
pub fn draw(seed: u64, purpose: u64, number: u64) -> u64 {
    mix(mix(seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(number.wrapping_mul(0xd1b5_4a32_d192_ed03)))
}

/// When a shard's connects are due. Worker `index` of `of` opens its k-th at `(k * of + index) /
/// rate`, so the sum is smooth; one that is behind catches up at twice its rate and never in a
/// burst.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rate: Rate,
    index: u32,
    of: u32,
    begun: u64,
    earliest: Nanos,
}

impl Pace {
    /// The pace of one shard of a rate.
    pub fn new(rate: Rate, index: u32, of: u32) -> Self {
        Self { rate, index, of, begun: 0, earliest: Nanos::ZERO }
    }

    /// When the next one may begin; zero for `max`.
    #[inline]
    pub fn due(&self) -> Nanos {
        let Rate::Every { count, per } = self.rate else { return Nanos::ZERO };
        let number = u128::from(self.begun) * u128::from(self.of) + u128::from(self.index);
        let due = number * u128::from(per.0) / u128::from(count.max(1));
        Nanos(u64::try_from(due).unwrap_or(u64::MAX)).max(self.earliest)
    }

    /// Counts one that began now.
    #[inline]
    pub fn begin(&mut self, now: Nanos) {
        self.begun += 1;
        if let Rate::Every { count, per } = self.rate {
            // Rounded up: never above twice the rate, not by a nanosecond.
            let gap = u128::from(per.0) * u128::from(self.of);
            let half = gap.div_ceil(2 * u128::from(count.max(1)));
            self.earliest = now + Nanos(u64::try_from(half).unwrap_or(u64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_interleave_into_one_smooth_rate() {
        let rate = Rate::Every { count: 1_000, per: Nanos::from_secs(1) };
        let mut all: std::vec::Vec<u64> = (0..4)
            .flat_map(|index| {
                let mut pace = Pace::new(rate, index, 4);
                (0..25).map(move |_| {
                    let due = pace.due();
                    pace.begin(due);
                    due.0
                })
            })
            .collect();
        all.sort_unstable();
        let expected: std::vec::Vec<u64> = (0..100).map(|i| i * 1_000_000).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn a_stall_is_never_followed_by_a_burst() {
        let mut pace = Pace::new(Rate::Every { count: 1_000, per: Nanos::from_secs(1) }, 0, 1);
        let mut now = Nanos::from_secs(1);
        for _ in 0..100 {
            now = now.max(pace.due());
            let before = now;
            pace.begin(now);
            assert!(pace.due() - before >= Nanos::from_micros(500));
        }
    }
}
