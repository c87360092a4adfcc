//! The accept queue: full, overflowing, or never emptied. Other tests' counters must be still.

use crate::harness::{alone, run, serve};
use crate::servers::{Server, listen};
use std::time::Duration;

/// Nobody ever calls accept(): the queue takes its backlog and one more, SYNs beyond are dropped.
#[test]
fn a_full_queue_overflows_and_those_in_it_are_not_accepted() {
    let _alone = alone();
    let listener = listen(1);
    let to = listener.local_addr().unwrap();
    let line = format!("ws://{to} -c 40 -r max --connect-timeout 1500ms --handshake-timeout 2s");
    let report = run(&line).report();
    report.assert_causes(&[("accept-queue-overflow", 38), ("server-not-accepting", 2)]);
    report.assert_proven("accept-queue-overflow");
    // Of one or two the SYN was taken and the last ACK was not (FAILURES row 1d0).
    assert!(report.classes()["connect-timeout"] >= 36, "\n{report}");
    assert_eq!(report.connections("opened"), 0);
}

/// The same for bare connections, which count as open until a look contradicts them.
#[test]
fn an_idle_stream_in_the_queue_is_not_served() {
    let _alone = alone();
    let listener = listen(1);
    let to = listener.local_addr().unwrap();
    let report = run(&format!("tcp://{to} -c 40 -r max -d 1s --connect-timeout 1500ms")).report();
    report.assert_causes(&[("accept-queue-overflow", 38), ("server-not-accepting", 2)]);
    assert!((2..=4).contains(&report.classes()["connected-not-served"]), "\n{report}");
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

/// A hundred at once into a queue of eight whose server accepts slowly: all connect() calls succeed,
/// most by SYN cookies whose last ACK was dropped, and the server has a fifth of them.
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
    report.assert_causes(&[("accept-queue-overflow", 91), ("server-not-accepting", 9)]);
    report.assert_proven("accept-queue-overflow");
    for key in ["held", "confirmed", "finished"] {
        assert_eq!(report.connections(key), 0, "\n{report}");
    }
}

fn slow_server(pause: Duration) -> Server {
    Server::on(listen(8), Some(pause), |guest| guest.hold())
}
