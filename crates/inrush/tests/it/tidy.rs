//! The house rules that a machine can hold: sizes, openings, arrows, lists.
#![allow(clippy::unwrap_used, reason = "a rule that cannot be read is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;
const COLUMNS: usize = 100;

/// Crates the core may use: they compute and never touch.
const PURE: [&str; 9] = [
    "aho-corasick",
    "base64",
    "hdrhistogram",
    "httparse",
    "serde",
    "serde_json",
    "sha1_smol",
    "simdutf8",
    "zlib-rs",
];

/// What must never be committed. Spelled in two parts, or this file would break its own rule.
const LEFTOVERS: [(&str, &str); 6] = [
    ("todo", "!("),
    ("unimplemented", "!("),
    ("FIX", "ME"),
    ("XX", "X"),
    ("#[ign", "ore"),
    ("/wo", "rk/"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = ["crates", "fuzz/bodies", "fuzz/targets"].map(|it| root().join(it)).to_vec();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 100, "the walk found only {} files", found.len());
    found
}

#[test]
fn files_and_lines_are_short_and_each_file_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = path.display();
        if text.lines().count() > FILE_LINES {
            wrong.push(format!("{name}: {} lines", text.lines().count()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{name}: does not open with //!"));
        }
        for (number, line) in text.lines().enumerate() {
            let literal = line.trim_start().starts_with(['"', 'b']) || line.contains("https://");
            if line.chars().count() > COLUMNS && !literal {
                wrong.push(format!("{name}:{}: {} columns", number + 1, line.chars().count()));
            }
            for (a, b) in LEFTOVERS {
                if line.contains(&format!("{a}{b}")) {
                    wrong.push(format!("{name}:{}: {a}{b}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// rustfmt ends a function with a brace in the column where it began.
#[test]
fn functions_are_short() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let path = path.display();
        wrong.extend(too_long(&text).into_iter().map(|why| format!("{path}:{why}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let long = format!("fn long() {{\n{}}}\n", "    step();\n".repeat(FUNCTION_LINES));
    assert_eq!(too_long(&long), ["1: 71 lines"]);
    assert_eq!(too_long("fn endless() {\n    step(); }\n"), ["1: its end is not found"]);
    assert!(too_long("fn short() {\n    step();\n}\n").is_empty());
}

fn too_long(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (begin, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let head = code.split('(').next().unwrap_or_default();
        // A type may be `fn(`; a function has a name.
        let named = head.split_whitespace().skip_while(|word| *word != "fn").nth(1).is_some();
        if !named || code.starts_with("//") {
            continue;
        }
        let opens = lines[begin..].iter().find(|line| line.ends_with(['{', ';', '}']));
        if !opens.is_some_and(|line| line.ends_with('{')) {
            continue;
        }
        let end = format!("{}}}", " ".repeat(line.len() - code.len()));
        match lines[begin..].iter().position(|line| *line == end) {
            Some(length) if length <= FUNCTION_LINES => {}
            Some(length) => wrong.push(format!("{}: {length} lines", begin + 1)),
            None => wrong.push(format!("{}: its end is not found", begin + 1)),
        }
    }
    wrong
}

#[test]
fn the_core_depends_on_what_computes_and_names_no_std() {
    let manifest = fs::read_to_string(root().join("crates/inrush-core/Cargo.toml")).unwrap();
    let section = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names: Vec<&str> = section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .collect();
    assert_eq!(names, PURE);
    for (path, text) in sources() {
        let core = path.components().any(|part| part.as_os_str() == "inrush-core");
        let tests = path.components().any(|part| part.as_os_str() == "tests")
            || path.file_stem().is_some_and(|name| name == "tests");
        if !core || tests {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let code = code.split("#[cfg(test)]\npub(crate) mod tests").next().unwrap();
        let std = code.lines().any(|line| line.contains("std::") && !line.contains("//"));
        assert!(!std, "{} names std", path.display());
        let map = path.ends_with("inrush-core/src/lib.rs");
        assert!(!code.contains("extern crate std") || map, "{}", path.display());
    }
}

#[test]
fn arrows_point_one_way_and_unsafe_code_lives_in_sys() {
    let manifest = fs::read_to_string(root().join("crates/inrush-host/Cargo.toml")).unwrap();
    assert!(!manifest.contains("\ninrush ") && !manifest.contains("\ninrush."), "host -> inrush");
    for (path, text) in sources() {
        let sys = path.to_string_lossy().contains("inrush-host/src/sys/");
        let talks =
            text.contains(concat!("uns", "afe {")) || text.contains(concat!("uns", "afe fn"));
        assert!(sys || !talks, "{} is not in sys/", path.display());
    }
}

#[test]
fn every_cause_is_in_the_list_and_says_how_it_is_reproduced() {
    let folder = root().join("crates/inrush-core/src/catalog");
    let list = fs::read_to_string(folder.with_extension("rs")).unwrap();
    let mut causes = 0;
    for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        if !text.contains("static CAUSE") {
            continue;
        }
        causes += 1;
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(list.contains(&name), "{name} is not in the list of catalog.rs");
        assert!(text.contains("Scenario::"), "{name} has no scenario and does not say why");
        let beside = fs::read_to_string(path.with_extension("").join("tests.rs"));
        let tested = text.contains("#[test]") || beside.is_ok_and(|it| it.contains("#[test]"));
        assert!(tested, "{name} has no test");
    }
    assert!(causes >= 33, "{causes} causes");
}

#[test]
fn the_map_names_every_module_of_the_core() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let list = fs::read_to_string(root().join("crates/inrush-core/src/lib.rs")).unwrap();
    for line in list.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let name = line.split(';').next().unwrap();
        assert!(map.contains(&format!("`{name}`")), "{name} is not in ARCHITECTURE.md");
    }
}
