//! Printed phase and side of a class where the text does not say more (CATALOGUE part 1).

use super::decide::Around;
use super::said::{Printed, Said, Side};
use super::text::Text;
use crate::failure::{Class, Op, Phase};

/// Where a class was met.
pub(super) struct Place<'a> {
    pub(super) text: &'a Text,
    pub(super) around: &'a Around,
    pub(super) said: &'a Said,
}

/// The phase as printed.
pub(super) fn printed(class: Class, place: &Place<'_>) -> Printed {
    use Class as C;
    let (phase, op) = (place.said.phase, place.said.op);
    match class {
        C::DnsFailure | C::DnsFailureFdExhausted => Printed::Dns,
        C::Refused | C::ResetOnConnect | C::ConnectTimeout | C::EphemeralPortsExhausted => {
            Printed::Connect
        }
        C::Unreachable | C::ProxyUpstreamFailure | C::NoBufferSpace | C::ConnectionAborted => {
            met(phase, op, fallback(class))
        }
        C::FdExhaustedProcess | C::FdExhaustedSystem => match phase {
            Some(Phase::Accept) => Printed::Accept,
            Some(Phase::Connect) => Printed::Connect,
            Some(Phase::Bind) => Printed::Local,
            _ if place.around.serving => Printed::Accept,
            _ if place.around.spawn => Printed::Local,
            _ => Printed::Socket,
        },
        C::BlockedByPolicy if phase == Some(Phase::Bind) => Printed::Local,
        C::BlockedByPolicy => met(phase, op, Printed::Connect),
        C::ConntrackFull | C::NeighbourTableFull => Printed::Connect,
        C::ResetOnRead
        | C::EofUnexpected
        | C::WsCloseAbnormal
        | C::KeepaliveTimeout
        | C::WsProtocolError
        | C::ConnectedNotServed => met(phase, None, Printed::Read),
        C::IoTimeout | C::MessageTooBig => met(phase, op, Printed::Read),
        C::ResetOnWrite | C::BrokenPipe => met(phase, None, Printed::Write),
        C::EofCleanClose | C::WsCloseNormal | C::WsCloseNoStatus | C::WsCloseError => {
            Printed::Close
        }
        C::TlsHandshakeTimeout | C::TlsCertInvalid | C::TlsHandshakeEof | C::TlsAlert => {
            Printed::Tls
        }
        C::ProtocolMismatch => match phase {
            Some(Phase::Open | Phase::Accept) => Printed::Read,
            phase => met(phase, None, Printed::Tls),
        },
        C::WsHandshakeTimeout | C::WsBadHandshake | C::WsHandshakeMalformed => Printed::Upgrade,
        C::AcceptQueueOverflow | C::ServerConnLimit => Printed::Accept,
        C::AddressInUse
        | C::AddressNotLocal
        | C::LocalUseAfterClose
        | C::ConcurrentMisuse
        | C::ThreadLimit
        | C::TcpMemory
        | C::BrowserLimit
        | C::NotAConnectionFailure => Printed::Local,
    }
}

fn fallback(class: Class) -> Printed {
    match class {
        Class::Unreachable | Class::ProxyUpstreamFailure => Printed::Connect,
        Class::NoBufferSpace => Printed::Local,
        _ => Printed::Read,
    }
}

fn met(phase: Option<Phase>, op: Option<Op>, otherwise: Printed) -> Printed {
    match (phase, op) {
        (Some(Phase::Resolve), _) => Printed::Dns,
        (Some(Phase::Socket), _) => Printed::Socket,
        (Some(Phase::Bind), _) => Printed::Local,
        (Some(Phase::Connect), _) => Printed::Connect,
        (Some(Phase::Tls), _) => Printed::Tls,
        (Some(Phase::Upgrade), _) => Printed::Upgrade,
        (Some(Phase::Accept), _) => Printed::Accept,
        (_, Some(Op::Write)) => Printed::Write,
        (_, Some(Op::Read)) => Printed::Read,
        _ => otherwise,
    }
}

/// Where the remedy has most likely to be applied.
pub(super) fn side(class: Class, place: &Place<'_>) -> Side {
    use Class as C;
    let serving = place.around.serving || is_printed_by_the_server(&place.text.plain);
    let other = if serving { Side::Client } else { Side::Server };
    match class {
        C::FdExhaustedProcess | C::FdExhaustedSystem => match place.said.phase {
            Some(Phase::Accept) => Side::Server,
            _ if place.around.serving => Side::Server,
            _ => Side::Client,
        },
        C::DnsFailure | C::TlsCertInvalid | C::TlsAlert | C::KeepaliveTimeout => Side::Either,
        C::EofCleanClose | C::WsCloseNormal | C::WsCloseNoStatus | C::WsCloseAbnormal => {
            Side::Either
        }
        C::WsProtocolError | C::MessageTooBig | C::ThreadLimit | C::NotAConnectionFailure => {
            Side::Either
        }
        C::ConnectionAborted | C::NeighbourTableFull | C::TcpMemory => Side::Either,
        C::DnsFailureFdExhausted
        | C::EphemeralPortsExhausted
        | C::NoBufferSpace
        | C::BrowserLimit => Side::Client,
        C::BlockedByPolicy if place.said.phase == Some(Phase::Bind) => Side::Server,
        C::BlockedByPolicy => Side::Client,
        C::Refused
        | C::ResetOnConnect
        | C::AddressInUse
        | C::AddressNotLocal
        | C::AcceptQueueOverflow
        | C::ServerConnLimit
        | C::ProxyUpstreamFailure
        | C::ConnectedNotServed
        | C::TlsHandshakeTimeout
        | C::WsHandshakeTimeout => Side::Server,
        C::ConnectTimeout | C::Unreachable | C::ConntrackFull => Side::Network,
        C::ResetOnRead
        | C::ResetOnWrite
        | C::BrokenPipe
        | C::EofUnexpected
        | C::IoTimeout
        | C::TlsHandshakeEof
        | C::WsHandshakeMalformed => other,
        C::LocalUseAfterClose | C::ConcurrentMisuse => match place.said.runtime {
            Some(super::Runtime::Go) | None => Side::Either,
            _ => Side::Client,
        },
        C::ProtocolMismatch if place.said.phase == Some(Phase::Tls) => Side::Client,
        C::ProtocolMismatch => Side::Either,
        C::WsBadHandshake => match place.said.code {
            Some(400..=499) => Side::Client,
            Some(500..=599) => Side::Server,
            _ => Side::Either,
        },
        // Whose frame or message it was that the other one did not like.
        C::WsCloseError => match place.said.code {
            Some(1002 | 1003 | 1007..=1010 | 3000..=3999) => Side::Client,
            Some(1011..=1015) => Side::Server,
            _ => Side::Either,
        },
    }
}

/// `127.0.0.1:8443->127.0.0.1:39488`: who has the well-known port serves (RFC 6335: those from
/// 49152 are ephemeral; Linux takes them from 32768).
fn is_printed_by_the_server(text: &str) -> bool {
    let Some((before, after)) = text.split_once("->") else { return false };
    let digits = |c: &char| c.is_ascii_digit();
    let own = before.rsplit(':').next().filter(|port| port.chars().all(|c| digits(&c)));
    let own = own.and_then(|port| port.parse::<u16>().ok());
    let other = after.split_whitespace().next().unwrap_or_default().trim_end_matches([':', ',']);
    let other = other.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    own.zip(other).is_some_and(|(own, other)| own < 32_768 && other >= 32_768)
}
