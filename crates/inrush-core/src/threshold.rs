//! What was promised: `rtt.p99 < 20ms`, `failures{cause="…"}.ratio < 1%`.

use alloc::collections::BTreeMap;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// What became of one threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// As it was typed.
    pub expression: String,
    /// `failures.ratio`.
    pub metric: String,
    /// `cause` -> `nothing-listening`.
    pub labels: BTreeMap<String, String>,
    /// `<`.
    pub op: String,
    /// Seconds, ratio or count.
    pub limit: f64,
    /// The same unit; `None` without samples.
    pub observed: Option<f64>,
    /// How many samples it rests on.
    pub samples: u64,
    /// Whether it held.
    pub passed: bool,
    /// Why it failed when the numbers do not say it ("no samples").
    pub reason: Option<String>,
}
