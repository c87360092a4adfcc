//! The failures of a run as cards, one per cause: what, seen as, evidence, decide, remedy, same as,
//! unsure.

use super::page::{Page, Style};
use crate::show::{escape, number};
use inrush_core::diagnosis::{Culprit, Diagnosis, Remedy};
use inrush_core::report::Report;
use inrush_core::time::Nanos;

/// Where the text of a card begins.
const INDENT: &str = "     ";
/// Where the text of a field begins.
const FIELD: &str = "               ";
/// Where the words of a remedy begin, counted from its command.
const COMMAND: usize = 40;

pub(super) fn render(report: &Report, page: &mut Page) {
    let counts = &report.totals.counts;
    let attempted = number::count(counts.attempted);
    let noun = if counts.attempted == 1 { "connection" } else { "connections" };
    if counts.failed == 0 && report.diagnoses.is_empty() {
        page.heading("FAILURES", &format!("none in {attempted} {noun}"), Style::Bold);
        page.blank();
        return;
    }
    let causes = match report.diagnoses.len() {
        1 => "1 cause".to_owned(),
        n => format!("{n} causes"),
    };
    let percent = number::percent_of(counts.failed, counts.attempted);
    let failed = number::count(counts.failed);
    let text = format!("{failed} of {attempted} {noun} ({percent}), {causes}");
    page.heading("FAILURES", &text, Style::Bold);
    page.blank();
    let ordered = ordered(&report.diagnoses);
    for (at, diagnosis) in ordered.iter().take(super::CAUSES).enumerate() {
        card(report, page, at + 1, diagnosis, &ordered[at + 1..]);
        page.blank();
    }
    let rest = ordered.get(super::CAUSES..).unwrap_or_default();
    if !rest.is_empty() {
        let connections: u64 = rest.iter().map(|diagnosis| diagnosis.count).sum();
        let noun = if rest.len() == 1 { "cause" } else { "causes" };
        let n = number::count(connections);
        page.line(&format!("  … {} more {noun}, {n} connections: see --json FILE", rest.len()));
        page.blank();
    }
}

/// By count; but what failed on this side stands before everything on another side that came after
/// it, because it hides what follows.
fn ordered(diagnoses: &[Diagnosis]) -> Vec<&Diagnosis> {
    let mut by_count: Vec<_> = diagnoses.iter().collect();
    by_count.sort_by_key(|diagnosis| std::cmp::Reverse(diagnosis.count));
    let mut ordered: Vec<&Diagnosis> = Vec::with_capacity(by_count.len());
    for diagnosis in by_count {
        let later = ordered.iter().position(|other| hides(diagnosis, other));
        ordered.insert(later.unwrap_or(ordered.len()), diagnosis);
    }
    ordered
}

/// A failure of this side that began before one of another side.
fn hides(first: &Diagnosis, other: &Diagnosis) -> bool {
    let begin = |diagnosis: &Diagnosis| diagnosis.times.span().map(|(first, _)| first);
    let earlier = begin(first).zip(begin(other)).is_some_and(|(a, b)| a < b);
    first.culprit == Culprit::Client && other.culprit != Culprit::Client && earlier
}

fn card(report: &Report, page: &mut Page, at: usize, diagnosis: &Diagnosis, after: &[&Diagnosis]) {
    let number = format!("{at:>3}  ");
    page.wrap(&number, INDENT, &head(report, diagnosis));
    page.wrap(INDENT, INDENT, &diagnosis.what);
    if after.iter().any(|other| hides(diagnosis, other)) {
        page.wrap(INDENT, INDENT, "fix this first: it hides what follows");
    }
    field(page, "seen as", &diagnosis.seen_as);
    let evidence: Vec<_> = diagnosis.because.iter().map(|one| one.text.clone()).collect();
    field(page, "evidence", &evidence);
    field(page, "decide", diagnosis.decide.as_slice());
    for (at, remedy) in diagnosis.remedy.iter().enumerate() {
        show_remedy(page, if at == 0 { "remedy" } else { "" }, remedy);
    }
    let same_as = diagnosis.same_as.join(" · ");
    field(page, "same as", Some(same_as).filter(|text| !text.is_empty()).as_slice());
    field(page, "unsure", diagnosis.unsure.as_slice());
}

/// `client-out-of-descriptors · 980 connections (9.80%) · 00:09.0 – 00:10.0 · proven`
fn head(report: &Report, diagnosis: &Diagnosis) -> String {
    let causes = std::iter::once(&diagnosis.cause).chain(&diagnosis.alternatives);
    let causes: Vec<_> = causes.map(String::as_str).collect();
    let noun = if diagnosis.count == 1 { "connection" } else { "connections" };
    let percent = number::percent_of(diagnosis.count, report.totals.counts.attempted);
    let mut parts =
        vec![causes.join(" or "), format!("{} {noun} ({percent})", number::count(diagnosis.count))];
    parts.extend(diagnosis.times.span().map(|(first, last)| span(first, last)));
    parts.push(diagnosis.confidence.name().to_owned());
    parts.join(" · ")
}

fn span(first: Nanos, last: Nanos) -> String {
    let (first, last) = (number::moment(first), number::moment(last));
    if first == last { first } else { format!("{first} – {last}") }
}

fn field(page: &mut Page, name: &str, lines: &[String]) {
    for (at, line) in lines.iter().enumerate() {
        let label = format!("{INDENT}{:<10}", if at == 0 { name } else { "" });
        page.wrap(&label, FIELD, line);
    }
}

/// A command and what it does; on two lines where one has no room.
fn show_remedy(page: &mut Page, name: &str, remedy: &Remedy) {
    let label = format!("{INDENT}{name:<10}");
    let root = if remedy.needs_root { " (as root)" } else { "" };
    let Some(command) = &remedy.command else {
        return page.wrap(&label, FIELD, &remedy.text);
    };
    // A command is never broken: it is there to be copied.
    let command = escape::text(command);
    let text = format!("{}{root}", escape::text(&remedy.text));
    let one_line = format!("{label}{command:<COMMAND$}  {text}");
    if one_line.chars().count() <= page.width() {
        page.push(&one_line);
    } else {
        page.push(&format!("{label}{command}"));
        let deeper = format!("{FIELD}  ");
        page.wrap(&deeper, &deeper, &text);
    }
}
