//! Arguments to plans: what people type, read and checked. It opens nothing and looks up no name.

pub(crate) mod draft;
pub(crate) mod explain;
mod precedence;
pub(crate) mod refusal;
pub(crate) mod repro;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod source;
pub(crate) mod target;
pub(crate) mod tls;
pub(crate) mod units;

pub(crate) use refusal::CliError;

use clap::builder::BoolishValueParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;

const EXIT_CODES: &str = "\
Exit codes: 0 thresholds held, 1 could not finish, 2 usage, 3 host cannot do it,
            99 threshold failed, 130 interrupted";

/// Open, hold and use many connections; say for each that failed why
#[derive(Debug, Parser)]
#[command(
    name = "inrush",
    version,
    propagate_version = true,
    max_term_width = 96,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = EXIT_CODES
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// What every verb takes.
    #[command(flatten)]
    pub(crate) global: Global,
}

/// The verbs, in the order a user meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Open, hold and use connections; measure; classify every failure
    Run(Box<run::RunArgs>),
    /// Reference server (echo, sink, push) with fault injection
    Serve(Box<serve::ServeArgs>),
    /// Reproduce a known failure on demand (no NAME: list them)
    Repro(Box<repro::ReproArgs>),
    /// Any program's error text or log: class, causes, remedy
    Explain(Box<explain::ExplainArgs>),
}

/// Options of every verb.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "General")]
pub(crate) struct Global {
    /// No progress; the result is still printed
    #[arg(short, long, global = true, env = "INRUSH_QUIET", hide_env_values = true)]
    #[arg(value_parser = BoolishValueParser::new(), display_order = 900)]
    pub(crate) quiet: bool,
    /// auto, always, never (NO_COLOR and CLICOLOR_FORCE are honoured)
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value = "auto")]
    #[arg(hide_possible_values = true, hide_default_value = true, display_order = 902)]
    pub(crate) color: ColorWhen,
    /// auto, plain, none
    #[arg(long, global = true, value_name = "HOW", value_enum, default_value = "auto")]
    #[arg(hide_possible_values = true, hide_default_value = true, display_order = 903)]
    #[arg(env = "INRUSH_PROGRESS", hide_env_values = true)]
    pub(crate) progress: Progress,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// What fits.
    #[default]
    Auto,
    /// One line a phase, and one each 10 s.
    Plain,
    /// Nothing.
    None,
}

impl ColorWhen {
    /// Whether to colour a stream. `NO_COLOR` and `CLICOLOR=0` switch it off, `CLICOLOR_FORCE` on
    /// (no-color.org, bixense.com/clicolors); `env` reads the environment.
    pub(crate) fn decide(self, terminal: bool, env: impl Fn(&str) -> Option<String>) -> bool {
        let set = |name| env(name).is_some_and(|value| !value.is_empty());
        let forced = env("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
        let off = env("CLICOLOR").is_some_and(|value| value == "0");
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if set("NO_COLOR") => false,
            Self::Auto if forced => true,
            Self::Auto => terminal && !off && env("TERM").is_none_or(|term| term != "dumb"),
        }
    }
}

/// The definition, for parsing, help and tests.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Reads a command line; help, version and mistakes come back as errors with their exit code.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, CliError> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    // The short help is one page: the names of the environment twins are in the long one.
    let page = arguments.iter().any(|argument| argument == "-h");
    let command = if page { without_env(command()) } else { command() };
    let command = precedence::settle(command, &arguments);
    let matches = command.try_get_matches_from(arguments).map_err(CliError::from)?;
    Cli::from_arg_matches(&matches).map_err(CliError::from)
}

/// The definition with help texts that do not name the environment.
pub(crate) fn without_env(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| argument.hide_env(true));
    command.mut_subcommands(|verb| verb.mut_args(|argument| argument.hide_env(true)))
}

/// Whether a command line asks for JSON on stdout, even when the rest of it is wrong: a start-up
/// error is then a document, too.
pub(crate) fn wants_json_on_stdout(arguments: &[OsString], env: Option<&str>) -> bool {
    let mut previous = None;
    for argument in arguments {
        if argument == "--" {
            break;
        }
        if argument == "--json=-" || (argument == "-" && previous.is_some_and(|p| p == "--json")) {
            return true;
        }
        previous = Some(argument);
    }
    env == Some("-") && !arguments.iter().any(|a| a.to_string_lossy().starts_with("--json"))
}

#[cfg(test)]
mod help_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn help_and_version_are_no_mistakes_and_no_verb_is_one() {
        let check = |line, code, text: &str| match parse(words(line)) {
            Err(CliError::Shown { text: shown, exit_code }) => {
                assert_eq!(exit_code, code, "{line}");
                assert!(shown.contains(text), "{line}: {shown}");
            }
            other => panic!("{line}: {other:?}"),
        };
        check("inrush --help", 0, "Usage: inrush");
        check("inrush -V", 0, env!("CARGO_PKG_VERSION"));
        check("inrush run --help", 0, "--connections <COUNT>");
        check("inrush", 2, "Usage: inrush");
    }

    #[test]
    fn json_on_stdout_is_seen_in_a_broken_line() {
        for (line, env, expected) in [
            ("inrush run --json - --nonsense", None, true),
            ("inrush run --json=- -c x", None, true),
            ("inrush run --json out.json", None, false),
            ("inrush run -- --json -", None, false),
            ("inrush run", Some("-"), true),
            ("inrush run --json out.json", Some("-"), false),
        ] {
            assert_eq!(wants_json_on_stdout(&words(line), env), expected, "{line}");
        }
    }

    #[test]
    fn colour_follows_flag_then_environment_then_terminal() {
        let check = |when: ColorWhen, terminal, set: &[(&str, &str)], expected| {
            let env = |name: &str| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(when.decide(terminal, env), expected, "{when:?} {terminal} {set:?}");
        };
        check(ColorWhen::Auto, true, &[], true);
        check(ColorWhen::Auto, false, &[], false);
        check(ColorWhen::Auto, true, &[("NO_COLOR", "1")], false);
        check(ColorWhen::Auto, false, &[("CLICOLOR_FORCE", "1")], true);
        check(ColorWhen::Auto, true, &[("CLICOLOR", "0")], false);
        check(ColorWhen::Auto, true, &[("TERM", "dumb")], false);
        check(ColorWhen::Always, false, &[("NO_COLOR", "1")], true);
        check(ColorWhen::Never, true, &[], false);
    }
}
