//! The server's process dies in the middle of a run.

use crate::harness::{Lines, Running, run, serve, serve_at};
use crate::report::Report;
use crate::servers::closed;
use rustix::process::{Signal, kill_process};

fn storm(line: &str) -> (Running, Lines) {
    let mut running = run(line).arg("--ndjson").arg("-").start();
    let lines = running.lines();
    (running, lines)
}

fn end((running, lines): (Running, Lines)) -> Report {
    let summary = lines.summary();
    Report::new(summary, running.finish().code)
}

/// Whoever was connected, and whoever is refused after it: one cause.
#[test]
fn everything_after_the_death_is_the_death() {
    let server = serve("");
    let pid = server.pid();
    let run = storm(&format!("ws://{} -c 100 -r 50/s -d 200ms --server-pid {pid}", server.address));
    run.1.until_open(20);
    server.kill();
    let report = end(run);
    report.assert_causes(&[("server-process-gone", 100)]);
    report.assert_proven("server-process-gone");
    let opened = report.connections("opened");
    assert!((20..100).contains(&opened), "\n{report}");
    let connected = report.connections("connected");
    assert_eq!(report.classes()["refused"], 100 - connected, "\n{report}");
    assert_eq!(report.connections("held"), 0);
}

/// Refused before it listened is not its death, and another destination's refusals are not either.
#[test]
fn refused_before_it_lived_or_elsewhere_is_nothing_listening() {
    let (to, other) = (closed(20), closed(21));
    let run = storm(&format!("ws://{to} ws://{other} -c 400 -r 100/s -d 200ms"));
    run.1.until("failures", |line| line["failed"].as_u64() >= Some(50));
    let server = serve_at(&to.to_string(), "");
    run.1.until_open(10);
    server.kill();
    let report = end(run);
    let causes = report.causes();
    let (early, gone) = (causes["nothing-listening"], causes["server-process-gone"]);
    assert_eq!((causes.len(), early + gone), (2, 400), "\n{report}");
    // Half of all went to the other destination; of the rest, those of the first second at least.
    assert!(early >= 200 + 25, "\n{report}");
    let opened = report.connections("opened");
    assert!(opened >= 10 && gone > opened, "\n{report}");
    let card = report.card("server-process-gone");
    // 10 ms is the finest the report knows.
    let first = card["first_at_seconds"].as_f64().unwrap();
    let death = report.classes().keys().filter(|class| **class != "refused").count();
    assert!(death > 0 && first > 1.0, "\n{report}");
}

/// A server that closes everything and goes on listening has not died.
#[test]
fn a_burst_of_closes_is_no_death_while_it_listens() {
    let server = serve("--fault close-after:500ms");
    let pid = server.pid();
    let line = format!("ws://{} -c 60 -r max -d 1s --server-pid {pid}", server.address);
    let report = run(&line).report();
    report.assert_causes(&[("server-closed-without-reason", 60)]);
}

/// What a lost worker's connections did is unknown: neither failed nor zero, and the run says so.
#[test]
fn connections_of_a_worker_that_dies_are_unknown() {
    let server = serve("");
    let line = format!("ws://{} -c 60 -r max -m 5/s -d 2s --processes 2 -t 2", server.address);
    let run = storm(&line);
    run.1.until_open(60);
    let workers = run.0.children();
    assert_eq!(workers.len(), 2);
    kill_process(workers[0], Signal::KILL).expect("it runs");
    let report = end(run);
    assert_eq!(report.code, 1, "\n{report}");
    assert_eq!(report.connections("unknown"), 30, "\n{report}");
    assert_eq!(report.connections("finished"), 30, "\n{report}");
    assert_eq!(report.connections("failed"), 0, "\n{report}");
}
