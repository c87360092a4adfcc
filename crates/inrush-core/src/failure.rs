//! What was seen when a connection failed: phase, operation, outcome. Never who did it.

mod class;
mod close;
mod tls;

pub use class::{Class, classify};
pub use close::close_name;
pub use tls::{CertificateFault, TlsError, alert_name, is_about_certificates};

use crate::errno::Errno;
use crate::time::Nanos;
use alloc::vec::Vec;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// How far a connection had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Looking up a name.
    Resolve,
    /// Making a socket.
    Socket,
    /// Choosing its own address.
    Bind,
    /// Waiting for connect() to be answered.
    Connect,
    /// Inside the TLS hand-shake.
    Tls,
    /// Between the upgrade request and its 101.
    Upgrade,
    /// In use.
    Open,
    /// We had begun to close it.
    Close,
    /// A server taking connections.
    Accept,
}

impl Phase {
    /// `connect`, as outputs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Socket => "socket",
            Self::Bind => "bind",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
            Self::Open => "open",
            Self::Close => "close",
            Self::Accept => "accept",
        }
    }
}

/// Which operation told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// getaddrinfo().
    Lookup,
    /// socket().
    Socket,
    /// bind().
    Bind,
    /// connect(), or the error it left on the socket.
    Connect,
    /// accept4().
    Accept,
    /// recv().
    Read,
    /// send().
    Write,
    /// A time limit of ours.
    Deadline,
    /// Making sense of the peer's bytes.
    Decode,
    /// Looking at the server's side of the connection (`sock_diag`).
    Look,
}

impl Op {
    /// `read`, as outputs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Socket => "socket",
            Self::Bind => "bind",
            Self::Connect => "connect",
            Self::Accept => "accept",
            Self::Read => "read",
            Self::Write => "write",
            Self::Deadline => "deadline",
            Self::Decode => "decode",
            Self::Look => "look",
        }
    }
}

/// What that operation said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The kernel's error number, unchanged.
    Errno(Errno),
    /// The peer's FIN; `mid_message` when inside a message or a hand-shake.
    Eof {
        /// Whether a message or an answer had begun and not ended.
        mid_message: bool,
    },
    /// Our deadline passed.
    TimedOut,
    /// The peer's bytes broke the protocol, or refused within it.
    Protocol(ProtocolError),
    /// TLS ended it.
    Tls(TlsError),
    /// Our own port answered: local and remote address are equal.
    SelfConnected,
    /// A look at the server's side showed that its program never had this connection.
    NotServed,
}

/// What was wrong with, or final in, the peer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolError {
    /// A well-formed HTTP answer other than 101 (RFC 6455 §4.1).
    Status(u16),
    /// The answer to the upgrade is no HTTP.
    NotHttp,
    /// The head of the answer is longer than 16 KiB or 64 headers.
    HeadTooLong,
    /// A 101 without `Upgrade: websocket` and `Connection: Upgrade`.
    NoUpgrade,
    /// `Sec-WebSocket-Accept` is missing or wrong.
    BadAccept,
    /// A subprotocol or extension that was not offered (RFC 6455 §4.1).
    NotOffered,
    /// RSV bits without an extension (§5.2).
    Reserved,
    /// An unknown opcode (§5.2).
    Opcode,
    /// A server's frame was masked, or a client's was not (§5.1).
    Mask,
    /// A control frame over 125 bytes (§5.5).
    ControlTooLong,
    /// A fragmented control frame (§5.5).
    ControlFragmented,
    /// A continuation without a beginning (§5.4).
    Continuation,
    /// A new message inside a fragmented one (§5.4).
    Interleaved,
    /// A frame that lies inside another one, as two writers without a lock write (§5.4: frames of
    /// one message are not interleaved with those of another, let alone bytes).
    FrameInFrame {
        /// The interrupted frame goes on after it.
        resumed: bool,
    },
    /// A length with its highest bit set, or not minimally encoded (§5.2).
    Length,
    /// Text that is no UTF-8 (§8.1).
    Utf8,
    /// A Close frame with one byte of body or a code that must not be sent (§7.4).
    BadClose,
    /// A compressed message that cannot be decompressed (RFC 7692 §7.2.2).
    Deflate,
    /// A message over our limit.
    TooBig,
    /// No fault of the message: what this worker keeps of unfinished messages is at its bound.
    NoRoom,
    /// The peer's Close frame, unasked for; 1005 when it had no code.
    Closed(u16),
}

/// Key of the failure table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signature {
    /// How far the connection had come.
    pub phase: Phase,
    /// Which operation told it.
    pub op: Op,
    /// What it said.
    pub outcome: Outcome,
}

/// The server's side of a connection, looked up by its reversed addresses (FAILURES §3).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// Nobody looked.
    #[default]
    Unseen,
    /// The server is not on this host (or not in this network namespace): nothing is known.
    NotLocal,
    /// The server's kernel has no such connection.
    Absent,
    /// It is in SYN-RECV: the last ACK of the hand-shake was dropped.
    HalfOpen,
    /// It is in the accept queue: inode 0.
    Queued,
    /// The program has it; `unread` when bytes lie in its receive queue.
    Accepted {
        /// Whether bytes of ours lie unread there.
        unread: bool,
    },
    /// The server has closed its side and its data are still in flight (FIN-WAIT, LAST-ACK, inode
    /// 0).
    Closing,
}

/// `TCP_INFO` of our own socket, read before close, and the peer's side of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The kernel's state number (1 ESTABLISHED, 2 SYN-SENT, 7 CLOSE, 8 CLOSE-WAIT); 0 unknown.
    pub state: u8,
    /// Bytes the kernel received, SYN excluded, FIN counted as one.
    pub bytes_received: u64,
    /// Bytes of ours that the peer's kernel acknowledged, SYN counted as one.
    pub bytes_acked: u64,
    /// Segments in flight, not acknowledged.
    pub unacked: u32,
    /// Retransmissions in the whole life.
    pub total_retrans: u32,
    /// Segments that came in; 1 on a refusal by RST, 0 on one by ICMP.
    pub segs_in: u32,
    /// Smoothed round trip in microseconds.
    pub rtt_us: u32,
    /// Milliseconds since the last ACK came in.
    pub last_ack_recv_ms: u32,
    /// Share of the busy time, in percent, in which the peer's window was closed.
    pub rwnd_limited_percent: u8,
    /// Our own address.
    pub local: Option<SocketAddr>,
    /// The server's side.
    pub peer: Peer,
}

/// TCP state numbers as `tcpi_state` gives them (`include/net/tcp_states.h`).
pub mod tcp_state {
    /// Both directions are open.
    pub const ESTABLISHED: u8 = 1;
    /// Our SYN is not answered.
    pub const SYN_SENT: u8 = 2;
    /// Over, by RST, time-out or refusal.
    pub const CLOSE: u8 = 7;
    /// The peer's FIN came first.
    pub const CLOSE_WAIT: u8 = 8;
}

/// One failed connection as an example: an observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When, since the run began.
    pub at: Nanos,
    /// The connection's number in the whole run, from 1.
    pub connection: u64,
    /// What was seen first.
    pub signature: Signature,
    /// What was seen after it on the same connection, if anything.
    pub later: Option<Signature>,
    /// Time since connect() succeeded, or since it was called when it never did.
    pub age: Nanos,
    /// Bytes the program read.
    pub bytes_in: u64,
    /// Bytes the kernel took from us.
    pub bytes_out: u64,
    /// A FIN had come before the end (`TCP_INFO`, FAILURES §0.4).
    pub fin_seen: bool,
    /// `TCP_INFO` and the server's side, when they could be read.
    pub look: Option<Look>,
    /// The last bytes the peer said, at most 512, unescaped; of an answer to the upgrade its status
    /// line, its telling headers (1 KiB) and 512 bytes of its body.
    #[serde(with = "crate::bytes")]
    pub last_words: Vec<u8>,
    /// Where in its message the first of them lay, for what was found inside a message.
    pub offset: Option<u64>,
}
