//! Faces of `inrush repro`: the list, one scenario with its calls, one line of it, the document.

use crate::show::escape;
use crate::verb::repro::{Outcome, Seen};
use inrush_core::repro;
use serde::Serialize;
use std::fmt::Write;

/// Columns of a line's first word.
const LABEL: usize = 10;

/// What can be shown, one line each.
pub(crate) fn list() -> String {
    let all = || repro::all().iter();
    let width = all().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    let causes = all().map(|scenario| scenario.cause.len()).max().unwrap_or(0);
    let mut out = format!("{:width$}  {:causes$}  WHAT HAPPENS\n", "NAME", "CAUSE");
    for scenario in all() {
        let (name, cause, says) = (scenario.name, scenario.cause, scenario.says);
        let _ = write!(out, "{name:width$}  {cause:causes$}  {says}");
        let needs = scenario.needs;
        let _ = match needs {
            repro::Needs::Nothing => writeln!(out),
            _ => writeln!(out, " (needs {})", needs.words()),
        };
    }
    out.push_str("inrush repro NAME shows one; inrush repro --all runs all\n");
    out
}

/// One line: how it went.
pub(crate) fn line(outcome: &Outcome) -> String {
    let name = &outcome.name;
    match (&outcome.skipped_reason, outcome.passed) {
        (Some(reason), _) => format!("skipped  {name}: {}\n", escape::text(reason)),
        (None, true) => format!("ok       {name}: {}, {}\n", outcome.expected.class, outcome.cause),
        (None, false) => format!("FAILED   {name}: {}\n", difference(outcome)),
    }
}

/// How many went how.
pub(crate) fn total(outcomes: &[Outcome]) -> String {
    let skipped = outcomes.iter().filter(|one| one.skipped_reason.is_some()).count();
    let passed = outcomes.iter().filter(|one| one.passed).count();
    let failed = outcomes.len() - skipped - passed;
    format!("{passed} appeared as declared, {failed} did not, {skipped} could not run here\n")
}

/// One scenario with its calls and what was made of them.
pub(crate) fn whole(outcome: &Outcome) -> String {
    let says = repro::find(&outcome.name).map_or("", |scenario| scenario.says);
    let mut out = format!("{}: {says}\n\n", outcome.name);
    out.push_str(&calls(outcome));
    if let Some(reason) = &outcome.skipped_reason {
        let _ = writeln!(out, "{:LABEL$}{}", "skipped", escape::text(reason));
        return out;
    }
    if let Some(seen) = &outcome.seen {
        found(&mut out, seen);
    }
    let verdict = match outcome.passed {
        true => "as declared".to_owned(),
        false => format!("NOT as declared: {}", difference(outcome)),
    };
    let _ = writeln!(out, "{:LABEL$}{verdict}", "result");
    out
}

fn calls(outcome: &Outcome) -> String {
    let width = outcome.steps.iter().map(|step| step.call.chars().count()).max().unwrap_or(0);
    let width = width.min(48);
    let several = outcome.steps.iter().any(|step| step.connection > 1);
    let mut out = String::new();
    for step in &outcome.steps {
        let at = step.at_seconds * 1e3;
        let number = match step.connection {
            0 => String::new(),
            n if several => format!(" {n}"),
            _ => String::new(),
        };
        let who = format!("{}{number}", step.side);
        let (call, result) = (escape::text(&step.call), escape::text(&step.result));
        let _ = write!(out, "{at:>9.1} ms  {who:10}  {call:width$}  {result}");
        let _ = match &step.expected {
            Some(expected) => writeln!(out, "   <- expected {}", escape::text(expected)),
            None => writeln!(out),
        };
    }
    out.push('\n');
    out
}

fn found(out: &mut String, seen: &Seen) {
    let mut say = |label: &str, text: &str| {
        let _ = writeln!(out, "{label:LABEL$}{}", escape::text(text));
    };
    if let Some(class) = &seen.class {
        say("class", class);
    }
    if let Some(cause) = &seen.cause {
        let sure = seen.confidence.as_deref().unwrap_or_default();
        say("cause", &format!("{cause} ({sure})"));
    }
    if let (Some(culprit), Some(what)) = (&seen.culprit, &seen.what) {
        say("who", culprit);
        say("what", what);
    }
    for (at, line) in seen.evidence.iter().enumerate() {
        say(if at == 0 { "because" } else { "" }, line);
    }
    for (at, line) in seen.same_as.iter().enumerate() {
        say(if at == 0 { "same as" } else { "" }, line);
    }
    if let Some(note) = &seen.note {
        say("note", note);
    }
}

fn difference(outcome: &Outcome) -> String {
    let expected = format!("{}, {}", outcome.expected.class, outcome.expected.cause);
    if let Some(step) = outcome.steps.iter().find(|step| step.expected.is_some()) {
        let wanted = step.expected.as_deref().unwrap_or_default();
        let came = escape::text(&step.result);
        return format!("{} gave {came} instead of {wanted}", step.call);
    }
    let seen = outcome.seen.clone().unwrap_or_default();
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".into());
    let note = seen.note.map(|note| format!(" ({note})")).unwrap_or_default();
    let seen = format!("{}, {}", or_none(seen.class), or_none(seen.cause));
    format!("seen {seen}, expected {expected}{}", escape::text(&note))
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    scenarios: &'a [Outcome],
}

/// `inrush.repro/1`, with a line feed.
pub(crate) fn document(outcomes: &[Outcome]) -> String {
    let document = Document { schema: "inrush.repro/1", scenarios: outcomes };
    let text = serde_json::to_string_pretty(&document).expect("plain data");
    format!("{text}\n")
}
