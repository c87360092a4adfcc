//! What a text says of a failed connection: a signature, as far as it goes, and what no signature
//! can say.

use super::runtime::Runtime;
use crate::failure::{Class, Op, Outcome, Phase, ProtocolError, Signature};
use serde::{Deserialize, Serialize};

/// How far a connection had come, in the words of a text: what a program prints seldom tells more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Printed {
    /// Looking up a name.
    Dns,
    /// Making a socket.
    Socket,
    /// Connecting.
    Connect,
    /// The TLS hand-shake.
    Tls,
    /// The upgrade to a WebSocket.
    Upgrade,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// An end in order.
    Close,
    /// A server taking connections.
    Accept,
    /// Inside the program or host that printed it.
    Local,
}

impl Printed {
    /// `connect`, as outputs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Socket => "socket",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
            Self::Read => "read",
            Self::Write => "write",
            Self::Close => "close",
            Self::Accept => "accept",
            Self::Local => "local",
        }
    }
}

/// Where the remedy has most likely to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Who opened the connection.
    Client,
    /// Who accepted it.
    Server,
    /// What lies between.
    Network,
    /// The text does not tell.
    Either,
}

impl Side {
    /// `client`, as outputs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Network => "network",
            Self::Either => "either",
        }
    }
}

/// What a text says, as far as it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Who printed it.
    pub runtime: Option<Runtime>,
    /// How far the connection had come.
    pub phase: Option<Phase>,
    /// Which operation told it.
    pub op: Option<Op>,
    /// What it said.
    pub outcome: Option<Outcome>,
    /// What no signature can say: a server's limit, a line of the kernel's log, a proxy's verdict,
    /// a misuse of the program's own connection.
    pub beyond: Option<Class>,
    /// The HTTP status or the code of a Close frame that it names.
    pub code: Option<u16>,
}

impl Said {
    /// As a signature, when the text says enough for one.
    pub fn signature(&self) -> Option<Signature> {
        let outcome = self.outcome?;
        let (phase, op) = match (self.phase, self.op) {
            (Some(phase), Some(op)) => (phase, op),
            (Some(phase), None) => (phase, op_in(phase, outcome)),
            (None, Some(Op::Decode)) => usual(outcome),
            (None, Some(op)) => (phase_of(op), op),
            (None, None) => usual(outcome),
        };
        Some(Signature { phase, op, outcome })
    }
}

/// The operation that meets most failures of a phase.
fn op_in(phase: Phase, outcome: Outcome) -> Op {
    match phase {
        _ if outcome == Outcome::TimedOut => Op::Deadline,
        Phase::Resolve => Op::Lookup,
        Phase::Socket => Op::Socket,
        Phase::Bind => Op::Bind,
        Phase::Connect => Op::Connect,
        Phase::Accept => Op::Accept,
        Phase::Tls | Phase::Upgrade | Phase::Open | Phase::Close => usual(outcome).1,
    }
}

/// The phase in which an operation meets most of its failures.
fn phase_of(op: Op) -> Phase {
    match op {
        Op::Lookup => Phase::Resolve,
        Op::Socket => Phase::Socket,
        Op::Bind => Phase::Bind,
        Op::Connect => Phase::Connect,
        Op::Accept => Phase::Accept,
        Op::Read | Op::Write | Op::Deadline | Op::Decode | Op::Look => Phase::Open,
    }
}

/// Where an outcome is mostly met.
fn usual(outcome: Outcome) -> (Phase, Op) {
    use crate::errno::Errno;
    match outcome {
        Outcome::Errno(errno) => match errno {
            Errno::ECONNREFUSED
            | Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::ENETDOWN
            | Errno::EHOSTDOWN
            | Errno::EADDRNOTAVAIL
            | Errno::EACCES
            | Errno::EPERM
            | Errno::ETIMEDOUT => (Phase::Connect, Op::Connect),
            Errno::EADDRINUSE => (Phase::Bind, Op::Bind),
            Errno::EMFILE | Errno::ENFILE => (Phase::Socket, Op::Socket),
            Errno::EPIPE => (Phase::Open, Op::Write),
            _ => (Phase::Open, Op::Read),
        },
        Outcome::Eof { .. } => (Phase::Open, Op::Read),
        Outcome::TimedOut => (Phase::Open, Op::Deadline),
        Outcome::Protocol(error) => match error {
            ProtocolError::Status(_)
            | ProtocolError::NotHttp
            | ProtocolError::HeadTooLong
            | ProtocolError::NoUpgrade
            | ProtocolError::BadAccept
            | ProtocolError::NotOffered => (Phase::Upgrade, Op::Decode),
            _ => (Phase::Open, Op::Decode),
        },
        Outcome::Tls(_) => (Phase::Tls, Op::Decode),
        Outcome::SelfConnected => (Phase::Connect, Op::Connect),
        Outcome::NotServed => (Phase::Open, Op::Look),
    }
}
