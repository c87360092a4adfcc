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
    check::server_pids(&draft)?;
    let named = names::resolve(&draft)?;
    if draft.dry_run {
        return dry_run(&draft, &named.first());
    }
    let home = places::home(&draft);
    let checked = planned(&draft, &named.first())?;
    let ports_in_use = check::ports_in_use(&checked);
    let built_in = draft.built_in.is_some();
    let findings = check::preflight(&draft, &checked, &home, built_in, ports_in_use)?;
    check::warn(global.quiet, &checked, &findings);
    let json = draft.json.clone().map(Output::open).transpose()?;
    let ndjson = draft.ndjson.clone().map(Output::stream).transpose()?;
    let chosen = named.probe();
    if !global.quiet {
        chosen.said.iter().for_each(|line| out::eprint(&format!("inrush: {line}\n")));
    }
    let server =
        draft.built_in.map(|kind| BuiltIn::start(draft.connections(), kind.tls())).transpose()?;
    let addresses = server.as_ref().map_or(chosen.addresses, |server| vec![server.address]);
    let plan = planned(&draft, &addresses)?;
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
        named_in: &named.took,
        probes: chosen.probes,
    };
    let report = tell::report(&told, plan, story);
    Ok(deliver(&draft, global, report, json, watching))
}

/// The plan as it is carried out; the built-in server's port is not known before it runs.
fn planned(draft: &Draft, addresses: &[SocketAddr]) -> Result<Plan, Problem> {
    let not_yet = [SocketAddr::from(([127, 0, 0, 1], 0))];
    let addresses = if addresses.is_empty() { &not_yet } else { addresses };
    let sources = places::sources(draft, addresses)?;
    Ok(draft.clone().into_plan(addresses.to_vec(), sources))
}

/// The lines and the JSON first, to disk; then what people read. Gives the exit code: trouble with
/// an output is told on stderr, because stdout may hold the document already, and never hides that
/// a signal ended the run.
fn deliver(
    draft: &Draft,
    global: &Global,
    mut report: Report,
    json: Option<Output>,
    watching: Watching,
) -> u8 {
    let mut trouble = watching.finish(&report).err();
    report.exit_code = exit::after_output(report.exit_code, trouble.is_some());
    if let Some(output) = json {
        let lost = output.write(&json::text(&report)).err();
        trouble = trouble.or(lost);
    }
    let on_stdout = !draft.owns_stdout();
    let terminal =
        if on_stdout { std::io::stdout().is_terminal() } else { std::io::stderr().is_terminal() };
    let color = global.color.decide(terminal, |name| std::env::var(name).ok());
    let width = if terminal { limits::terminal_width().map_or(WIDTH, usize::from) } else { WIDTH };
    let mut text = summary::render(&report, width, color);
    let code = exit::after_output(report.exit_code, trouble.is_some());
    if trouble.is_none() {
        let written: Vec<String> =
            [&draft.json, &draft.ndjson].into_iter().filter_map(named).collect();
        text.push_str(&summary::last_line(&written, code));
    }
    if on_stdout {
        trouble = out::print(&text).map_err(|error| stdout_lost(&error)).err().or(trouble);
    } else {
        out::eprint(&text);
    }
    if let Some(problem) = &trouble {
        out::eprint(&problem.text(std::io::stderr().is_terminal()));
    }
    exit::after_output(code, trouble.is_some())
}

fn named(sink: &Option<Sink>) -> Option<String> {
    match sink {
        Some(Sink::File(path)) => Some(path.display().to_string()),
        _ => None,
    }
}

fn dry_run(draft: &Draft, addresses: &[SocketAddr]) -> Result<u8, Problem> {
    let built_in = draft.built_in.is_some();
    let home = places::home(draft);
    let plan = planned(draft, addresses)?;
    let in_use = check::ports_in_use(&plan);
    let text = check::describe(draft, &plan, &home, built_in, in_use);
    if draft.owns_stdout() {
        out::eprint(&text);
    } else {
        out::print(&text).map_err(|error| stdout_lost(&error))?;
    }
    check::preflight(draft, &plan, &home, built_in, in_use)?;
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
