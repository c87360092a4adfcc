//! What came out of a run, and what must be true of every one of them.

use super::captain::Captain;
use super::kernel::{Counters, Kernel};
use super::process::Process;
use super::socket::{Owner, Pid, Sock, Tcp};
use inrush_core::catalog::diagnose;
use inrush_core::diagnosis::{Case, Confidence, Diagnosis};
use inrush_core::evidence::Facts;
use inrush_core::failure::{Class, Failure, classify};
use inrush_core::plan::{Expect, Plan, Scheme};
use inrush_core::snapshot::{Counts, Snapshot};
use inrush_core::time::Nanos;
use std::collections::BTreeMap;

pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) totals: Snapshot,
    pub(crate) facts: Facts,
    pub(crate) counters: Counters,
    /// When the last load process was over.
    pub(crate) ended: Nanos,
    kernel: Kernel,
    processes: Vec<Process>,
    /// The first load process.
    first: Pid,
}

impl Outcome {
    pub(super) fn new(
        plan: Plan,
        captain: Captain,
        kernel: Kernel,
        processes: Vec<Process>,
        first: Pid,
        ended: Nanos,
    ) -> Self {
        let outcome = Self {
            plan,
            totals: captain.totals,
            facts: captain.facts,
            counters: kernel.counters,
            ended,
            kernel,
            processes,
            first,
        };
        outcome.assert_sums();
        outcome
    }

    pub(crate) fn counts(&self) -> Counts {
        self.totals.counts
    }

    pub(crate) fn diagnoses(&self) -> Vec<Diagnosis> {
        let (connect, upgrade) = (&self.totals.latencies.connect, &self.totals.latencies.upgrade);
        let ns = |value: Option<Nanos>| value.map_or(0, |value| value.0);
        diagnose(&Case {
            plan: &self.plan,
            tally: &self.totals.tally,
            facts: &self.facts,
            attempted: self.totals.counts.attempted,
            opened: self.totals.counts.opened,
            connect_p99_ns: ns(connect.quantile(0.99)),
            connect_p50_ns: ns(connect.quantile(0.5)),
            upgrade_p99_ns: ns(upgrade.quantile(0.99)),
            processes: 1,
        })
    }

    /// Exactly these causes, with these counts and confidences.
    #[track_caller]
    pub(crate) fn assert_causes(&self, expected: &[(&str, u64, Confidence)]) {
        let found = self.diagnoses();
        let mut short: Vec<_> =
            found.iter().map(|d| (d.cause.as_str(), d.count, d.confidence)).collect();
        let mut expected = expected.to_vec();
        short.sort_unstable();
        expected.sort_unstable();
        assert_eq!(short, expected, "{}", self.told());
        for one in &found {
            assert!(!one.because.is_empty(), "{} lacks its facts", one.cause);
        }
    }

    /// Exactly these classes.
    #[track_caller]
    pub(crate) fn assert_classes(&self, expected: &[(Class, u64)]) {
        let mut classes = BTreeMap::new();
        for row in &self.totals.tally.rows {
            let ws = self.plan.targets[usize::from(row.key.target)].scheme == Scheme::Ws;
            let class = classify(row.key.signature, row.key.heard, ws);
            *classes.entry(class).or_insert(0) += row.count;
        }
        assert_eq!(classes, expected.iter().copied().collect(), "{}", self.told());
    }

    /// So many were opened, were open at the end of the hold, and were closed by us in order.
    #[track_caller]
    pub(crate) fn assert_healthy(&self, count: u64) {
        let (counts, held) = (self.counts(), self.totals.gauges.held);
        assert_eq!((counts.finished, held), (count, count), "{}", self.told());
    }

    /// Numbers and rows, for whoever reads a failed test.
    pub(crate) fn told(&self) -> String {
        let mut text = format!("{:?}\n{:?}\n", self.totals.counts, self.totals.gauges);
        for row in &self.totals.tally.rows {
            text.push_str(&format!("{} x {:?}: {:?}\n", row.count, row.key, row.examples[0]));
        }
        text
    }

    /// What one load process's connections wrote, in the order in which they were opened.
    pub(crate) fn wires(&self) -> Vec<(Scheme, Vec<u8>)> {
        let mut wires = Vec::new();
        for process in &self.processes[self.first..] {
            for (_, sock) in &process.lives {
                let sock = &self.kernel.socks[*sock];
                let to = self.plan.targets.iter().find(|target| target.address == sock.remote);
                let scheme = to.expect("it was opened to a target").scheme;
                wires.push((scheme, sock.tap.clone().unwrap_or_default()));
            }
        }
        wires
    }

    /// What the load's own sockets were when they were looked at last, one per kept failure.
    pub(crate) fn examples(&self) -> impl Iterator<Item = (&Failure, Vec<&Sock>)> {
        let examples = self.totals.tally.rows.iter().flat_map(|row| &row.examples);
        examples.filter_map(|example| {
            let local = example.look?.local?;
            let same = |sock: &&Sock| sock.local == local;
            Some((example, self.kernel.socks.iter().filter(same).collect()))
        })
    }

    /// When connects were called, in order.
    pub(crate) fn opened_at(&self) -> Vec<Nanos> {
        let lives = self.processes[self.first..].iter().flat_map(|process| &process.lives);
        let mut times: Vec<_> = lives.map(|(_, sock)| self.kernel.socks[*sock].born).collect();
        times.sort_unstable();
        times
    }

    /// What the servers wrote.
    pub(crate) fn served_wires(&self) -> Vec<Vec<u8>> {
        let lives = self.processes[..self.first].iter().flat_map(|process| &process.lives);
        lives.map(|(_, sock)| self.kernel.socks[*sock].tap.clone().unwrap_or_default()).collect()
    }

    /// Most descriptors a process held.
    pub(crate) fn open_max(&self, pid: Pid) -> u64 {
        self.processes[pid].open_max
    }

    /// Connections that a living server has and that nobody else knows any more.
    pub(crate) fn leaked(&self) -> usize {
        let held = |pid: Pid| self.processes[pid].alive && pid < self.first;
        let known = |sock: &&Sock| matches!(sock.owner, Owner::Program(pid, _) if held(pid));
        self.kernel.socks.iter().filter(known).count()
    }

    /// ARCHITECTURE §3, §8: every connection ends, and every message and attempt is accounted for.
    #[track_caller]
    fn assert_sums(&self) {
        let (c, g) = (self.totals.counts, self.totals.gauges);
        let why = || self.told();
        assert_eq!(c.attempted, c.finished + c.failed + c.unfinished, "{}", why());
        assert_eq!(self.totals.tally.count(), c.failed, "{}", why());
        assert_eq!((g.open, g.opening, g.closing, g.unconfirmed), (0, 0, 0, 0), "{}", why());
        assert!(c.opened <= c.connected && c.connected <= c.attempted, "{}", why());
        assert!(c.confirmed <= c.opened && c.finished <= c.opened, "{}", why());
        assert!(c.close_unanswered <= c.finished && c.corrupted <= c.received, "{}", why());
        let messages = &self.plan.messages;
        if matches!(messages.expect, Expect::Echo | Expect::Reply) {
            let settled = c.received + c.lost + c.messages_unfinished;
            assert_eq!(c.sent, settled, "{}", why());
        }
        assert_eq!(c.sent_bytes, c.sent * messages.payload.len() as u64, "{}", why());
        for process in &self.processes[self.first..] {
            assert_eq!(process.open, 0, "a load process leaves descriptors open\n{}", why());
        }
        let diagnosed: u64 = self.diagnoses().iter().map(|diagnosis| diagnosis.count).sum();
        assert_eq!(diagnosed, c.failed, "{}", why());
        let half = |sock: &Sock| sock.state == Tcp::SynRecv;
        let in_queue = self.kernel.socks.iter().filter(|sock| half(sock)).count();
        let listed: usize = self.kernel.listeners.values().map(|listener| listener.half).sum();
        assert_eq!(in_queue, listed, "the world itself counts wrong");
    }
}
