//! Nothing goes wrong, and nothing is said to.

use crate::harness::{run, serve, serve_at};
use crate::report::Report;
use crate::servers::Server;

fn assert_clean(report: &Report, count: u64) {
    report.assert_causes(&[]);
    report.assert_healthy(count);
    for key in ["planned", "attempted", "connected", "peak"] {
        assert_eq!(report.connections(key), count, "{key} in\n{report}");
    }
    for key in ["lost", "unfinished", "late", "duplicated", "corrupted", "unsent"] {
        assert_eq!(report.messages(key), 0, "{key} in\n{report}");
    }
    assert_eq!(report.json["run"]["stopped_by"], "completed");
    assert_eq!(report.connections("close_unanswered"), 0);
}

#[test]
fn every_connection_is_opened_confirmed_held_and_finished() {
    let server = serve("");
    for line in ["", "-m 10/s", "-m max", "-m 10/s -s 20kB", "-m 10/s --frame binary"] {
        let line = format!("ws://{} -c 200 -r max -d 300ms {line}", server.address);
        assert_clean(&run(&line).report(), 200);
    }
}

#[test]
fn a_stream_that_echoes_is_healthy() {
    let server = serve("");
    for line in ["-m 10/s", "-m max", "-m 10/s -s 20kB", "-m 10/s -s 1B"] {
        let line = format!("tcp://{} -c 100 -r max -d 300ms {line}", server.address);
        let report = run(&line).report();
        assert_clean(&report, 100);
        assert_eq!(report.messages("received"), report.messages("sent"));
        assert!(report.messages("sent") >= 100, "\n{report}");
    }
}

/// Another program's server: the two are not wrong in the same way.
#[test]
fn a_server_by_somebody_else_is_healthy_too() {
    let server = Server::start(|guest| guest.web_socket());
    let report = run(&format!("ws://{} -c 50 -d 500ms -m 10/s", server.address)).report();
    assert_clean(&report, 50);
    assert_eq!(server.accepted(), 50);
}

/// connect() succeeds and nobody says a word: only a look at the server's side confirms it.
#[test]
fn a_silent_server_on_this_host_is_confirmed_by_a_look() {
    let server = Server::start(|guest| guest.hold());
    let report = run(&format!("tcp://{} -c 100 -r max -d 500ms", server.address)).report();
    assert_clean(&report, 100);
    assert_eq!(report.connections("probes"), 0);
}

/// The look comes a moment after the last connect(): one that the server is just about to accept
/// has not failed. Who is still opening when the hold ends is not held.
#[test]
fn a_run_without_a_hold_is_healthy() {
    let server = serve("");
    for scheme in ["ws", "tcp"] {
        let line = format!("{scheme}://{} -c 500 -r max -d 0", server.address);
        let report = run(&line).report();
        report.assert_causes(&[]);
        for key in ["opened", "confirmed", "finished"] {
            assert_eq!(report.connections(key), 500, "{key} in\n{report}");
        }
    }
}

#[test]
fn several_targets_are_taken_in_turn() {
    let servers = [(); 3].map(|()| Server::start(|guest| guest.web_socket()));
    let targets = servers.iter().map(|server| format!("ws://{}", server.address));
    let targets = targets.collect::<Vec<_>>().join(" ");
    assert_clean(&run(&format!("{targets} -c 60 -r max -d 200ms")).report(), 60);
    for server in &servers {
        assert_eq!(server.accepted(), 20);
    }
}

#[test]
fn ipv6_is_the_same() {
    let server = serve_at("[::1]:0", "");
    let address = server.address;
    assert_clean(&run(&format!("ws://{address} -c 50 -d 200ms -m 10/s")).report(), 50);
    assert_clean(&run(&format!("tcp://{address} -c 50 -d 200ms")).report(), 50);
    drop(server);
    let report = run(&format!("tcp://{address} -c 20 -d 200ms")).report();
    report.assert_causes(&[("nothing-listening", 20)]);
}

/// Sums over worker processes are those of one process.
#[test]
fn two_processes_give_the_same_sums() {
    let server = serve("--fault reject-upgrade:503@every:4");
    for (processes, threads) in [(1, 1), (1, 2), (2, 2), (2, 4)] {
        let line = format!(
            "ws://{} -c 80 -r max -d 300ms --processes {processes} -t {threads}",
            server.address
        );
        let report = run(&line).report();
        assert_eq!(report.number("/processes"), processes);
        report.assert_causes(&[("server-rejected-upgrade", 20)]);
        report.assert_healthy(60);
        assert_eq!(report.connections("attempted"), 80);
    }
}

#[test]
fn the_pace_is_the_pace_asked_for() {
    let server = serve("");
    let report = run(&format!("ws://{} -c 100 -r 100/s -d 50ms", server.address)).report();
    assert_clean(&report, 100);
    let achieved = report.seconds("/connections/connect_rate/achieved_per_second");
    assert!((95.0..=105.0).contains(&achieved), "{achieved}");
    assert!((0.99..2.0).contains(&report.seconds("/run/duration_seconds")), "\n{report}");
}
