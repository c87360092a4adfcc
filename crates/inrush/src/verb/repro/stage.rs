//! The process of one scenario, `inrush worker --repro NAME`: takes a network of its own, runs it
//! there and writes one line of JSON. Its twin, `inrush worker --side NAME`, is a script's server.

use super::outcome::{Outcome, Seen, StepDoc};
use super::{storm, table};
use crate::exit;
use crate::show::out;
use inrush_core::errno::Errno;
use inrush_core::repro::script::{Came, Turn};
use inrush_core::repro::{self, How, Needs, Scenario, judge};
use inrush_host::repro::{own_network, serve_side, show};
use inrush_host::sys::limits;
use std::ffi::OsString;

/// What the process was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish {
    pub(super) keep: bool,
    pub(super) host_changes: bool,
}

/// Runs one scenario, or one side of it; `None` when these are no such arguments.
pub(crate) fn run(arguments: &[OsString]) -> Option<u8> {
    let words: Vec<&str> = arguments.iter().map(|word| word.to_str()).collect::<Option<_>>()?;
    let [kind, name, rest @ ..] = words.as_slice() else { return None };
    let scenario = repro::find(name)?;
    let value = |flag: &str| {
        rest.chunks(2).find_map(|pair| (pair.first() == Some(&flag)).then(|| pair.get(1)).flatten())
    };
    let parent = value("--parent")?.parse().ok()?;
    if *kind != "--table" {
        // What puts a value back must outlive whoever asked for it.
        limits::die_with_parent(parent);
    }
    match (*kind, scenario.how) {
        ("--side", How::Script(script)) => {
            serve_side(script);
            Some(exit::HELD)
        }
        ("--repro", _) => {
            let yes = |flag| value(flag) == Some(&"yes");
            let wish = Wish { keep: yes("--keep"), host_changes: yes("--host-changes") };
            let outcome = of(scenario, wish);
            let line = serde_json::to_string(&outcome).expect("plain data");
            // Nobody is left to be told when the reader is gone.
            let _ = out::print(&line);
            Some(exit::HELD)
        }
        ("--table", How::FullTable(_)) => Some(table::guard()),
        _ => None,
    }
}

fn of(scenario: &'static Scenario, wish: Wish) -> Outcome {
    if scenario.needs == Needs::HostChange && !wish.host_changes {
        let reason = "it changes net.netfilter.nf_conntrack_max of this host for a moment";
        return Outcome::skipped(scenario, format!("{reason}: --allow-host-changes"));
    }
    if let How::FullTable(storm) = scenario.how {
        return table::run(scenario, storm, wish);
    }
    // A server that is left behind must be reachable from outside.
    let network = if wish.keep { Err(Errno::EPERM) } else { own_network() };
    if let (Needs::Namespace, Err(errno)) = (scenario.needs, network) {
        let reason = format!(
            "no network namespace of its own: {} ({}); it needs root or user namespaces",
            errno.meaning(),
            errno.symbol()
        );
        return Outcome::skipped(scenario, reason);
    }
    match scenario.how {
        How::Script(script) => scripted(scenario, script),
        How::Storm(storm) => storm::run(scenario, storm, wish),
        How::FullTable(storm) => storm::run(scenario, storm, wish),
        How::Missing(why) => Outcome::skipped(scenario, why.into()),
    }
}

fn scripted(scenario: &Scenario, script: &[Turn]) -> Outcome {
    let shown = match show(scenario.name, script) {
        Ok(shown) => shown,
        Err(errno) => {
            return Outcome::lost(
                scenario,
                format!("no process for its server: {}", errno.symbol()),
            );
        }
    };
    let mut outcome = Outcome::of(scenario);
    outcome.steps = shown.played.steps.iter().map(StepDoc::of).collect();
    if let Some(step) = shown.played.steps.last()
        && let Came::Unable(errno) = step.came
    {
        let call = step.turn.call.words(step.turn.side);
        let reason = format!("{call}: {} ({})", errno.meaning(), errno.symbol());
        outcome.skipped_reason = Some(reason);
        return outcome;
    }
    let found = judge(&shown.played, &shown.facts, shown.server);
    outcome.seen = Seen::of(&found);
    outcome.passed = outcome.as_declared() && shown.played.as_written(script);
    outcome
}
