//! The answer: the one value that every output renders.

use crate::diagnosis::Diagnosis;
use crate::evidence::Facts;
use crate::plan::Plan;
use crate::snapshot::Snapshot;
use crate::threshold::Verdict;
use crate::time::Nanos;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Why the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// Everything planned was done.
    Completed,
    /// Nothing was open, opening or still to be started.
    NothingLeft,
    /// `--max-time`.
    MaxTime,
    /// `--abort-on-fail`.
    Threshold,
    /// SIGINT or SIGTERM.
    Signal,
}

/// The run itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Six hexadecimal digits.
    pub id: String,
    /// Our version.
    pub version: String,
    /// The command line, secrets masked.
    pub command: Vec<String>,
    /// Begin, Unix milliseconds.
    pub started_unix_ms: u64,
    /// End, Unix milliseconds.
    pub ended_unix_ms: u64,
    /// From T0 to the last connection's end.
    pub duration: Nanos,
    /// Why it ended.
    pub stopped_by: StoppedBy,
    /// The signal, when one ended it.
    pub signal: Option<i32>,
    /// Processes the load ran in.
    pub processes: u32,
    /// Event loops in all.
    pub threads: u32,
    /// Workers that died; their numbers are unknown.
    pub workers_lost: u32,
    /// Targets are served by our own child processes.
    pub built_in_server: bool,
}

/// Where it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Host name.
    pub host: String,
    /// `Linux`.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// `x86_64`.
    pub arch: String,
    /// Cores this process may use.
    pub cores: u32,
    /// Memory.
    pub memory_bytes: u64,
    /// `nofile_soft`, `nofile_hard`, …
    pub limits: BTreeMap<String, u64>,
    /// `net.ipv4.ip_local_port_range`, …
    pub sysctl: BTreeMap<String, String>,
}

/// What the load cost us, and whether its numbers can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// Most descriptors of one process.
    pub open_fds_peak: u64,
    /// Soft limit of one process.
    pub max_fds: u64,
    /// Mean share of the cores used by the workers, 0-1 of one core per loop.
    pub cpu_ratio_mean: Option<f64>,
    /// Resident memory of all our processes, at its highest.
    pub rss_bytes_peak: Option<u64>,
    /// Growth of resident memory per connection at the peak.
    pub user_bytes_per_connection: Option<u64>,
    /// Growth of the kernel's (slab, sockstat) per connection at the peak.
    pub kernel_bytes_per_connection: Option<u64>,
    /// Sockets in TIME-WAIT before the load.
    pub time_wait_before: Option<u64>,
    /// Free local ports towards the first destination before the load, over all sources.
    pub free_ports_before: Option<u64>,
    /// Whether our own lateness is small enough.
    pub trustworthy: bool,
    /// If not, why.
    pub trust_reasons: Vec<String>,
}

/// A limit at which the number of open connections stopped rising while attempts went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plateau {
    /// Open connections.
    pub connections: u64,
    /// The limit that this number points to.
    pub limit: String,
    /// In words.
    pub text: String,
}

/// How fast connections were opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectRate {
    /// Asked for; `None` for max.
    pub asked_per_second: Option<f64>,
    /// Achieved; `None` when nothing was opened.
    pub achieved_per_second: Option<f64>,
    /// Why they differ by more than 5 %.
    pub reason: Option<String>,
}

/// One point per interval; all lists have the same length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Width of a point in seconds: 1, then 2, 4, … so that there are at most 600.
    pub interval_seconds: u32,
    /// Seconds since T0 at which the interval began.
    pub t: Vec<u64>,
    /// Open at its end.
    pub open: Vec<u64>,
    /// Opening at its end.
    pub opening: Vec<u64>,
    /// Failed within it.
    pub failed: Vec<u64>,
    /// Median round trip within it.
    pub rtt_p50: Vec<Option<Nanos>>,
    /// 99th percentile within it.
    pub rtt_p99: Vec<Option<Nanos>>,
    /// Messages sent within it.
    pub sent: Vec<u64>,
    /// Replies within it.
    pub received: Vec<u64>,
    /// Our descriptors at its end.
    pub fds: Vec<u64>,
    /// CPU per loop within it, 0-1.
    pub cpu_ratio: Vec<f64>,
}

/// Everything a run found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The run.
    pub run: Run,
    /// The question.
    pub plan: Plan,
    /// All workers' snapshots, merged.
    pub totals: Snapshot,
    /// Most open at once.
    pub peak: u64,
    /// Connections of workers that died.
    pub unknown: u64,
    /// Probe connects.
    pub probes: u64,
    /// How long each name took to resolve; empty when every target was an address.
    pub resolve: Vec<Nanos>,
    /// How fast.
    pub connect_rate: ConnectRate,
    /// Where it stopped rising.
    pub plateau: Option<Plateau>,
    /// Why, by count.
    pub diagnoses: Vec<Diagnosis>,
    /// Thresholds.
    pub verdicts: Vec<Verdict>,
    /// UI A2.
    pub exit_code: u8,
    /// Per second.
    pub series: Series,
    /// What the machine said.
    pub facts: Facts,
    /// Our own cost.
    pub client: Client,
    /// Where.
    pub environment: Environment,
}

impl Report {
    /// Hand-shakes that took longer than each limit, or had not finished when their time-out came.
    /// Limits above the hand-shake time-out are left out. `None` without hand-shakes.
    pub fn handshake_limits(&self) -> Option<Vec<(u64, u64)>> {
        let latencies = &self.totals.latencies;
        let none = latencies.upgrade.count() == 0;
        let upgrade = if none { &latencies.tls } else { &latencies.upgrade };
        let timed_out = self.totals.counts.handshakes_timed_out;
        if upgrade.count() + timed_out == 0 {
            return None;
        }
        let limit = self.plan.timeouts.handshake;
        let within = |s: &u64| Nanos::from_secs(*s) <= limit;
        let count = |s: u64| (s, upgrade.above(Nanos::from_secs(s)) + timed_out);
        Some([1, 5, 10, 60].into_iter().filter(within).map(count).collect())
    }
}
