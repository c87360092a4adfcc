//! What the machine says about a run: read before, each second, at failures and after. Nothing here
//! opens a descriptor while the load lasts except a probe connect, which may fail.

use super::storm::Options;
use crate::probe::Probes;
use crate::probe::environment::host;
use crate::probe::limits as ranges;
use crate::probe::listener::ListenerWatch;
use crate::probe::process::{ServerWatch, children};
use crate::sys::limits;
use crate::sys::sock_diag::SockDiag;
use crate::sys::socket;
use inrush_core::errno::Errno;
use inrush_core::evidence::{Fact, Facts, Source};
use inrush_core::plan::Plan;
use inrush_core::time::Nanos;
use rustix::fd::{AsFd, OwnedFd};
use std::net::SocketAddr;

/// One probe connect per target in this time.
const PROBE_GAP: Nanos = Nanos::from_secs(1);
/// An unanswered probe is given up.
const PROBE_PATIENCE: Nanos = Nanos::from_secs(1);
/// Server processes watched at most.
const SERVERS: usize = 512;

/// Memory of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident memory of our processes at its highest.
    pub rss_peak: Option<u64>,
    /// Its growth per connection at the peak.
    pub user_per_connection: Option<u64>,
    /// Growth of the kernel's memory per connection.
    pub kernel_per_connection: Option<u64>,
}

/// Probes, watches and what they read.
pub struct Evidence {
    facts: Facts,
    probes: Option<Probes>,
    listeners: Option<ListenerWatch>,
    servers: Vec<ServerWatch>,
    server_parent: Option<u32>,
    targets: Vec<SocketAddr>,
    probing: Vec<Probing>,
    last_burst: Option<Nanos>,
    last_probe: Option<Nanos>,
    probe_count: u64,
    rss_before: u64,
    rss_peak: u64,
    rss_at_peak: u64,
    open_peak: u64,
    kernel_before: Option<u64>,
    kernel_at_peak: Option<u64>,
}

struct Probing {
    to: SocketAddr,
    socket: OwnedFd,
    since: Nanos,
}

impl Evidence {
    /// Opens what will be read.
    pub(super) fn open(plan: &Plan, options: &Options) -> Self {
        let mut targets: Vec<SocketAddr> = plan.targets.iter().map(|t| t.address).collect();
        targets.sort_unstable();
        targets.dedup();
        let mut evidence = Self {
            facts: Facts::default(),
            probes: options.evidence.then(Probes::open),
            listeners: options.evidence.then(|| ListenerWatch::open(&targets)).flatten(),
            servers: Vec::new(),
            server_parent: options.server_parent,
            targets,
            probing: Vec::new(),
            last_burst: None,
            last_probe: None,
            probe_count: 0,
            rss_before: 0,
            rss_peak: 0,
            rss_at_peak: 0,
            open_peak: 0,
            kernel_before: None,
            kernel_at_peak: None,
        };
        for pid in &options.server_pids {
            evidence.watch(*pid);
        }
        evidence.own_facts(plan, options.ports_in_use);
        evidence
    }

    /// Everything as it is before T0. `own` are the processes of the load.
    pub(super) fn before(&mut self, own: &[u32]) {
        if let Some(probes) = &mut self.probes {
            probes.before();
            self.kernel_before = probes.kernel_memory_bytes();
        }
        self.rss_before = rss(own);
        self.look(Nanos::ZERO, own, 0);
    }

    /// Reads what changes: each second, and at failures. `open` connections are open now.
    pub(super) fn look(&mut self, now: Nanos, own: &[u32], open: u64) {
        if let Some(listeners) = &mut self.listeners {
            listeners.look(&mut self.facts);
        }
        self.find_servers();
        for server in &mut self.servers {
            server.look(&mut self.facts);
        }
        if open > self.open_peak {
            self.open_peak = open;
            self.rss_at_peak = rss(own);
            self.rss_peak = self.rss_peak.max(self.rss_at_peak);
            self.kernel_at_peak = self.probes.as_mut().and_then(Probes::kernel_memory_bytes);
        }
        self.follow_probes(now);
    }

    /// A second has ended.
    pub(super) fn second(&mut self, now: Nanos) {
        // A server that was killed still listens for a moment: the burst is probed once more.
        if self.last_burst.is_some_and(|at| now - at < Nanos::from_secs(3)) {
            self.probe(now);
        }
    }

    /// Many connections were closed at once.
    pub(super) fn burst(&mut self, now: Nanos) {
        self.last_burst = Some(now);
        self.probe(now);
    }

    /// Facts that only a worker could read. The fullest process speaks for all.
    pub(super) fn told(&mut self, facts: &[Fact]) {
        for fact in facts {
            let known = self.facts.after(&fact.source).unwrap_or(0);
            if fact.after.unwrap_or(0) >= known {
                self.facts.set(fact.clone());
            }
        }
    }

    /// What was read so far.
    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Probe connects begun.
    pub(super) fn probes(&self) -> u64 {
        self.probe_count
    }

    /// Everything as it is after the load.
    pub(super) fn after(&mut self, _peak: u64) {
        self.finish_probes();
        for server in &mut self.servers {
            server.look(&mut self.facts);
        }
        if let Some(listeners) = &mut self.listeners {
            listeners.look(&mut self.facts);
        }
        if let Some(probes) = &mut self.probes {
            probes.after(&mut self.facts);
        }
    }

    /// Memory per connection at the peak.
    pub(super) fn memory(&self, peak: u64) -> Memory {
        let open = self.open_peak.min(peak);
        let share = |grown: u64| (open > 0).then(|| grown / open);
        let kernel = match (self.kernel_before, self.kernel_at_peak) {
            (Some(before), Some(at_peak)) => share(at_peak.saturating_sub(before)),
            _ => None,
        };
        Memory {
            rss_peak: (self.rss_peak > 0).then_some(self.rss_peak),
            user_per_connection: share(self.rss_at_peak.saturating_sub(self.rss_before)),
            kernel_per_connection: kernel,
        }
    }

    /// Ends reading.
    pub(super) fn into_facts(self) -> Facts {
        self.facts
    }

    fn own_facts(&mut self, plan: &Plan, ports_in_use: u64) {
        let (soft, hard) = limits::nofile();
        let mut set = |source, value| {
            self.facts.set(Fact { source, host: host(), before: Some(value), after: Some(value) });
        };
        set(Source::OwnDescriptorLimit, soft);
        set(Source::OwnDescriptorHardLimit, hard);
        set(Source::SourceAddresses, plan.sources.len().max(1) as u64);
        if let Some((low, high)) = ranges::port_range() {
            let ports = u64::from(high.saturating_sub(low)) + 1;
            set(Source::PortRange, ports);
            set(Source::FreePorts, ports.saturating_sub(ports_in_use));
        }
    }

    fn watch(&mut self, pid: u32) {
        if self.servers.len() < SERVERS && !self.servers.iter().any(|server| server.pid() == pid) {
            self.servers.push(ServerWatch::new(pid));
        }
    }

    fn find_servers(&mut self) {
        let Some(parent) = self.server_parent else { return };
        if self.servers.is_empty() {
            let workers = children(parent);
            // A server of one process has no children and serves by itself.
            let all = if workers.is_empty() { vec![parent] } else { workers };
            all.into_iter().for_each(|pid| self.watch(pid));
        }
    }

    fn probe(&mut self, now: Nanos) {
        let too_soon = self.last_probe.is_some_and(|at| now - at < PROBE_GAP);
        if too_soon || !self.probing.is_empty() {
            return;
        }
        self.last_probe = Some(now);
        let options = socket::Options { nodelay: true, sndbuf: None, rcvbuf: None };
        for to in self.targets.clone() {
            self.probe_count += 1;
            match socket::connect(to, None, &options) {
                Ok(socket) => self.probing.push(Probing { to, socket, since: now }),
                Err((_, errno)) => self.probed(to, Some(errno)),
            }
        }
        self.follow_probes(now);
    }

    fn follow_probes(&mut self, now: Nanos) {
        for probing in std::mem::take(&mut self.probing) {
            match answer(&probing.socket) {
                Some(result) => self.probed(probing.to, result),
                None if now - probing.since < PROBE_PATIENCE => self.probing.push(probing),
                None => self.probed(probing.to, Some(Errno::ETIMEDOUT)),
            }
        }
    }

    fn finish_probes(&mut self) {
        use rustix::event::{PollFd, PollFlags, poll};
        for probing in std::mem::take(&mut self.probing) {
            let patience = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
            // A probe that is not answered in a second is no answer either way.
            let _ = poll(&mut [PollFd::new(&probing.socket, PollFlags::OUT)], Some(&patience));
            let result = answer(&probing.socket).unwrap_or(Some(Errno::ETIMEDOUT));
            self.probed(probing.to, result);
        }
    }

    /// A refusal stays: that somebody else listens there later does not undo it.
    fn probed(&mut self, to: SocketAddr, errno: Option<Errno>) {
        let source = Source::Probe(to);
        if self.facts.after(&source).is_some_and(|known| known == u64::from(Errno::ECONNREFUSED.0))
        {
            return;
        }
        let after = Some(errno.map_or(0, |errno| u64::from(errno.0)));
        self.facts.set(Fact { source, host: host(), before: None, after });
    }
}

/// Local ports that the busiest source address uses towards this destination, TIME-WAIT included.
/// It looks through all sockets of the host, so it is asked once.
pub fn ports_in_use(to: SocketAddr) -> u64 {
    let used = SockDiag::open().and_then(|mut diag| diag.connected_ports(to));
    used.ok().and_then(|used| used.into_values().max()).map_or(0, u64::from)
}

/// What a connect was answered: `None` = not yet, `Some(None)` = it is connected.
fn answer(socket: &OwnedFd) -> Option<Option<Errno>> {
    if let Some(errno) = socket::take_error(socket.as_fd()) {
        return Some(Some(errno));
    }
    socket::peer_addr(socket.as_fd()).map(|_| None)
}

fn rss(pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| crate::probe::rss_bytes(Some(*pid))).sum()
}
