//! What will break before it does: a plan against what this host has. Pure; `doctor`'s brain.

use crate::capacity::{OWN_DESCRIPTORS, RESERVE, per_process};
use crate::plan::Plan;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// User memory of one connection (PROMISES.md: at most 160 B).
const USER_BYTES: u64 = 160;
/// Kernel memory of one end of a connection; a loopback pair is two (ENGINE.md: 10 kB a pair).
const KERNEL_BYTES: u64 = 5_000;

/// What this host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// Soft RLIMIT_NOFILE, after it was raised.
    pub nofile_soft: u64,
    /// Hard RLIMIT_NOFILE.
    pub nofile_hard: u64,
    /// `--nofile` was named: its shortage is wanted and only told.
    pub nofile_named: bool,
    /// Ports of `net.ipv4.ip_local_port_range`.
    pub port_range: u64,
    /// Of them in use by the busiest source towards a target, TIME-WAIT included.
    pub ports_in_use: u64,
    /// Memory that can be had; `None` when it cannot be read.
    pub memory_bytes: Option<u64>,
    /// File handles the system may still open.
    pub files_left: Option<u64>,
    /// The server is on this host too.
    pub server_on_this_host: bool,
    /// It is ours: its processes grow with the plan.
    pub built_in_server: bool,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Enough.
    Fine,
    /// Enough, but it will hurt; or short, and that is wanted.
    Warning,
    /// Not enough.
    Impossible,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `descriptors`, `local ports`, `memory`, `fs.file-max`.
    pub name: &'static str,
    /// What the plan needs.
    pub needs: u64,
    /// What there is.
    pub has: u64,
    /// What is counted; empty for pieces.
    pub unit: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// In words.
    pub text: String,
    /// What to do.
    pub help: Option<String>,
}

/// All checks of a plan that runs in so many processes.
pub fn check(plan: &Plan, host: &Host, processes: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(descriptors(plan, host, processes));
    findings.push(ports(plan, host));
    findings.extend(memory(plan, host));
    findings.extend(files(plan, host, processes));
    findings
}

fn descriptors(plan: &Plan, host: &Host, processes: u32) -> Finding {
    let processes = u64::from(processes.max(1));
    let connections = u64::from(plan.connections);
    let needs = connections + processes * (OWN_DESCRIPTORS + RESERVE);
    let has = processes * host.nofile_soft;
    let short = per_process(host.nofile_soft) * processes < connections;
    let verdict = match short {
        false => Verdict::Fine,
        true if host.nofile_named => Verdict::Warning,
        true => Verdict::Impossible,
    };
    let limit = host.nofile_soft;
    let help = short.then(|| match host.nofile_named {
        true => format!("leave out --nofile, or raise it: --nofile {needs}"),
        false => "leave out --processes: inrush starts as many as the limit asks for".to_string(),
    });
    let text = format!("{limit} in each of {processes} processes");
    Finding { name: "descriptors", needs, has, unit: "", verdict, text, help }
}

fn ports(plan: &Plan, host: &Host) -> Finding {
    let routes = (plan.sources.len().max(1) * plan.targets.len().max(1)) as u64;
    let connections = u64::from(plan.connections);
    let per_route = connections.div_ceil(routes) + host.ports_in_use;
    let free = host.port_range.saturating_sub(host.ports_in_use);
    let verdict = if connections > free * routes {
        Verdict::Impossible
    } else if per_route * 2 > host.port_range {
        Verdict::Warning
    } else {
        Verdict::Fine
    };
    let more = connections.div_ceil((host.port_range / 2).max(1)).div_ceil(plan.targets.len().max(1) as u64);
    let help = (verdict != Verdict::Fine).then(|| {
        format!(
            "give it {more} source addresses (--source-ip), or widen the range: \
             sysctl -w net.ipv4.ip_local_port_range='1024 65535'"
        )
    });
    let text = format!(
        "more than half of the {} ports of one source and destination: each connect has to search",
        host.port_range
    );
    Finding { name: "local ports", needs: connections, has: free * routes, unit: "", verdict, text, help }
}

fn memory(plan: &Plan, host: &Host) -> Option<Finding> {
    let has = host.memory_bytes?;
    let ends = 1 + u64::from(host.server_on_this_host);
    let user = USER_BYTES * (1 + u64::from(host.built_in_server));
    let needs = u64::from(plan.connections) * (KERNEL_BYTES * ends + user);
    let verdict = match () {
        () if needs > has => Verdict::Impossible,
        () if needs * 4 > has * 3 => Verdict::Warning,
        () => Verdict::Fine,
    };
    let help = (verdict != Verdict::Fine)
        .then(|| "fewer connections (-c), or a host with more memory".to_string());
    let text = "more than three quarters of the free memory".into();
    Some(Finding { name: "memory", needs, has, unit: "B", verdict, text, help })
}

fn files(plan: &Plan, host: &Host, processes: u32) -> Option<Finding> {
    let has = host.files_left?;
    let ends = 1 + u64::from(host.server_on_this_host);
    let own = u64::from(processes) * (OWN_DESCRIPTORS + RESERVE);
    let needs = u64::from(plan.connections) * ends + own;
    let verdict = if needs > has { Verdict::Impossible } else { Verdict::Fine };
    let help = (needs > has).then(|| format!("sysctl -w fs.file-max={}", needs + needs / 10));
    let text = "file handles of the whole system".into();
    Some(Finding { name: "fs.file-max", needs, has, unit: "", verdict, text, help })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    fn host() -> Host {
        Host {
            nofile_soft: 20_000,
            nofile_hard: 20_000,
            nofile_named: false,
            port_range: 28_232,
            ports_in_use: 0,
            memory_bytes: Some(16 << 30),
            files_left: Some(2_000_000),
            server_on_this_host: false,
            built_in_server: false,
        }
    }

    fn verdict(connections: u32, host: &Host, processes: u32, name: &str) -> Verdict {
        let findings = check(&plan(connections), host, processes);
        findings.into_iter().find(|f| f.name == name).unwrap().verdict
    }

    #[test]
    fn each_shortage_is_found_and_nothing_else() {
        let host = host();
        for name in ["descriptors", "local ports", "memory", "fs.file-max"] {
            assert_eq!(verdict(10_000, &host, 1, name), Verdict::Fine, "{name}");
        }
        assert_eq!(verdict(19_968, &host, 1, "descriptors"), Verdict::Fine);
        assert_eq!(verdict(19_969, &host, 1, "descriptors"), Verdict::Impossible);
        assert_eq!(verdict(19_969, &host, 2, "descriptors"), Verdict::Fine);
        assert_eq!(verdict(14_200, &host, 1, "local ports"), Verdict::Warning);
        assert_eq!(verdict(28_233, &host, 2, "local ports"), Verdict::Impossible);
        let small = Host { memory_bytes: Some(50_000_000), files_left: Some(9_000), ..host };
        assert_eq!(verdict(10_000, &small, 1, "memory"), Verdict::Impossible);
        assert_eq!(verdict(10_000, &small, 1, "fs.file-max"), Verdict::Impossible);
        let named = Host { nofile_soft: 64, nofile_named: true, ..host };
        assert_eq!(verdict(100, &named, 1, "descriptors"), Verdict::Warning);
    }

    #[test]
    fn ports_in_time_wait_count_as_used() {
        let waiting = Host { ports_in_use: 20_000, ..host() };
        assert_eq!(verdict(10_000, &waiting, 1, "local ports"), Verdict::Impossible);
        assert_eq!(verdict(5_000, &waiting, 1, "local ports"), Verdict::Warning);
    }
}
