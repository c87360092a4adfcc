//! The final text: verdict, thresholds, failures, then speed. It is computed from the report alone
//! and fits the width it is given; colour only adds, words and glyphs carry everything.

mod causes;
mod page;
mod speed;

use crate::show::{number, words};
use inrush_core::plan::{Expect, Payload, Scheme};
use inrush_core::report::{Report, StoppedBy};
use inrush_core::threshold::Verdict;
use page::{Page, Style};

/// Causes shown in full.
const CAUSES: usize = 10;

/// The summary of a run, ending in a line feed. The narrowest width is 60.
pub(crate) fn render(report: &Report, width: usize, color: bool) -> String {
    let mut page = Page::new(width, color);
    head(report, &mut page);
    verdicts(report, &mut page);
    connections(report, &mut page);
    causes::render(report, &mut page);
    speed::render(report, &mut page);
    page.finish()
}

/// The last line of a run: `run.json written · exit 99`.
pub(crate) fn last_line(written: &[String], exit_code: u8) -> String {
    match written {
        [] => format!("exit {exit_code}\n"),
        _ => format!("{} written · exit {exit_code}\n", written.join(", ")),
    }
}

fn head(report: &Report, page: &mut Page) {
    let processes = match report.run.processes {
        1 => "1 process".to_owned(),
        n => format!("{n} processes"),
    };
    let version = &report.run.version;
    let own = if report.run.built_in_server { " · built-in server" } else { "" };
    let plan = words::plan(&report.plan);
    page.wrap("", "  ", &format!("inrush {version} · {plan} · {processes}{own}"));
    page.wrap("", "  ", &words::ran(report));
    let stopped = match (report.run.stopped_by, report.run.signal) {
        (StoppedBy::Completed, _) => None,
        (StoppedBy::NothingLeft, _) => {
            Some("ended early: nothing was open, opening or still to be started".to_owned())
        }
        (StoppedBy::MaxTime, _) => Some("stopped by --max-time".to_owned()),
        (StoppedBy::Threshold, _) => {
            Some("stopped by --abort-on-fail: a threshold was lost".to_owned())
        }
        (StoppedBy::Signal, Some(2)) => Some("interrupted by SIGINT: this is what ran".to_owned()),
        (StoppedBy::Signal, Some(15)) => Some("ended by SIGTERM: this is what ran".to_owned()),
        (StoppedBy::Signal, _) => Some("ended by a signal: this is what ran".to_owned()),
    };
    if let Some(stopped) = stopped {
        page.wrap("", "  ", &stopped);
    }
    match report.run.workers_lost {
        0 => {}
        n => {
            let unknown = number::count(report.unknown);
            let noun = if n == 1 { "worker was" } else { "workers were" };
            page.wrap(
                "",
                "  ",
                &format!("{n} {noun} lost: what became of {unknown} connections is unknown"),
            );
        }
    }
    page.blank();
}

fn verdicts(report: &Report, page: &mut Page) {
    let all = report.verdicts.len();
    let failed = report.verdicts.iter().filter(|verdict| !verdict.passed).count();
    let noun = if all == 1 { "threshold" } else { "thresholds" };
    match (all, failed) {
        (0, _) => page.heading("NOT JUDGED", "no thresholds", Style::Plain),
        (_, 0) => page.heading("PASSED", &format!("{all} of {all} {noun}"), Style::Good),
        _ => page.heading("FAILED", &format!("{failed} of {all} {noun}"), Style::Bad),
    }
    let longest = report.verdicts.iter().map(|verdict| verdict.expression.chars().count());
    let longest = longest.max().unwrap_or(0).min(page.width().saturating_sub(36)).max(20);
    for passed in [false, true] {
        for verdict in report.verdicts.iter().filter(|verdict| verdict.passed == passed) {
            let (glyph, style) = if passed { ("✓", Style::Good) } else { ("✗", Style::Bad) };
            let observed = observed(verdict);
            let note = note(verdict);
            let text = format!("{:<longest$} {observed:>9}  {note}", verdict.expression);
            page.glyph_line(glyph, style, text.trim_end());
        }
    }
    page.blank();
}

/// Whether a metric is a time in seconds.
fn is_time(metric: &str) -> bool {
    let counted = ["failures", "connections", "messages"];
    !counted.iter().any(|name| metric.split('.').next() == Some(name))
}

fn observed(verdict: &Verdict) -> String {
    match verdict.observed {
        _ if is_time(&verdict.metric) => number::seconds(verdict.observed, ""),
        _ if verdict.metric.ends_with(".ratio") => number::percent(verdict.observed),
        Some(value) if value.is_finite() => whole(value),
        _ => number::MISSING.to_owned(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count; casts saturate"
)]
fn whole(value: f64) -> String {
    number::count(value as u64)
}

/// The margin, the number of samples, or why there is no value.
fn note(verdict: &Verdict) -> String {
    if let Some(reason) = &verdict.reason {
        return format!("({reason})");
    }
    let times = verdict.observed.map(|value| value / verdict.limit);
    let over = times.filter(|times| !verdict.passed && times.is_finite() && *times > 1.0);
    let samples = is_time(&verdict.metric) && verdict.metric != "duration";
    let samples = samples.then(|| format!("n = {}", number::count(verdict.samples)));
    let over = over.filter(|_| !verdict.op.starts_with('>')).map(|times| match times {
        times if times >= 9.95 => format!("{} times the limit", whole(times.round())),
        times => format!("{times:.1} times the limit"),
    });
    let parts: Vec<_> = samples.into_iter().chain(over).collect();
    if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) }
}

fn connections(report: &Report, page: &mut Page) {
    let (counts, gauges) = (&report.totals.counts, &report.totals.gauges);
    let unconfirmed = counts.opened.saturating_sub(counts.confirmed);
    let mut columns = vec![
        ("planned", u64::from(report.plan.connections)),
        ("opened", counts.opened),
        ("unconfirmed", unconfirmed),
        ("held", gauges.held),
        ("finished", counts.finished),
        ("failed", counts.failed),
        ("unfinished", counts.unfinished),
    ];
    if counts.attempted > u64::from(report.plan.connections) {
        columns.insert(1, ("attempted", counts.attempted));
    }
    if report.unknown > 0 {
        columns.push(("unknown", report.unknown));
    }
    page.columns("CONNECTIONS", &columns);
    page.wrap("CONNECTING   ", "             ", &connecting(report));
    if let Some(plateau) = &report.plateau {
        let open = number::count(plateau.connections);
        page.wrap(
            "PLATEAU      ",
            "             ",
            &format!("{open} connections: {} ({})", plateau.text, plateau.limit),
        );
    }
    if counts.close_unanswered > 0 {
        let unanswered = number::count(counts.close_unanswered);
        let text = format!("{unanswered} did not answer our Close within 1 s; that is no failure");
        page.wrap("CLOSING      ", "             ", &text);
    }
    if counts.undecided > 0 {
        // Those that failed since have a card, which knows more.
        page.wrap("UNCONFIRMED  ", "             ", &unconfirmed_words(report, counts.undecided));
    }
    page.blank();
}

fn connecting(report: &Report) -> String {
    let (rate, client) = (&report.connect_rate, &report.client);
    let per_second = |rate: Option<f64>| {
        let rate = rate.filter(|rate| rate.is_finite());
        rate.map_or_else(|| number::MISSING.to_owned(), |rate| format!("{}/s", whole(rate.round())))
    };
    let asked = rate.asked_per_second.map_or_else(|| "max".to_owned(), |r| per_second(Some(r)));
    let mut parts =
        vec![format!("asked {asked}, achieved {}", per_second(rate.achieved_per_second))];
    parts.extend(rate.reason.clone());
    let user = client.user_bytes_per_connection.map(|n| format!("user {}", number::memory(n)));
    let kernel =
        client.kernel_bytes_per_connection.map(|n| format!("kernel {}", number::memory(n)));
    let memory: Vec<_> = user.into_iter().chain(kernel).collect();
    if !memory.is_empty() {
        parts.push(format!("{} per connection", memory.join(" + ")));
    }
    if client.time_wait_before.is_some() || client.free_ports_before.is_some() {
        let time_wait = number::count_or_missing(client.time_wait_before);
        let ports = number::count_or_missing(client.free_ports_before);
        parts.push(format!("before: TIME-WAIT {time_wait}, free ports {ports}"));
    }
    parts.join(" · ")
}

/// What is not known about them, and what would decide it.
fn unconfirmed_words(report: &Report, count: u64) -> String {
    let tcp = report.plan.targets.iter().any(|target| target.scheme == Scheme::Tcp);
    let verb = if count == 1 { "was" } else { "were" };
    let decide = if tcp {
        "--server-pid PID (a server on this host), a greeting of the server's or a message with a \
         reply (-m 1/10s) decides it"
    } else {
        "--server-pid PID (a server on this host) decides it"
    };
    format!(
        "{} {verb} taken by the server's kernel; its program never said a byte: {decide}",
        number::count(count)
    )
}

/// What limits the meaning of the message numbers, one line each.
fn message_notes(report: &Report) -> Vec<String> {
    let (counts, messages) = (&report.totals.counts, &report.plan.messages);
    let mut notes = Vec::new();
    let strangers = counts.first_not_echo.saturating_mul(10);
    if counts.first_replies > 0 && strangers >= counts.first_replies.saturating_mul(9) {
        notes.push("replies are not echoes: use --expect reply".to_owned());
    }
    if counts.unsent > 0 {
        let unsent = number::count(counts.unsent);
        notes.push(format!("{unsent} due messages could not be sent: latency is a lower bound"));
    }
    let untagged = match messages.payload {
        Payload::Generated(size) if size < 16 => Some("payloads below 16 B carry"),
        Payload::Generated(_) => None,
        Payload::Fixed(_) => Some("a message of your own carries"),
    };
    if let (Some(which), Expect::Echo | Expect::Reply, 1..) =
        (untagged, messages.expect, counts.sent)
    {
        notes.push(format!("{which} no tag: replies are matched by order only"));
    }
    notes
}

#[cfg(test)]
mod tests;
