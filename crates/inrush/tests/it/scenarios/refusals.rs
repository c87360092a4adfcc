//! What is refused before the first packet.

use crate::harness::{Inrush, run};
use crate::servers::listen;
use serde_json::Value;
use std::io::ErrorKind;

fn check(line: &str, exit_code: u8, code: &str) -> Value {
    let error = run(line).refusal();
    assert_eq!((&error["code"], &error["exit_code"]), (&code.into(), &exit_code.into()), "{error}");
    error
}

fn untouched(check: impl FnOnce(&str)) {
    let listener = listen(64);
    check(&listener.local_addr().expect("it is bound").to_string());
    listener.set_nonblocking(true).expect("it is a socket");
    let taken = listener.accept().expect_err("something was opened");
    assert_eq!(taken.kind(), ErrorKind::WouldBlock);
}

#[test]
fn an_impossible_plan_opens_nothing() {
    untouched(|to| {
        let line = format!("tcp://{to} --source-ip 127.0.0.1 -c 60k --max-time 1s");
        let error = check(&line, 3, "preflight");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("port"), "{message}");
        assert!(error["help"].is_string());
    });
}

#[test]
fn a_dry_run_opens_nothing() {
    untouched(|to| {
        let finished = run(&format!("ws://{to} -c 10 --dry-run")).finish();
        assert_eq!(finished.code, 0, "{finished:?}");
        assert!(finished.stdout.contains(to), "{finished:?}");
    });
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    untouched(|to| {
        let error = check(&format!("tcp://{to} --conections 5"), 2, "usage");
        assert!(error.to_string().contains("--connections"), "{error}");
        let finished = run(&format!("tcp://{to} --duration 30")).finish();
        assert_eq!((finished.code, finished.stdout.as_str()), (2, ""), "{finished:?}");
        assert!(finished.stderr.contains("30s"), "{finished:?}");
    });
}

/// A label of 64 letters is no name: the resolver says so itself, without asking anybody.
#[test]
fn a_name_without_an_address_is_a_resolve_error() {
    let name = format!("{}.invalid", "a".repeat(64));
    let error = check(&format!("tcp://{name}:80 -c 5"), 2, "resolve");
    assert!(error["message"].as_str().unwrap().contains(&name), "{error}");
    assert!(error.to_string().contains("name-does-not-exist"), "{error}");
}

/// The resolver of a process without descriptors blames the name; the report does not.
#[test]
fn a_name_is_not_blamed_for_a_lack_of_descriptors() {
    let line = "tcp://localhost:9 -c 5 --json - --preflight off";
    let finished = Inrush::run_after("ulimit -n 4", line).finish();
    assert_ne!(finished.code, 0, "{finished:?}");
    assert!(!finished.stdout.contains("name-does-not-exist"), "{finished:?}");
}

#[test]
fn an_unwritable_path_is_told_before_the_load() {
    untouched(|to| {
        let finished = run(&format!("tcp://{to} -c 5 --json /nowhere/at/all.json")).finish();
        assert_eq!((finished.code, finished.stdout.as_str()), (1, ""), "{finished:?}");
        assert!(finished.stderr.contains("/nowhere/at/all.json"), "{finished:?}");
    });
}
