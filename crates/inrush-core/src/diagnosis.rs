//! Why it happened: a cause, who has to act, how sure, what proves it, what to type.

use crate::evidence::{Fact, Facts};
use crate::failure::Class;
use crate::plan::Plan;
use crate::tally::{Tally, Times};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Culprit {
    /// This side.
    Client,
    /// The server's.
    Server,
    /// What lies between.
    Network,
    /// Nobody can tell.
    Unknown,
}

impl Culprit {
    /// `client`, as outputs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Network => "network",
            Self::Unknown => "unknown",
        }
    }
}

/// How sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The symptom allows it.
    Possible,
    /// Facts point to it.
    Likely,
    /// A fact about this very failure says it.
    Proven,
}

impl Confidence {
    /// `proven`, as outputs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Proven => "proven",
        }
    }
}

/// One line of evidence. `fact` is what a shell can check, when the line rests on one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The machine's word, if it is one; else the line rests on the failures themselves.
    pub fact: Option<Fact>,
    /// In words.
    pub text: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// Where it acts: `run`, `client-host`, `server`, `server-host`, `network`.
    pub scope: String,
    /// What it does.
    pub text: String,
    /// What to type, if it is a command.
    pub command: Option<String>,
    /// Whether root must type it.
    pub needs_root: bool,
}

/// One cause and the connections it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Stable id (CATALOGUE part 2).
    pub cause: String,
    /// Who has to act.
    pub culprit: Culprit,
    /// How sure.
    pub confidence: Confidence,
    /// Connections.
    pub count: u64,
    /// What happened, one sentence.
    pub what: String,
    /// Classes it showed up as.
    pub classes: BTreeMap<Class, u64>,
    /// In words, one line per class: how it was seen.
    pub seen_as: Vec<String>,
    /// When.
    pub times: Times,
    /// What shows it.
    pub because: Vec<Evidence>,
    /// Other causes that fit.
    pub alternatives: Vec<String>,
    /// The command that decides between them.
    pub decide: Option<String>,
    /// What to do, the best first.
    pub remedy: Vec<Remedy>,
    /// The same failure in other programs' words.
    pub same_as: Vec<String>,
    /// What would look the same.
    pub unsure: Option<String>,
}

/// Everything a diagnosis may look at.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What was asked.
    pub plan: &'a Plan,
    /// What failed.
    pub tally: &'a Tally,
    /// What the machine says.
    pub facts: &'a Facts,
    /// Connections attempted, opened, and open when counted last.
    pub attempted: u64,
    /// Connections that became open.
    pub opened: u64,
    /// 99th percentile of connect(), nanoseconds; 0 without any.
    pub connect_p99_ns: u64,
    /// Median of connect(), nanoseconds; 0 without any.
    pub connect_p50_ns: u64,
    /// 99th percentile of the upgrade, nanoseconds; 0 without any.
    pub upgrade_p99_ns: u64,
    /// Processes the load ran in.
    pub processes: u32,
}
