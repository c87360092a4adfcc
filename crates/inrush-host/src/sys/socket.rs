//! Non-blocking TCP sockets, IPv4 and IPv6. Each call gives the kernel's own answer back, with the
//! operation that gave it where one call here is several there.
#![allow(unsafe_code, reason = "IP_BIND_ADDRESS_NO_PORT, which rustix does not have")]

use super::errno;
use inrush_core::errno::Errno;
use inrush_core::failure::Op;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno as Code;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

/// What every socket of a run is set to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// TCP_NODELAY.
    pub nodelay: bool,
    /// SO_SNDBUF in bytes; `None` = the kernel's own choice, which grows.
    pub sndbuf: Option<u32>,
    /// SO_RCVBUF in bytes; `None` = the kernel's own choice, which grows.
    pub rcvbuf: Option<u32>,
}

/// Begins a connection; it is made, or has failed, when the socket becomes writable or readable.
/// `from` chooses the local address and leaves the port to connect().
pub fn connect(
    to: SocketAddr,
    from: Option<IpAddr>,
    options: &Options,
) -> Result<OwnedFd, (Op, Errno)> {
    let fd = socket(to).map_err(|e| (Op::Socket, errno(e)))?;
    apply(&fd, options).map_err(|e| (Op::Socket, errno(e)))?;
    if let Some(from) = from {
        // Without it bind() would reserve a port against every destination, and the 28,233rd of all
        // connections would fail instead of that of one destination (ip(7)).
        bind_address_no_port(&fd).map_err(|e| (Op::Bind, errno(e)))?;
        net::bind(&fd, &source(from, to)).map_err(|e| (Op::Bind, errno(e)))?;
    }
    match net::connect(&fd, &to) {
        Ok(()) | Err(Code::INPROGRESS) => Ok(fd),
        Err(e) => Err((Op::Connect, errno(e))),
    }
}

/// A socket for connections to such an address, not connected.
pub fn unconnected(of: SocketAddr) -> Result<OwnedFd, Errno> {
    socket(of).map_err(errno)
}

/// Begins a connection on a socket that is there.
pub fn begin(fd: impl AsFd, to: SocketAddr) -> Result<(), Errno> {
    match net::connect(fd, &to) {
        Ok(()) | Err(Code::INPROGRESS) => Ok(()),
        Err(e) => Err(errno(e)),
    }
}

/// TCP_USER_TIMEOUT: the kernel gives up when nothing was acknowledged for so long.
pub fn give_up_after(fd: impl AsFd, milliseconds: u32) -> Result<(), Errno> {
    sockopt::set_tcp_user_timeout(fd, milliseconds).map_err(errno)
}

/// Whether connections can begin at this address: false when it is none of this host's. What cannot
/// be found out is left to connect().
pub fn is_local(ip: IpAddr) -> bool {
    let addr = SocketAddr::new(ip, 0);
    let Ok(fd) = socket(addr) else { return true };
    net::bind(&fd, &addr) != Err(Code::ADDRNOTAVAIL)
}

/// Makes a listening socket. `backlog` is cut to net.core.somaxconn by the kernel.
pub fn listen(addr: SocketAddr, backlog: u32) -> Result<OwnedFd, (Op, Errno)> {
    let fd = socket(addr).map_err(|e| (Op::Socket, errno(e)))?;
    sockopt::set_socket_reuseaddr(&fd, true).map_err(|e| (Op::Socket, errno(e)))?;
    // Accepted sockets inherit it (tcp(7)): two writes in a row, a ticket of TLS and an answer,
    // would meet Nagle's algorithm and a delayed ACK, 40 ms.
    sockopt::set_tcp_nodelay(&fd, true).map_err(|e| (Op::Socket, errno(e)))?;
    let bound = net::bind(&fd, &addr);
    // listen() can meet EADDRINUSE as bind() does, when another socket listens since.
    let listening =
        bound.and_then(|()| net::listen(&fd, i32::try_from(backlog).unwrap_or(i32::MAX)));
    listening.map_err(|e| (Op::Bind, errno(e)))?;
    Ok(fd)
}

/// Takes one connection from the accept queue; EAGAIN when it is empty.
#[inline]
pub fn accept(fd: impl AsFd) -> Result<OwnedFd, Errno> {
    loop {
        match net::accept_with(fd.as_fd(), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Err(Code::INTR) => {}
            other => return other.map_err(errno),
        }
    }
}

/// Reads what is there: 0 = the peer's FIN; EAGAIN = nothing.
#[inline]
pub fn recv(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    net::recv(fd, buffer, RecvFlags::empty()).map(|(n, _)| n).map_err(errno)
}

/// Hands bytes to the kernel; it may take fewer. Never raises SIGPIPE.
#[inline]
pub fn send(fd: impl AsFd, bytes: &[u8]) -> Result<usize, Errno> {
    net::send(fd, bytes, SendFlags::NOSIGNAL).map_err(errno)
}

/// Sends our FIN; reading goes on.
pub fn shutdown_write(fd: impl AsFd) {
    // ENOTCONN: the connection is over already, which is what was wanted.
    let _ = net::shutdown(fd, net::Shutdown::Write);
}

/// Makes close() send a RST instead of a FIN and forget what was not sent.
pub fn set_linger_zero(fd: impl AsFd) {
    // It cannot fail on a TCP socket (socket(7)); if it did, close() would send a FIN.
    let _ = sockopt::set_socket_linger(fd, Some(Duration::ZERO));
}

/// Our own address.
#[inline]
pub fn local_addr(fd: impl AsFd) -> Option<SocketAddr> {
    SocketAddr::try_from(net::getsockname(fd).ok()?).ok()
}

/// Our own address, of a socket that is owned.
pub fn local_addr_of(fd: &OwnedFd) -> Option<SocketAddr> {
    local_addr(fd)
}

/// The peer's address; `None` when it is not connected (any more).
#[inline]
pub fn peer_addr(fd: impl AsFd) -> Option<SocketAddr> {
    SocketAddr::try_from(net::getpeername(fd).ok()??).ok()
}

/// SO_ERROR: the pending error, which is cleared by this call.
pub fn take_error(fd: impl AsFd) -> Option<Errno> {
    sockopt::socket_error(fd).ok()?.err().map(errno)
}

fn socket(of: SocketAddr) -> Result<OwnedFd, Code> {
    let family = if of.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    net::socket_with(family, SocketType::STREAM, flags, None)
}

fn apply(fd: &OwnedFd, options: &Options) -> Result<(), Code> {
    if options.nodelay {
        sockopt::set_tcp_nodelay(fd, true)?;
    }
    // Before connect(): the window scale is settled by the SYN (tcp(7)).
    if let Some(bytes) = options.sndbuf {
        sockopt::set_socket_send_buffer_size(fd, bytes as usize)?;
    }
    if let Some(bytes) = options.rcvbuf {
        sockopt::set_socket_recv_buffer_size(fd, bytes as usize)?;
    }
    Ok(())
}

/// `from` with any port; a link-local address needs the interface of its destination.
fn source(from: IpAddr, to: SocketAddr) -> SocketAddr {
    match (from, to) {
        (IpAddr::V4(ip), _) => SocketAddrV4::new(ip, 0).into(),
        (IpAddr::V6(ip), SocketAddr::V6(to)) => SocketAddrV6::new(ip, 0, 0, to.scope_id()).into(),
        (IpAddr::V6(ip), SocketAddr::V4(_)) => SocketAddrV6::new(ip, 0, 0, 0).into(),
    }
}

fn bind_address_no_port(fd: &OwnedFd) -> Result<(), Code> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).expect("four bytes");
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel reads `length` bytes
    // of `on`, which outlives the call. IPPROTO_IP is right for IPv6 sockets, too (ip(7)).
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            length,
        )
    };
    if result == 0 {
        return Ok(());
    }
    Err(Code::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Code::INVAL))
}

/// Whether this host speaks IPv6 to itself; containers often do not. Says so when not.
#[cfg(test)]
pub(crate) fn has_ipv6() -> bool {
    let has = listen(SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, 0, 0, 0).into(), 1).is_ok();
    if !has {
        eprintln!("SKIPPED the IPv6 half: ::1 is not an address of this host");
    }
    has
}

/// Closes a listener for all: a process that another test starts at this moment still holds a copy
/// of the descriptor until its exec.
#[cfg(test)]
pub(crate) fn stop_listening(fd: OwnedFd) {
    net::shutdown(&fd, net::Shutdown::Both).expect("it listens");
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    const PLAIN: Options = Options { nodelay: true, sndbuf: None, rcvbuf: None };

    fn wait(fd: &OwnedFd, flags: PollFlags) {
        let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(fd, flags)], Some(&patience)).unwrap(), 1);
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn pair(listen_on: &str, from: Option<IpAddr>) -> (OwnedFd, OwnedFd, OwnedFd) {
        let listener = listen(listen_on.parse().unwrap(), 16).unwrap();
        let to = local_addr(&listener).unwrap();
        let client = connect(to, from, &PLAIN).unwrap();
        wait(&client, PollFlags::OUT);
        assert_eq!(take_error(&client), None);
        wait(&listener, PollFlags::IN);
        let server = accept(&listener).unwrap();
        (listener, client, server)
    }

    #[test]
    fn both_families_connect_speak_and_end() {
        for (on, from) in [("127.0.0.1:0", None), ("[::1]:0", None), ("[::1]:0", Some("::1"))] {
            if on.starts_with('[') && !has_ipv6() {
                continue;
            }
            let (listener, client, server) = pair(on, from.map(ip));
            assert_eq!(accept(&listener).unwrap_err(), Errno::EAGAIN);
            assert!(sockopt::tcp_nodelay(&server).unwrap(), "inherited from the listener");
            assert_eq!(local_addr(&client), peer_addr(&server));
            assert_eq!(peer_addr(&client), local_addr(&server));
            let mut buffer = [0; 8];
            assert_eq!(recv(&client, &mut buffer), Err(Errno::EAGAIN));
            assert_eq!(send(&client, b"hello"), Ok(5));
            wait(&server, PollFlags::IN);
            assert_eq!(recv(&server, &mut buffer), Ok(5));
            assert_eq!(&buffer[..5], b"hello");
            shutdown_write(&client);
            wait(&server, PollFlags::IN);
            assert_eq!(recv(&server, &mut buffer), Ok(0));
            assert_eq!(send(&client, b"x"), Err(Errno::EPIPE));
            set_linger_zero(&server);
            drop(server);
            wait(&client, PollFlags::IN);
            assert_eq!(recv(&client, &mut buffer), Err(Errno::ECONNRESET));
            assert_eq!(peer_addr(&client), None);
        }
    }

    #[test]
    fn a_source_is_used_and_its_port_is_not_reserved_by_bind() {
        let (_listener, client, _server) = pair("127.0.0.1:0", Some(ip("127.0.0.9")));
        assert_eq!(local_addr(&client).unwrap().ip(), ip("127.0.0.9"));
        // bind(2) would have chosen a port here; with the option it is chosen by connect(2).
        let fd = socket("127.0.0.1:1".parse().unwrap()).unwrap();
        bind_address_no_port(&fd).unwrap();
        net::bind(&fd, &SocketAddrV4::new([127, 0, 0, 1].into(), 0)).unwrap();
        assert_eq!(local_addr(&fd).unwrap().port(), 0);
        if has_ipv6() {
            let fd = socket("[::1]:1".parse().unwrap()).unwrap();
            bind_address_no_port(&fd).unwrap();
            net::bind(&fd, &source(ip("::1"), "[::1]:1".parse().unwrap())).unwrap();
            assert_eq!(local_addr(&fd).unwrap().port(), 0);
        }
    }

    #[test]
    fn each_failure_names_its_operation() {
        let closed = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let to = local_addr(&closed).unwrap();
        let busy = listen(to, 1).unwrap_err();
        assert_eq!(busy, (Op::Bind, Errno::EADDRINUSE));
        stop_listening(closed);
        match connect(to, None, &PLAIN) {
            Ok(fd) => {
                wait(&fd, PollFlags::OUT);
                assert_eq!(take_error(&fd), Some(Errno::ECONNREFUSED));
                assert_eq!(take_error(&fd), None, "it is told once");
            }
            Err(error) => assert_eq!(error, (Op::Connect, Errno::ECONNREFUSED)),
        }
        let foreign = connect(to, Some(ip("192.0.2.1")), &PLAIN).unwrap_err();
        assert_eq!(foreign, (Op::Bind, Errno::EADDRNOTAVAIL));
        let other_family = connect(to, Some(ip("::1")), &PLAIN).unwrap_err();
        assert_eq!(other_family.0, Op::Bind);
    }

    #[test]
    fn buffers_are_set_before_the_connection_is_made() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let options = Options { nodelay: true, sndbuf: Some(8_192), rcvbuf: Some(4_096) };
        let fd = connect(local_addr(&listener).unwrap(), None, &options).unwrap();
        assert!(sockopt::tcp_nodelay(&fd).unwrap());
        // The kernel doubles what was asked for (socket(7)).
        assert_eq!(sockopt::socket_send_buffer_size(&fd).unwrap(), 16_384);
        assert_eq!(sockopt::socket_recv_buffer_size(&fd).unwrap(), 8_192);
    }
}
