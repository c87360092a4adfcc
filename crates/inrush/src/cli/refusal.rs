//! Why a command line is not carried out: help that was asked for, or a mistake in our own form.

use crate::exit;
use crate::show::error::Problem;
use crate::show::secret;
use clap::error::ErrorKind;
use inrush_core::threshold::ThresholdError;
use inrush_core::units::UnitError;
use std::error::Error;

/// What ends before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CliError {
    /// Help or version: text to print. To stdout with exit code 0, else to stderr.
    Shown {
        /// The text, ending in a line feed.
        text: String,
        /// 0 when it was asked for.
        exit_code: u8,
    },
    /// A mistake.
    Usage(Problem),
}

impl CliError {
    /// A mistake with what to do about it; an empty `help` is left out.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        let help = Some(help.into()).filter(|help| !help.is_empty()).into_iter().collect();
        Self::Usage(Problem {
            code: "usage",
            exit_code: exit::USAGE,
            message: message.into(),
            why: Vec::new(),
            help,
        })
    }

    /// As a problem: what cannot be help is one already.
    pub(crate) fn into_problem(self) -> Problem {
        match self {
            Self::Usage(problem) => problem,
            Self::Shown { text, exit_code } => {
                let message = text.trim_end().to_owned();
                Problem { code: "usage", exit_code, message, why: Vec::new(), help: Vec::new() }
            }
        }
    }
}

impl From<clap::Error> for CliError {
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        if asked || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return Self::Shown { text, exit_code: if asked { exit::HELD } else { exit::USAGE } };
        }
        Self::Usage(problem(&error, &text))
    }
}

/// clap's words in our form: its first line, its lists as `=`, its tips and our hints as `help:`.
/// What it quotes may hold a URL's password.
fn problem(error: &clap::Error, text: &str) -> Problem {
    let text = secret::urls(text);
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first).trim_end_matches(':').to_owned();
    let (mut why, mut help) = (Vec::new(), Vec::new());
    for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            help.push(tip.to_owned());
        } else if let Some(list) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            why.push(list.to_owned());
        } else if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        } else {
            why.push(line.to_owned());
        }
    }
    help.extend(hint(error));
    if help.is_empty() && why.is_empty() {
        help.push("--help lists all options".to_owned());
    }
    Problem { code: "usage", exit_code: exit::USAGE, message, why, help }
}

/// What our own value parsers say should be written.
fn hint(error: &clap::Error) -> Option<String> {
    let source = error.source()?;
    let units = source.downcast_ref::<UnitError>().map(|error| &error.hint);
    let threshold = source.downcast_ref::<ThresholdError>().map(|error| &error.hint);
    units.or(threshold).filter(|hint| !hint.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use crate::cli::{CliError, parse};

    fn check(line: &str, expected: &str) {
        match parse(line.split_whitespace().map(Into::into)) {
            Err(CliError::Usage(problem)) => assert_eq!(problem.text(false), expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn mistakes_are_told_in_our_form() {
        check(
            "inrush run --message-size 2k",
            "error: invalid value '2k' for '--message-size <SIZE>': ambiguous unit\n\
             help: write 2kB (2000 bytes) or 2KiB (2048 bytes)\n",
        );
        check(
            "inrush run -d 30",
            "error: invalid value '30' for '--duration <TIME>': a time needs a unit\n\
             help: did you mean 30s?\n",
        );
        check(
            "inrush run --conections 5",
            "error: unexpected argument '--conections' found\n\
             help: a similar argument exists: '--connections'\n",
        );
        check(
            "inrush run --expect ech",
            "error: invalid value 'ech' for '--expect <WHAT>'\n   \
             = possible values: echo, reply, push, none\n\
             help: a similar value exists: 'echo'\n",
        );
        check(
            "inrush run ws://me:secret@h:99999/",
            "error: invalid value 'ws://***@h:99999/' for '[TARGET]...': not a port\n\
             help: write a number from 1 to 65535\n",
        );
        check(
            "inrush runn",
            "error: unrecognized subcommand 'runn'\nhelp: a similar subcommand exists: 'run'\n",
        );
        check(
            "inrush run --threshold rtt.p99<50",
            "error: invalid value 'rtt.p99<50' for '--threshold <EXPR>': \
             '50': a time needs a unit at character 9\nhelp: did you mean 50s?\n",
        );
        check(
            "inrush run -c",
            "error: a value is required for '--connections <COUNT>' but none was supplied\n\
             help: --help lists all options\n",
        );
    }
}
