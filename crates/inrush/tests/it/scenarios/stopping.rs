//! Runs that end early, or whose connections come and go: stopping is not failing.

use crate::harness::{run, serve};
use crate::report::Report;
use crate::servers::closed;
use rustix::process::Signal;
use std::time::Duration;

/// Half is open, half waits for its upgrade; the former are finished, the latter unfinished.
#[test]
fn ctrl_c_writes_the_json_and_counts_what_was_under_way() {
    for (signal, code, words) in [
        (Signal::INT, 130, "interrupted by SIGINT: this is what ran"),
        (Signal::TERM, 143, "ended by SIGTERM: this is what ran"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("run.json");
        let server = serve("--fault stall-upgrade@every:2");
        let line = format!("ws://{} -c 10k -r 50/s -d 1m --ndjson -", server.address);
        let mut running = run(&line).arg("--json").arg(file.to_str().unwrap()).start();
        let lines = running.lines();
        lines.until_open(20);
        running.signal(signal);
        let finished = running.finish();
        assert_eq!(finished.code, code, "{finished:?}");
        // The lines have stdout, so that the summary is on stderr.
        assert!(finished.stderr.contains(words), "{finished:?}");
        assert!(finished.stderr.contains("CONNECTIONS"), "{finished:?}");
        let text = std::fs::read_to_string(&file).unwrap();
        let report = Report::new(serde_json::from_str(&text).unwrap(), code);
        assert_eq!(report.json["run"]["stopped_by"], "signal");
        assert_eq!(report.connections("failed"), 0, "\n{report}");
        let attempted = report.connections("attempted");
        assert!((40..10_000).contains(&attempted), "\n{report}");
        assert_eq!(report.connections("unfinished"), attempted / 2, "\n{report}");
        assert_eq!(report.connections("finished"), attempted.div_ceil(2), "\n{report}");
        assert!(finished.took < Duration::from_secs(20), "{finished:?}");
    }
}

/// Replies that never come are waited for; who presses twice does not want to wait.
#[test]
fn a_second_ctrl_c_waits_for_nothing() {
    let server = serve("--fault drop-reply");
    let line = format!("ws://{} -c 20 -r max -m 10/s -d 1m --ndjson -", server.address);
    let mut running = run(&line).start();
    let lines = running.lines();
    lines.until("messages", |line| line["sent"].as_u64() > Some(0));
    running.signal(Signal::INT);
    lines.until("the drain", |line| line["phase"] == "drain");
    let again = std::time::Instant::now();
    running.signal(Signal::INT);
    let report = Report::new(lines.summary(), running.finish().code);
    assert_eq!(report.code, 130);
    assert!(again.elapsed() < Duration::from_secs(2), "{:?}", again.elapsed());
    assert_eq!(report.connections("failed"), 0, "\n{report}");
    assert_eq!((report.connections("unfinished"), report.connections("unknown")), (20, 0));
}

#[test]
fn max_time_ends_whatever_its_state() {
    let server = serve("--fault stall-upgrade@every:2");
    let line = format!("ws://{} -c 100 -r max -d 1m --max-time 700ms", server.address);
    let report = run(&line).report();
    assert_eq!((report.code, &report.json["run"]["stopped_by"]), (0, &"max_time".into()));
    assert_eq!(report.connections("unfinished"), 50);
    assert_eq!(report.connections("finished"), 50);
    let took = report.seconds("/run/duration_seconds");
    assert!((0.7..3.0).contains(&took), "{took}");
}

#[test]
fn a_lost_threshold_ends_the_run_when_asked_to() {
    let (server, to) = (serve(""), closed(40));
    let line = format!("ws://{} ws://{to} -c 1k -r 50/s -d 1m --abort-on-fail", server.address);
    let report = run(&line).report();
    assert_eq!((report.code, &report.json["run"]["stopped_by"]), (99, &"threshold".into()));
    assert!(report.connections("attempted") < 500, "\n{report}");
}

/// A run waits for those still opening, and does not hold on to nothing.
#[test]
fn a_run_waits_for_its_last_hand_shake() {
    let server = serve("--fault stall-upgrade:1500ms@every:10");
    let report = run(&format!("ws://{} -c 100 -r max -d 100ms", server.address)).report();
    report.assert_causes(&[]);
    assert_eq!(report.connections("opened"), 100);
    assert_eq!(report.connections("finished"), 100);
    assert!(report.seconds("/run/duration_seconds") >= 1.5, "\n{report}");
}

#[test]
fn churn_closes_and_opens_and_the_sums_hold() {
    let server = serve("");
    for scheme in ["ws", "tcp"] {
        let line = format!(
            "{scheme}://{} -c 20 -r max -d 2s -m 10/s --lifetime 200ms..400ms",
            server.address
        );
        let report = run(&line).report();
        report.assert_causes(&[]);
        let attempted = report.connections("attempted");
        // 2 s of lives of 200 to 400 ms.
        assert!((20 * 4..=20 * 12).contains(&attempted), "\n{report}");
        assert_eq!(report.connections("finished"), attempted, "\n{report}");
        assert!(report.connections("peak") <= 20, "\n{report}");
        assert_eq!(report.messages("lost"), 0, "\n{report}");
    }
}

#[test]
fn failed_ones_are_opened_again_only_when_asked_to() {
    let server = serve("--fault close-after:300ms");
    for (flag, again) in [("", false), ("--reconnect failed", true)] {
        let line = format!("tcp://{} -c 20 -r max -d 1500ms {flag}", server.address);
        let report = run(&line).report();
        let (attempted, failed) = (report.connections("attempted"), report.connections("failed"));
        assert_eq!(report.connections("reconnects"), attempted - 20, "\n{report}");
        assert_eq!(report.code, 99);
        if again {
            assert!((60..=120).contains(&attempted) && failed >= 60, "\n{report}");
        } else {
            assert_eq!((attempted, failed), (20, 20), "\n{report}");
            assert_eq!(report.json["run"]["stopped_by"], "nothing_left");
        }
    }
}
