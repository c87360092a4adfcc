//! Hand-made runs for the tests of the catalogue: what was seen, what the machine said, which
//! diagnoses must come out.

use super::diagnose;
use crate::diagnosis::{Case, Confidence, Diagnosis};
use crate::evidence::{Fact, Facts, Source};
use crate::failure::{Failure, Look, Op, Outcome, Peer, Phase, Signature};
use crate::plan::tests::plan;
use crate::plan::{Plan, Scheme};
use crate::tally::{Key, Tally};
use crate::time::Nanos;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A run: one target on this host, served unless a fact says otherwise.
pub(super) struct Lab {
    pub(super) plan: Plan,
    pub(super) tally: Tally,
    pub(super) facts: Facts,
    pub(super) attempted: u64,
    pub(super) opened: u64,
    pub(super) upgrade_p99: Nanos,
}

/// Failures of one kind.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    key: Key,
    from: Nanos,
    step: Nanos,
    age: Nanos,
    look: Option<Look>,
    words: Vec<u8>,
    offset: Option<u64>,
    open: (u64, u64),
    number: u64,
}

impl Lab {
    pub(super) fn ws() -> Self {
        Self {
            plan: plan(1_000),
            tally: Tally::default(),
            facts: Facts::default(),
            attempted: 1_000,
            opened: 0,
            upgrade_p99: Nanos::from_millis(2),
        }
    }

    pub(super) fn tcp() -> Self {
        let mut lab = Self::ws();
        lab.plan.targets[0].scheme = Scheme::Tcp;
        lab
    }

    pub(super) fn wss() -> Self {
        let mut lab = Self::ws();
        lab.plan.targets[0].tls = Some("localhost".into());
        lab
    }

    /// The one target.
    pub(super) fn target() -> SocketAddr {
        ([127, 0, 0, 1], 8080).into()
    }

    /// The same target somewhere else.
    pub(super) fn remote(mut self) -> Self {
        self.plan.targets[0].address = ([10, 0, 0, 5], 8080).into();
        self
    }

    pub(super) fn opened(mut self, opened: u64) -> Self {
        self.opened = opened;
        self
    }

    pub(super) fn upgrade_p99(mut self, p99_ms: u64) -> Self {
        self.upgrade_p99 = Nanos::from_millis(p99_ms);
        self
    }

    pub(super) fn fact(mut self, source: Source, before: u64, after: u64) -> Self {
        let (before, after) = (Some(before), Some(after));
        self.facts.set(Fact { source, host: "here".into(), before, after });
        self
    }

    pub(super) fn counter(self, group: &str, name: &str, rise: u64) -> Self {
        self.fact(Source::Counter(group.into(), name.into()), 7, 7 + rise)
    }

    pub(super) fn listener(self, before: u64, after: u64) -> Self {
        self.fact(Source::ListenerPresent(Self::target()), before, after)
    }

    /// A watched server process.
    pub(super) fn server(self, held: u64, limit: u64, alive: u64) -> Self {
        self.fact(Source::ServerDescriptors(77), 5, held)
            .fact(Source::ServerDescriptorLimit(77), limit, limit)
            .fact(Source::ServerAlive(77), 1, alive)
    }

    pub(super) fn book(mut self, count: u64, seen: Seen) -> Self {
        for at in 0..count {
            let open = seen.open.0 + (seen.open.1 - seen.open.0) * at / count.max(1);
            self.tally.book(seen.key, seen.failure(at), open);
        }
        self
    }

    pub(super) fn diagnoses(&self) -> Vec<Diagnosis> {
        diagnose(&Case {
            plan: &self.plan,
            tally: &self.tally,
            facts: &self.facts,
            attempted: self.attempted,
            opened: self.opened,
            connect_p99_ns: 2_000_000,
            connect_p50_ns: 100_000,
            upgrade_p99_ns: self.upgrade_p99.0,
            processes: 1,
        })
    }

    /// Exactly these causes in this order.
    #[track_caller]
    pub(super) fn expect(&self, expected: &[(&str, u64, Confidence)]) -> Vec<Diagnosis> {
        let found = self.diagnoses();
        let short: Vec<_> =
            found.iter().map(|d| (d.cause.as_str(), d.count, d.confidence)).collect();
        assert_eq!(short, expected);
        assert_eq!(found.iter().map(|d| d.count).sum::<u64>(), self.tally.count());
        for one in &found {
            let ends_well = one.remedy.iter().all(|remedy| remedy.command.is_some());
            assert!(ends_well && !one.remedy.is_empty(), "{}: what to type?", one.cause);
            assert!(!one.because.is_empty(), "{} lacks its facts", one.cause);
            assert_eq!(one.classes.values().sum::<u64>(), one.count);
            let text: Vec<_> = one.because.iter().map(|line| line.text.as_str()).collect();
            assert!(!text.concat().contains(char::is_control), "{text:?}");
        }
        found
    }
}

impl Seen {
    pub(super) fn new(phase: Phase, op: Op, outcome: Outcome) -> Self {
        let signature = Signature { phase, op, outcome };
        let (peer, spoke) = (Peer::Unseen, matches!(phase, Phase::Upgrade | Phase::Open));
        let fin_seen = matches!(outcome, Outcome::Eof { .. });
        Self {
            key: Key { target: 0, signature, peer, fin_seen, heard: false, spoke },
            from: Nanos::from_secs(1),
            step: Nanos::ZERO,
            age: Nanos::from_millis(3),
            look: None,
            words: Vec::new(),
            offset: None,
            open: (0, 0),
            number: 1,
        }
    }

    /// The first at `from_ms`, the others so long after each other.
    pub(super) fn every(mut self, from_ms: u64, step_ms: u64) -> Self {
        self.from = Nanos::from_millis(from_ms);
        self.step = Nanos::from_millis(step_ms);
        self
    }

    pub(super) fn aged(mut self, age_ms: u64) -> Self {
        self.age = Nanos::from_millis(age_ms);
        self
    }

    pub(super) fn heard(mut self) -> Self {
        self.key.heard = true;
        self
    }

    pub(super) fn fin(mut self) -> Self {
        self.key.fin_seen = true;
        self
    }

    pub(super) fn peer(mut self, peer: Peer) -> Self {
        self.key.peer = peer;
        self.look.get_or_insert_default().peer = peer;
        self
    }

    pub(super) fn look(mut self, look: Look) -> Self {
        self.key.peer = look.peer;
        self.look = Some(look);
        self
    }

    pub(super) fn words(mut self, words: &[u8]) -> Self {
        self.words = words.to_vec();
        self.key.heard = true;
        self
    }

    /// Where in its message the words began.
    pub(super) fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Connections open when the first and the last of them failed.
    pub(super) fn open(mut self, first: u64, last: u64) -> Self {
        self.open = (first, last);
        self
    }

    /// Number of the first of them in the run.
    pub(super) fn from(mut self, number: u64) -> Self {
        self.number = number;
        self
    }

    fn failure(&self, nth: u64) -> Failure {
        Failure {
            at: self.from + self.step * nth,
            connection: self.number + nth,
            signature: self.key.signature,
            later: None,
            age: self.age,
            bytes_in: u64::from(self.key.heard),
            bytes_out: u64::from(self.key.spoke) * 200,
            fin_seen: self.key.fin_seen,
            look: self.look,
            last_words: self.words.clone(),
            offset: self.offset,
        }
    }
}
