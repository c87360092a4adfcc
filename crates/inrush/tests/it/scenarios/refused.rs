//! Nobody listens.

use crate::harness::{alone, run, serve};
use crate::servers::closed;

#[test]
fn a_closed_port_has_nobody_listening() {
    for (scheme, last) in [("tcp", 1), ("ws", 2)] {
        let to = closed(last);
        let report = run(&format!("{scheme}://{to} -c 100 -r max -d 10s")).report();
        report.assert_causes(&[("nothing-listening", 100)]);
        report.assert_proven("nothing-listening");
        assert_eq!(report.card("nothing-listening")["culprit"], "server");
        assert_eq!(report.classes()["refused"], 100);
        assert_eq!(report.connections("connected"), 0);
        assert_eq!(report.json["run"]["stopped_by"], "nothing_left");
    }
}

/// A closed port inside the ephemeral range answers itself once in some ten thousand tries: source
/// and destination are then the same, and connect() succeeds.
#[test]
fn of_50_000_tries_none_is_connected_to_itself() {
    let _alone = alone();
    let to = closed(3);
    let line = format!("tcp://{to} --source-ip {} -c 50k -r max -d 0 --preflight off", to.ip());
    let report = run(&line).report();
    report.assert_causes(&[("nothing-listening", 50_000)]);
    assert_eq!(report.classes()["refused"], 50_000);
    assert_eq!(report.connections("attempted"), 50_000);
    assert_eq!(report.connections("opened"), 0);
    assert_eq!(report.connections("peak"), 0);
}

#[test]
fn half_of_two_targets_refuses_and_the_other_half_is_unharmed() {
    let (server, to) = (serve(""), closed(4));
    let line = format!("ws://{} ws://{to} -c 40 -r max -d 200ms", server.address);
    let report = run(&line).report();
    report.assert_causes(&[("nothing-listening", 20)]);
    report.assert_healthy(20);
}

/// A threshold on something else leaves the one on failures in the default set.
#[test]
fn a_threshold_on_latency_does_not_excuse_failures() {
    let (server, to) = (serve(""), closed(5));
    let targets = format!("ws://{} ws://{to} -c 20 -m 10/s -d 500ms", server.address);
    let latency = |line: &str| run(line).arg("--threshold").arg("rtt.p99 < 1s");
    let report = latency(&targets).report();
    report.assert_causes(&[("nothing-listening", 10)]);
    let passed = |expression: &str| {
        let verdicts = report.json["verdict"]["thresholds"].as_array().unwrap();
        let found = verdicts.iter().find(|v| v["expression"].as_str().unwrap() == expression);
        found.unwrap_or_else(|| panic!("no {expression} in\n{report}"))["passed"].clone()
    };
    assert_eq!(passed("rtt.p99 < 1s"), true);
    assert_eq!(passed("failures.count == 0"), false);

    let excused = latency(&targets).arg("--threshold").arg("failures.ratio <= 50%").report();
    assert_eq!((excused.connections("failed"), excused.code), (10, 0), "\n{excused}");
    let unjudged = run(&targets).arg("--no-thresholds").report();
    assert_eq!((unjudged.connections("failed"), unjudged.code), (10, 0), "\n{unjudged}");
}
