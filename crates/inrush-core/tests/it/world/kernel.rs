//! A kernel made of numbers: its system calls. Each rule names the row of FAILURES.md (or the
//! kernel's function) that it copies. It knows no class, no cause and no plan.

use super::chance::Chance;
use super::socket::{Owner, Pid, Ready, Sock, SockId, Tcp};
use inrush_core::errno::Errno;
use inrush_core::failure::{Look, Op, Peer};
use inrush_core::swarm::{Close, ConnId};
use inrush_core::time::Nanos;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

/// How the wire and the sockets' buffers are. Ranges are drawn from for each socket or segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) delay: (Nanos, Nanos),
    /// Bytes of one segment.
    pub(crate) mss: (usize, usize),
    pub(crate) sndbuf: (usize, usize),
    pub(crate) rcvbuf: (usize, usize),
}

impl Default for Link {
    /// Loopback.
    fn default() -> Self {
        Self {
            delay: (Nanos::from_micros(5), Nanos::from_micros(5)),
            mss: (65_483, 65_483),
            sndbuf: (96 << 10, 96 << 10),
            rcvbuf: (64 << 10, 64 << 10),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) owner: Pid,
    pub(crate) backlog: usize,
    /// Whole connections that nobody has accepted.
    pub(crate) queue: VecDeque<SockId>,
    /// Those in SYN-RECV.
    pub(crate) half: usize,
    /// SYNs and ACKs it dropped (sock_diag skmem d).
    pub(crate) drops: u64,
}

/// Counters of the network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) listen_overflows: u64,
    pub(crate) cookies_for_full_queue: u64,
    pub(crate) syn_retrans: u64,
    pub(crate) out_rsts: u64,
    pub(crate) aborts_on_close: u64,
    pub(crate) aborts_on_data: u64,
    pub(crate) req_queue_full_drops: u64,
    pub(crate) icmp_unreachables: u64,
}

/// What is on its way.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Arrive(Segment),
    Timer(SockId),
}

/// A segment between two addresses.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    /// It answers a SYN cookie.
    pub(crate) cookie: bool,
    pub(crate) kind: Kind,
}

/// What a segment carries.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Syn,
    SynAck { cookie: bool },
    Ack(u64),
    Data { seq: u64, bytes: Vec<u8>, fin: bool },
    Rst,
}

/// All sockets of one host.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) now: Nanos,
    pub(crate) link: Link,
    /// net.ipv4.tcp_abort_on_overflow.
    pub(crate) abort_on_overflow: bool,
    pub(crate) counters: Counters,
    pub(crate) listeners: BTreeMap<SocketAddr, Listener>,
    /// SYNs to these addresses are lost on the way (FAILURES 10a).
    pub(crate) filtered: BTreeSet<SocketAddr>,
    /// These addresses are not of this host: sock_diag does not know them.
    pub(crate) elsewhere: BTreeSet<SocketAddr>,
    /// net.ipv4.ip_local_port_range.
    pub(crate) ports: (u16, u16),
    /// net.ipv4.tcp_syncookies.
    pub(crate) cookies: bool,
    /// Ways that are forbidden (FAILURES 11, prohibit).
    pub(crate) prohibited: BTreeSet<std::net::IpAddr>,
    /// No way leads to any but a loopback address.
    pub(crate) alone: bool,
    pub(crate) socks: Vec<Sock>,
    pub(super) table: BTreeMap<(SocketAddr, SocketAddr), SockId>,
    pub(super) chance: Chance,
    agenda: BTreeMap<(Nanos, u64), Event>,
    planned: u64,
    /// Ready sockets of each process, in the order in which they became so.
    ready: Vec<VecDeque<SockId>>,
    pub(crate) taps: bool,
}

impl Kernel {
    pub(crate) fn new(seed: u64, link: Link) -> Self {
        Self {
            now: Nanos::ZERO,
            link,
            abort_on_overflow: false,
            counters: Counters::default(),
            listeners: BTreeMap::new(),
            filtered: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            ports: (32_768, 60_999),
            cookies: true,
            prohibited: BTreeSet::new(),
            alone: false,
            socks: Vec::new(),
            table: BTreeMap::new(),
            chance: Chance::new(seed),
            agenda: BTreeMap::new(),
            planned: 0,
            ready: Vec::new(),
            taps: false,
        }
    }

    pub(crate) fn add_process(&mut self) -> Pid {
        self.ready.push(VecDeque::new());
        self.ready.len() - 1
    }

    /// When the next segment arrives or the next timer fires.
    pub(crate) fn next(&self) -> Nanos {
        self.agenda.keys().next().map_or(Nanos::MAX, |(at, _)| *at)
    }

    /// Lets the next of them happen.
    pub(crate) fn happen(&mut self) {
        let Some(((at, _), event)) = self.agenda.pop_first() else { return };
        self.now = at;
        match event {
            Event::Arrive(segment) => self.arrive(segment),
            Event::Timer(sock) => self.fire(sock),
        }
    }

    pub(super) fn plan(&mut self, at: Nanos, event: Event) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), event);
    }

    /// socket() and connect(). Descriptors are the process's business.
    pub(crate) fn connect(
        &mut self,
        owner: (Pid, ConnId),
        from: std::net::IpAddr,
        to: SocketAddr,
    ) -> Result<SockId, (Op, Errno)> {
        if self.prohibited.contains(&to.ip()) {
            return Err((Op::Connect, Errno::EACCES));
        }
        if self.alone && !to.ip().is_loopback() {
            // FAILURES 11, no route: nothing is sent.
            return Err((Op::Connect, Errno::ENETUNREACH));
        }
        let Some(local) = self.free_port(from, to) else {
            // FAILURES 9a: at once, and another destination still works.
            return Err((Op::Connect, Errno::EADDRNOTAVAIL));
        };
        let owner = Owner::Program(owner.0, owner.1);
        let id = self.add(Sock::new(owner, local, to, Tcp::SynSent));
        self.transmit(id, Kind::Syn);
        self.arm(id);
        Ok(id)
    }

    /// send(): what was taken. FAILURES §0.3: the error is told once, then EPIPE.
    pub(crate) fn send(&mut self, id: SockId, bytes: &[u8]) -> Result<usize, Errno> {
        let sock = &mut self.socks[id];
        if let Some(errno) = sock.error.take() {
            return Err(errno);
        }
        if sock.state == Tcp::Close || sock.fin.0 {
            return Err(Errno::EPIPE);
        }
        let free = sock.snd_room - sock.snd.len();
        let taken = if sock.state == Tcp::SynSent { 0 } else { free.min(bytes.len()) };
        sock.starved |= taken < bytes.len();
        sock.snd.extend(&bytes[..taken]);
        if let Some(tap) = &mut sock.tap {
            tap.extend(&bytes[..taken]);
        }
        self.pump(id);
        if taken == 0 && !bytes.is_empty() { Err(Errno::EAGAIN) } else { Ok(taken) }
    }

    /// recv(): Linux, net/ipv4/tcp.c, tcp_recvmsg_locked(): bytes come before an error (FAILURES
    /// §0.2), an end before a pending EPIPE (§0.3).
    pub(crate) fn recv(&mut self, id: SockId, buffer: &mut [u8]) -> Result<usize, Errno> {
        let sock = &mut self.socks[id];
        if !sock.rcv.is_empty() {
            let count = sock.rcv.len().min(buffer.len());
            for (to, byte) in buffer.iter_mut().zip(sock.rcv.drain(..count)) {
                *to = byte;
            }
            self.open_window(id);
            return Ok(count);
        }
        match sock.error {
            _ if sock.fin_in => Ok(0),
            Some(errno) => {
                sock.error = None;
                Err(errno)
            }
            None if sock.state == Tcp::Close => Ok(0),
            None => Err(Errno::EAGAIN),
        }
    }

    /// close(), also after SO_LINGER 0; or shutdown(SHUT_WR).
    pub(crate) fn close(&mut self, id: SockId, how: Close) {
        let sock = &mut self.socks[id];
        if how == Close::Half {
            if matches!(sock.state, Tcp::Established | Tcp::CloseWait) {
                self.begin_fin(id);
            }
            return;
        }
        sock.owner = Owner::Nobody;
        match sock.state {
            Tcp::Close => {}
            Tcp::SynSent | Tcp::SynRecv | Tcp::TimeWait => self.forget(id),
            _ if how == Close::Rst => {
                // FAILURES 5b.
                self.counters.aborts_on_data += 1;
                self.abort(id);
            }
            _ if !sock.rcv.is_empty() => {
                // FAILURES 5a: unread bytes make it a reset.
                self.counters.aborts_on_close += 1;
                self.abort(id);
            }
            Tcp::Established | Tcp::CloseWait => self.begin_fin(id),
            _ => {}
        }
    }

    pub(crate) fn listen(&mut self, owner: Pid, address: SocketAddr, backlog: usize) {
        let listener = Listener { owner, backlog, queue: VecDeque::new(), half: 0, drops: 0 };
        self.listeners.insert(address, listener);
    }

    /// Closes a listener. What waits in its queue is reset, also what never wrote (FAILURES 1a).
    pub(crate) fn stop_listening(&mut self, address: SocketAddr) {
        let Some(listener) = self.listeners.remove(&address) else { return };
        for id in listener.queue {
            if self.socks[id].state != Tcp::Close {
                self.abort(id);
            }
        }
        let half = |sock: &Sock| sock.state == Tcp::SynRecv && sock.local == address;
        let ids: Vec<_> =
            self.table.values().filter(|id| half(&self.socks[**id])).copied().collect();
        ids.into_iter().for_each(|id| self.forget(id));
    }

    /// accept4(). One that was reset in the queue is given out all the same (FAILURES row 15).
    pub(crate) fn accept(&mut self, address: SocketAddr) -> Result<SockId, Errno> {
        let listener = self.listeners.get_mut(&address).ok_or(Errno::EINVAL)?;
        listener.queue.pop_front().ok_or(Errno::EAGAIN)
    }

    /// An accepted socket gets its program, and is added to its poller.
    pub(crate) fn adopt(&mut self, id: SockId, pid: Pid, conn: ConnId) {
        self.socks[id].owner = Owner::Program(pid, conn);
        self.wake(id);
    }

    /// The next socket of this process that has something to say.
    pub(crate) fn next_ready(&mut self, pid: Pid) -> Option<(ConnId, Ready)> {
        while let Some(id) = self.ready[pid].pop_front() {
            let sock = &mut self.socks[id];
            sock.told = false;
            let Owner::Program(owner, conn) = sock.owner else { continue };
            let ready = sock.ready();
            if owner == pid && (ready.read || ready.write) {
                return Some((conn, ready));
            }
        }
        None
    }

    pub(crate) fn has_ready(&self, pid: Pid) -> bool {
        !self.ready[pid].is_empty()
    }

    /// TCP_INFO of a socket, and with `to` the server's side as sock_diag shows it. A connection
    /// that does not exist is Absent only where a listener of this host stands for the address.
    pub(crate) fn look(&self, id: SockId, to: Option<SocketAddr>) -> Look {
        let sock = &self.socks[id];
        let mut look = sock.info(self.now);
        let Some(to) = to else { return look };
        let other = self.table.get(&(to, sock.local)).map(|id| self.socks[*id].seen());
        look.peer = match other {
            _ if self.elsewhere.contains(&to) => Peer::NotLocal,
            None | Some(Peer::Absent) if self.listeners.contains_key(&to) => Peer::Absent,
            None | Some(Peer::Absent) => Peer::NotLocal,
            Some(peer) => peer,
        };
        look
    }

    /// A process has ended: its descriptors are closed by the kernel (FAILURES 5c, 5d).
    pub(crate) fn reap(&mut self, pid: Pid) {
        let listening = self.listeners.iter().filter(|(_, listener)| listener.owner == pid);
        let addresses: Vec<_> = listening.map(|(address, _)| *address).collect();
        addresses.into_iter().for_each(|address| self.stop_listening(address));
        for id in 0..self.socks.len() {
            if matches!(self.socks[id].owner, Owner::Program(owner, _) if owner == pid) {
                self.close(id, Close::Fin);
            }
        }
    }

    pub(super) fn add(&mut self, mut sock: Sock) -> SockId {
        sock.snd_room = self.chance.size(self.link.sndbuf);
        sock.rcv_room = self.chance.size(self.link.rcvbuf);
        sock.tap = self.taps.then(Vec::new);
        (sock.heard, sock.born) = (self.now, self.now);
        let id = self.socks.len();
        self.table.insert((sock.local, sock.remote), id);
        self.socks.push(sock);
        id
    }

    /// Its program's poller hears that something has changed.
    pub(super) fn wake(&mut self, id: SockId) {
        let sock = &mut self.socks[id];
        let Owner::Program(pid, _) = sock.owner else { return };
        if !std::mem::replace(&mut sock.told, true) {
            self.ready[pid].push_back(id);
        }
    }

    /// It is over; nothing finds it by its addresses any more.
    pub(super) fn forget(&mut self, id: SockId) {
        let sock = &mut self.socks[id];
        let (key, half) = ((sock.local, sock.remote), sock.state == Tcp::SynRecv);
        sock.state = Tcp::Close;
        sock.snd.clear();
        sock.again_at = Nanos::MAX;
        if self.table.get(&key) == Some(&id) {
            self.table.remove(&key);
        }
        if half && let Some(listener) = self.listeners.get_mut(&key.0) {
            listener.half -= 1;
        }
    }

    fn begin_fin(&mut self, id: SockId) {
        let sock = &mut self.socks[id];
        let ended = sock.state == Tcp::CloseWait;
        sock.state = if ended { Tcp::LastAck } else { Tcp::FinWait1 };
        sock.fin.0 = true;
        self.pump(id);
    }

    /// A port of the range that is free towards `to`, as bind with IP_BIND_ADDRESS_NO_PORT has it.
    fn free_port(&mut self, from: std::net::IpAddr, to: SocketAddr) -> Option<SocketAddr> {
        let (low, high) = self.ports;
        let count = high - low + 1;
        let first = self.chance.between(0, u64::from(count) - 1) as u16;
        (0..count)
            .map(|i| SocketAddr::new(from, low + (first + i) % count))
            .find(|at| !self.table.contains_key(&(*at, to)) && !self.listeners.contains_key(at))
    }
}
