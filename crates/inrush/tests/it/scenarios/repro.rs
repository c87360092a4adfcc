//! `inrush repro` on the real kernel: what can run here appears as declared, what cannot says why.

use crate::harness::{Finished, Inrush, alone};
use serde_json::Value;
use std::time::Duration;

fn repro(line: &str) -> Finished {
    Inrush::new(&format!("repro {line}")).finish()
}

/// The one scenario of this name.
fn one(name: &str) -> (i32, Value) {
    let finished = repro(&format!("{name} --json -"));
    let json = finished.json();
    assert_eq!(json["schema"], "inrush.repro/1", "{finished:?}");
    let scenarios = json["scenarios"].as_array().expect("a list");
    assert_eq!(scenarios.len(), 1, "{finished:?}");
    (finished.code, scenarios[0].clone())
}

fn results(scenario: &Value, side: &str) -> Vec<String> {
    let steps = scenario["steps"].as_array().expect("a list").iter();
    let of_side = steps.filter(|step| step["side"] == side);
    let text = |step: &Value, key: &str| step[key].as_str().expect("text").to_owned();
    of_side
        .filter(|step| {
            text(step, "call").starts_with("send") || text(step, "call").starts_with("recv")
        })
        .map(|step| text(step, "result").split(' ').next().expect("a word").to_owned())
        .collect()
}

#[test]
fn all_that_can_run_here_appears_as_declared() {
    let _alone = alone();
    let finished = repro("--all --json -");
    assert!(finished.took < Duration::from_secs(60), "{:?}", finished.took);
    let json = finished.json();
    let scenarios = json["scenarios"].as_array().expect("a list");
    assert_eq!(scenarios.len(), 46);
    for one in scenarios {
        let skipped = one["skipped_reason"].as_str().is_some_and(|reason| !reason.is_empty());
        assert!(one["passed"] == true || skipped, "{one:#}\n{}", finished.stderr);
        assert_ne!(one["passed"] == true, skipped, "{one:#}");
        if skipped {
            continue;
        }
        for key in ["cause", "class"] {
            assert_eq!(one["seen"][key], one["expected"][key], "{one:#}");
        }
        assert!(!one["seen"]["evidence"].as_array().expect("a list").is_empty(), "{one:#}");
        assert!(!one["steps"].as_array().expect("a list").is_empty(), "{one:#}");
    }
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let passed = scenarios.iter().filter(|one| one["passed"] == true).count();
    assert!(passed >= 30, "{passed}\n{}", finished.stderr);
}

/// FAILURES §2: the order of errors is the kernel's, and each is told to one call.
#[test]
fn the_order_of_errors_is_shown() {
    let check = |name: &str, client: &[&str]| {
        let (code, scenario) = one(name);
        assert_eq!(
            (code, results(&scenario, "client")),
            (0, client.iter().map(|s| (*s).to_owned()).collect())
        );
        let times: Vec<f64> = scenario["steps"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|step| step["at_seconds"].as_f64().expect("a time"))
            .collect();
        assert!(times.is_sorted(), "{times:?}");
    };
    check("write-reset-then-broken-pipe", &["5", "ECONNRESET", "EPIPE", "EOF"]);
    check("write-broken-pipe", &["5", "EPIPE", "EOF"]);
    check("read-reset-after-response", &["10", "500", "ECONNRESET", "EOF", "EPIPE"]);
    check("write-after-own-close", &["5", "EBADF", "5", "EPIPE"]);
}

#[test]
fn one_is_shown_with_its_words_and_all_are_listed() {
    let shown = repro("write-reset-then-broken-pipe");
    assert_eq!(shown.code, 0);
    for words in ["send(5 B)", "ECONNRESET (104)", "same as", "Go \"", "as declared"] {
        assert!(shown.stdout.contains(words), "{words}\n{}", shown.stdout);
    }
    let list = repro("");
    assert_eq!((list.code, list.stdout.lines().count()), (0, 48), "{}", list.stdout);
    assert!(list.stdout.contains("no-route"));
}

#[test]
fn what_cannot_run_is_no_success_when_it_was_named() {
    let (code, scenario) = one("conntrack-full");
    assert_eq!((code, &scenario["passed"]), (3, &Value::Bool(false)));
    assert!(scenario["skipped_reason"].is_string(), "{scenario:#}");
    let unknown = repro("no-such-scenario");
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("help:"), "{unknown:?}");
}

/// The server that is left can be asked, and ends when it is told to.
#[test]
fn a_server_is_kept_when_that_is_asked_for() {
    let (code, scenario) = one("upgrade-rejected --keep");
    assert_eq!(code, 0, "{scenario:#}");
    let note = scenario["seen"]["note"].as_str().expect("where it is").to_owned();
    let address = note.split(' ').find_map(|word| word.trim_end_matches(';').parse().ok());
    let address: std::net::SocketAddr = address.unwrap_or_else(|| panic!("{note}"));
    let pid = note.split("kill ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    let pid = rustix::process::Pid::from_raw(pid.unwrap_or_else(|| panic!("{note}")));
    let answers = std::net::TcpStream::connect(address).is_ok();
    rustix::process::kill_process(pid.expect("a number"), rustix::process::Signal::KILL)
        .expect("it runs");
    assert!(answers, "{note}");
}

const TABLE: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

fn table() -> Option<u64> {
    std::fs::read_to_string(TABLE).ok()?.trim().parse().ok()
}

/// Waits until it is so.
fn until(what: &str, so: impl Fn() -> bool) {
    let limit = std::time::Instant::now() + Duration::from_secs(10);
    while !so() {
        assert!(std::time::Instant::now() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The size of the table is the host's: it is put back by a process that outlives a SIGKILL.
#[test]
fn the_hosts_table_has_its_size_again_whatever_happens() {
    let _alone = alone();
    let Some(before) = table() else {
        eprintln!("SKIPPED: this kernel tracks no connections");
        return;
    };
    let line = "repro conntrack-full --allow-host-changes --json -";
    let finished = Inrush::new(line).finish();
    let scenario = finished.json()["scenarios"][0].clone();
    assert_eq!(table(), Some(before), "{scenario:#}");
    if let Some(reason) = scenario["skipped_reason"].as_str() {
        assert_eq!(finished.code, 3);
        eprintln!("SKIPPED: {reason}");
        return;
    }
    assert_eq!((finished.code, &scenario["passed"]), (0, &Value::Bool(true)), "{scenario:#}");
    let running = Inrush::new(line).start();
    until("it is lowered", || table() != Some(before));
    drop(running);
    until("it is put back", || table() == Some(before));
}
