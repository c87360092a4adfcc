//! One end of a connection as a kernel keeps it: its state, what lies unread and unsent, what
//! poll(2), TCP_INFO and sock_diag would say of it. It knows no reason for anything.

use inrush_core::errno::Errno;
use inrush_core::failure::{Look, Peer};
use inrush_core::swarm::ConnId;
use inrush_core::time::Nanos;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Position in the kernel's table; never used twice.
pub(crate) type SockId = usize;
/// Position in the machine's list of processes.
pub(crate) type Pid = usize;

/// Numbers of `include/net/tcp_states.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tcp {
    Established = 1,
    SynSent = 2,
    SynRecv = 3,
    FinWait1 = 4,
    FinWait2 = 5,
    TimeWait = 6,
    Close = 7,
    CloseWait = 8,
    LastAck = 9,
    Closing = 11,
}

/// Who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Program(Pid, ConnId),
    /// Nobody has accepted it yet: inode 0.
    Queue,
    /// close() was called, and the kernel finishes it: inode 0.
    Nobody,
}

/// What poll(2) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) last: bool,
}

/// A socket.
#[derive(Clone, Debug)]
pub(crate) struct Sock {
    pub(crate) owner: Owner,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) state: Tcp,
    /// Unread bytes, and how many there may be.
    pub(crate) rcv: VecDeque<u8>,
    pub(crate) rcv_room: usize,
    /// Next byte expected; FIN is one.
    pub(crate) rcv_nxt: u64,
    pub(crate) fin_in: bool,
    /// Bytes from `una` on that the peer has not acknowledged, and how many there may be.
    pub(crate) snd: VecDeque<u8>,
    pub(crate) snd_room: usize,
    pub(crate) una: u64,
    pub(crate) nxt: u64,
    /// Our FIN is to follow the last byte; it was sent; it was acknowledged.
    pub(crate) fin: (bool, bool, bool),
    pub(crate) error: Option<Errno>,
    /// A write found no room: room is told when there is some (SOCK_NOSPACE).
    pub(crate) starved: bool,
    /// It is in the ready list of its program's poller.
    pub(crate) told: bool,
    /// It was ESTABLISHED once.
    pub(crate) made: bool,
    /// The peer answered our SYN with a cookie: it has forgotten us.
    pub(crate) cookie: bool,
    pub(crate) segs_in: u32,
    pub(crate) retrans: u32,
    /// Retransmissions in a row.
    pub(crate) tries: u32,
    /// When what is unacknowledged is sent again; never when nothing is.
    pub(crate) again_at: Nanos,
    /// When the timer event that counts fires.
    pub(crate) timer: Option<Nanos>,
    /// No segment of this direction may arrive before this one.
    pub(crate) order: Nanos,
    pub(crate) heard: Nanos,
    pub(crate) born: Nanos,
    /// Whatever comes for it is lost on the way.
    pub(crate) cut_off: bool,
    /// TCP_USER_TIMEOUT, and since when nothing was acknowledged.
    pub(crate) gives_up: Option<Nanos>,
    pub(crate) unheard: Option<Nanos>,
    /// All that the program was told was taken, when a test listens.
    pub(crate) tap: Option<Vec<u8>>,
}

impl Sock {
    pub(crate) fn new(owner: Owner, local: SocketAddr, remote: SocketAddr, state: Tcp) -> Self {
        Self {
            owner,
            local,
            remote,
            state,
            rcv: VecDeque::new(),
            rcv_room: 64 << 10,
            rcv_nxt: 0,
            fin_in: false,
            snd: VecDeque::new(),
            snd_room: 96 << 10,
            una: 0,
            nxt: 0,
            fin: (false, false, false),
            error: None,
            starved: false,
            told: false,
            made: false,
            cookie: false,
            segs_in: 0,
            retrans: 0,
            tries: 0,
            again_at: Nanos::MAX,
            timer: None,
            order: Nanos::ZERO,
            heard: Nanos::ZERO,
            born: Nanos::ZERO,
            cut_off: false,
            gives_up: None,
            unheard: None,
            tap: None,
        }
    }

    /// Linux, net/ipv4/tcp.c, tcp_poll(), and how `sys/poll.rs` reads it.
    pub(crate) fn ready(&mut self) -> Ready {
        if self.state == Tcp::SynSent {
            return Ready { read: false, write: false, last: false };
        }
        let dead = self.state == Tcp::Close;
        let no_more = self.fin_in || dead;
        let hung_up = dead || (self.fin_in && self.fin.0);
        let broken = hung_up || self.error.is_some();
        let room = dead || self.fin.0 || self.has_room();
        self.starved |= !room;
        let last = no_more || broken;
        Ready { read: last || !self.rcv.is_empty(), write: room && !broken, last }
    }

    /// sk_stream_is_writeable(): a third of the buffer is free.
    pub(crate) fn has_room(&self) -> bool {
        let free = self.snd_room - self.snd.len();
        free > 0 && free * 2 >= self.snd.len()
    }

    /// TCP_USER_TIMEOUT has passed since the first retransmission, about.
    pub(crate) fn is_given_up(&self, now: Nanos) -> bool {
        self.gives_up.zip(self.unheard).is_some_and(|(patience, since)| now - since >= patience)
    }

    /// Bytes and FIN that were sent and not acknowledged.
    pub(crate) fn in_flight(&self) -> u64 {
        self.nxt - self.una + u64::from(self.fin.1 && !self.fin.2)
    }

    /// TCP_INFO. FIN counts as one received byte, SYN as one acknowledged (FAILURES §0.4, 1c).
    pub(crate) fn info(&self, now: Nanos) -> Look {
        Look {
            state: self.state as u8,
            bytes_received: self.rcv_nxt,
            bytes_acked: self.una + u64::from(self.made),
            unacked: u32::from(self.in_flight() > 0),
            total_retrans: self.retrans,
            segs_in: self.segs_in,
            rtt_us: 30,
            last_ack_recv_ms: u32::try_from((now - self.heard).as_millis()).unwrap_or(u32::MAX),
            rwnd_limited_percent: if self.snd.len() as u64 > self.nxt - self.una { 99 } else { 0 },
            local: Some(self.local),
            peer: Peer::Unseen,
        }
    }

    /// What sock_diag says of it to whoever looks from the other side (FAILURES §3).
    pub(crate) fn seen(&self) -> Peer {
        let accepted = matches!(self.owner, Owner::Program(..));
        match self.state {
            Tcp::SynRecv => Peer::HalfOpen,
            Tcp::Established | Tcp::CloseWait if self.owner == Owner::Queue => Peer::Queued,
            Tcp::SynSent | Tcp::Close => Peer::Absent,
            Tcp::TimeWait if !accepted => Peer::Closing,
            _ if accepted => Peer::Accepted { unread: !self.rcv.is_empty() },
            _ => Peer::Closing,
        }
    }
}
