//! What one worker counted in one interval. Merging is associative and commutative.

use crate::evidence::Fact;
use crate::latency::Latencies;
use crate::tally::Tally;
use crate::time::Nanos;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Sums since the last snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections begun.
    pub attempted: u64,
    /// connect() succeeded.
    pub connected: u64,
    /// The server's program has shown itself.
    pub confirmed: u64,
    /// Reached open.
    pub opened: u64,
    /// Ended by us, in order.
    pub finished: u64,
    /// Ended by anything else.
    pub failed: u64,
    /// Still under way when we stopped.
    pub unfinished: u64,
    /// Attempts that replaced a failed connection.
    pub reconnects: u64,
    /// Our Close was not answered within 1 s.
    pub close_unanswered: u64,
    /// Of the finished: the server's program never showed itself, and nothing contradicts it.
    pub undecided: u64,
    /// Messages begun.
    pub sent: u64,
    /// Replies matched, late and corrupted ones included.
    pub received: u64,
    /// Replies that never came.
    pub lost: u64,
    /// Replies not awaited to their end.
    pub messages_unfinished: u64,
    /// Replies after reply-timeout.
    pub late: u64,
    /// Replies that had come already.
    pub duplicated: u64,
    /// Replies with other bytes.
    pub corrupted: u64,
    /// Due messages that were not sent.
    pub unsent: u64,
    /// Keep-alive pings sent.
    pub pings: u64,
    /// Of those, how many a pong answered.
    pub pongs: u64,
    /// Payload bytes sent.
    pub sent_bytes: u64,
    /// Payload bytes received.
    pub received_bytes: u64,
    /// First replies.
    pub first_replies: u64,
    /// Of those, how many were not the echo.
    pub first_not_echo: u64,
    /// TLS hand-shakes with certificates.
    pub tls_full: u64,
    /// TLS hand-shakes that went on with a session of before.
    pub tls_resumed: u64,
    /// Connections that may be compressed: both sides have agreed.
    pub compressed: u64,
    /// Hand-shakes that passed the hand-shake deadline.
    pub handshakes_timed_out: u64,
    /// Faults a server committed.
    pub faults: u64,
    /// accept() errors of a server.
    pub accept_errors: u64,
}

/// How things stand at the end of the interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauges {
    /// Opening.
    pub opening: u64,
    /// Open.
    pub open: u64,
    /// Of those, not confirmed.
    pub unconfirmed: u64,
    /// We are closing them.
    pub closing: u64,
    /// Most open at once in the interval.
    pub open_peak: u64,
    /// Open at the end of the hold; 0 before it.
    pub held: u64,
    /// Descriptors of the worker's process.
    pub descriptors: u64,
    /// Last connection of the shard has been started.
    pub ramped: bool,
    /// Nothing is opening, and nothing is left to be opened.
    pub settled: bool,
    /// A server worker has stopped accepting: no descriptors.
    pub accept_paused: bool,
}

/// One interval of one worker; or, merged, of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken.
    pub at: Nanos,
    /// Sums.
    pub counts: Counts,
    /// State.
    pub gauges: Gauges,
    /// When the shard's last connection was started; zero before it.
    pub ramp_ended: Nanos,
    /// Failures.
    pub tally: Tally,
    /// Distributions; travel as blobs.
    #[serde(skip)]
    pub latencies: Latencies,
    /// Facts only the worker can read (its own descriptors at EMFILE).
    pub facts: Vec<Fact>,
    /// Many were closed at once: please probe.
    pub burst: bool,
    /// CPU time of the worker's thread in the interval.
    pub cpu: Nanos,
}

macro_rules! add_fields {
    ($a:expr, $b:expr; $($field:ident)*) => {
        $( $a.$field = $a.$field.saturating_add($b.$field); )*
    };
}

impl Counts {
    /// Messages were sent, and not one was answered; or nothing but pings, and no pong has come.
    pub fn unanswered(&self) -> bool {
        let pings = self.sent == 0 && self.pings > 0 && self.pongs == 0;
        self.sent > 0 && self.received == 0 || pings
    }

    /// Adds another interval.
    pub fn merge(&mut self, other: &Self) {
        add_fields!(self, other; attempted connected confirmed opened finished failed unfinished
            reconnects close_unanswered undecided sent received lost messages_unfinished late
            duplicated corrupted unsent pings pongs sent_bytes received_bytes first_replies
            first_not_echo tls_full tls_resumed compressed handshakes_timed_out faults
            accept_errors);
    }
}

impl Gauges {
    /// Adds another worker's state.
    pub fn merge(&mut self, other: &Self) {
        add_fields!(self, other; opening open unconfirmed closing open_peak held descriptors);
        self.ramped &= other.ramped;
        self.settled &= other.settled;
        self.accept_paused |= other.accept_paused;
    }
}

impl Snapshot {
    /// Adds an interval of the same or of another worker. States are added separately: an older
    /// state of the same worker is not a second worker.
    pub fn merge(&mut self, other: &Self) {
        self.at = self.at.max(other.at);
        self.counts.merge(&other.counts);
        self.ramp_ended = self.ramp_ended.max(other.ramp_ended);
        self.tally.merge(&other.tally);
        self.latencies.merge(&other.latencies);
        for fact in &other.facts {
            if self.facts.len() < FACTS && !self.facts.contains(fact) {
                self.facts.push(fact.clone());
            }
        }
        self.burst |= other.burst;
        self.cpu += other.cpu;
    }

    /// Begins the next interval.
    pub fn clear(&mut self) {
        self.counts = Counts::default();
        self.tally.rows.clear();
        self.latencies.reset();
        self.facts.clear();
        self.burst = false;
        self.cpu = Nanos::ZERO;
    }
}

/// Facts kept of all workers.
const FACTS: usize = 256;
