//! Descriptors run out: the server's, or our own.

use crate::harness::{Inrush, Serve, alone, run, serve};
use crate::report::Report;

/// Every connection is either held, or failed for this one cause that is beyond doubt.
fn assert_split(report: &Report, cause: &str) -> u64 {
    let held = report.connections("held");
    assert!((1..100).contains(&held), "\n{report}");
    report.assert_causes(&[(cause, 100 - held)]);
    report.assert_proven(cause);
    assert_eq!(report.connections("finished"), held, "\n{report}");
    held
}

fn exhausted_server() -> Serve {
    serve("--fault fd-limit:64")
}

#[test]
fn a_server_without_descriptors_is_named_from_its_process() {
    let server = exhausted_server();
    let (address, pid) = (server.address, server.pid());
    let line = format!(
        "ws://{address} -c 100 -r max -d 500ms --handshake-timeout 1s --server-pid {pid} -m 10/s"
    );
    let report = run(&line).report();
    let held = assert_split(&report, "server-out-of-descriptors");
    assert_eq!(report.classes()["ws-handshake-timeout"], 100 - held);
    assert_eq!(report.card("server-out-of-descriptors")["culprit"], "server");
    assert_eq!(report.messages("received"), report.messages("sent"));
}

/// The rise stops at a number, and the limit behind it is named.
#[test]
fn a_server_that_takes_no_more_is_a_plateau() {
    let server = serve("--fault fd-limit:128");
    let (address, pid) = (server.address, server.pid());
    let line = format!(
        "ws://{address} -c 200 -r 400/s -d 300ms --handshake-timeout 1s --server-pid {pid}"
    );
    let report = run(&line).report();
    let held = report.connections("held");
    assert!((64..128).contains(&held), "\n{report}");
    report.assert_causes(&[("server-out-of-descriptors", 200 - held)]);
    let plateau = &report.json["connections"]["plateau"];
    assert_eq!(plateau["connections"], report.connections("peak"), "\n{report}");
    assert_eq!(plateau["limit"], "server-descriptors", "\n{report}");
    let text = plateau["text"].as_str().unwrap_or_default();
    assert_eq!(text, format!("the server (pid {pid}) may have 128 descriptors"), "\n{report}");
}

/// An idle stream never finds out by itself: the look at the end of the hold says it.
#[test]
fn an_idle_stream_to_such_a_server_is_not_served() {
    let server = exhausted_server();
    let (address, pid) = (server.address, server.pid());
    let report =
        run(&format!("tcp://{address} -c 100 -r max -d 500ms --server-pid {pid}")).report();
    let held = assert_split(&report, "server-out-of-descriptors");
    assert_eq!(report.classes()["connected-not-served"], 100 - held);
    assert_eq!(report.connections("confirmed"), held);
}

/// Without its process nothing proves it; the report then says what else it may be and how to tell.
#[test]
fn without_the_process_the_report_names_both() {
    let server = exhausted_server();
    let line = format!("ws://{} -c 100 -r max -d 300ms --handshake-timeout 1s", server.address);
    let report = run(&line).report();
    let held = report.connections("held");
    report.assert_causes(&[("server-not-accepting", 100 - held)]);
    let card = report.card("server-not-accepting");
    assert_ne!(card["confidence"], "proven", "{card:#}");
    let others = card["alternatives"].to_string();
    assert!(others.contains("server-out-of-descriptors"), "{card:#}");
    assert!(card["decide"].is_string(), "{card:#}");
}

#[test]
fn our_own_limit_is_our_own_and_the_open_ones_live_on() {
    let server = serve("");
    let line = format!("ws://{} -c 100 -r 200/s -d 500ms -m 20/s --nofile 64", server.address);
    let report = run(&line).report();
    let held = assert_split(&report, "client-out-of-descriptors");
    assert_eq!(report.card("client-out-of-descriptors")["culprit"], "client");
    assert_eq!(report.classes()["fd-exhausted-process"], 100 - held);
    assert_eq!(report.messages("received"), report.messages("sent"));
    assert!(report.messages("received") >= held, "\n{report}");
    let class = &report.json["failures"]["classes"][0];
    assert_eq!((&class["errno"], &class["errno_number"]), (&"EMFILE".into(), &24.into()));
}

#[test]
fn a_shells_limit_is_met_the_same_way() {
    let server = serve("");
    let line =
        format!("ws://{} -c 100 -r max -d 300ms --processes 1 --preflight off", server.address);
    let report = Inrush::run_after("ulimit -n 64", &line).report();
    assert_split(&report, "client-out-of-descriptors");
}

/// More processes than one are what a plan larger than the limit gets by itself.
#[test]
fn a_plan_beyond_the_limit_is_shared_by_processes() {
    let _alone = alone();
    let server = serve("");
    let line = format!("ws://{} -c 400 -r max -d 300ms", server.address);
    let report = Inrush::run_after("ulimit -n 256", &line).report();
    report.assert_causes(&[]);
    report.assert_healthy(400);
    assert!(report.number("/processes") > 1, "\n{report}");
}
