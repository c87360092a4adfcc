//! The world itself, held against what was measured on a real kernel: FAILURES.md §2, call by call,
//! and the rows of §1 that it stands for.

use super::ms;
use crate::world::{Kernel, Link, address};
use inrush_core::errno::Errno;
use inrush_core::failure::{Peer, tcp_state};
use inrush_core::swarm::{Close, ConnId};
use inrush_core::time::Nanos;

const SERVER: usize = 0;
const CLIENT: usize = 1;
const ID: ConnId = ConnId { slot: 0, generation: 1 };

/// A connection whose two programs take turns, with 30 ms between their steps.
struct Pair {
    kernel: Kernel,
    client: usize,
    server: usize,
}

impl Pair {
    fn new() -> Self {
        let mut kernel = Kernel::new(1, Link::default());
        assert_eq!((kernel.add_process(), kernel.add_process()), (SERVER, CLIENT));
        kernel.listen(SERVER, address(1), 8);
        let client = kernel.connect((CLIENT, ID), address(9).ip(), address(1)).unwrap();
        let mut pair = Self { kernel, client, server: 0 };
        pair.pass(ms(30));
        pair.server = pair.kernel.accept(address(1)).unwrap();
        pair.kernel.adopt(pair.server, SERVER, ID);
        pair
    }

    fn pass(&mut self, time: Nanos) {
        let until = self.kernel.now + time;
        while self.kernel.next() <= until {
            self.kernel.happen();
        }
        self.kernel.now = until;
    }

    fn closes(&mut self, how: Close) {
        self.kernel.close(self.server, how);
        self.pass(ms(30));
    }

    fn says(&mut self, bytes: &[u8]) {
        assert_eq!(self.kernel.send(self.server, bytes), Ok(bytes.len()));
    }

    /// The client's calls (`r`ead, `w`rite, a pause `.`), and what they gave.
    fn client(&mut self, calls: &str) -> String {
        let mut told = Vec::new();
        for call in calls.chars() {
            let result = match call {
                'r' => self.kernel.recv(self.client, &mut [0; 4_096]).map(|n| match n {
                    0 => "EOF".to_owned(),
                    n => format!("{n}B"),
                }),
                'w' => self.kernel.send(self.client, b"x").map(|_| "ok".to_owned()),
                _ => {
                    self.pass(ms(30));
                    continue;
                }
            };
            told.push(result.unwrap_or_else(|errno| errno.symbol().to_owned()));
        }
        told.join(" ")
    }

    #[track_caller]
    fn check(&mut self, calls: &str, expected: &str) {
        assert_eq!(self.client(calls), expected);
    }

    fn look(&self) -> (u8, u64, Peer) {
        let look = self.kernel.look(self.client, Some(address(1)));
        (look.state, look.bytes_received, look.peer)
    }
}

#[test]
fn after_a_close_the_first_write_succeeds_and_the_second_is_a_broken_pipe() {
    let closed = || {
        let mut pair = Pair::new();
        pair.closes(Close::Fin);
        pair
    };
    closed().check("rrw.wr", "EOF EOF ok EPIPE EOF");
    closed().check("w.wr", "ok EPIPE EOF");
    let mut pair = Pair::new();
    pair.says(b"5 B..");
    pair.closes(Close::Fin);
    pair.check("rrw.w", "5B EOF ok EPIPE");
    let mut pair = Pair::new();
    pair.says(b"5 B..");
    pair.closes(Close::Fin);
    pair.check("w.rrw", "ok 5B EOF EPIPE");
}

#[test]
fn after_a_reset_the_error_comes_once_and_to_whoever_asks_first() {
    let reset = |how: Option<Close>| {
        let mut pair = Pair::new();
        match how {
            Some(how) => pair.closes(how),
            None => {
                // Unread bytes.
                assert_eq!(pair.client("w."), "ok");
                pair.closes(Close::Fin);
            }
        }
        pair
    };
    for how in [Some(Close::Rst), None] {
        reset(how).check("wwr", "ECONNRESET EPIPE EOF");
        reset(how).check("rrw", "ECONNRESET EOF EPIPE");
    }
}

/// FAILURES §0.2: what the server had said is not lost.
#[test]
fn what_was_said_before_a_reset_is_read_after_a_failed_write() {
    let mut pair = Pair::new();
    assert_eq!(pair.client("w."), "ok");
    pair.says(&[7; 500]);
    pair.closes(Close::Fin);
    pair.check("wwrr", "ECONNRESET EPIPE 500B EOF");
    let mut pair = Pair::new();
    pair.says(&[7; 500]);
    pair.closes(Close::Fin);
    pair.check("w.wrr", "ok EPIPE 500B EOF");
    let mut pair = Pair::new();
    pair.says(&[7; 500]);
    pair.closes(Close::Rst);
    pair.check("rr", "500B ECONNRESET");
}

/// FAILURES row 5f.
#[test]
fn after_a_half_close_writes_go_on() {
    let mut pair = Pair::new();
    pair.closes(Close::Half);
    pair.check("rw.w.w.", "EOF ok ok ok");
    assert_eq!(pair.kernel.recv(pair.server, &mut [0; 9]), Ok(3));
}

/// FAILURES §0.4: the FIN is one received byte, also after the RST that followed it.
#[test]
fn a_fin_is_counted_and_a_reset_is_not() {
    let mut pair = Pair::new();
    assert_eq!(pair.look(), (tcp_state::ESTABLISHED, 0, Peer::Accepted { unread: false }));
    pair.says(b"hello");
    assert_eq!(pair.client(".w.r"), "ok 5B");
    assert_eq!(pair.look(), (tcp_state::ESTABLISHED, 5, Peer::Accepted { unread: true }));
    pair.closes(Close::Rst);
    assert_eq!(pair.look(), (tcp_state::CLOSE, 5, Peer::Absent));
    let mut pair = Pair::new();
    pair.closes(Close::Fin);
    assert_eq!(pair.look(), (tcp_state::CLOSE_WAIT, 1, Peer::Closing));
    pair.check("w.", "ok");
    assert_eq!(pair.look(), (tcp_state::CLOSE, 1, Peer::Absent));
}

/// FAILURES row 1a: in the accept queue; then its listener closes.
#[test]
fn what_waits_in_a_queue_is_reset_when_its_listener_closes() {
    let mut pair = Pair::new();
    let id = ConnId { slot: 1, generation: 1 };
    pair.client = pair.kernel.connect((CLIENT, id), address(9).ip(), address(1)).unwrap();
    pair.check(".w.", "ok");
    assert_eq!(pair.look(), (tcp_state::ESTABLISHED, 0, Peer::Queued));
    pair.kernel.reap(SERVER);
    pair.check(".rr", "ECONNRESET EOF");
    assert_eq!(pair.look().2, Peer::NotLocal, "nobody listens any more");
    pair.client = pair.kernel.connect((CLIENT, id), address(9).ip(), address(1)).unwrap();
    pair.check(".rr", "ECONNREFUSED EOF");
}

/// FAILURES row 8n: a server that never reads.
#[test]
fn a_peer_that_never_reads_takes_what_its_buffers_hold() {
    let mut pair = Pair::new();
    let mut taken = 0;
    let full = loop {
        match pair.kernel.send(pair.client, &[0; 1_000]) {
            Ok(count) => taken += count,
            Err(errno) => break errno,
        }
        pair.pass(ms(1));
    };
    let room = Link::default();
    assert_eq!((full, taken), (Errno::EAGAIN, room.sndbuf.0 + room.rcvbuf.0));
    // It reads again: everything comes, in order, and there is room.
    let mut read = 0;
    while let Ok(count) = pair.kernel.recv(pair.server, &mut [0; 5_000]) {
        read += count;
        pair.pass(ms(1));
    }
    assert_eq!(read, taken);
    assert_eq!(pair.client("w"), "ok");
}

/// FAILURES row 1d0: a dropped last ACK leaves it half open, and a later one gets in.
#[test]
fn a_half_open_one_gets_in_when_there_is_room() {
    let mut pair = Pair::new();
    pair.kernel.link.delay = (ms(10), ms(10));
    let id = ConnId { slot: 1, generation: 1 };
    pair.client = pair.kernel.connect((CLIENT, id), address(9).ip(), address(1)).unwrap();
    pair.pass(ms(25));
    // Its SYN-ACK has come; before its ACK is there, the queue is full.
    let waiting = pair.server;
    let listener = pair.kernel.listeners.get_mut(&address(1)).unwrap();
    (listener.backlog, listener.queue) = (0, [waiting].into());
    pair.pass(ms(30));
    assert_eq!(pair.look(), (tcp_state::ESTABLISHED, 0, Peer::HalfOpen));
    pair.kernel.listeners.get_mut(&address(1)).unwrap().queue.clear();
    // The SYN-ACK is sent again after a second and acknowledged again.
    pair.pass(ms(1_100));
    assert_eq!(pair.look(), (tcp_state::ESTABLISHED, 0, Peer::Queued));
}
