//! How many processes and loops a plan needs under a descriptor limit.

/// Descriptors of a process that are no connections, at most (ARCHITECTURE §5).
pub const OWN_DESCRIPTORS: u64 = 24;
/// Descriptors held in reserve, so that the report can always be written.
pub const RESERVE: u64 = 8;

/// Connections one process can hold under this soft limit.
pub fn per_process(limit: u64) -> u64 {
    limit.saturating_sub(OWN_DESCRIPTORS + RESERVE)
}

/// Processes that a plan needs; at least one.
pub fn processes_needed(connections: u64, limit: u64) -> u64 {
    connections.div_ceil(per_process(limit).max(1)).max(1)
}

/// Event loops of each process: `loops` are shared by all, and each has at least one.
pub fn loops_each(processes: u32, loops: u32) -> impl Iterator<Item = u32> {
    let (each, over) = (loops / processes.max(1), loops % processes.max(1));
    (0..processes).map(move |index| (each + u32::from(index < over)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_million_needs_fifty_one_processes_of_twenty_thousand() {
        assert_eq!(processes_needed(1_000_000, 20_000), 51);
        assert_eq!(processes_needed(19_968, 20_000), 1);
        assert_eq!(processes_needed(0, 64), 1);
        assert_eq!(processes_needed(10, 16), 10);
    }

    #[test]
    fn loops_are_shared_and_nobody_goes_without() {
        assert_eq!(loops_each(3, 8).collect::<Vec<_>>(), [3, 3, 2]);
        assert_eq!(loops_each(3, 2).collect::<Vec<_>>(), [1, 1, 1]);
    }
}
