//! Who connects from where to where. One (source, target) pair has only so many ports, and long
//! before they are gone every connect() searches for one.

use crate::plan::Plan;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

/// Ends of one connection, as positions in the plan's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Into `Plan::sources`; [`Route::ANY`] leaves it to the kernel.
    pub source: u16,
    /// Into `Plan::targets`.
    pub target: u16,
}

impl Route {
    /// The kernel's choice of a source address.
    pub const ANY: u16 = u16::MAX;
}

/// Route of connection `number` of the run, from 0: round-robin over the targets, and over the
/// sources once per round, so that all pairs get the same share. Of each list 65,535 count.
#[inline]
pub fn route(plan: &Plan, number: u64) -> Route {
    let targets = limited(plan.targets.len()).max(1);
    let sources = limited(plan.sources.len());
    let source = (number / targets).checked_rem(sources);
    let index = |n: u64| u16::try_from(n).expect("lists are cut at 65,535");
    Route { source: source.map_or(Route::ANY, index), target: index(number % targets) }
}

/// How many source addresses keep each (source, target) pair below half of a port range of `range`
/// ports; at least 1. From half on a connect costs 63 us instead of 23 (ENGINE.md, ephemeral-port
/// cliff).
pub fn sources_needed(connections: u64, targets: u64, range: u64) -> u64 {
    let of_a_pair = (range.saturating_sub(1) / 2).max(1);
    connections.div_ceil(targets.max(1)).div_ceil(of_a_pair).max(1)
}

/// `count` loopback addresses to connect from: 127.0.1.1, 127.0.1.2 and so on, without those that
/// end in 0 or 255 and without the target itself. Empty when the target is not in 127.0.0.0/8: only
/// that network is whole on every host. At most 65,535, as many as a [`Route`] can name.
pub fn loopback_pool(target: IpAddr, count: u64) -> Vec<IpAddr> {
    let IpAddr::V4(own) = target else { return Vec::new() };
    if !own.is_loopback() {
        return Vec::new();
    }
    let count = usize::from(u16::try_from(count).unwrap_or(u16::MAX));
    let first = Ipv4Addr::new(127, 0, 1, 1).to_bits();
    (first..=Ipv4Addr::new(127, 255, 255, 254).to_bits())
        .map(Ipv4Addr::from_bits)
        .filter(|address| !matches!(address.octets()[3], 0 | 255) && *address != own)
        .take(count)
        .map(IpAddr::V4)
        .collect()
}

fn limited(length: usize) -> u64 {
    u64::from(u16::try_from(length).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;
    use alloc::collections::BTreeMap;
    use alloc::vec;

    fn with(targets: usize, sources: u64) -> Plan {
        let mut plan = plan(1);
        plan.targets = vec![plan.targets[0].clone(); targets];
        plan.sources = loopback_pool([127, 0, 0, 1].into(), sources);
        plan
    }

    #[test]
    fn targets_first_then_sources() {
        let check = |targets, sources, number, source, target| {
            let expected = Route { source, target };
            assert_eq!(route(&with(targets, sources), number), expected, "number {number}");
        };
        check(1, 0, 9, Route::ANY, 0);
        check(3, 0, 7, Route::ANY, 1);
        check(3, 2, 2, 0, 2);
        check(3, 2, 3, 1, 0);
        check(3, 2, 6, 0, 0);
        check(1, 2, u64::MAX, 1, 0);
        check(0, 0, 5, Route::ANY, 0);
        check(70_000, 0, 65_535, Route::ANY, 0);
    }

    #[test]
    fn enough_sources_are_few() {
        let check = |connections, targets, range, expected| {
            assert_eq!(sources_needed(connections, targets, range), expected);
        };
        check(0, 1, 28_232, 1);
        check(14_115, 1, 28_232, 1);
        check(14_116, 1, 28_232, 2);
        check(1_000_000, 1, 28_232, 71);
        check(1_000_000, 8, 28_232, 9);
        check(1_000_000, 0, 64_512, 32);
        check(5, 1, 0, 5);
    }

    #[test]
    fn no_pair_reaches_half_of_the_range() {
        for (connections, targets, range) in [(1_000, 1, 100), (1_000, 7, 31), (97, 3, 9)] {
            let needed = sources_needed(connections, targets as u64, range);
            let plan = with(targets, needed);
            let mut pairs = BTreeMap::new();
            for number in 0..connections {
                let Route { source, target } = route(&plan, number);
                *pairs.entry((source, target)).or_insert(0_u64) += 1;
            }
            let most = pairs.values().max().copied().unwrap();
            assert!(most * 2 < range, "{most} of {range}");
        }
    }

    #[test]
    fn loopback_addresses_are_many_and_usable() {
        let pool = |target: &str, count| loopback_pool(target.parse().unwrap(), count);
        let text = |pool: &[IpAddr]| alloc::format!("{pool:?}");
        assert_eq!(text(&pool("127.0.0.1", 2)), "[127.0.1.1, 127.0.1.2]");
        assert_eq!(text(&pool("127.0.1.1", 1)), "[127.0.1.2]");
        assert_eq!(text(&pool("127.0.0.1", 255)[253..]), "[127.0.1.254, 127.0.2.1]");
        for outside in ["::1", "10.0.0.1", "::ffff:127.0.0.1"] {
            assert!(pool(outside, 3).is_empty(), "{outside}");
        }
        assert!(pool("127.0.0.1", 0).is_empty());
        assert_eq!(pool("127.0.0.1", u64::MAX).len(), 65_535);
    }
}
