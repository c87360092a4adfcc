//! What became of one scenario: the part of a document that tells of it.

use inrush_core::diagnosis::Diagnosis;
use inrush_core::repro::{Found, Scenario, Step};
use serde::{Deserialize, Serialize};

/// One scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) cause: String,
    pub(crate) expected: Expected,
    /// `None` when it did not run, or nothing failed.
    pub(crate) seen: Option<Seen>,
    pub(crate) steps: Vec<StepDoc>,
    pub(crate) passed: bool,
    /// Why it could not run here.
    pub(crate) skipped_reason: Option<String>,
}

/// What the catalogue declares.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Expected {
    pub(crate) cause: String,
    pub(crate) class: String,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) cause: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) confidence: Option<String>,
    pub(crate) culprit: Option<String>,
    pub(crate) what: Option<String>,
    pub(crate) evidence: Vec<String>,
    pub(crate) same_as: Vec<String>,
    /// What else is worth knowing: why it did not go on, where a server was left.
    pub(crate) note: Option<String>,
}

/// One call, or one failure of a storm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StepDoc {
    /// Since the scenario began.
    pub(crate) at_seconds: f64,
    /// `client`, `server`, `network`.
    pub(crate) side: String,
    /// Of the client's connections, from 1.
    pub(crate) connection: u64,
    pub(crate) call: String,
    pub(crate) result: String,
    /// What should have come back, when something else did.
    pub(crate) expected: Option<String>,
}

impl Outcome {
    /// Nothing is known yet.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name.into(),
            cause: scenario.cause.into(),
            expected: Expected { cause: scenario.cause.into(), class: scenario.class.id().into() },
            seen: None,
            steps: Vec::new(),
            passed: false,
            skipped_reason: None,
        }
    }

    /// It cannot run here.
    pub(crate) fn skipped(scenario: &Scenario, reason: String) -> Self {
        Self { skipped_reason: Some(reason), ..Self::of(scenario) }
    }

    /// It could have run, and did not.
    pub(crate) fn lost(scenario: &Scenario, why: String) -> Self {
        Self { seen: Some(Seen { note: Some(why), ..Seen::default() }), ..Self::of(scenario) }
    }

    /// Whether cause and class are the declared ones.
    pub(crate) fn as_declared(&self) -> bool {
        let seen = self.seen.as_ref();
        seen.is_some_and(|seen| {
            seen.cause.as_ref() == Some(&self.expected.cause)
                && seen.class.as_ref() == Some(&self.expected.class)
        })
    }
}

impl Seen {
    /// What the catalogue says of a played script.
    pub(crate) fn of(found: &Found) -> Option<Self> {
        let class = found.class.map(|class| class.id().to_owned());
        let Some(diagnosis) = found.diagnoses.first() else {
            return class.map(|class| Self { class: Some(class), ..Self::default() });
        };
        Some(Self { class, ..Self::diagnosed(diagnosis) })
    }

    fn diagnosed(diagnosis: &Diagnosis) -> Self {
        Self {
            cause: Some(diagnosis.cause.clone()),
            class: None,
            confidence: Some(diagnosis.confidence.name().into()),
            culprit: Some(diagnosis.culprit.name().into()),
            what: Some(diagnosis.what.clone()),
            evidence: diagnosis.because.iter().map(|line| line.text.clone()).collect(),
            same_as: diagnosis.same_as.clone(),
            note: None,
        }
    }
}

impl StepDoc {
    /// A call of a script.
    pub(crate) fn of(step: &Step) -> Self {
        let turn = &step.turn;
        Self {
            at_seconds: step.at.as_secs_f64(),
            side: turn.shown().name().into(),
            connection: u64::from(turn.connection) + 1,
            call: turn.call.words(turn.side),
            result: step.came.words(),
            expected: (step.came != turn.came).then(|| turn.came.words()),
        }
    }
}
