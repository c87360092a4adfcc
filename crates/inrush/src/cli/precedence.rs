//! Flag before environment: a variable says nothing about what the command line has settled.

use clap::Command;
use clap::parser::ValueSource;
use std::ffi::OsString;

/// Arguments of one verb that exclude each other.
const EXCLUSIVE: [(&str, &str); 6] = [
    ("scheme", "targets"),
    ("message_size", "message"),
    ("message_size", "message_file"),
    ("message", "message_file"),
    ("ipv4", "ipv6"),
    ("cacert", "insecure"),
];

/// The definition without the variables of those arguments whose counterpart was typed. clap would
/// call that a conflict.
pub(super) fn settle(command: Command, arguments: &[OsString]) -> Command {
    let bare = command.clone().mut_subcommands(|verb| verb.mut_args(|arg| arg.env(None::<&str>)));
    // A mistake is told by whoever parses in earnest.
    let Ok(matches) = bare.try_get_matches_from(arguments) else { return command };
    let Some((verb, matches)) = matches.subcommand() else { return command };
    let typed = |id: &str| {
        let known = matches.ids().any(|known| known == id);
        known && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let mut settled = Vec::new();
    for (one, other) in EXCLUSIVE {
        settled.extend(typed(one).then_some(other));
        settled.extend(typed(other).then_some(one));
    }
    command.mut_subcommand(verb, |verb| {
        verb.mut_args(|arg| {
            if settled.contains(&arg.get_id().as_str()) { arg.env(None::<&str>) } else { arg }
        })
    })
}
