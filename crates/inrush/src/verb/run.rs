//! `inrush run`: reads the plan, checks this host, storms, reports.

pub(crate) mod outputs;
pub(crate) mod server;

mod check;
mod names;
mod places;
mod tell;
mod watching;

use crate::cli::Global;
use crate::cli::draft::Draft;
use crate::cli::run::{RunArgs, Sink};
use crate::exit;
use crate::show::error::Problem;
use crate::show::{json, out, summary};
use inrush_core::plan::Plan;
use inrush_core::report::Report;
use inrush_host::fleet::storm::{self, NotBegun, Options};
use inrush_host::sys::limits;
use outputs::Output;
use server::BuiltIn;
use std::io::IsTerminal;
use std::net::SocketAddr;
use watching::Watching;

/// Columns of the summary when stdout is no terminal.
const WIDTH: usize = 100;

/// Storms, and says how it went. `command` is the command line.
pub(crate) fn run(args: &RunArgs, global: &Global, command: &[String]) -> Result<u8, Problem> {
    let draft = args.resolve_free().map_err(|error| error.into_problem())?;
    match draft.nofile {
        Some(limit) => {
            limits::set_nofile(u64::from(limit)).map_err(|errno| nofile(limit, errno))?
        }
        None => {
            limits::raise_nofile();
        }
    }
    let named = names::resolve(&draft)?;
    if !global.quiet {
        named.said.iter().for_each(|line| out::eprint(&format!("inrush: {line}\n")));
    }
    if draft.dry_run {
        return dry_run(draft, named.addresses);
    }
    let json = draft.json.clone().map(Output::open).transpose()?;
    let ndjson = draft.ndjson.clone().map(Output::open).transpose()?;
    let server = draft.built_in.map(|_| BuiltIn::start(draft.connections())).transpose()?;
    let addresses = server.as_ref().map_or(named.addresses, |server| vec![server.address]);
    let sources = places::sources(&draft, &addresses);
    let home = places::home(&draft);
    let plan = draft.clone().into_plan(addresses, sources);
    let ports_in_use = check::ports_in_use(&plan);
    let findings = check::preflight(&draft, &plan, &home, server.is_some(), ports_in_use)?;
    check::warn(global.quiet, &findings);
    let options = Options {
        home: home.clone(),
        server_pids: draft.server_pids.clone(),
        server_parent: server.as_ref().map(BuiltIn::pid),
        evidence: draft.evidence == crate::cli::run::EvidenceArg::Auto,
        ports_in_use,
    };
    let reserve = limits::Reserve::hold(8);
    let processes = places::processes(&home);
    let mut watching = Watching::new(&draft, &plan, global, ndjson, processes);
    let story = storm::run(&plan, &options, &mut watching).map_err(not_begun)?;
    drop(reserve);
    drop(server);
    let told = tell::Told {
        draft: &draft,
        home: &home,
        command,
        named_in: named.took,
        probes: named.probes,
    };
    let report = tell::report(&told, plan, story);
    deliver(&draft, global, &report, json, watching)
}

/// The JSON first, to disk; then what people read.
fn deliver(
    draft: &Draft,
    global: &Global,
    report: &Report,
    json: Option<Output>,
    watching: Watching,
) -> Result<u8, Problem> {
    let mut trouble = None;
    if let Some(output) = json {
        trouble = output.write(&json::text(report)).err();
    }
    trouble = watching.finish(report).err().or(trouble);
    let on_stdout =
        [&draft.json, &draft.ndjson].into_iter().all(|sink| *sink != Some(Sink::Stdout));
    let terminal =
        if on_stdout { std::io::stdout().is_terminal() } else { std::io::stderr().is_terminal() };
    let color = global.color.decide(terminal, |name| std::env::var(name).ok());
    let width = if terminal { limits::terminal_width().map_or(WIDTH, usize::from) } else { WIDTH };
    let written: Vec<String> = [&draft.json, &draft.ndjson].into_iter().filter_map(named).collect();
    let mut text = summary::render(report, width, color);
    if trouble.is_none() {
        text.push_str(&summary::last_line(&written, report.exit_code));
    }
    if on_stdout {
        if let Err(error) = out::print(&text) {
            trouble = trouble.or(Some(stdout_lost(&error)));
        }
    } else {
        out::eprint(&text);
    }
    match trouble {
        Some(problem) => Err(problem),
        None => Ok(report.exit_code),
    }
}

fn named(sink: &Option<Sink>) -> Option<String> {
    match sink {
        Some(Sink::File(path)) => Some(path.display().to_string()),
        _ => None,
    }
}

fn dry_run(draft: Draft, addresses: Vec<SocketAddr>) -> Result<u8, Problem> {
    let built_in = draft.built_in.is_some();
    // The built-in server takes any free port; nothing is opened to find out which.
    let addresses = if built_in { vec![([127, 0, 0, 1], 0).into()] } else { addresses };
    let sources = places::sources(&draft, &addresses);
    let home = places::home(&draft);
    let plan: Plan = draft.clone().into_plan(addresses, sources);
    let in_use = check::ports_in_use(&plan);
    let text = check::describe(&draft, &plan, &home, built_in, in_use);
    out::print(&text).map_err(|error| stdout_lost(&error))?;
    check::preflight(&draft, &plan, &home, built_in, in_use)?;
    Ok(exit::HELD)
}

fn nofile(limit: u32, errno: inrush_core::errno::Errno) -> Problem {
    Problem {
        code: "nofile",
        exit_code: exit::USAGE,
        message: format!("--nofile {limit} cannot be set"),
        why: vec![format!("setrlimit: {} ({})", errno.meaning(), errno.symbol())],
        help: vec![format!("the hard limit is {}: ulimit -Hn", limits::nofile().1)],
    }
}

fn not_begun(why: NotBegun) -> Problem {
    let why = match why {
        NotBegun::Launch(errno) => format!("{} ({})", errno.meaning(), errno.symbol()),
        NotBegun::Refused(text) => text,
        NotBegun::Silent => "a worker did not answer".into(),
    };
    Problem {
        code: "workers",
        exit_code: exit::OWN_FAILURE,
        message: "the workers could not be started".into(),
        why: vec![why],
        help: vec!["ulimit -n; ulimit -u        shows this shell's limits".into()],
    }
}

fn stdout_lost(error: &std::io::Error) -> Problem {
    Problem {
        code: "output",
        exit_code: exit::OWN_FAILURE,
        message: "cannot write to stdout".into(),
        why: vec![error.to_string()],
        help: vec!["--json FILE        keeps the result".into()],
    }
}
