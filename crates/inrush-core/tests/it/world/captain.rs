//! The captain's part, as `inrush-host/src/fleet/storm.rs` and `evidence.rs` have it: totals,
//! stages, and facts of the sort a host can read. It asks the kernel only what a host could ask.

use super::kernel::Kernel;
use super::process::{OWN, Process};
use super::socket::Pid;
use inrush_core::errno::Errno;
use inrush_core::evidence::{Fact, Facts, Source};
use inrush_core::plan::Plan;
use inrush_core::snapshot::{Gauges, Snapshot};
use inrush_core::swarm::Command;
use inrush_core::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Probes are repeated for so long after a burst.
const AFTER_BURST: Nanos = Nanos::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Ramp,
    Hold,
    Drain,
    Close,
}

pub(crate) struct Captain {
    pub(crate) plan: Plan,
    pub(crate) totals: Snapshot,
    pub(crate) facts: Facts,
    /// Server processes that are watched (`--server-pid`).
    pub(crate) watched: BTreeSet<Pid>,
    /// Distributions are dear to merge: random runs do without.
    pub(crate) with_latencies: bool,
    /// What it has said to all, and has not been delivered.
    pub(crate) said: Vec<Command>,
    gauges: BTreeMap<Pid, (Gauges, bool)>,
    stage: Stage,
    hold_until: Nanos,
    stopped: bool,
    burst: Option<Nanos>,
    queue_max: BTreeMap<SocketAddr, u64>,
    held_failing: BTreeMap<Pid, u64>,
}

impl Captain {
    pub(crate) fn new(plan: Plan, workers: impl Iterator<Item = Pid>) -> Self {
        Self {
            plan,
            totals: Snapshot::default(),
            facts: Facts::default(),
            watched: BTreeSet::new(),
            with_latencies: true,
            said: Vec::new(),
            gauges: workers.map(|pid| (pid, (Gauges::default(), false))).collect(),
            stage: Stage::Ramp,
            hold_until: Nanos::MAX,
            stopped: false,
            burst: None,
            queue_max: BTreeMap::new(),
            held_failing: BTreeMap::new(),
        }
    }

    /// Whether this process is one of its workers.
    pub(crate) fn commands(&self, pid: Pid) -> bool {
        self.gauges.contains_key(&pid)
    }

    /// When it has something to do by itself.
    pub(crate) fn wakes(&self) -> Nanos {
        let hold = if self.stage == Stage::Hold { self.hold_until } else { Nanos::MAX };
        if self.stopped { Nanos::MAX } else { hold.min(self.plan.max_time.unwrap_or(Nanos::MAX)) }
    }

    /// A worker's word.
    pub(crate) fn hear(&mut self, pid: Pid, snapshot: &Snapshot, last: bool) {
        if self.with_latencies {
            self.totals.merge(snapshot);
        } else {
            self.totals.counts.merge(&snapshot.counts);
            self.totals.tally.merge(&snapshot.tally);
            self.totals.facts.extend(snapshot.facts.iter().cloned());
            self.totals.burst |= snapshot.burst;
            self.totals.ramp_ended = self.totals.ramp_ended.max(snapshot.ramp_ended);
        }
        for fact in &snapshot.facts {
            self.facts.set(fact.clone());
        }
        self.gauges.insert(pid, (snapshot.gauges, last));
        let mut sum = Gauges { ramped: true, settled: true, ..Gauges::default() };
        for (gauges, over) in self.gauges.values() {
            let ended = Gauges { ramped: true, settled: true, ..Gauges::default() };
            sum.merge(&if *over { Gauges { held: gauges.held, ..ended } } else { *gauges });
        }
        self.totals.gauges = sum;
        if snapshot.burst {
            self.burst = Some(snapshot.at);
        }
    }

    /// The next stage, when its time has come.
    pub(crate) fn advance(&mut self, now: Nanos) {
        if self.plan.max_time.is_some_and(|limit| now >= limit) {
            self.stop();
        }
        if self.stopped {
            return;
        }
        let gauges = self.totals.gauges;
        if self.stage == Stage::Ramp && gauges.ramped {
            self.hold_until = self.totals.ramp_ended + self.plan.hold;
            self.stage = Stage::Hold;
            self.said.push(Command::Hold(self.hold_until));
        }
        if self.stage == Stage::Hold && now >= self.hold_until {
            self.stage = Stage::Drain;
        }
        if self.stage == Stage::Drain && gauges.settled {
            self.stage = Stage::Close;
            self.said.push(Command::Close { unanswered: self.totals.counts.unanswered() });
        }
    }

    pub(crate) fn stop(&mut self) {
        if !self.stopped {
            self.stopped = true;
            self.said.push(Command::Stop);
        }
    }

    /// Reads what a host can read, at failures and each second.
    pub(crate) fn look(&mut self, now: Nanos, kernel: &Kernel, processes: &[Process]) {
        let mut targets: Vec<_> = self.plan.targets.iter().map(|target| target.address).collect();
        targets.dedup();
        for target in targets {
            self.listener(target, kernel);
            if self.burst.is_some_and(|at| now - at < AFTER_BURST) {
                self.probe(target, kernel);
            }
        }
        for pid in self.watched.clone() {
            self.server(pid, &processes[pid]);
        }
        let counters = kernel.counters;
        for (name, value) in [
            ("ListenOverflows", counters.listen_overflows),
            ("TCPReqQFullDoCookies", counters.cookies_for_full_queue),
            ("TCPSynRetrans", counters.syn_retrans),
            ("TCPAbortOnClose", counters.aborts_on_close),
            ("TCPAbortOnData", counters.aborts_on_data),
        ] {
            self.set(Source::Counter("TcpExt".into(), name.into()), Some(0), value);
        }
    }

    fn listener(&mut self, target: SocketAddr, kernel: &Kernel) {
        if kernel.elsewhere.contains(&target) {
            return;
        }
        let Some(listener) = kernel.listeners.get(&target) else {
            return self.set_risen(Source::ListenerPresent(target), 0);
        };
        let most = self.queue_max.entry(target).or_default();
        *most = (*most).max(listener.queue.len() as u64);
        let most = *most;
        self.set_risen(Source::ListenerPresent(target), 1);
        self.set_risen(Source::ListenerQueue(target), most);
        self.set_risen(Source::ListenerBacklog(target), listener.backlog as u64);
        self.set_risen(Source::ListenerDrops(target), listener.drops);
    }

    /// A connect after a burst of closes. A refusal stays.
    fn probe(&mut self, target: SocketAddr, kernel: &Kernel) {
        let refused = u64::from(Errno::ECONNREFUSED.0);
        if self.facts.after(&Source::Probe(target)) == Some(refused) {
            return;
        }
        let answer = match kernel.listeners.get(&target) {
            None => refused,
            Some(listener) if listener.queue.len() > listener.backlog => {
                u64::from(Errno::ETIMEDOUT.0)
            }
            Some(_) => 0,
        };
        self.set(Source::Probe(target), None, answer);
    }

    fn server(&mut self, pid: Pid, server: &Process) {
        let number = u32::try_from(pid).expect("there are few");
        if server.alive {
            let most = self.held_failing.entry(pid).or_default();
            *most = (*most).max(server.open + OWN);
            let most = *most;
            self.set_risen(Source::ServerDescriptors(number), most);
            self.set_risen(Source::ServerDescriptorLimit(number), server.limit);
        }
        self.set_risen(Source::ServerAlive(number), u64::from(server.alive));
    }

    fn set_risen(&mut self, source: Source, after: u64) {
        let before = self.facts.get(&source).and_then(|fact| fact.before).or(Some(after));
        self.set(source, before, after);
    }

    fn set(&mut self, source: Source, before: Option<u64>, after: u64) {
        self.facts.set(Fact { source, host: "world".into(), before, after: Some(after) });
    }
}
