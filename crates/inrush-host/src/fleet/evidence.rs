//! What the machine says about a run: read before, each second, at failures and after. Nothing here
//! opens a descriptor while the load lasts except a probe connect and the search for processes that
//! a server has added, and both may fail.

use super::storm::{Home, Options};
use crate::probe::Probes;
use crate::probe::environment::host;
use crate::probe::limits as ranges;
use crate::probe::listener::ListenerWatch;
use crate::probe::process::{ServerWatch, workers};
use crate::sys::clock;
use crate::sys::limits;
use crate::sys::sock_diag::SockDiag;
use crate::sys::socket;
use inrush_core::errno::Errno;
use inrush_core::evidence::{Fact, Facts, Source};
use inrush_core::plan::Plan;
use inrush_core::time::Nanos;
use rustix::fd::{AsFd, OwnedFd};
use std::net::SocketAddr;
use std::time::Duration;

/// One probe connect per target in this time.
const PROBE_GAP: Nanos = Nanos::from_secs(1);
/// A burst is probed again for so long: a server that was killed still listens for a moment.
const PROBING: Nanos = Nanos::from_secs(3);
/// New server processes are looked for so often,
const SEARCH_GAP: Nanos = Nanos::from_secs(1);
/// and for no more than this part of the time.
const SEARCH_SHARE: u64 = 100;
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
    /// Processes whose workers serve, too.
    masters: Vec<u32>,
    /// So many of those may be watched: each costs a descriptor.
    room: usize,
    search_at: Nanos,
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

/// Below so many connections, a page more or less would be taken for theirs.
const ENOUGH: u64 = 100;

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
            masters: options.server_pids.iter().copied().chain(options.server_parent).collect(),
            room: room(plan, options),
            search_at: Nanos::ZERO,
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
            listeners.look(now, &mut self.facts);
        }
        self.find_servers(now);
        for server in &mut self.servers {
            server.look(now, &mut self.facts);
        }
        let rss = rss(own);
        self.rss_peak = self.rss_peak.max(rss);
        // What a connection costs shows with its use, so the last look at the peak counts.
        if open > 0 && open >= self.open_peak {
            self.open_peak = open;
            self.rss_at_peak = rss;
            self.kernel_at_peak = self.probes.as_mut().and_then(Probes::kernel_memory_bytes);
        }
        self.follow_probes(now);
    }

    /// A second has ended.
    pub(super) fn second(&mut self, now: Nanos) {
        if self.last_burst.is_some_and(|at| now - at < PROBING) {
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
    pub(super) fn after(&mut self, now: Nanos) {
        self.finish_probes(now);
        // When nothing is left to be closed the run ends, before a second has passed.
        let unasked = |at| now - at < PROBE_GAP || self.last_probe < Some(at);
        if self.last_burst.is_some_and(unasked) {
            self.last_probe = None;
            self.probe(now);
            self.finish_probes(now);
        }
        for server in &mut self.servers {
            server.look(now, &mut self.facts);
        }
        if let Some(listeners) = &mut self.listeners {
            listeners.look(now, &mut self.facts);
        }
        if let Some(probes) = &mut self.probes {
            probes.after(&mut self.facts);
        }
    }

    /// Memory per connection at the peak.
    pub(super) fn memory(&self, peak: u64) -> Memory {
        let open = self.open_peak.min(peak);
        let share = |grown: u64| (open >= ENOUGH).then(|| grown / open);
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

    /// A server adds processes while the run lasts. One that ends before it is watched, or that we
    /// have no descriptor for, is found again or never was.
    fn find_servers(&mut self, now: Nanos) {
        if now < self.search_at || self.masters.is_empty() {
            return;
        }
        let begun = clock::now();
        let masters = self.masters.iter().filter(|_| self.room > 0);
        let found: Vec<u32> = masters.flat_map(|master| workers(*master)).collect();
        for pid in found {
            if self.room > 0 && !self.servers.iter().any(|server| server.pid() == pid) {
                let server = ServerWatch::new(pid);
                if server.alive() {
                    self.servers.push(server);
                    self.room -= 1;
                }
            }
        }
        // A server of one process has no children and serves by itself.
        if self.servers.is_empty()
            && let Some(parent) = self.server_parent
        {
            self.watch(parent);
        }
        let took = Nanos(clock::now().saturating_sub(begun));
        self.search_at = now + SEARCH_GAP.max(took * SEARCH_SHARE);
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
                Err((_, errno)) => self.probed(now, to, Some(errno)),
            }
        }
        self.follow_probes(now);
    }

    fn follow_probes(&mut self, now: Nanos) {
        for probing in std::mem::take(&mut self.probing) {
            match answer(&probing.socket) {
                Some(result) => self.probed(now, probing.to, result),
                None if now - probing.since < PROBE_PATIENCE => self.probing.push(probing),
                None => self.probed(now, probing.to, Some(Errno::ETIMEDOUT)),
            }
        }
    }

    /// A probe that is not answered in a second is no answer either way.
    fn finish_probes(&mut self, now: Nanos) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let begun = clock::now();
        for probing in std::mem::take(&mut self.probing) {
            // One second for all of them: they wait side by side.
            let left = PROBE_PATIENCE - Nanos(clock::now().saturating_sub(begun));
            let patience = Duration::from_nanos(left.0);
            let patience = Timespec::try_from(patience).expect("it is a second at most");
            let _ = poll(&mut [PollFd::new(&probing.socket, PollFlags::OUT)], Some(&patience));
            let result = answer(&probing.socket).unwrap_or(Some(Errno::ETIMEDOUT));
            self.probed(now, probing.to, result);
        }
    }

    /// A refusal stays: that somebody else listens there later does not undo it.
    fn probed(&mut self, now: Nanos, to: SocketAddr, errno: Option<Errno>) {
        let source = Source::Probe(to);
        if self.facts.after(&source).is_some_and(|known| known == u64::from(Errno::ECONNREFUSED.0))
        {
            return;
        }
        let after = Some(errno.map_or(0, |errno| u64::from(errno.0)));
        self.facts.set(Fact { source, host: host(), before: None, after });
        if errno == Some(Errno::ECONNREFUSED) {
            let before = self.last_burst.map(Nanos::as_millis);
            let (source, after) = (Source::ProbeRefused(to), Some(now.as_millis()));
            self.facts.set(Fact { source, host: host(), before, after });
        }
    }
}

/// How many processes may be watched beside those that were named: where the connections are in
/// this process, too, none may lack the descriptor.
fn room(plan: &Plan, options: &Options) -> usize {
    let (soft, _) = limits::nofile();
    let spare = soft.saturating_sub(u64::from(plan.connections) + limits::OWN_USE);
    match options.home {
        Home::Threads(_) => usize::try_from(spare).unwrap_or(usize::MAX).min(SERVERS),
        Home::Children(_) => SERVERS,
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

#[cfg(test)]
mod tests;
