//! The flags of `inrush repro`.

use crate::cli::CliError;
use crate::cli::run::Sink;
use clap::Args;
use inrush_core::repro::{self, How, Scenario};

const AFTER: &str = "\
Examples:
  # what can be shown, and what it needs
  inrush repro
  # who calls what, what comes back, and what it is called elsewhere
  inrush repro write-reset-then-broken-pipe
  # all that this machine can show, as one document
  inrush repro --all --json repro.json

Exit codes: 0 all that could run appeared as declared, 2 usage, 3 one that was named could not run,
            99 one did not appear as declared";

/// Everything `inrush repro` takes.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER, max_term_width = 96)]
pub(crate) struct ReproArgs {
    /// Failures to make happen; none lists them
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// All that this machine can show; what it cannot is named with the reason
    #[arg(long, conflicts_with_all = ["names", "list", "keep"])]
    pub(crate) all: bool,
    /// List them, as without a NAME
    #[arg(long, conflicts_with = "names")]
    pub(crate) list: bool,
    /// Leave the failing server running, and say where and how to stop it
    #[arg(long)]
    pub(crate) keep: bool,
    /// Also what changes a value of this host; it is put back, also when this is killed
    #[arg(long)]
    pub(crate) allow_host_changes: bool,
    /// What was called, what came back and what was found, as JSON ("-" = stdout)
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<Sink>,
}

impl ReproArgs {
    /// What is to be shown; nothing when they are to be listed.
    pub(crate) fn chosen(&self) -> Result<Vec<&'static Scenario>, CliError> {
        if self.all {
            return Ok(repro::all().iter().collect());
        }
        let chosen = self.names.iter().map(|name| repro::find(name).ok_or_else(|| unknown(name)));
        let chosen = chosen.collect::<Result<Vec<_>, _>>()?;
        if self.keep && !chosen.iter().all(|scenario| matches!(scenario.how, How::Storm(_))) {
            let message = "--keep: both sides of a script end with it";
            return Err(CliError::usage(message, "it is for those that run a server under load"));
        }
        if chosen.is_empty() && (self.keep || self.json.is_some()) {
            let message = "there is nothing to show without a NAME";
            return Err(CliError::usage(message, "name one, or write --all"));
        }
        Ok(chosen)
    }
}

fn unknown(name: &str) -> CliError {
    let shared = |other: &str| {
        let words: Vec<&str> = name.split('-').collect();
        other.split('-').filter(|word| words.contains(word)).count()
    };
    let near = repro::all().iter().max_by_key(|scenario| shared(scenario.name));
    let near = near.filter(|scenario| shared(scenario.name) > 0);
    let hint = match near {
        Some(scenario) => format!("did you mean {}? inrush repro lists them", scenario.name),
        None => "inrush repro lists them".to_owned(),
    };
    CliError::usage(format!("no scenario is called '{name}'"), hint)
}

#[cfg(test)]
mod tests {
    use crate::cli::{Cli, CliError, Verb, parse};

    fn chosen(line: &str) -> Result<Vec<&'static str>, CliError> {
        let words = format!("inrush repro {line}");
        let cli = parse(words.split_whitespace().map(Into::into))?;
        let Cli { verb: Verb::Repro(args), .. } = cli else { panic!("{line}") };
        args.chosen().map(|list| list.iter().map(|scenario| scenario.name).collect())
    }

    #[test]
    fn names_are_known_ones() {
        assert_eq!(chosen("").unwrap(), [""; 0]);
        assert_eq!(chosen("no-route close-1013").unwrap(), ["no-route", "close-1013"]);
        assert_eq!(chosen("--all").unwrap().len(), 46);
        assert_eq!(chosen("upgrade-rejected --keep").unwrap().len(), 1);
        for line in ["no-rout", "--all no-route", "no-route --keep", "--json -", "--keep"] {
            assert!(chosen(line).is_err(), "{line}");
        }
    }
}
