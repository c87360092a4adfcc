//! Closes that came together, and the time of what may explain them.

use crate::tally::Times;
use crate::time::Nanos;
use alloc::vec::Vec;

/// A burst is so many closes, or a tenth of what was opened,
const BURST: u64 = 20;
/// with no pause longer than this.
pub(super) const PAUSE: Nanos = Nanos::from_millis(100);

/// Closes without a longer pause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    pub(super) from: Nanos,
    pub(super) to: Nanos,
    pub(super) count: u64,
    pub(super) large: bool,
}

/// When something happened, at the earliest and at the latest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: Nanos,
    pub(super) to: Nanos,
}

impl Burst {
    pub(super) fn meets(&self, when: Span) -> bool {
        self.from <= when.to && self.to >= when.from
    }

    /// What of it, and of what straggles behind it, can belong to that.
    pub(super) fn within(&self, when: Span) -> Span {
        Span { from: self.from.max(when.from), to: self.to.max(when.to) }
    }
}

/// The last large burst of that time. `any`: it is known that something ended there, so that
/// without a large one any last group will do.
pub(super) fn last_burst(bursts: &[Burst], when: Span, any: bool) -> Option<Burst> {
    let near = || bursts.iter().rev().filter(|burst| burst.meets(when));
    let large = near().find(|burst| burst.large);
    large.or_else(|| near().next().filter(|_| any)).copied()
}

pub(super) fn bursts(closes: &Times, opened: u64) -> Vec<Burst> {
    let pause = PAUSE.max(closes.width);
    let mut groups: Vec<Vec<(Nanos, u64)>> = Vec::new();
    for (bucket, count) in &closes.buckets {
        let moment = (closes.begins(*bucket), *count);
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| moment.0 - last.0 <= pause) => {
                group.push(moment);
            }
            _ => groups.push([moment].into()),
        }
    }
    groups.iter().filter_map(|group| burst(group, closes.width, opened)).collect()
}

fn burst(group: &[(Nanos, u64)], width: Nanos, opened: u64) -> Option<Burst> {
    let all: u64 = group.iter().map(|(_, count)| count).sum();
    // Single closes before it may run into the burst: it begins where it becomes dense.
    let peak = group.iter().map(|(_, count)| *count).max()?;
    let dense = group.iter().find(|(_, count)| count * 5 >= peak)?.0;
    let from = group.iter().find(|(at, _)| *at + PAUSE >= dense)?.0;
    let to = group.last()?.0 + width;
    let count = group.iter().filter(|(at, _)| *at >= from).map(|(_, count)| count).sum();
    let large = all >= BURST || (opened > 0 && all * 10 >= opened);
    Some(Burst { from, to, count, large })
}
