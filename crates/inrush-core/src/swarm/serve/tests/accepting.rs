//! Taking connections, and not: lack of descriptors, spare ones, limits, the stop.

use super::*;
use crate::swarm::Command;

fn serve(on_emfile: OnEmfile) -> Host {
    Host::new(Serve { on_emfile, ..plan() })
}

#[test]
fn without_descriptors_it_pauses_five_milliseconds_doubling_to_a_second() {
    for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM] {
        let mut host = serve(OnEmfile::Pause);
        for pause in [5, 10, 20, 40, 80, 160, 320, 640, 1_000, 1_000] {
            host.failed(errno);
            assert_eq!(host.logged(), [Order::AcceptOn(false)]);
            assert!(host.swarm.take_snapshot(host.now).gauges.accept_paused);
            assert_eq!(host.settle(), Step::Sleep(host.now + Nanos::from_millis(pause)));
            host.pass(Nanos::from_millis(pause));
            assert_eq!(host.logged(), [Order::AcceptOn(true)]);
        }
        host.accept();
        host.failed(errno);
        assert_eq!(host.settle(), Step::Sleep(host.now + Nanos::from_millis(5)), "from the start");
        let snapshot = host.swarm.take_snapshot(host.now);
        assert_eq!(snapshot.counts.accept_errors, 1, "since the last snapshot");
    }
}

#[test]
fn accept_errors_are_counted_by_their_number() {
    let mut host = serve(OnEmfile::Pause);
    for errno in [Errno::ECONNABORTED, Errno::EMFILE, Errno::EMFILE, Errno::EAGAIN] {
        host.failed(errno);
    }
    let snapshot = host.swarm.take_snapshot(host.now);
    assert_eq!(snapshot.counts.accept_errors, 3);
    let rows: Vec<_> = snapshot.tally.rows.iter().map(|row| row.count).collect();
    assert_eq!(rows, [2, 1]);
}

#[test]
fn an_aborted_connection_says_nothing_about_the_next() {
    let mut host = serve(OnEmfile::Die);
    host.failed(Errno::ECONNABORTED);
    assert_eq!(host.logged(), []);
}

#[test]
fn shed_and_die_do_as_they_say() {
    let mut host = serve(OnEmfile::Shed);
    host.failed(Errno::EMFILE);
    assert_eq!(host.logged(), [Order::Shed]);
    host.failed(Errno::ENOMEM);
    assert_eq!(host.logged(), [Order::AcceptOn(false)]);
    let mut host = serve(OnEmfile::Die);
    let id = host.accept();
    host.failed(Errno::EMFILE);
    assert_eq!(host.logged(), [Order::StopListening]);
    host.pass(Nanos::from_secs(60));
    host.bytes(id, b"alive");
    assert_eq!((host.take(id), host.logged()), (b"alive".to_vec(), vec![]));
}

#[test]
fn a_worker_that_is_nearly_full_leaves_the_listener_to_its_siblings() {
    let mut host = Host::new(Serve { spare_descriptors: 2, ..plan() });
    let (first, _second) = (host.accept(), host.accept());
    host.accepted(2);
    assert_eq!(host.logged(), []);
    host.accept();
    host.accepted(1);
    assert_eq!(host.logged(), [Order::AcceptOn(false)]);
    host.input(first, Input::Eof);
    assert_eq!(host.logged(), [Order::Close(first, Close::Fin), Order::AcceptOn(true)]);
    host.accept();
    host.accepted(1);
    assert_eq!(host.logged(), [Order::AcceptOn(false)]);
    host.command(Command::AcceptToTheEnd);
    assert_eq!(host.logged(), [Order::AcceptOn(true)]);
    host.accept();
    host.accepted(0);
    assert_eq!(host.logged(), []);
}

#[test]
fn a_worker_without_connections_never_waits_for_one_to_close() {
    let mut host = Host::new(Serve { spare_descriptors: 16, ..plan() });
    let id = host.accept();
    host.accepted(3);
    host.input(id, Input::Eof);
    let back = [Order::AcceptOn(false), Order::Close(id, Close::Fin), Order::AcceptOn(true)];
    assert_eq!(host.logged(), back);
}

#[test]
fn one_too_many_has_no_slot() {
    let mut host = Host::new(Serve { max_connections: 2, ..plan() });
    let (a, b) = (host.accept(), host.accept());
    assert_eq!((a.slot, b.slot), (0, 1));
    assert_eq!(host.swarm.accept(host.now, &mut Orders::default()), None);
    host.input(a, Input::Eof);
    assert_eq!(host.accept().slot, 0);
    let counts = host.swarm.take_snapshot(host.now).counts;
    assert_eq!((counts.attempted, counts.connected), (4, 3));
}

#[test]
fn a_stop_says_1001_and_takes_a_second_at_most() {
    let mut host = Host::new(plan());
    let (tcp, polite, deaf) = (host.accept(), host.websocket(), host.websocket());
    host.command(Command::Stop);
    let stop = host.logged();
    assert_eq!(stop, [Order::StopListening, Order::Close(tcp, Close::Fin)]);
    assert_eq!(host.take(polite), answer(0x88, &1001_u16.to_be_bytes()));
    assert_eq!(host.take(deaf), answer(0x88, &1001_u16.to_be_bytes()));
    assert_eq!(host.swarm.accept(host.now, &mut Orders::default()), None);
    host.bytes(polite, &frame(0x88, &1001_u16.to_be_bytes()));
    assert_eq!(host.logged(), [Order::Close(polite, Close::Fin)]);
    host.pass(Nanos::from_millis(999));
    assert_eq!(host.logged(), []);
    host.pass(Nanos::from_millis(2));
    assert_eq!(host.logged(), [Order::Close(deaf, Close::Fin)]);
    assert_eq!(host.settle(), Step::Done);
    let counts = host.swarm.take_snapshot(host.now).counts;
    assert_eq!((counts.finished, counts.failed, counts.close_unanswered), (3, 0, 1));
}
