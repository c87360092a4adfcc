//! From where and in how many processes a plan is carried out: sources x ports x destinations, and
//! descriptors per process.

use crate::cli::draft::Draft;
use crate::cli::run::CountOrAuto;
use crate::exit;
use crate::show::error::Problem;
use inrush_core::capacity::{loops_each, processes_needed};
use inrush_core::ports::{loopback_pool, sources_needed};
use inrush_host::fleet::storm::Home;
use inrush_host::probe::limits::port_range;
use inrush_host::sys::{limits, socket};
use std::net::{IpAddr, SocketAddr};

/// A descriptor limit below this has room for one event loop only.
const LIMIT_PER_LOOP: u64 = 512;

/// Ports of the range that the kernel draws local ports from.
pub(crate) fn ports() -> u64 {
    port_range().map_or(28_232, |(low, high)| u64::from(high.saturating_sub(low)) + 1)
}

/// The sources as typed; else, on loopback and past half of one source's range, some of 127/8. All
/// targets share them, so that a source must be able to reach each.
pub(crate) fn sources(draft: &Draft, addresses: &[SocketAddr]) -> Result<Vec<IpAddr>, Problem> {
    for source in &draft.sources {
        if let Some(to) = addresses.iter().find(|to| to.is_ipv4() != source.is_ipv4()) {
            return Err(unreachable(*source, *to));
        }
        if !socket::is_local(*source) {
            return Err(not_ours(*source));
        }
    }
    if !draft.sources.is_empty() {
        return Ok(draft.sources.clone());
    }
    let connections = u64::from(draft.connections());
    let needed = sources_needed(connections, addresses.len() as u64, ports());
    // IPv6 has one loopback address, and a source of IPv4 cannot reach it.
    let all_loopback = addresses.iter().all(|to| to.is_ipv4() && to.ip().is_loopback());
    Ok(match addresses.first() {
        Some(first) if needed > 1 && all_loopback => loopback_pool(first.ip(), needed),
        _ => Vec::new(),
    })
}

fn not_ours(source: IpAddr) -> Problem {
    Problem {
        code: "usage",
        exit_code: exit::USAGE,
        message: format!("--source-ip {source} is not an address of this host"),
        why: Vec::new(),
        help: vec!["ip -br address        lists this host's addresses".into()],
    }
}

fn unreachable(source: IpAddr, to: SocketAddr) -> Problem {
    Problem {
        code: "usage",
        exit_code: exit::USAGE,
        message: format!("--source-ip {source} cannot reach {to}: one is IPv4, the other IPv6"),
        why: Vec::new(),
        help: vec![
            "-4 or -6 chooses the family of a name; leave --source-ip out, or change it".into(),
        ],
    }
}

/// Threads of this process, or child processes when one has too few descriptors.
pub(crate) fn home(draft: &Draft) -> Home {
    let connections = draft.connections().max(1);
    // Each loop has four descriptors of its own, which a tiny limit cannot spare.
    let spare = u32::try_from(limits::nofile().0 / LIMIT_PER_LOOP).unwrap_or(u32::MAX).max(1);
    let cores = limits::cores().min(spare);
    let loops = draft.threads.unwrap_or(cores).clamp(1, connections);
    let processes = match draft.processes {
        CountOrAuto::Exactly(count) => count.clamp(1, connections),
        CountOrAuto::Auto => {
            let needed = processes_needed(u64::from(connections), limits::nofile().0);
            u32::try_from(needed).unwrap_or(u32::MAX)
        }
    };
    if processes == 1 {
        return Home::Threads(loops);
    }
    Home::Children(loops_each(processes, loops).collect())
}

/// Processes of a home.
pub(crate) fn processes(home: &Home) -> u32 {
    match home {
        Home::Threads(_) => 1,
        Home::Children(loops) => u32::try_from(loops.len()).unwrap_or(u32::MAX),
    }
}

/// Event loops of a home.
pub(crate) fn loops(home: &Home) -> u32 {
    match home {
        Home::Threads(count) => *count,
        Home::Children(loops) => loops.iter().sum(),
    }
}
