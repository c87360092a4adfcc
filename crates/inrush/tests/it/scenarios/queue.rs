//! The accept queue: full, overflowing, or never emptied. Other tests' counters must be still.

use crate::harness::{alone, run, serve};
use crate::report::Report;
use crate::servers::{Server, listen};
use std::time::Duration;

/// So many fit the queue, the others overflowed it. Two that come at once on two processors may
/// both take the last place.
fn assert_queued(report: &Report, all: u64, places: u64) {
    let queued = report.causes()["server-not-accepting"];
    assert!((places..=places + 1).contains(&queued), "\n{report}");
    report.assert_causes(&[
        ("accept-queue-overflow", all - queued),
        ("server-not-accepting", queued),
    ]);
}

/// Nobody ever calls accept(): the queue takes its backlog and one more, SYNs beyond are dropped.
#[test]
fn a_full_queue_overflows_and_those_in_it_are_not_accepted() {
    let _alone = alone();
    let listener = listen(1);
    let to = listener.local_addr().unwrap();
    let line = format!("ws://{to} -c 40 -r max --connect-timeout 1500ms --handshake-timeout 2s");
    let report = run(&line).report();
    assert_queued(&report, 40, 2);
    report.assert_proven("accept-queue-overflow");
    // Of one or two the SYN was taken and the last ACK was not (FAILURES row 1d0).
    assert!(report.classes()["connect-timeout"] >= 35, "\n{report}");
    assert_eq!(report.connections("opened"), 0);
}

/// The same for bare connections, which count as open until a look contradicts them.
#[test]
fn an_idle_stream_in_the_queue_is_not_served() {
    let _alone = alone();
    let listener = listen(1);
    let to = listener.local_addr().unwrap();
    let report = run(&format!("tcp://{to} -c 40 -r max -d 1s --connect-timeout 1500ms")).report();
    assert_queued(&report, 40, 2);
    assert!((2..=5).contains(&report.classes()["connected-not-served"]), "\n{report}");
    assert_eq!(report.connections("held"), 0);
    assert_eq!(report.connections("confirmed"), 0);
}

#[test]
fn a_stalled_accept_loop_is_not_accepting() {
    let server = serve("--fault stall-accept");
    let line = format!("ws://{} -c 50 -r max --handshake-timeout 500ms", server.address);
    let report = run(&line).report();
    report.assert_causes(&[("server-not-accepting", 50)]);
    let report = run(&format!("tcp://{} -c 50 -r max -d 300ms", server.address)).report();
    report.assert_causes(&[("server-not-accepting", 50)]);
    assert_eq!(report.classes()["connected-not-served"], 50);
}

/// A hundred at once into a queue of eight whose server accepts slowly: all connect() calls
/// succeed, most by SYN cookies whose last ACK was dropped, and the server has a fifth of them.
#[test]
fn a_burst_into_a_short_queue_is_never_a_hundred_open() {
    let _alone = alone();
    let allowed = ["ghost-connections", "accept-queue-overflow", "server-not-accepting"];
    let server = slow_server(Duration::from_millis(20));
    let line = format!("tcp://{} -c 100 -r max -d 2500ms --connect-timeout 3s", server.address);
    let report = run(&line).report();
    let (causes, held) = (report.causes(), report.connections("held"));
    assert!(causes.keys().all(|cause| allowed.contains(cause)), "\n{report}");
    assert_eq!(report.code, 99);
    assert!((9..100).contains(&held) && held <= server.accepted(), "\n{report}");
    assert_eq!(report.connections("confirmed"), held, "\n{report}");
    assert_eq!(report.connections("finished"), held, "\n{report}");
    assert!(causes["ghost-connections"] > 0, "\n{report}");
}

/// A request that lies in a queue, or that nobody has, is never answered.
#[test]
fn a_burst_of_hand_shakes_is_told_apart_by_the_servers_side() {
    let _alone = alone();
    let pause = Some(Duration::from_millis(50));
    let server = Server::on(listen(8), pause, |guest| guest.web_socket());
    let line = format!("ws://{} -c 100 -r max -d 1s --handshake-timeout 2s", server.address);
    let report = run(&line).report();
    let queue = ["ghost-connections", "accept-queue-overflow", "server-not-accepting"];
    // Of those accepted at the last moment, some are answered just in time and some are not.
    let late = ["server-not-answering", "client-handshake-deadline-too-short"];
    let allowed = [&queue[..], &late[..]].concat();
    assert!(report.causes().keys().all(|cause| allowed.contains(cause)), "\n{report}");
    assert_eq!(report.code, 99);
    let finished = report.connections("finished");
    assert!((9..100).contains(&finished) && finished <= server.accepted(), "\n{report}");
}

/// Those whose SYN was sent again open a second later, when the hold is over: they are ghosts too.
#[test]
fn ghosts_that_open_after_the_hold_are_ghosts() {
    let _alone = alone();
    let server = slow_server(Duration::from_millis(20));
    let line = format!("tcp://{} -c 100 -r max -d 300ms --connect-timeout 3s", server.address);
    let report = run(&line).report();
    assert_eq!(report.code, 99, "\n{report}");
    assert!(report.connections("finished") <= server.accepted(), "\n{report}");
    assert!(report.causes()["ghost-connections"] > 0, "\n{report}");
}

/// The same burst when nobody ever accepts: the queue stays full, so no cookie is ever sent.
#[test]
fn a_burst_into_a_queue_that_is_never_emptied() {
    let _alone = alone();
    let listener = listen(8);
    let to = listener.local_addr().unwrap();
    let report = run(&format!("tcp://{to} -c 100 -r max -d 500ms --connect-timeout 2s")).report();
    assert_queued(&report, 100, 9);
    report.assert_proven("accept-queue-overflow");
    for key in ["held", "confirmed", "finished"] {
        assert_eq!(report.connections(key), 0, "\n{report}");
    }
}

fn slow_server(pause: Duration) -> Server {
    Server::on(listen(8), Some(pause), |guest| guest.hold())
}
