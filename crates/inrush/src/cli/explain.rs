//! The flags of `inrush explain`.

use crate::cli::CliError;
use crate::cli::run::Sink;
use clap::Args;
use inrush_core::catalog::{self, Cause};
use inrush_core::explain::Runtime;
use inrush_core::failure::Class;

const AFTER: &str = "\
Exit codes: 0 recognised, 1 not recognised, 2 usage. With --jsonl: 0 when every line was answered.

Examples:
  # one message, its causes and what to type
  inrush explain 'dial tcp: lookup localhost: no such host'
  # a log: grouped and counted
  inrush explain < server.log
  # one JSON object with \"text\" per line in, one per line out
  inrush explain --jsonl < errors.jsonl
  inrush explain --class reset-on-read";

/// Everything `inrush explain` takes.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER, max_term_width = 96)]
pub(crate) struct ExplainArgs {
    /// One message of any program; without it stdin is read as a log
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) text: Vec<String>,
    /// stdin: one JSON object with "text" (and any "id") per line; stdout: one answer per line
    #[arg(long, conflicts_with_all = ["text", "list", "class", "cause", "json"])]
    pub(crate) jsonl: bool,
    /// Every class and every cause with one line
    #[arg(long, conflicts_with_all = ["text", "class", "cause"])]
    pub(crate) list: bool,
    /// All about one class
    #[arg(long, value_name = "ID", conflicts_with_all = ["text", "cause"])]
    pub(crate) class: Option<String>,
    /// All about one cause
    #[arg(long, value_name = "ID", conflicts_with = "text")]
    pub(crate) cause: Option<String>,
    /// Who printed it (go, node, java, python, nginx, ...) [default: any, found by its words]
    #[arg(long, value_name = "RUNTIME", default_value = "any", hide_default_value = true)]
    pub(crate) from: String,
    /// The answer as one JSON document ("-" = stdout)
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<Sink>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// One message.
    Text(String),
    /// A log on stdin.
    Log,
    /// JSON lines on stdin.
    Jsonl,
    /// The lists.
    List,
    /// One class.
    Class(Class),
    /// One cause.
    Cause(&'static Cause),
}

impl ExplainArgs {
    /// Everything read and checked.
    pub(crate) fn resolve(&self) -> Result<(Question, Option<Runtime>), CliError> {
        let from = match self.from.as_str() {
            "any" => None,
            id => Some(Runtime::named(id).ok_or_else(|| {
                let known: Vec<_> = Runtime::ALL.iter().map(|runtime| runtime.id()).collect();
                unknown("--from <RUNTIME>", id, &known)
            })?),
        };
        let question = if self.list {
            Question::List
        } else if let Some(id) = &self.class {
            let known: Vec<_> = Class::ALL.iter().map(|class| class.id()).collect();
            Question::Class(Class::named(id).ok_or_else(|| unknown("--class <ID>", id, &known))?)
        } else if let Some(id) = &self.cause {
            let known: Vec<_> = catalog::all().map(|cause| cause.id).collect();
            let cause = catalog::all().find(|cause| cause.id == *id);
            Question::Cause(cause.ok_or_else(|| unknown("--cause <ID>", id, &known))?)
        } else if self.jsonl {
            Question::Jsonl
        } else if self.text.is_empty() {
            Question::Log
        } else {
            Question::Text(self.text.join(" "))
        };
        Ok((question, from))
    }
}

fn unknown(flag: &str, value: &str, known: &[&str]) -> CliError {
    let near = known.iter().filter(|id| {
        let shared = id.split('-').filter(|word| value.split('-').any(|it| it == *word)).count();
        shared > 0 || id.starts_with(value)
    });
    let near: Vec<&str> = near.copied().take(4).collect();
    let help = match near.is_empty() {
        true if flag.starts_with("--from") => format!("known: any, {}", known.join(", ")),
        true => "inrush explain --list shows them all".into(),
        false => format!("similar ones exist: {}", near.join(", ")),
    };
    CliError::usage(format!("invalid value '{value}' for '{flag}'"), help)
}

#[cfg(test)]
mod tests {
    use crate::cli::{Cli, CliError, Verb, parse};

    fn question(line: &str) -> Result<String, CliError> {
        let arguments = line.split_whitespace().map(Into::into);
        let Cli { verb: Verb::Explain(args), .. } = parse(arguments)? else {
            panic!("{line} is no explain");
        };
        args.resolve().map(|(question, from)| format!("{question:.20?} {from:?}"))
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let check = |line: &str, begin: &str| {
            let found = question(line).unwrap();
            assert!(found.starts_with(begin), "{line}: {found}");
        };
        check("inrush explain connection refused", "Text(\"connection refused\") None");
        check("inrush explain --from go -- -ERR max", "Text(\"-ERR max\") Some(Go)");
        check("inrush explain", "Log None");
        check("inrush explain --jsonl", "Jsonl None");
        check("inrush explain --list", "List None");
        check("inrush explain --class refused", "Class(Refused) None");
        check("inrush explain --cause no-route", "Cause(");
    }

    #[test]
    fn unknown_names_are_told_with_similar_ones() {
        let check = |line: &str, expected: &str| match question(line) {
            Err(CliError::Usage(problem)) => assert!(problem.text(false).contains(expected)),
            other => panic!("{line}: {other:?}"),
        };
        check("inrush explain --class reset", "reset-on-connect, reset-on-read");
        check("inrush explain --cause nonsense", "--list shows them all");
        check("inrush explain --from cobol x", "known: any, go");
        check("inrush explain --jsonl x", "cannot be used with");
    }
}
