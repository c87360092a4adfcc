//! Help texts as stored. `INRUSH_BLESS=1 cargo test` writes them anew: read the diff.

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
    for verb in ["run", "serve"] {
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

#[test]
fn every_example_of_the_help_parses() {
    for verb in ["run", "serve"] {
        let mut command = crate::cli::command();
        let help = command.find_subcommand_mut(verb).unwrap().render_long_help().to_string();
        let help = help.replace("\\\n", " ");
        let mut examples = 0;
        for line in help.lines().filter(|line| line.starts_with("  inrush ")) {
            // The quotation marks of a shell: what stands between two is one word.
            let quoted = line.split('\'').enumerate();
            let words = quoted.flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().map(Into::into).collect::<Vec<_>>(),
                _ => vec![part.into()],
            });
            crate::cli::parse(words).unwrap_or_else(|error| panic!("{line}: {error:?}"));
            examples += 1;
        }
        assert!(examples >= 2, "{verb}");
    }
}

#[test]
fn every_flag_of_run_has_its_environment_twin() {
    let command = crate::cli::command();
    let run = command.find_subcommand("run").unwrap();
    for argument in run.get_arguments().filter(|argument| !argument.is_positional()) {
        let Some(long) = argument.get_long().filter(|long| !["help", "version"].contains(long))
        else {
            continue;
        };
        let twin = format!("INRUSH_{}", long.replace('-', "_").to_uppercase());
        assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(&*twin), "--{long}");
    }
}
