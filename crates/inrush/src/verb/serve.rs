//! `inrush serve`: listens, says where, and says every ten seconds how it goes.

use crate::cli::Global;
use crate::cli::run::{CountOrAuto, Sink};
use crate::cli::serve::{ServeArgs, ServeDraft};
use crate::exit;
use crate::show::error::Problem;
use crate::show::{number, out, serving};
use crate::verb::run::outputs::Output;
use crate::verb::run::server::PARENT;
use inrush_core::errno::Errno;
use inrush_core::failure::Op;
use inrush_core::plan::Serve;
use inrush_host::fleet::serving::{Options, Server, Standing};
use inrush_host::sys::limits;

/// A line each so long.
const EVERY_SECONDS: u64 = 10;

/// Serves until a signal comes.
pub(crate) fn run(args: &ServeArgs, global: &Global) -> Result<u8, Problem> {
    if let Some(parent) = std::env::var(PARENT).ok().and_then(|pid| pid.parse().ok()) {
        limits::die_with_parent(parent);
    }
    let draft = args.resolve().map_err(|error| error.into_problem())?;
    let json = draft.json.clone().map(Output::open).transpose()?;
    let _reserve = limits::Reserve::hold(8);
    let server =
        Server::start(options(&draft)).map_err(|(op, errno)| not_started(&draft, op, errno))?;
    let address = server.address;
    let first = serving::first_line(&draft, address, server.descriptor_limit);
    let _ = if draft.json == Some(Sink::Stdout) {
        out::eprint(&first);
        Ok(())
    } else {
        out::print(&first)
    };
    let quiet = global.quiet;
    let mut paused = false;
    let end = server.serve(&mut |standing: &Standing| {
        let now_paused = standing.gauges.accept_paused;
        let due = standing.seconds.is_multiple_of(EVERY_SECONDS);
        if !quiet && (due || now_paused || paused != now_paused) {
            out::eprint(&serving::line(draft.on_emfile, standing));
        }
        paused = now_paused;
    });
    if !quiet {
        out::eprint(&serving::last_lines(draft.on_emfile, draft.tls.is_some(), &end));
    }
    if let Some(output) = json {
        output.write(&serving::document(&draft, address, &end))?;
    }
    Ok(match end.signal {
        Some(signal) => exit::of_run(Some(signal), false, &[]),
        None => exit::OWN_FAILURE,
    })
}

fn options(draft: &ServeDraft) -> Options {
    let processes = match draft.processes {
        CountOrAuto::Auto => None,
        CountOrAuto::Exactly(count) => Some(count),
    };
    Options {
        address: draft.address,
        backlog: draft.backlog,
        processes,
        threads: draft.threads,
        serve: Serve {
            index: 0,
            seed: draft.seed,
            mode: draft.mode,
            proto: draft.proto,
            tls: draft.tls.clone(),
            greeting: draft.greeting.clone(),
            push_every: draft.push_every,
            max_connections: draft.max_connections.unwrap_or(0),
            faults: draft.faults.clone(),
            on_emfile: draft.on_emfile,
            spare_descriptors: 0,
        },
    }
}

fn not_started(draft: &ServeDraft, op: Op, errno: Errno) -> Problem {
    let what = match op {
        Op::Bind => "bind",
        _ => "start",
    };
    let help = match errno {
        Errno::EADDRINUSE => {
            vec![format!("ss -ltnp 'sport = :{}'        shows who has it", draft.address.port())]
        }
        Errno::EADDRNOTAVAIL => vec!["ip -br address        lists this host's addresses".into()],
        Errno::EACCES => vec!["ports below 1,024 need root; take a higher one".into()],
        _ => Vec::new(),
    };
    Problem {
        code: "bind",
        exit_code: exit::OWN_FAILURE,
        message: format!("cannot {what} on {}", draft.address),
        why: vec![format!(
            "{} ({}, {})",
            errno.meaning(),
            errno.symbol(),
            number::count(errno.0.into())
        )],
        help,
    }
}
