//! `inrush repro`: makes known failures happen, shows who called what and what came back, and
//! checks that the failure is seen and explained as the catalogue says. Each scenario has a process
//! of its own, which has a network of its own where that is allowed.

mod outcome;
mod stage;
mod storm;
mod table;

use crate::cli::Global;
use crate::cli::repro::ReproArgs;
use crate::exit;
use crate::show::error::Problem;
use crate::show::{out, repro as show};
use crate::verb::run::outputs::Output;
use inrush_core::repro::{How, Scenario};
use inrush_host::sys::limits;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

pub(crate) use outcome::{Outcome, Seen};
pub(crate) use stage::run as stage;

/// Scenarios at once: they mostly wait.
const AT_ONCE: usize = 4;
/// None takes so long.
const AT_MOST: Duration = Duration::from_secs(30);

/// Lists, or runs what was chosen.
pub(crate) fn run(args: &ReproArgs, global: &Global) -> Result<u8, Problem> {
    let chosen = args.chosen().map_err(|error| error.into_problem())?;
    if chosen.is_empty() {
        let _ = out::print(&show::list());
        return Ok(exit::HELD);
    }
    let on_stdout = args.json == Some(crate::cli::run::Sink::Stdout);
    let json = args.json.clone().map(Output::open).transpose()?;
    let say = |text: &str| {
        if on_stdout {
            out::eprint(text);
        } else {
            // Whoever reads no further has seen enough.
            let _ = out::print(text);
        }
    };
    let one_by_one = !args.all;
    let outcomes = all(&chosen, args, |outcome| {
        if one_by_one {
            say(&show::whole(outcome));
        } else if !global.quiet {
            say(&show::line(outcome));
        }
    });
    if args.all {
        say(&show::total(&outcomes));
    }
    if let Some(output) = json {
        output.write(&show::document(&outcomes))?;
    }
    Ok(code(&outcomes, args.all))
}

/// One that was named and could not run is told before one that went wrong only by its absence.
fn code(outcomes: &[Outcome], all: bool) -> u8 {
    let failed = |one: &Outcome| !one.passed && one.skipped_reason.is_none();
    match () {
        () if outcomes.iter().any(failed) => exit::THRESHOLD,
        () if !all && outcomes.iter().any(|one| one.skipped_reason.is_some()) => exit::PREFLIGHT,
        () => exit::HELD,
    }
}

/// Runs them, several at once but for those that others would disturb, and tells each when it is
/// over. They come back in the order in which they were chosen.
fn all(
    chosen: &[&'static Scenario],
    args: &ReproArgs,
    tell: impl Fn(&Outcome) + Sync,
) -> Vec<Outcome> {
    let alone = |scenario: &Scenario| match scenario.how {
        How::Storm(storm) | How::FullTable(storm) => storm.alone,
        How::Script(_) | How::Missing(_) => false,
    };
    let (lone, shared): (Vec<_>, Vec<_>) =
        chosen.iter().enumerate().partition(|(_, scenario)| alone(scenario));
    let done = Mutex::new(Vec::new());
    for (list, threads) in [(&shared, AT_ONCE), (&lone, 1)] {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((place, scenario)) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = one(scenario, args);
                let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                tell(&outcome);
                done.push((*place, outcome));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads.min(list.len()) {
                scope.spawn(work);
            }
        });
    }
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// One scenario in its own process, `inrush worker --repro NAME`.
fn one(scenario: &'static Scenario, args: &ReproArgs) -> Outcome {
    let lost = |why: String| Outcome::lost(scenario, why);
    let Ok(program) = std::env::current_exe() else { return lost("no program".into()) };
    let mut command = Command::new(program);
    command.args(["worker", "--repro", scenario.name, "--parent"]);
    command.arg(std::process::id().to_string());
    command.args(["--keep", if args.keep { "yes" } else { "no" }]);
    command.args(["--host-changes", if args.allow_host_changes { "yes" } else { "no" }]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return lost(format!("its process did not start: {error}")),
    };
    // One that hangs must not take the others with it.
    let (pid, (say, over)) = (child.id(), channel::<()>());
    let guard = std::thread::spawn(move || {
        if over.recv_timeout(AT_MOST) == Err(RecvTimeoutError::Timeout) {
            limits::kill(pid);
        }
    });
    let output = child.wait_with_output();
    drop(say);
    let _ = guard.join();
    match output {
        Ok(output) => serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            lost(format!("its process ended without a word: {}", output.status))
        }),
        Err(error) => lost(format!("its process could not be read: {error}")),
    }
}
