//! Replies go missing, come late, twice or changed: exactly so many as the server says it spoilt.

use crate::harness::{run, serve};
use crate::report::Report;
use serde_json::Value;

/// A run of both schemes at once, each against a server with a fault; the server's own document
/// comes with it.
fn spoilt(fault: &str, line: &str, check: impl Fn(&Report, &Value) + Sync) {
    let one = |scheme: &str| {
        let place = tempfile::tempdir().expect("there is room");
        let file = place.path().join("serve.json");
        let server = serve(&format!("--fault {fault} --json {}", file.display()));
        let report = run(&format!("{scheme}://{} {line}", server.address)).report();
        let served = server.stop(&file);
        // A stream has no messages, only what came at once: so few a second never come together.
        assert_eq!(served["messages"]["received"], report.messages("sent"), "{served:#}\n{report}");
        assert_eq!(report.connections("failed"), 0, "\n{report}");
        check(&report, &served);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| one("tcp"));
        one("ws");
    });
}

fn assert_only(report: &Report, expected: &[(&str, u64)]) {
    for key in ["lost", "late", "duplicated", "corrupted", "unfinished", "unsent"] {
        let count = expected.iter().find(|(name, _)| *name == key).map_or(0, |(_, n)| *n);
        assert_eq!(report.messages(key), count, "{key} in\n{report}");
    }
}

#[test]
fn dropped_replies_are_lost() {
    spoilt("drop-reply@first:5", "-c 25 -m 4/s -d 1s --reply-timeout 1s", |report, served| {
        assert_only(report, &[("lost", 5)]);
        assert_eq!(served["faults"], 5);
        assert_eq!(report.code, 99);
    });
}

/// One that was dropped last of its connection may still come when we end: it is unfinished.
#[test]
fn every_tenth_dropped_is_every_tenth_missing() {
    spoilt("drop-reply@every:10", "-c 25 -m 4/s -d 1s", |report, served| {
        let missing = report.messages("lost") + report.messages("unfinished");
        assert_eq!(missing, report.messages("sent") / 10, "\n{report}");
        assert_eq!(served["faults"], missing);
        assert!(report.messages("lost") > 0);
        assert_eq!(report.code, 99);
    });
}

#[test]
fn delayed_replies_are_slow_or_late() {
    spoilt("delay-reply:300ms@first:5", "-c 10 -m 4/s -d 1s", |report, _| {
        assert_only(report, &[]);
        let slowest = report.seconds("/latency/rtt/max_seconds");
        assert!((0.3..0.5).contains(&slowest), "{slowest}");
        let median = report.seconds("/latency/rtt/percentiles/0/seconds");
        assert!(median < 0.1, "{median}");
        assert_eq!(report.code, 0);
    });
    let line = "-c 10 -m 4/s -d 1500ms --reply-timeout 600ms";
    spoilt("delay-reply:900ms@first:5", line, |report, _| {
        assert_only(report, &[("late", 5)]);
        assert_eq!(report.code, 0);
    });
}

#[test]
fn doubled_replies_are_duplicates() {
    spoilt("duplicate-reply@every:10", "-c 25 -m 4/s -d 1s", |report, served| {
        let twice = report.messages("sent") / 10;
        assert_only(report, &[("duplicated", twice)]);
        assert_eq!(served["faults"], twice);
        assert_eq!(report.messages("received"), report.messages("sent"));
        assert_eq!(report.code, 0);
    });
}

#[test]
fn changed_replies_are_corrupted() {
    spoilt("corrupt-reply@every:10", "-c 25 -m 4/s -d 1s", |report, _| {
        assert_only(report, &[("corrupted", report.messages("sent") / 10)]);
        assert_eq!(report.messages("received"), report.messages("sent"));
        assert_eq!(report.code, 99);
    });
}

/// The connection fails only when the peer is silent for the whole time-out.
#[test]
fn a_peer_that_falls_silent_fails_its_connections() {
    let server = serve("--fault drop-reply@after:50");
    let line = format!("ws://{} -c 10 -m 10/s -d 2s --reply-timeout 500ms", server.address);
    let report = run(&line).report();
    assert_eq!(report.connections("failed"), 10, "\n{report}");
    assert_eq!(report.classes()["io-timeout"], 10, "\n{report}");
    assert_eq!(report.messages("received"), 50, "\n{report}");
    assert_eq!(report.causes().get("server-not-answering"), Some(&10), "\n{report}");
}

/// It shakes hands and answers nothing. A run that is shorter than the reply time-out says so too.
#[test]
fn a_server_that_answers_no_message_serves_nobody() {
    let server = serve("--mode sink");
    let report = run(&format!("ws://{} -c 10 -m 10/s -d 1s", server.address)).report();
    assert_eq!(report.code, 99, "\n{report}");
    assert_eq!(report.causes(), [("server-not-answering", 10)].into(), "\n{report}");
    assert_eq!(report.messages("lost"), report.messages("sent"), "\n{report}");
}
