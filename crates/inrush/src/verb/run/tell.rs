//! From what happened to the report: diagnoses, verdicts, environment.

use super::places;
use crate::cli::draft::Draft;
use crate::exit;
use crate::show::secret;
use inrush_core::catalog::diagnose;
use inrush_core::conclude;
use inrush_core::diagnosis::{Case, Diagnosis};
use inrush_core::evidence::{Fact, Facts, Source};
use inrush_core::plan::Plan;
use inrush_core::report::{Client, Report, Run};
use inrush_core::snapshot::Snapshot;
use inrush_core::threshold::{self, Observed};
use inrush_core::time::Nanos;
use inrush_host::fleet::storm::{Home, Story};
use inrush_host::probe::environment;
use inrush_host::sys::limits;

/// What the story does not know.
pub(super) struct Told<'a> {
    pub(super) draft: &'a Draft,
    pub(super) home: &'a Home,
    pub(super) command: &'a [String],
    pub(super) named_in: &'a [Nanos],
    pub(super) probes: u64,
}

/// The pure diagnosis over everything so far; live and final alike.
pub(super) fn causes(
    plan: &Plan,
    totals: &Snapshot,
    facts: &Facts,
    processes: u32,
) -> Vec<Diagnosis> {
    let (connect, upgrade) = (&totals.latencies.connect, &totals.latencies.upgrade);
    let ns = |value: Option<Nanos>| value.map_or(0, |value| value.0);
    diagnose(&Case {
        plan,
        tally: &totals.tally,
        facts,
        attempted: totals.counts.attempted,
        opened: totals.counts.opened,
        connect_p99_ns: ns(connect.quantile(0.99)),
        connect_p50_ns: ns(connect.quantile(0.5)),
        upgrade_p99_ns: ns(upgrade.quantile(0.99)),
        processes,
    })
}

/// The report of a run.
pub(super) fn report(told: &Told<'_>, plan: Plan, mut story: Story) -> Report {
    let processes = places::processes(told.home);
    let loops = places::loops(told.home);
    let cpu_ratio = cpu_ratio(&story, loops);
    state_own_load(&mut story, cpu_ratio);
    let diagnoses = causes(&plan, &story.totals, &story.facts, processes);
    let observed = Observed {
        plan: &plan,
        totals: &story.totals,
        diagnoses: &diagnoses,
        peak: story.peak,
        resolve: told.named_in,
        duration: story.duration,
    };
    let thresholds = &told.draft.thresholds;
    let verdicts: Vec<_> = thresholds.iter().map(|t| threshold::evaluate(t, &observed)).collect();
    let exit_code = exit::of_run(story.signal, story.workers_lost > 0, &verdicts);
    let rate =
        conclude::connect_rate(&plan, &story.totals, story.duration, cpu_ratio, &story.facts);
    Report {
        run: Run {
            id: format!("{:06x}", story.started_unix_ms.rotate_left(3) & 0xff_ffff),
            version: env!("CARGO_PKG_VERSION").into(),
            command: secret::command(told.command),
            started_unix_ms: story.started_unix_ms,
            ended_unix_ms: story.started_unix_ms + story.duration.as_millis(),
            duration: story.duration,
            stopped_by: story.stopped_by,
            signal: story.signal,
            processes,
            threads: loops,
            workers_lost: story.workers_lost,
            built_in_server: told.draft.built_in.is_some(),
        },
        connect_rate: rate,
        plateau: conclude::plateau(&plan, &story.totals, story.peak, &story.facts),
        client: client(&plan, &story, cpu_ratio),
        peak: story.peak,
        unknown: story.unknown,
        probes: story.probes + told.probes,
        resolve: told.named_in.to_vec(),
        diagnoses,
        verdicts,
        exit_code,
        series: story.series,
        facts: story.facts,
        environment: environment::read(),
        totals: story.totals,
        plan,
    }
}

/// CPU of what the loops could have had, 0-1: a core each, as far as there are cores.
fn cpu_ratio(story: &Story, loops: u32) -> Option<f64> {
    let cores = loops.min(limits::cores()).max(1);
    let available = story.duration.as_secs_f64() * f64::from(cores);
    let ratio = story.totals.cpu.as_secs_f64() / available;
    ratio.is_finite().then_some(ratio.clamp(0.0, 1.0))
}

/// Our own lateness and CPU are facts too: a cause may have to be looked for here.
fn state_own_load(story: &mut Story, cpu_ratio: Option<f64>) {
    let lag = story.totals.latencies.lag.quantile(0.99).map(|lag| lag.0 / 1_000);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    let cpu = cpu_ratio.map(|ratio| (ratio * 100.0) as u64);
    for (source, after) in [(Source::SendLagP99, lag), (Source::OwnCpu, cpu)] {
        if after.is_some() {
            story.facts.set(Fact { source, host: environment::host(), before: None, after });
        }
    }
}

fn client(plan: &Plan, story: &Story, cpu_ratio: Option<f64>) -> Client {
    let sources = plan.sources.len().max(1) as u64;
    let before = |source: &Source| story.facts.get(source).and_then(|fact| fact.before);
    let trust_reasons = conclude::distrust(plan, &story.totals, cpu_ratio);
    Client {
        open_fds_peak: story
            .facts
            .after(&Source::OwnDescriptors)
            .unwrap_or(0)
            .max(story.descriptors_peak),
        max_fds: limits::nofile().0,
        cpu_ratio_mean: cpu_ratio,
        rss_bytes_peak: story.rss_bytes_peak,
        user_bytes_per_connection: story.user_bytes_per_connection,
        kernel_bytes_per_connection: story.kernel_bytes_per_connection,
        time_wait_before: before(&Source::TimeWait),
        free_ports_before: before(&Source::FreePorts).map(|ports| ports * sources),
        trustworthy: trust_reasons.is_empty(),
        trust_reasons,
    }
}
