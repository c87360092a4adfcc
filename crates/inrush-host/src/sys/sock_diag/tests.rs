//! Against real sockets on loopback, and the table of states that are hard to produce.

use super::*;
use crate::sys::socket::{self, Options};
use inrush_core::failure::tcp_state::{CLOSE, CLOSE_WAIT, ESTABLISHED};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

fn wait(fd: &OwnedFd, flags: PollFlags) {
    let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(fd, flags)], Some(&patience)).unwrap(), 1);
}

fn listen(on: &str, backlog: u32) -> (OwnedFd, SocketAddr) {
    let fd = socket::listen(on.parse().unwrap(), backlog).unwrap();
    let addr = socket::local_addr(&fd).unwrap();
    (fd, addr)
}

fn connect(to: SocketAddr, from: Option<&str>) -> (OwnedFd, SocketAddr) {
    let fd = socket::connect(to, from.map(|ip| ip.parse().unwrap()), &Options::default()).unwrap();
    wait(&fd, PollFlags::OUT);
    let local = socket::local_addr(&fd).unwrap();
    (fd, local)
}

#[test]
fn a_life_on_the_server_side() {
    for on in ["127.0.0.1:0", "[::1]:0"] {
        if on.starts_with('[') && !socket::has_ipv6() {
            continue;
        }
        let mut diag = SockDiag::open().unwrap();
        let (listener, to) = listen(on, 8);
        let (client, local) = connect(to, None);
        let mut look = || diag.peer(local, to).unwrap();
        wait(&listener, PollFlags::IN);
        assert_eq!(look(), Peer::Queued);
        let server = socket::accept(&listener).unwrap();
        assert_eq!(look(), Peer::Accepted { unread: false });
        socket::send(&client, b"x").unwrap();
        wait(&server, PollFlags::IN);
        assert_eq!(look(), Peer::Accepted { unread: true });
        socket::recv(&server, &mut [0; 4]).unwrap();
        assert_eq!(look(), Peer::Accepted { unread: false });
        socket::shutdown_write(&client);
        wait(&server, PollFlags::RDHUP);
        assert_eq!(look(), Peer::Accepted { unread: false }, "a FIN is no byte");
        drop(server);
        wait(&client, PollFlags::IN);
        assert!(matches!(look(), Peer::Closing | Peer::Absent));
    }
}

#[test]
fn a_server_that_closed_first_is_closing() {
    let mut diag = SockDiag::open().unwrap();
    let (listener, to) = listen("127.0.0.1:0", 8);
    let (client, local) = connect(to, None);
    wait(&listener, PollFlags::IN);
    drop(socket::accept(&listener).unwrap());
    wait(&client, PollFlags::IN);
    assert_eq!(diag.peer(local, to), Ok(Peer::Closing));
}

#[test]
fn a_connection_that_does_not_exist_is_absent_although_its_listener_answers() {
    let mut diag = SockDiag::open().unwrap();
    let (listener, to) = listen("127.0.0.1:0", 8);
    let nobody = "127.0.0.1:9".parse().unwrap();
    let answered = diag.look_up(to, nobody).unwrap().unwrap();
    assert_eq!(answered.state, LISTEN, "the trap is still there");
    assert_ne!(answered.inode, 0);
    assert_eq!(diag.peer(nobody, to), Ok(Peer::Absent));
    socket::stop_listening(listener);
    assert_eq!(diag.peer(nobody, to), Ok(Peer::Absent), "ENOENT");
}

#[test]
fn a_listener_is_found_by_its_address_or_its_wildcard() {
    let mut diag = SockDiag::open().unwrap();
    for (on, ask) in [
        ("127.0.0.1:0", "127.0.0.1"),
        ("0.0.0.0:0", "127.0.0.7"),
        ("[::]:0", "::1"),
        ("[::]:0", "127.0.0.1"),
        ("[::]:0", "::ffff:127.0.0.1"),
    ] {
        if on.starts_with('[') && !socket::has_ipv6() {
            continue;
        }
        let (fd, addr) = listen(on, 3);
        let to = SocketAddr::new(ask.parse().unwrap(), addr.port());
        let found = diag.listener(to).unwrap().unwrap();
        assert_ne!(found.inode, 0);
        let expected = Listener { queue: 0, backlog: 3, drops: 0, inode: found.inode, sockets: 1 };
        assert_eq!(found, expected, "{on} {ask}");
        let (_one, local) = connect(canonical(to), None);
        let (_two, _) = connect(canonical(to), None);
        wait(&fd, PollFlags::IN);
        assert_eq!(diag.listener(to).unwrap().unwrap().queue, 2);
        assert_eq!(diag.listener_group(to).unwrap().unwrap().queue, 2);
        assert_eq!(diag.peer(local, to), Ok(Peer::Queued));
        socket::stop_listening(fd);
        assert_eq!(diag.listener(to), Ok(None));
        assert_eq!(diag.listener_group(to), Ok(None));
    }
    let (_fd, addr) = listen("127.0.0.1:0", 3);
    assert_eq!(diag.listener(SocketAddr::new("127.0.0.2".parse().unwrap(), addr.port())), Ok(None));
}

#[test]
fn a_full_queue_counts_its_drops() {
    let mut diag = SockDiag::open().unwrap();
    let (_fd, to) = listen("127.0.0.1:0", 1);
    let options = Options::default();
    let clients: Vec<OwnedFd> =
        (0..10).map(|_| socket::connect(to, None, &options).unwrap()).collect();
    let found = diag.listener(to).unwrap().unwrap();
    assert_eq!(found.queue, 2, "the backlog and one");
    assert!(found.drops >= 1, "{found:?}");
    drop(clients);
}

#[test]
fn a_group_is_one_listener() {
    let mut diag = SockDiag::open().unwrap();
    let (kind, flags) = (SocketType::STREAM, SocketFlags::CLOEXEC);
    let make = |addr: SocketAddr| {
        let fd = net::socket_with(AddressFamily::INET, kind, flags, None).unwrap();
        sockopt::set_socket_reuseport(&fd, true).unwrap();
        net::bind(&fd, &addr).unwrap();
        net::listen(&fd, 16).unwrap();
        fd
    };
    let first = make("127.0.0.1:0".parse().unwrap());
    let to = socket::local_addr(&first).unwrap();
    let others: Vec<OwnedFd> = (0..3).map(|_| make(to)).collect();
    let clients: Vec<_> = (0..8).map(|_| connect(to, None)).collect();
    let group = diag.listener_group(to).unwrap().unwrap();
    assert_eq!((group.sockets, group.backlog), (4, 16));
    assert!(group.queue >= 2, "eight over four: one has two at least");
    drop((clients, others));
}

#[test]
fn ports_are_counted_by_local_address_until_time_wait_is_over() {
    let mut diag = SockDiag::open().unwrap();
    // An address of its own: other tests leave TIME-WAITs behind.
    let (listener, to) = listen("127.0.0.3:0", 64);
    assert_eq!(diag.connected_ports(to), Ok(BTreeMap::new()));
    let own: Vec<_> = (0..5).map(|_| connect(to, Some("127.0.0.2"))).collect();
    let (sixth, _) = connect(to, None);
    // An IPv6 socket that speaks IPv4.
    let mapped = SocketAddr::new("::ffff:127.0.0.3".parse().unwrap(), to.port());
    let seventh = if socket::has_ipv6() { mapped } else { to };
    let (seventh, _) = connect(seventh, None);
    let counts = |diag: &mut SockDiag| {
        let counts = diag.connected_ports(to).unwrap();
        let of = |ip: &str| counts.get(&ip.parse().unwrap()).copied().unwrap_or(0);
        (counts.len(), of("127.0.0.1"), of("127.0.0.2"))
    };
    assert_eq!(counts(&mut diag), (2, 2, 5));
    // We close first, so the TIME-WAIT is ours; the server follows at once.
    drop(own);
    for _ in 0..7 {
        wait(&listener, PollFlags::IN);
        drop(socket::accept(&listener).unwrap());
    }
    assert_eq!(counts(&mut diag), (2, 2, 5));
    drop((sixth, seventh));
}

#[test]
fn each_state_means_what_the_table_says() {
    let check = |state, inode, rqueue, expected| {
        let nobody = any(false, 0);
        let (src, dst, drops) = (nobody, nobody, None);
        let socket = Socket { state, v6: false, src, dst, rqueue, wqueue: 0, inode, drops };
        assert_eq!(peer(&socket), expected, "state {state}, inode {inode}, unread {rqueue}");
    };
    let accepted = |unread| Peer::Accepted { unread };
    check(ESTABLISHED, 0, 0, Peer::Queued);
    check(ESTABLISHED, 0, 9, Peer::Queued);
    check(ESTABLISHED, 7, 0, accepted(false));
    check(ESTABLISHED, 7, 1, accepted(true));
    check(SYN_RECV, 0, 0, Peer::HalfOpen);
    check(CLOSE_WAIT, 0, 1, Peer::Queued);
    check(CLOSE_WAIT, 7, 1, accepted(false));
    check(CLOSE_WAIT, 7, 2, accepted(true));
    check(FIN_WAIT1, 0, 0, Peer::Closing);
    check(FIN_WAIT2, 0, 0, Peer::Closing);
    check(FIN_WAIT2, 7, 0, accepted(false));
    check(TIME_WAIT, 0, 0, Peer::Closing);
    check(LAST_ACK, 0, 0, Peer::Closing);
    check(CLOSING, 0, 0, Peer::Closing);
    check(CLOSE, 0, 0, Peer::Absent);
    check(CLOSE, 7, 0, Peer::Absent);
    check(LISTEN, 7, 3, Peer::Absent);
}
