//! What will break before it does: a plan against what this host can give. It reads nothing itself;
//! what a host could not tell is not judged.

use crate::capacity;
use crate::plan::{Ending, Expect, Plan, Schedule};
use crate::ports;
use crate::time::Nanos;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

/// Resident memory of the load per connection, bytes (UI A5).
const USER_BYTES: u64 = 160;
/// The same through TLS: keys and ciphers (PROMISES.md).
const TLS_BYTES: u64 = 3_200;
/// Windows of a compressed connection at their most: of what its server says,
const HEARD_BYTES: u64 = 32 << 10;
/// and of what it says itself.
const SAID_BYTES: u64 = 4 << 10;
/// Memory of the kernel for one end of a connection, bytes: a socket, its buffers, an inode.
const KERNEL_BYTES: u64 = 5_000;
/// TIME-WAIT lasts so long on Linux (TCP_TIMEWAIT_LEN).
const TIME_WAIT: Nanos = Nanos::from_secs(60);

/// What this host has. `None` where it could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Soft RLIMIT_NOFILE; the limit when `--nofile` named one.
    pub nofile_soft: u64,
    /// Hard RLIMIT_NOFILE; soft is raised to it otherwise.
    pub nofile_hard: u64,
    /// The limit was named by `--nofile`: to run into it is wanted, so it is only warned of.
    pub nofile_named: bool,
    /// Descriptors of one process that are no connections, reserve included.
    pub own_descriptors: u64,
    /// Ports in `net.ipv4.ip_local_port_range`.
    pub port_range: Option<u64>,
    /// Sockets in TIME-WAIT.
    pub time_wait: Option<u64>,
    /// Ports of the range free towards the first target, for one source.
    pub free_ports: Option<u64>,
    /// Source addresses the plan uses; at least 1.
    pub sources: u64,
    /// `MemAvailable`, bytes.
    pub memory_free_bytes: Option<u64>,
    /// `fs.file-max` less what is allocated.
    pub file_max_left: Option<u64>,
    /// Processes this user may still start (RLIMIT_NPROC, pids.max).
    pub processes_max: Option<u64>,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Enough.
    Fine,
    /// It works, and the numbers will show it.
    Warning,
    /// It cannot work.
    Impossible,
}

/// One check: needs, has, verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked: `descriptors`, `local ports`, `memory`, `fs.file-max`, `processes`.
    pub name: String,
    /// What the plan needs.
    pub needs: u64,
    /// What the host has for it.
    pub has: u64,
    /// Of both; empty for plain counts, `B` for bytes.
    pub unit: &'static str,
    /// Whether that is enough.
    pub verdict: Verdict,
    /// In words: `enough`, `short by 71768`.
    pub text: String,
    /// What to type, when it is not fine.
    pub help: Option<String>,
}

/// Checks a plan of `processes` load processes against a host. `built_in_server`: the servers run
/// on this host too, and take as much of it again.
pub fn check(plan: &Plan, host: &Host, processes: u32, built_in_server: bool) -> Vec<Finding> {
    let ends = if built_in_server || all_on_this_host(plan) { 2 } else { 1 };
    let connections = u64::from(plan.connections);
    let own = host.own_descriptors * u64::from(processes.max(1));
    let mut findings = alloc::vec![descriptors(plan, host, processes)];
    findings.extend(local_ports(plan, host));
    findings.extend(time_wait(plan, host));
    findings.extend(host.memory_free_bytes.map(|has| memory(plan, ends, has)));
    findings.extend(host.file_max_left.map(|has| {
        let needs = connections * ends + own;
        let help = format!("sysctl -w fs.file-max={}", (needs * 2).next_power_of_two());
        judged("fs.file-max", needs, has, "", needs, Some(help))
    }));
    findings.extend(host.processes_max.map(|has| {
        let needs = u64::from(processes) * if built_in_server { 2 } else { 1 };
        judged("processes", needs, has, "", needs, Some(format!("ulimit -u {}", needs + 64)))
    }));
    findings
}

fn descriptors(plan: &Plan, host: &Host, processes: u32) -> Finding {
    let processes = u64::from(processes.max(1));
    let limit = if host.nofile_named { host.nofile_soft } else { host.nofile_hard };
    let connections = u64::from(plan.connections);
    let of_one = connections.div_ceil(processes) + host.own_descriptors;
    let needs = connections + host.own_descriptors * processes;
    let has = limit.saturating_mul(processes);
    let (verdict, text, help) = if of_one <= limit {
        (Verdict::Fine, format!("enough: {processes} x {limit}"), None)
    } else {
        let short = (of_one - limit) * processes;
        let verdict = if host.nofile_named { Verdict::Warning } else { Verdict::Impossible };
        let help = match capacity::per_process(limit) {
            0 => format!("prlimit --nofile={of_one}:{of_one} --pid $$   (as root)"),
            _ => format!("--processes {}", capacity::processes_needed(connections, limit)),
        };
        (verdict, format!("short by {short}: {processes} x {limit}"), Some(help))
    };
    Finding { name: "descriptors".into(), needs, has, unit: "", verdict, text, help }
}

/// From half of a pair's ports on, each connect() searches for a free one (ENGINE.md).
fn local_ports(plan: &Plan, host: &Host) -> Option<Finding> {
    let range = host.port_range?;
    let free = host.free_ports.unwrap_or(range).min(range);
    let pairs = pairs(plan, host);
    let needs = u64::from(plan.connections);
    let of_a_pair = needs.div_ceil(pairs);
    let has = free.saturating_mul(pairs);
    let (verdict, text) = if of_a_pair > free {
        (Verdict::Impossible, format!("short by {}", (of_a_pair - free) * pairs))
    } else if (of_a_pair + (range - free)) * 2 > range {
        let text = "enough, but more than half are in use then: connects become slow";
        (Verdict::Warning, text.to_string())
    } else {
        (Verdict::Fine, "enough".to_string())
    };
    let help = (verdict != Verdict::Fine).then(|| more_sources(plan, range));
    Some(Finding { name: "local ports".into(), needs, has, unit: "", verdict, text, help })
}

fn more_sources(plan: &Plan, range: u64) -> String {
    let targets = plan.targets.len().max(1) as u64;
    let sources = ports::sources_needed(u64::from(plan.connections), targets, range);
    let first = plan.targets.first().map(|target| target.address.ip());
    let pool = first.map(|ip| ports::loopback_pool(ip, sources)).unwrap_or_default();
    match (pool.first(), pool.last()) {
        (Some(first), Some(last)) => format!("--source-ip {first}-{last}"),
        _ if matches!(first, Some(IpAddr::V6(ip)) if ip.is_loopback()) => {
            "-4: ::1 is one address, 127.0.0.0/8 has many".into()
        }
        _ => format!("--source-ip with {sources} addresses of this host"),
    }
}

/// Churn leaves ports in TIME-WAIT behind, so that a pair runs dry that is nearly empty.
fn time_wait(plan: &Plan, host: &Host) -> Option<Finding> {
    let (range, (low, high)) = (host.port_range?, plan.lifetime?);
    if plan.close == Ending::Rst {
        return None;
    }
    let mean = ((low + high).0 / 2).max(1);
    let lasts = plan.max_time.map_or(TIME_WAIT, |limit| limit.min(TIME_WAIT));
    let connections = u64::from(plan.connections);
    let closed = u128::from(connections) * u128::from(lasts.0) / u128::from(mean);
    let closed = u64::try_from(closed).unwrap_or(u64::MAX);
    let waiting = closed.saturating_add(host.time_wait.unwrap_or(0));
    let needs = connections.saturating_add(waiting);
    let has = range.saturating_mul(pairs(plan, host));
    let enough = needs <= has;
    let (verdict, text) = match enough {
        true => (Verdict::Fine, format!("enough: about {waiting} wait at a time")),
        false => (Verdict::Warning, format!("short by {}: about {waiting} wait", needs - has)),
    };
    let help = (!enough).then(|| "--close rst".to_string());
    Some(Finding { name: "TIME-WAIT".into(), needs, has, unit: "", verdict, text, help })
}

fn memory(plan: &Plan, ends: u64, has: u64) -> Finding {
    let tls = plan.targets.iter().any(|target| target.tls.is_some());
    let own = if tls { TLS_BYTES } else { USER_BYTES };
    let idle = plan.messages.schedule == Schedule::Idle;
    let windows = match &plan.compress {
        // What was never said takes no room.
        Some(offer) if !idle || plan.messages.expect == Expect::Push => {
            let heard = if offer.server_no_context_takeover { 0 } else { HEARD_BYTES };
            heard + if offer.client_no_context_takeover { 0 } else { SAID_BYTES }
        }
        _ => 0,
    };
    let each = (own + KERNEL_BYTES) * ends + windows;
    let (needs, fits) = (u64::from(plan.connections) * each, has / each);
    let help = format!("-c {fits}");
    judged("memory", needs, has, "B", needs.saturating_mul(5) / 4, Some(help))
}

/// `wanted`: below it, it is tight.
fn judged(
    name: &str,
    needs: u64,
    has: u64,
    unit: &'static str,
    wanted: u64,
    help: Option<String>,
) -> Finding {
    let (verdict, text) = if needs > has {
        (Verdict::Impossible, format!("short by {}", needs - has))
    } else if wanted > has {
        (Verdict::Warning, "enough, but nearly all of it".into())
    } else {
        (Verdict::Fine, "enough".into())
    };
    let help = help.filter(|_| verdict != Verdict::Fine);
    Finding { name: name.into(), needs, has, unit, verdict, text, help }
}

fn pairs(plan: &Plan, host: &Host) -> u64 {
    host.sources.max(1) * plan.targets.len().max(1) as u64
}

fn all_on_this_host(plan: &Plan) -> bool {
    let mut addresses = plan.targets.iter().map(|target| target.address.ip());
    !plan.targets.is_empty() && addresses.all(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;
    use crate::protocol::ws_deflate::Offer;

    fn host() -> Host {
        Host {
            nofile_soft: 1_024,
            nofile_hard: 20_000,
            own_descriptors: capacity::OWN_DESCRIPTORS + capacity::RESERVE,
            port_range: Some(28_232),
            sources: 1,
            ..Host::default()
        }
    }

    fn remote(connections: u32) -> Plan {
        let mut plan = plan(connections);
        plan.targets[0].address = ([10, 0, 0, 5], 8080).into();
        plan
    }

    fn named(findings: &[Finding], name: &str) -> Option<Finding> {
        findings.iter().find(|finding| finding.name == name).cloned()
    }

    #[test]
    fn descriptors_are_counted_per_process() {
        let check = |connections, processes, nofile_named, expected, help: Option<&str>| {
            let host = Host { nofile_named, ..host() };
            let found = check(&remote(connections), &host, processes, false);
            let found = named(&found, "descriptors").unwrap();
            assert_eq!((found.verdict, found.help.as_deref()), (expected, help), "{found:?}");
        };
        check(19_968, 1, false, Verdict::Fine, None);
        check(19_969, 1, false, Verdict::Impossible, Some("--processes 2"));
        check(100_000, 6, false, Verdict::Fine, None);
        check(993, 1, true, Verdict::Warning, Some("--processes 2"));
        check(992, 1, true, Verdict::Fine, None);
        let found = super::check(&remote(100_000), &host(), 6, false);
        assert_eq!((found[0].needs, found[0].has), (100_192, 120_000));
    }

    #[test]
    fn ports_are_counted_per_pair_of_source_and_target() {
        let check = |connections, sources, free_ports, expected, text: &str| {
            let host = Host { sources, free_ports, ..host() };
            let found = check(&remote(connections), &host, 9, false);
            let found = named(&found, "local ports").unwrap();
            assert_eq!((found.verdict, found.text.as_str()), (expected, text));
            found.help
        };
        let slow = "enough, but more than half are in use then: connects become slow";
        let short = "short by 71768";
        check(14_116, 1, None, Verdict::Fine, "enough");
        check(14_117, 1, None, Verdict::Warning, slow);
        check(1_000, 1, Some(10_000), Verdict::Warning, slow);
        check(28_232, 1, None, Verdict::Warning, slow);
        let help = check(100_000, 1, None, Verdict::Impossible, short);
        assert_eq!(help.as_deref(), Some("--source-ip with 8 addresses of this host"));
        check(100_000, 8, None, Verdict::Fine, "enough");
        let here = super::check(&plan(100_000), &host(), 9, false);
        let help = named(&here, "local ports").unwrap().help;
        assert_eq!(help.as_deref(), Some("--source-ip 127.0.1.1-127.0.1.8"));
    }

    #[test]
    fn both_ends_on_this_host_take_twice_as_much() {
        let host = Host {
            memory_free_bytes: Some(1_000_000_000),
            file_max_left: Some(150_000),
            processes_max: Some(10),
            ..host()
        };
        let check = |plan: &Plan, server, name, needs, expected| {
            let found = named(&check(plan, &host, 6, server), name).unwrap();
            assert_eq!((found.needs, found.verdict), (needs, expected), "{found:?}");
            assert_eq!(found.help.is_some(), expected != Verdict::Fine);
        };
        check(&remote(100_000), false, "memory", 516_000_000, Verdict::Fine);
        check(&plan(100_000), true, "memory", 1_032_000_000, Verdict::Impossible);
        let mut compressed = remote(100_000);
        compressed.compress = Some(Offer::default());
        check(&compressed, false, "memory", 516_000_000, Verdict::Fine);
        compressed.messages.schedule = Schedule::Closed;
        check(&compressed, false, "memory", 516_000_000 + 3_686_400_000, Verdict::Impossible);
        check(&plan(90_000), false, "memory", 928_800_000, Verdict::Warning);
        check(&remote(100_000), false, "fs.file-max", 100_192, Verdict::Fine);
        check(&plan(100_000), true, "fs.file-max", 200_192, Verdict::Impossible);
        check(&remote(100_000), false, "processes", 6, Verdict::Fine);
        check(&plan(100_000), true, "processes", 12, Verdict::Impossible);
        let mut secret = remote(100_000);
        secret.targets[0].tls = Some("h".into());
        check(&secret, false, "memory", 820_000_000, Verdict::Warning);
        let bare = Host { memory_free_bytes: None, ..host.clone() };
        let unread = super::check(&remote(100_000), &bare, 6, false);
        assert_eq!(named(&unread, "memory"), None, "what could not be read is not judged");
    }

    #[test]
    fn churn_leaves_ports_behind() {
        let check = |life_s, close, expected: Option<Verdict>| {
            let mut plan = remote(1_000);
            plan.lifetime = Some((Nanos::from_secs(life_s), Nanos::from_secs(life_s)));
            plan.close = close;
            let found = check(&plan, &host(), 1, false);
            let found = named(&found, "TIME-WAIT");
            assert_eq!(found.map(|found| found.verdict), expected);
        };
        check(30, Ending::Fin, Some(Verdict::Fine));
        check(1, Ending::Fin, Some(Verdict::Warning));
        check(1, Ending::Rst, None);
    }
}
