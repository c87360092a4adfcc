//! Help texts as stored, and every command line that people may copy. `INRUSH_BLESS=1 cargo test`
//! writes the texts anew: read the diff.

use crate::cli::{Cli, CliError, Verb, parse};
use std::ffi::OsString;
use std::path::PathBuf;

fn golden(name: &str, text: &str) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = directory.join(name);
    if std::env::var_os("INRUSH_BLESS").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{} is not what is shown now:\n{text}", path.display());
}

#[test]
fn help_is_as_stored_and_fits() {
    let mut command = crate::cli::command().term_width(96);
    command.build();
    golden("help.txt", &command.render_help().to_string());
    for verb in ["run", "serve", "explain", "repro"] {
        let long = command.find_subcommand_mut(verb).unwrap().render_long_help();
        let mut page = crate::cli::without_env(crate::cli::command()).term_width(96);
        page.build();
        let short = page.find_subcommand_mut(verb).unwrap().render_help();
        for text in [short.to_string(), long.to_string()] {
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= 96, "{verb}: {longest}");
        }
        golden(&format!("help-{verb}-short.txt"), &short.to_string());
        golden(&format!("help-{verb}-long.txt"), &long.to_string());
    }
}

/// As a shell splits it: what stands between two quotation marks is one word.
fn words(line: &str) -> Vec<OsString> {
    let line = line.split(" #").next().unwrap_or_default().trim_end().trim_end_matches(" &");
    // What a shell leads in is no argument; `<` between quotation marks is one.
    let redirected = line.split(" < ").next().filter(|it| !it.contains('\''));
    let line = redirected.unwrap_or(line);
    let quoted = line.split('\'').enumerate();
    let words = quoted.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(Into::into).collect::<Vec<_>>(),
        _ => vec![part.into()],
    });
    words.collect()
}

/// It would be carried out, or shows help.
fn assert_works(line: &str) {
    let done = match parse(words(line)) {
        Ok(Cli { verb: Verb::Run(run), .. }) => run.resolve_free().map(drop),
        Ok(Cli { verb: Verb::Repro(args), .. }) => args.chosen().map(drop),
        Ok(Cli { verb: Verb::Serve(serve), .. }) => serve.resolve().map(drop),
        Ok(Cli { verb: Verb::Explain(explain), .. }) => explain.resolve().map(drop),
        Err(CliError::Shown { exit_code: 0, .. }) => Ok(()),
        Err(error) => Err(error),
    };
    assert_eq!(done, Ok(()), "{line}");
}

#[test]
fn every_example_of_the_help_parses() {
    for verb in ["run", "serve", "explain", "repro"] {
        let mut command = crate::cli::command();
        command.build();
        let help = command.find_subcommand_mut(verb).unwrap().render_long_help().to_string();
        let help = help.replace("\\\n", " ");
        let examples: Vec<_> = help.lines().filter(|line| line.starts_with("  inrush ")).collect();
        assert!(examples.len() >= 2, "{verb}");
        examples.into_iter().for_each(assert_works);
    }
}

/// Fenced lines, and what stands between backticks in the text and its tables.
#[test]
fn every_command_line_of_the_readme_parses() {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(place).unwrap();
    let readme = readme.replace("\\\n", " ").replace("cargo run --release -- ", "inrush ");
    let (mut fenced, mut found) = (false, Vec::new());
    for line in readme.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            found.push(line.trim_start_matches("$ "));
        } else {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found.retain(|line| line.starts_with("inrush "));
    assert!(found.len() >= 20, "{found:?}");
    for line in found {
        assert_works(&line.replace("HOST", "h").replace("PORT", "9").replace("PID", "7"));
    }
}

#[test]
fn every_flag_of_run_has_its_environment_twin() {
    let mut command = crate::cli::command();
    command.build();
    let run = command.find_subcommand("run").unwrap();
    let longs: Vec<_> = run.get_arguments().filter_map(|argument| argument.get_long()).collect();
    for global in ["quiet", "color", "progress"] {
        assert!(longs.contains(&global), "--{global} is missing in {longs:?}");
    }
    for argument in run.get_arguments().filter(|argument| !argument.is_positional()) {
        // Colour has variables that all programs share: NO_COLOR, CLICOLOR, CLICOLOR_FORCE.
        let without = |long: &&str| ["help", "version", "color"].contains(long);
        let Some(long) = argument.get_long().filter(|long| !without(long)) else { continue };
        let twin = format!("INRUSH_{}", long.replace('-', "_").to_uppercase());
        assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(&*twin), "--{long}");
    }
}
