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
    let error = check("tcp://localhost:9 -c 5 --nofile 3", 2, "resolve").to_string();
    assert!(error.contains("client-out-of-descriptors"), "{error}");
    assert!(!error.contains("name-does-not-exist"), "{error}");
}

/// It is not the name's fault either when the family is our own choice.
#[test]
fn a_family_that_excludes_the_address_is_a_usage_error() {
    let error = check("tcp://[::1]:9 -4 -c 5", 2, "usage").to_string();
    assert!(error.contains("-4 excludes") && !error.contains("name-does-not-exist"), "{error}");
    check("tcp://127.0.0.1:9 -6 -c 5", 2, "usage");
}

#[test]
fn a_source_of_the_other_family_is_a_usage_error() {
    let error = check("tcp://[::1]:9 --source-ip 127.0.0.1 -c 5", 2, "usage");
    assert!(error["message"].as_str().unwrap().contains("127.0.0.1 cannot reach [::1]:9"));
    // Both loopbacks and more connections than one source has ports for: no pool of 127/8 for ::1.
    let line = "run tcp://127.0.0.1:9 tcp://[::1]:9 -c 40k -n";
    let finished = Inrush::new(line).finish();
    assert!(finished.stdout.contains("the kernel's choice"), "{finished:?}");
}

/// What would be watched or sent in vain.
#[test]
fn what_cannot_mean_anything_is_told_at_once() {
    let error = check("-c 1 --server-pid 4194305", 2, "usage");
    assert!(error["message"].as_str().unwrap().contains("no such process"), "{error}");
    let error = check("tcp://127.0.0.1:9 -c 1 --source-ip 203.0.113.7", 2, "usage");
    assert!(error["message"].as_str().unwrap().contains("not an address of this host"), "{error}");
    for (line, expected) in [("-s 128B", true), ("--message hi", true), ("-m 1/s -s 9B", false)] {
        let finished = run(&format!("-c 2 -r max -d 10ms {line}")).finish();
        assert_eq!(finished.code, 0, "{finished:?}");
        assert_eq!(finished.stderr.contains("nothing will be sent"), expected, "{finished:?}");
    }
}

/// A flag settles what its variable, or the variable of its counterpart, says otherwise.
#[test]
fn a_flag_wins_over_the_environment() {
    for (name, value, line, expected) in [
        ("INRUSH_SCHEME", "tcp", "ws://127.0.0.1:9", "ws://127.0.0.1:9"),
        ("INRUSH_MESSAGE_SIZE", "20B", "-m 1/s --message four", "4 B"),
        ("INRUSH_MESSAGE", "four", "-m 1/s -s 20B", "20 B"),
        ("INRUSH_MESSAGE_FILE", "/nowhere", "-m 1/s --message four", "4 B"),
        ("INRUSH_IPV6", "yes", "tcp://127.0.0.1:9 -4", "127.0.0.1:9"),
        ("INRUSH_IPV4", "0", "tcp://[::1]:9 -6", "[::1]:9"),
        ("INRUSH_IPV4", "1", "tcp://[::1]:9 -6", "[::1]:9"),
        ("INRUSH_CONNECTIONS", "5", "-c 7", "7 connections"),
        ("INRUSH_CONNECTIONS", "5", "", "5 connections"),
    ] {
        let finished = run(&format!("{line} -n")).env(name, value).finish();
        assert_eq!(finished.code, 0, "{name}={value} {finished:?}");
        assert!(finished.stdout.contains(expected), "{name}={value} {finished:?}");
    }
    for line in ["-4 -6", "--message x -s 20B", "tcp://127.0.0.1:9 --scheme ws"] {
        check(&format!("{line} -n"), 2, "usage");
    }
}

#[test]
fn an_unwritable_path_is_told_before_the_load() {
    untouched(|to| {
        let finished = run(&format!("tcp://{to} -c 5 --json /nowhere/at/all.json")).finish();
        assert_eq!((finished.code, finished.stdout.as_str()), (1, ""), "{finished:?}");
        assert!(finished.stderr.contains("/nowhere/at/all.json"), "{finished:?}");
    });
}
