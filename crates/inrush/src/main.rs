//! The verbs, in the order a user meets them. Arguments in, exit code out.
#![forbid(unsafe_code)]
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "comments of flags are help texts, and they write [::1] and ws://host[:port]"
)]

mod cli;
mod exit;
mod show;
mod verb;

use cli::{CliError, Verb};
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|verb| verb == "worker") {
        return ExitCode::from(verb::worker::run(&arguments[2..]));
    }
    let json = std::env::var("INRUSH_JSON").ok();
    let json_on_stdout = cli::wants_json_on_stdout(&arguments, json.as_deref());
    let command: Vec<String> =
        arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let result = match cli::parse(arguments) {
        Ok(cli) => match &cli.verb {
            Verb::Run(args) => verb::run::run(args, &cli.global, &command),
            Verb::Serve(args) => verb::serve::run(args, &cli.global),
            Verb::Repro(args) => verb::repro::run(args, &cli.global),
            Verb::Explain(args) => verb::explain::run(args, &cli.global),
        },
        Err(CliError::Shown { text, exit_code }) => {
            if exit_code == exit::HELD {
                // Help that nobody reads to its end is no failure.
                let _ = show::out::print(&text);
            } else {
                show::out::eprint(&text);
            }
            Ok(exit_code)
        }
        Err(CliError::Usage(problem)) => Err(problem),
    };
    ExitCode::from(result.unwrap_or_else(|problem| {
        if json_on_stdout {
            // The document may be lost with stdout; the text on stderr says the same.
            let _ = show::out::print(&problem.json());
        }
        show::out::eprint(&problem.text(std::io::IsTerminal::is_terminal(&std::io::stderr())));
        problem.exit_code
    }))
}
