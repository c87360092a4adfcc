//! The closed list of classes (CATALOGUE part 1) and the one function that assigns them.

use super::{Op, Outcome, Phase, ProtocolError, Signature, TlsError};
use crate::errno::Errno;
use serde::{Deserialize, Serialize};

macro_rules! classes {
    ($(#[doc = $doc:literal] $name:ident = $id:literal,)*) => {
        /// What was seen, as a stable id. It never blames.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Class { $(#[doc = $doc] #[serde(rename = $id)] $name,)* }

        impl Class {
            /// All of them, in the catalogue's order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable id: metric label, JSON key, page name.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// One line for people, without a full stop.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $doc,)* }.trim().trim_end_matches('.')
            }

            /// The one with this id.
            pub fn named(id: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|class| class.id() == id)
            }
        }
    };
}

classes! {
    /// EMFILE: this process has no free descriptor.
    FdExhaustedProcess = "fd-exhausted-process",
    /// ENFILE: the whole machine has none.
    FdExhaustedSystem = "fd-exhausted-system",
    /// The name could not be resolved.
    DnsFailure = "dns-failure",
    /// A resolver error whose real cause is EMFILE.
    DnsFailureFdExhausted = "dns-failure-fd-exhausted",
    /// ECONNREFUSED.
    Refused = "refused",
    /// ECONNRESET before connect() was answered to us.
    ResetOnConnect = "reset-on-connect",
    /// ECONNRESET met by a read.
    ResetOnRead = "reset-on-read",
    /// ECONNRESET met by a write.
    ResetOnWrite = "reset-on-write",
    /// EPIPE.
    BrokenPipe = "broken-pipe",
    /// FIN in the middle of a message or before any response.
    EofUnexpected = "eof-unexpected",
    /// FIN between messages.
    EofCleanClose = "eof-clean-close",
    /// connect() succeeded and the server's program never had it.
    ConnectedNotServed = "connected-not-served",
    /// No answer to the SYN in time.
    ConnectTimeout = "connect-timeout",
    /// A deadline on an established connection.
    IoTimeout = "io-timeout",
    /// Ping, heartbeat or keep-alive.
    KeepaliveTimeout = "keepalive-timeout",
    /// TLS not finished in time.
    TlsHandshakeTimeout = "tls-handshake-timeout",
    /// Upgrade not finished in time.
    WsHandshakeTimeout = "ws-handshake-timeout",
    /// EADDRNOTAVAIL (or EADDRINUSE with port 0) on connect.
    EphemeralPortsExhausted = "ephemeral-ports-exhausted",
    /// EADDRINUSE on bind.
    AddressInUse = "address-in-use",
    /// EADDRNOTAVAIL on bind.
    AddressNotLocal = "address-not-local",
    /// A socket used after its own close.
    LocalUseAfterClose = "local-use-after-close",
    /// Two writers at once.
    ConcurrentMisuse = "concurrent-misuse",
    /// The upgrade was answered with something other than 101.
    WsBadHandshake = "ws-bad-handshake",
    /// No valid opening hand-shake.
    WsHandshakeMalformed = "ws-handshake-malformed",
    /// Close 1000 or 1001.
    WsCloseNormal = "ws-close-normal",
    /// Close without a code.
    WsCloseNoStatus = "ws-close-no-status",
    /// 1006, or the same in words.
    WsCloseAbnormal = "ws-close-abnormal",
    /// Close with an error code.
    WsCloseError = "ws-close-error",
    /// The peer broke RFC 6455.
    WsProtocolError = "ws-protocol-error",
    /// Over the configured limit.
    MessageTooBig = "message-too-big",
    /// Certificate not accepted.
    TlsCertInvalid = "tls-cert-invalid",
    /// The peer ended the TLS hand-shake.
    TlsHandshakeEof = "tls-handshake-eof",
    /// A TLS alert.
    TlsAlert = "tls-alert",
    /// The other side speaks another protocol.
    ProtocolMismatch = "protocol-mismatch",
    /// EHOSTUNREACH, ENETUNREACH.
    Unreachable = "unreachable",
    /// EACCES, EPERM.
    BlockedByPolicy = "blocked-by-policy",
    /// ENOBUFS, ENOMEM.
    NoBufferSpace = "no-buffer-space",
    /// ECONNABORTED.
    ConnectionAborted = "connection-aborted",
    /// EAGAIN on clone.
    ThreadLimit = "thread-limit",
    /// Said by a kernel log or counter.
    AcceptQueueOverflow = "accept-queue-overflow",
    /// Said by a kernel log or counter.
    ConntrackFull = "conntrack-full",
    /// Said by a kernel log or counter.
    TcpMemory = "tcp-memory",
    /// Said by a kernel log.
    NeighbourTableFull = "neighbour-table-full",
    /// Said by a server.
    ServerConnLimit = "server-conn-limit",
    /// Said by a proxy.
    ProxyUpstreamFailure = "proxy-upstream-failure",
    /// Said by a browser.
    BrowserLimit = "browser-limit",
    /// Looks similar and is none.
    NotAConnectionFailure = "not-a-connection-failure",
}

/// The class of what was seen. `heard`: at least one byte had come from the peer; `ws`: it was a
/// WebSocket, which never ends in order without a Close frame (RFC 6455 §7.1.5).
pub fn classify(signature: Signature, heard: bool, ws: bool) -> Class {
    match signature.outcome {
        Outcome::Errno(errno) => of_errno(signature, errno),
        Outcome::Eof { .. } if signature.phase == Phase::Tls => Class::TlsHandshakeEof,
        Outcome::Eof { mid_message } => {
            let in_order = signature.phase == Phase::Open && heard && !mid_message && !ws;
            if in_order { Class::EofCleanClose } else { Class::EofUnexpected }
        }
        Outcome::TimedOut => match signature.phase {
            Phase::Resolve => Class::DnsFailure,
            Phase::Socket | Phase::Bind | Phase::Connect => Class::ConnectTimeout,
            Phase::Tls => Class::TlsHandshakeTimeout,
            Phase::Upgrade => Class::WsHandshakeTimeout,
            _ if heard => Class::IoTimeout,
            _ => Class::ConnectedNotServed,
        },
        Outcome::Protocol(error) => of_protocol(error),
        Outcome::Tls(error) => of_tls(error),
        Outcome::SelfConnected => Class::Refused,
        Outcome::NotServed => Class::ConnectedNotServed,
    }
}

fn of_errno(signature: Signature, errno: Errno) -> Class {
    let (phase, op) = (signature.phase, signature.op);
    match errno {
        _ if op == Op::Lookup => match errno {
            Errno::EMFILE | Errno::ENFILE => Class::DnsFailureFdExhausted,
            _ => Class::DnsFailure,
        },
        Errno::EMFILE => Class::FdExhaustedProcess,
        Errno::ENFILE => Class::FdExhaustedSystem,
        Errno::ENOBUFS | Errno::ENOMEM => Class::NoBufferSpace,
        Errno::EADDRINUSE if op == Op::Bind => Class::AddressInUse,
        Errno::EADDRNOTAVAIL if op == Op::Bind => Class::AddressNotLocal,
        Errno::EADDRINUSE | Errno::EADDRNOTAVAIL => Class::EphemeralPortsExhausted,
        Errno::ECONNREFUSED => Class::Refused,
        Errno::ECONNRESET if phase == Phase::Connect => Class::ResetOnConnect,
        Errno::ECONNRESET if op == Op::Write => Class::ResetOnWrite,
        Errno::ECONNRESET => Class::ResetOnRead,
        Errno::EPIPE => Class::BrokenPipe,
        Errno::ETIMEDOUT if phase == Phase::Connect => Class::ConnectTimeout,
        Errno::ETIMEDOUT => Class::IoTimeout,
        Errno::EACCES | Errno::EPERM => Class::BlockedByPolicy,
        Errno::ECONNABORTED => Class::ConnectionAborted,
        Errno::EBADF | Errno::ENOTCONN => Class::LocalUseAfterClose,
        Errno::EAGAIN => Class::ThreadLimit,
        // EHOSTUNREACH, ENETUNREACH, EINVAL (blackhole route), ENOPROTOOPT (ICMP): FAILURES row 11.
        _ => Class::Unreachable,
    }
}

fn of_tls(error: TlsError) -> Class {
    match error {
        TlsError::Certificate(_) | TlsError::NoCertificate => Class::TlsCertInvalid,
        TlsError::NotTls | TlsError::Echoed => Class::ProtocolMismatch,
        TlsError::Alert(_)
        | TlsError::CertificateWanted(_)
        | TlsError::Incompatible
        | TlsError::BadRecord
        | TlsError::Violation
        // We say close_notify, which is one.
        | TlsError::KeyWornOut => Class::TlsAlert,
        TlsError::NoRoom => Class::NoBufferSpace,
    }
}

fn of_protocol(error: ProtocolError) -> Class {
    use ProtocolError as E;
    match error {
        E::Status(_) => Class::WsBadHandshake,
        E::NotHttp | E::HeadTooLong | E::NoUpgrade | E::BadAccept | E::NotOffered => {
            Class::WsHandshakeMalformed
        }
        E::TooBig => Class::MessageTooBig,
        E::NoRoom => Class::NoBufferSpace,
        E::Closed(1000 | 1001) => Class::WsCloseNormal,
        E::Closed(1005) => Class::WsCloseNoStatus,
        E::Closed(_) => Class::WsCloseError,
        _ => Class::WsProtocolError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(phase: Phase, op: Op, outcome: Outcome, heard: bool, expected: Class) {
        assert_eq!(classify(Signature { phase, op, outcome }, heard, false), expected);
    }

    #[test]
    fn the_same_errno_is_told_apart_by_operation() {
        let errno = Outcome::Errno;
        check(Phase::Bind, Op::Bind, errno(Errno::EADDRINUSE), false, Class::AddressInUse);
        check(
            Phase::Connect,
            Op::Connect,
            errno(Errno::EADDRINUSE),
            false,
            Class::EphemeralPortsExhausted,
        );
        check(Phase::Open, Op::Read, errno(Errno::ECONNRESET), true, Class::ResetOnRead);
        check(Phase::Open, Op::Write, errno(Errno::ECONNRESET), true, Class::ResetOnWrite);
        check(Phase::Connect, Op::Connect, errno(Errno::ECONNRESET), false, Class::ResetOnConnect);
    }

    #[test]
    fn an_end_is_clean_only_between_messages_of_a_stream_that_answered() {
        let eof = |mid_message| Outcome::Eof { mid_message };
        check(Phase::Open, Op::Read, eof(false), true, Class::EofCleanClose);
        check(Phase::Open, Op::Read, eof(true), true, Class::EofUnexpected);
        check(Phase::Open, Op::Read, eof(false), false, Class::EofUnexpected);
        check(Phase::Upgrade, Op::Read, eof(false), true, Class::EofUnexpected);
    }

    #[test]
    fn a_silent_open_connection_was_never_served() {
        check(Phase::Open, Op::Deadline, Outcome::TimedOut, false, Class::ConnectedNotServed);
        check(Phase::Open, Op::Deadline, Outcome::TimedOut, true, Class::IoTimeout);
    }
}
