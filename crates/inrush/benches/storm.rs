//! The promised numbers, measured: the product beside a minimal raw-epoll WebSocket client of its
//! own, in one run, on loopback, client and server on different cores.
//!
//! `cargo bench -p inrush --bench storm [-- [-v] [--quick] [--million] [NAME]]`. NAME selects the
//! rows whose name contains it. Exit 1 when a must is missed or could not be measured. Environment:
//! `INRUSH_BENCH_RUNS` (runs of each side, 5; with --quick 3), `INRUSH_BENCH_BIN` (another binary).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it speaks to whoever runs it")]

#[path = "storm/child.rs"]
mod child;
#[path = "storm/lab.rs"]
mod lab;
#[path = "storm/reference.rs"]
mod reference;
#[path = "storm/rows.rs"]
mod rows;
#[path = "storm/secure.rs"]
mod secure;
#[path = "storm/table.rs"]
mod table;

use crate::child::Result;
use crate::lab::Lab;
use crate::rows::GROUPS;
use crate::table::{Outcome, Row, render};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|a| a == "--reference") {
        return lab::be_the_reference(&args[1..]).map_or_else(explain, |()| ExitCode::SUCCESS);
    }
    if !args.iter().any(|a| a == "--bench") {
        println!("storm measures for minutes: cargo bench -p inrush --bench storm");
        return ExitCode::SUCCESS;
    }
    match measure(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => explain(error),
    }
}

fn explain(error: String) -> ExitCode {
    eprintln!("storm: {error}");
    ExitCode::from(1)
}

/// Measures what was asked for; whether every must is kept.
fn measure(args: &[String]) -> Result<bool> {
    let (mut verbose, mut quick, mut with_million, mut only) = (false, false, false, None);
    for arg in args {
        match arg.as_str() {
            "--bench" => {}
            "-v" | "--verbose" => verbose = true,
            "--quick" => quick = true,
            "--million" => with_million = true,
            name if !name.starts_with('-') && only.is_none() => only = Some(name),
            other => return Err(format!("unknown argument {other}")),
        }
    }
    with_million |= only == Some("million");
    let wanted = |name: &str| match name {
        "million" => with_million,
        _ => only.is_none_or(|part| name.contains(part)),
    };
    let known: Vec<&str> = GROUPS.iter().flat_map(|g| g.names.iter().copied()).collect();
    if !known.iter().any(|name| wanted(name)) {
        return Err(format!("no such row; there are: {}", known.join(" ")));
    }
    let runs = match std::env::var("INRUSH_BENCH_RUNS") {
        Ok(text) => text.parse().ok().filter(|n| *n > 0).ok_or("INRUSH_BENCH_RUNS: a count")?,
        Err(_) => [5, 3][usize::from(quick)],
    };
    let binary = std::env::var_os("INRUSH_BENCH_BIN");
    let binary = binary.map_or_else(|| env!("CARGO_BIN_EXE_inrush").into(), PathBuf::from);
    let lab = Lab::new(binary, runs, quick, verbose)?;

    let mut rows = Vec::new();
    for group in GROUPS.iter().filter(|g| g.names.iter().any(|name| wanted(name))) {
        eprintln!("measuring {} ...", group.names.join(", "));
        match (group.measure)(&lab) {
            Ok(measured) => rows.extend(measured.into_iter().filter(|row| wanted(row.name))),
            Err(error) => {
                let names = group.names.iter().filter(|name| wanted(name));
                rows.extend(names.map(|name| Row::failed(name, error.clone())));
            }
        }
    }
    println!("median (lowest-highest) of {runs} alternating runs, {} connections", lab.connections);
    print!("{}", render(&rows));
    Ok(rows.iter().all(|row| matches!(row.outcome(), Outcome::Aim | Outcome::Held)))
}
