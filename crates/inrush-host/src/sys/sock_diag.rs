//! The kernel's table of TCP sockets (`sock_diag`, what `ss` reads), asked without privilege for
//! the other side of our connections. It sees this network namespace only.

mod message;
#[cfg(test)]
mod tests;

use super::errno;
use inrush_core::errno::Errno;
use inrush_core::failure::Peer;
use message::{Question, Socket};
use rustix::fd::OwnedFd;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

const ENOENT: Errno = Errno(2);
/// The kernel fills dumps in datagrams of up to 32 KiB (af_netlink.c).
const BUFFER: usize = 32 << 10;
/// It answers while it is asked; a sandbox that swallows the question must not stop a run.
const PATIENCE: Duration = Duration::from_secs(1);
/// Local addresses counted by one dump.
const ADDRESSES: usize = 65_536;

// TCP states beyond those of inrush_core::failure::tcp_state (include/net/tcp_states.h).
const SYN_RECV: u8 = 3;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const TIME_WAIT: u8 = 6;
const LAST_ACK: u8 = 9;
const LISTEN: u8 = 10;
const CLOSING: u8 = 11;
/// All of them but LISTEN, as bits.
const CONNECTED: u32 = 0xfff & !(1 << LISTEN);

/// A socket to the kernel, kept open: one descriptor. A look-up costs about 5 microseconds.
#[derive(Debug)]
pub struct SockDiag {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// A listening socket, or all of a SO_REUSEPORT group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listener {
    /// Connections in its accept queue; of a group, in the fullest.
    pub queue: u32,
    /// Its backlog; of a group, that of the fullest.
    pub backlog: u32,
    /// SYNs and ACKs it dropped because its queue was full; of a group, all.
    pub drops: u32,
    /// Its inode, of one.
    pub inode: u32,
    /// Sockets of the group.
    pub sockets: u32,
}

impl SockDiag {
    /// Opens it.
    pub fn open() -> Result<Self, Errno> {
        let protocol = Some(net::netlink::SOCK_DIAG);
        let (kind, flags) = (SocketType::RAW, SocketFlags::CLOEXEC);
        let fd = net::socket_with(AddressFamily::NETLINK, kind, flags, protocol).map_err(errno)?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(PATIENCE)).map_err(errno)?;
        Ok(Self { fd, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// The listening socket that the kernel would give a connection to `addr`: that of the address,
    /// else of the wildcard, `[::]` for IPv4, too. Of a SO_REUSEPORT group it is one.
    pub fn listener(&mut self, addr: SocketAddr) -> Result<Option<Listener>, Errno> {
        Ok(self.listening(addr)?.as_ref().map(Listener::of))
    }

    /// Likewise, and all sockets of its SO_REUSEPORT group together. A dump: about as dear as there
    /// are listening sockets.
    pub fn listener_group(&mut self, addr: SocketAddr) -> Result<Option<Listener>, Errno> {
        let Some(one) = self.listening(addr)? else { return Ok(None) };
        let question = Question {
            v6: one.v6,
            states: 1 << LISTEN,
            src: any(one.src.is_ipv6(), one.src.port()),
            dst: any(one.src.is_ipv6(), 0),
            dump: true,
            both: false,
        };
        let mut group: Option<Listener> = None;
        self.ask(&question, |socket| {
            if socket.state == LISTEN && socket.src == one.src {
                let other = Listener::of(&socket);
                group = Some(group.map_or(other, |group| group.joined(other)));
            }
        })?;
        // It may have been closed between the two questions.
        Ok(group.or(Some(Listener::of(&one))))
    }

    /// The server's side of the connection between these two addresses.
    pub fn peer(&mut self, client: SocketAddr, server: SocketAddr) -> Result<Peer, Errno> {
        let found = self.look_up(server, client)?;
        Ok(found.map_or(Peer::Absent, |socket| peer(&socket)))
    }

    /// Local ports in use towards `to`, by local address: connected, ending or in TIME-WAIT. A
    /// pass over all sockets of the host, which tells those of this port alone: 6 ms for the empty
    /// table, 30 ns for each other socket, about 1.2 us for each that is told.
    pub fn connected_ports(&mut self, to: SocketAddr) -> Result<BTreeMap<IpAddr, u32>, Errno> {
        let to = canonical(to);
        let mut counts = BTreeMap::new();
        let question = Question {
            v6: to.is_ipv6(),
            states: CONNECTED,
            src: any(to.is_ipv6(), 0),
            dst: any(to.is_ipv6(), to.port()),
            dump: true,
            // An IPv6 socket that speaks IPv4 uses up an IPv4 port.
            both: true,
        };
        self.ask(&question, |socket| {
            if socket.state == LISTEN || canonical(socket.dst) != to {
                return;
            }
            let ip = canonical(socket.src).ip();
            if counts.len() < ADDRESSES || counts.contains_key(&ip) {
                *counts.entry(ip).or_insert(0) += 1;
            }
        })?;
        Ok(counts)
    }

    fn listening(&mut self, addr: SocketAddr) -> Result<Option<Socket>, Errno> {
        // Nobody is connected with port 0, so the look-up falls through to the listeners.
        let found = self.look_up(addr, any(addr.is_ipv6(), 0))?;
        Ok(found.filter(|socket| socket.state == LISTEN))
    }

    fn look_up(&mut self, src: SocketAddr, dst: SocketAddr) -> Result<Option<Socket>, Errno> {
        let (src, dst) = (canonical(src), canonical(dst));
        let v6 = src.is_ipv6();
        let mut found = None;
        let question = Question { v6, states: u32::MAX, src, dst, dump: false, both: false };
        match self.ask(&question, |socket| found = Some(socket)) {
            Ok(()) => Ok(found),
            Err(ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Asks, and gives each socket of the answer.
    fn ask(&mut self, question: &Question, mut each: impl FnMut(Socket)) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = message::request(question, self.sequence);
        net::send(&self.fd, &request, SendFlags::empty()).map_err(errno)?;
        loop {
            let got = match net::recv(&self.fd, &mut self.buffer[..], RecvFlags::empty()) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.map_err(errno)?.0,
            };
            for message in message::messages(&self.buffer[..got]) {
                // The rest of an answer that was not waited for to its end.
                if message.sequence != self.sequence {
                    continue;
                }
                match message.kind {
                    message::DONE => return Ok(()),
                    message::ERROR => {
                        return match message::error(message.body) {
                            0 => Ok(()),
                            raw => Err(Errno(raw)),
                        };
                    }
                    message::BY_FAMILY | message::OF_ANY_FAMILY => {
                        message::socket(message.body).into_iter().for_each(&mut each);
                        if !question.dump {
                            return Ok(());
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Listener {
    fn of(socket: &Socket) -> Self {
        Self {
            queue: socket.rqueue,
            backlog: socket.wqueue,
            drops: socket.drops.unwrap_or(0),
            inode: socket.inode,
            sockets: 1,
        }
    }

    fn joined(self, other: Self) -> Self {
        let fullest = if other.queue > self.queue { other } else { self };
        Self {
            drops: self.drops.saturating_add(other.drops),
            sockets: self.sockets.saturating_add(1),
            ..fullest
        }
    }
}

/// What the server's socket tells about its program.
fn peer(socket: &Socket) -> Peer {
    use inrush_core::failure::tcp_state::{CLOSE_WAIT, ESTABLISHED};
    // Our FIN counts as one until the program has read it.
    let ours_ended = matches!(socket.state, CLOSE_WAIT | LAST_ACK | CLOSING);
    let unread = socket.rqueue > u32::from(ours_ended);
    match socket.state {
        // Trap, measured: a connection that does not exist is answered with its listener.
        LISTEN => Peer::Absent,
        SYN_RECV => Peer::HalfOpen,
        ESTABLISHED | CLOSE_WAIT if socket.inode == 0 => Peer::Queued,
        FIN_WAIT1 | FIN_WAIT2 | LAST_ACK | CLOSING | TIME_WAIT if socket.inode == 0 => {
            Peer::Closing
        }
        ESTABLISHED | CLOSE_WAIT | FIN_WAIT1 | FIN_WAIT2 | LAST_ACK | CLOSING => {
            Peer::Accepted { unread }
        }
        _ => Peer::Absent,
    }
}

fn any(v6: bool, port: u16) -> SocketAddr {
    let ip = if v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, port)
}

/// IPv4 as IPv4, however the socket was made; an IPv6 address keeps its interface.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), addr.port()),
        IpAddr::V6(_) => addr,
    }
}
