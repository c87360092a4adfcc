//! Sees the run go by: progress lines, JSON lines, and the word to stop when a threshold is lost.

use super::outputs::Output;
use super::tell::causes;
use crate::cli::draft::Draft;
use crate::cli::{Global, Progress};
use crate::show::error::Problem;
use crate::show::plain::{self, Phase};
use crate::show::{ndjson, out};
use inrush_core::plan::Plan;
use inrush_core::report::Report;
use inrush_core::threshold::{Observed, Threshold, can_still_hold};
use inrush_core::time::Nanos;
use inrush_host::fleet::storm::{Stage, View, Watch};

/// A progress line each so long, and at each change of phase.
const EVERY: Nanos = Nanos::from_secs(10);

/// Everything that looks at a run while it lasts.
pub(super) struct Watching {
    plan: Plan,
    processes: u32,
    progress: bool,
    abort_on: Vec<Threshold>,
    ndjson: Option<Output>,
    /// The first trouble with the JSON lines; the run goes on without them.
    trouble: Option<Problem>,
    failures: ndjson::Failures,
    phase: Option<Phase>,
    said_at: Nanos,
    said_waiting: bool,
}

impl Watching {
    pub(super) fn new(
        draft: &Draft,
        plan: &Plan,
        global: &Global,
        ndjson: Option<Output>,
        processes: u32,
    ) -> Self {
        Self {
            plan: plan.clone(),
            processes,
            progress: !global.quiet && global.progress != Progress::None,
            abort_on: if draft.abort_on_fail { draft.thresholds.clone() } else { Vec::new() },
            ndjson,
            trouble: None,
            failures: ndjson::Failures::default(),
            phase: None,
            said_at: Nanos::ZERO,
            said_waiting: false,
        }
    }

    /// The last lines.
    pub(super) fn finish(mut self, report: &Report) -> Result<(), Problem> {
        if let Some(mut output) = self.ndjson.take() {
            let text = format!(
                "{}{}{}",
                ndjson::phase(report.run.duration, Phase::Done),
                self.failures.suppressed(),
                ndjson::summary(report),
            );
            output.append(&text)?;
            output.finish()?;
        }
        self.trouble.map_or(Ok(()), Err)
    }

    fn write_lines(&mut self, view: &View<'_>, changed: bool) {
        let Some(output) = &mut self.ndjson else { return };
        let mut text = String::new();
        if let (true, Some(phase)) = (changed, self.phase) {
            text.push_str(&ndjson::phase(view.now, phase));
        }
        text.push_str(&self.failures.lines(&view.news.tally, &self.plan));
        for second in view.seconds {
            text.push_str(&ndjson::tick(&ndjson::Tick::of(view.now, second)));
        }
        if let Err(problem) = output.append(&text) {
            self.trouble.get_or_insert(problem);
            self.ndjson = None;
        }
    }

    fn say(&mut self, view: &View<'_>, changed: bool) {
        if !self.progress {
            return;
        }
        let due = !view.seconds.is_empty() && view.now - self.said_at >= EVERY;
        if (changed && view.now > Nanos::ZERO) || due {
            self.said_at = view.now;
            let known = causes(&self.plan, view.totals, view.facts, self.processes);
            let planned = u64::from(self.plan.connections);
            let phase = self.phase.unwrap_or(Phase::Ramp);
            out::eprint(&plain::line(view.now, phase, view.totals, planned, &known));
        }
        let opening = view.totals.gauges.opening;
        if view.stage == Stage::Drain && !view.stopping && opening > 0 && !self.said_waiting {
            self.said_waiting = true;
            let limits = &self.plan.timeouts;
            let last = view.totals.ramp_ended + limits.connect + limits.handshake;
            out::eprint(&plain::waiting(opening, last - view.now));
        }
    }

    fn lost(&self, view: &View<'_>) -> bool {
        let observed = Observed {
            plan: &self.plan,
            totals: view.totals,
            diagnoses: &[],
            peak: view.peak,
            resolve: &[],
            duration: view.now,
        };
        self.abort_on.iter().any(|threshold| !can_still_hold(threshold, &observed))
    }
}

impl Watch for Watching {
    fn see(&mut self, view: &View<'_>) -> bool {
        let phase = match view.stage {
            Stage::Ramp => Phase::Ramp,
            Stage::Hold => Phase::Hold,
            Stage::Drain | Stage::Close => Phase::Drain,
        };
        let changed = self.phase.replace(phase) != Some(phase);
        self.write_lines(view, changed);
        self.say(view, changed);
        !view.seconds.is_empty() && self.lost(view)
    }
}
