//! Both sides of a failure as a short list of calls, and what must come back from each. Data only:
//! who carries them out is a [`Machine`](super::play::Machine).

use crate::errno::Errno;
use alloc::format;
use alloc::string::{String, ToString};
use serde::{Deserialize, Serialize};

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that connects.
    Client,
    /// The one that listens.
    Server,
    /// What lies between, and the settings of the machine.
    Network,
}

/// What a side waits for, by event and never by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something can be read: bytes or an end.
    Readable,
    /// The peer's FIN has come.
    Fin,
    /// A RST has come, or the kernel gave up: the socket is dead.
    Dead,
}

/// One call. Sizes are bytes, times milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// socket() alone: a connection for later.
    Socket,
    /// bind() and listen() with this backlog.
    Listen(u32),
    /// close() of the listening socket.
    StopListening,
    /// connect() to the server, answered within so long.
    Connect(u32),
    /// connect() to the server, not waited for.
    BeginConnect,
    /// Waits for the answer to it, so long at most.
    FinishConnect(u32),
    /// connect() to an address that is not the server's.
    ConnectTo([u8; 4]),
    /// accept4().
    Accept,
    /// send().
    Write(u32),
    /// recv() of so many at most, when there is something to read.
    Read(u32),
    /// Waits so long for a reply that does not come.
    Reply(u32),
    /// shutdown(SHUT_WR).
    ShutdownWrite,
    /// close().
    Close,
    /// close() after SO_LINGER 0.
    Reset,
    /// The process is killed.
    Die,
    /// Waits.
    Await(Event),
    /// TCP_USER_TIMEOUT: the kernel gives up after so long without an ACK.
    GiveUpAfter(u32),
    /// getaddrinfo().
    Lookup(&'static str),
    /// Opens /dev/null until no descriptor is left.
    Exhaust,
    /// Closes one of those.
    Release,
    /// Starts threads until one is refused, so many at most.
    Threads(u32),
    /// From here on no packet for this side's socket gets through.
    CutOff,
    /// The kernel of this side forgets the connection, in silence.
    Forget,
    /// Writes a sysctl of this network namespace.
    Sysctl(&'static str, &'static str),
    /// No way to this address is allowed (a `prohibit` route).
    Prohibit([u8; 4]),
    /// Begins to see what passes by.
    Watch,
    /// Answers the SYN with ICMP "port unreachable".
    RejectSyn,
    /// Answers the client's next data with a RST in the server's name.
    ForgeReset,
}

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// It succeeded.
    Done,
    /// So many bytes.
    Bytes(u32),
    /// The peer's FIN: recv() is 0.
    Eof,
    /// The kernel's error number.
    Errno(Errno),
    /// Nothing, within the time that it was given.
    TimedOut,
    /// The name has an address.
    Found,
    /// The resolver has none, and whether a descriptor was left for it to ask.
    NotFound {
        /// None was left.
        exhausted: bool,
    },
    /// It cannot be done here: too few rights, or a kernel without it.
    Unable(Errno),
}

/// One line of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who.
    pub side: Side,
    /// On which connection, from 0.
    pub connection: u8,
    /// What.
    pub call: Call,
    /// What must come back.
    pub came: Came,
}

impl Turn {
    /// The client's call.
    pub const fn client(call: Call, came: Came) -> Self {
        Self { side: Side::Client, connection: 0, call, came }
    }

    /// The server's.
    pub const fn server(call: Call, came: Came) -> Self {
        Self { side: Side::Server, connection: 0, call, came }
    }

    /// What happens between them; it must succeed.
    pub const fn network(call: Call) -> Self {
        Self { side: Side::Network, connection: 0, call, came: Came::Done }
    }

    /// The same on another connection.
    pub const fn on(self, connection: u8) -> Self {
        Self { connection, ..self }
    }

    /// Who is shown to have done it: that packets are lost is nobody's call.
    pub const fn shown(&self) -> Side {
        match self.call {
            Call::CutOff => Side::Network,
            _ => self.side,
        }
    }
}

impl Side {
    /// `client`, as outputs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Network => "network",
        }
    }
}

impl Call {
    /// As it is written in a program, more or less.
    pub fn words(self, side: Side) -> String {
        let dotted = |ip: [u8; 4]| ip.map(|part| part.to_string()).join(".");
        match self {
            Self::Socket => "socket()".into(),
            Self::Listen(backlog) => format!("bind(), listen({backlog})"),
            Self::StopListening => "close(listener)".into(),
            Self::Connect(_) => "connect()".into(),
            Self::BeginConnect => "connect(), not waited for".into(),
            Self::FinishConnect(_) => "connect() is answered".into(),
            Self::ConnectTo(ip) => format!("connect({})", dotted(ip)),
            Self::Accept => "accept4()".into(),
            Self::Write(n) => format!("send({n} B)"),
            Self::Read(n) => format!("recv({n} B)"),
            Self::Reply(ms) => format!("waits {ms} ms for a reply"),
            Self::ShutdownWrite => "shutdown(SHUT_WR)".into(),
            Self::Close => "close()".into(),
            Self::Reset => "close(), SO_LINGER 0".into(),
            Self::Die => "is killed (SIGKILL)".into(),
            Self::Await(Event::Readable) => "poll(POLLIN)".into(),
            Self::Await(Event::Fin) => "poll(POLLRDHUP)".into(),
            Self::Await(Event::Dead) => "poll(POLLHUP)".into(),
            Self::GiveUpAfter(ms) => format!("setsockopt(TCP_USER_TIMEOUT, {ms} ms)"),
            Self::Lookup(name) => format!("getaddrinfo({name})"),
            Self::Exhaust => "open(/dev/null) until no descriptor is left".into(),
            Self::Release => "close() of one of those".into(),
            Self::Threads(_) => "clone() of threads, RLIMIT_NPROC reached".into(),
            Self::CutOff => format!("drops whatever goes to the {} from here on", side.name()),
            Self::Forget => "forgets the connection in silence (TCP_REPAIR)".into(),
            Self::Sysctl(name, value) => format!("sysctl {name}='{value}'"),
            Self::Prohibit(ip) => format!("ip route add prohibit {}", dotted(ip)),
            Self::Watch => "sees what passes by".into(),
            Self::RejectSyn => "answers the SYN with ICMP port unreachable".into(),
            Self::ForgeReset => "answers the client's data with RST, in the server's name".into(),
        }
    }
}

impl Came {
    /// `EPIPE`, `EOF`, `5 B`, `ok`.
    pub fn symbol(self) -> String {
        match self {
            Self::Done | Self::Found => "ok".into(),
            Self::Bytes(n) => format!("{n} B"),
            Self::Eof => "EOF".into(),
            Self::Errno(errno) => errno.symbol().into(),
            Self::TimedOut => "nothing".into(),
            Self::NotFound { .. } => "EAI_NONAME".into(),
            Self::Unable(errno) => format!("not possible here: {}", errno.symbol()),
        }
    }

    /// The same with number and meaning.
    pub fn words(self) -> String {
        match self {
            Self::Errno(errno) => {
                format!("{} ({}) \"{}\"", errno.symbol(), errno.0, errno.meaning())
            }
            Self::TimedOut => "nothing came".into(),
            Self::NotFound { exhausted: true } => {
                "no address for it; no descriptor was left to ask with".into()
            }
            Self::NotFound { exhausted: false } => "no address for it".into(),
            Self::Unable(errno) => {
                format!("not possible here: {} ({})", errno.meaning(), errno.symbol())
            }
            other => other.symbol(),
        }
    }
}
