//! What a row shows: questions that several causes ask, and how a class is put into words.

use super::words;
use crate::diagnosis::Case;
use crate::errno::Errno;
use crate::evidence::{Facts, Source};
use crate::failure::{
    Class, Look, Op, Outcome, Peer, Phase, ProtocolError, Signature, TlsError, alert_name,
};
use crate::plan::{Frame, Plan, Schedule, Target};
use crate::tally::Row;
use crate::time::Nanos;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

pub(super) fn phase(row: &Row) -> Phase {
    row.key.signature.phase
}

pub(super) fn errno(row: &Row) -> Option<Errno> {
    match row.key.signature.outcome {
        Outcome::Errno(errno) => Some(errno),
        _ => None,
    }
}

pub(super) fn protocol(row: &Row) -> Option<ProtocolError> {
    match row.key.signature.outcome {
        Outcome::Protocol(error) => Some(error),
        _ => None,
    }
}

/// connect() was answered before it failed.
pub(super) fn established(row: &Row) -> bool {
    matches!(phase(row), Phase::Tls | Phase::Upgrade | Phase::Open | Phase::Close)
}

/// A deadline of ours passed on an established connection.
pub(super) fn deadline(row: &Row) -> bool {
    established(row) && row.key.signature.outcome == Outcome::TimedOut
}

/// connect() was not answered, by our clock or by the kernel's.
pub(super) fn connect_timed_out(row: &Row) -> bool {
    let outcome = row.key.signature.outcome;
    phase(row) == Phase::Connect
        && (outcome == Outcome::TimedOut || outcome == Outcome::Errno(Errno::ETIMEDOUT))
}

/// connect() was refused.
pub(super) fn refused(row: &Row) -> bool {
    phase(row) == Phase::Connect && errno(row) == Some(Errno::ECONNREFUSED)
}

/// The peer ended it: FIN and RST of one bug differ by timing alone (FAILURES §2).
pub(super) fn peer_closed(row: &Row) -> bool {
    matches!(
        row.key.signature.outcome,
        Outcome::Eof { .. } | Outcome::Errno(Errno::ECONNRESET | Errno::EPIPE)
    )
}

/// The server's program never showed itself: nothing was heard, nothing was seen of it.
pub(super) fn nobody_known(row: &Row) -> bool {
    !row.key.heard && matches!(row.key.peer, Peer::Unseen | Peer::NotLocal)
}

pub(super) fn looks(row: &Row) -> impl Iterator<Item = &Look> {
    row.examples.iter().filter_map(|example| example.look.as_ref())
}

/// Whether at least half of the looks show it, and there is one.
pub(super) fn mostly(row: &Row, shows: impl Fn(&Look) -> bool) -> bool {
    let all = looks(row).count();
    all > 0 && looks(row).filter(|look| shows(look)).count() * 2 >= all
}

/// The peer's last words of the first example that has any.
pub(super) fn last_words(rows: &[Row]) -> Option<Vec<u8>> {
    let examples = rows.iter().flat_map(|row| &row.examples);
    examples.map(|example| &example.last_words).find(|words| !words.is_empty()).cloned()
}

/// What the row's connections asked for.
pub(super) fn target<'a>(case: &Case<'a>, row: &Row) -> Option<&'a Target> {
    case.plan.targets.get(usize::from(row.key.target))
}

/// Where the row's connections went.
pub(super) fn address(case: &Case<'_>, row: &Row) -> Option<SocketAddr> {
    target(case, row).map(|target| target.address)
}

/// Where the first row's connections went.
pub(super) fn first_address(case: &Case<'_>, rows: &[Row]) -> Option<SocketAddr> {
    rows.first().and_then(|row| address(case, row))
}

/// The target is on this host: its listener, or that there is none, is known.
pub(super) fn is_local(case: &Case<'_>, row: &Row) -> bool {
    address(case, row).is_some_and(|address| is_here(case, address))
}

/// The address is one of this host's.
pub(super) fn is_here(case: &Case<'_>, address: SocketAddr) -> bool {
    address.ip().is_loopback() || case.facts.get(&Source::ListenerPresent(address)).is_some()
}

/// A watched server process and its descriptors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub(super) pid: u32,
    pub(super) held: u64,
    pub(super) limit: u64,
}

impl Server {
    /// One is kept for the listener's next accept() by some servers.
    pub(super) fn is_full(self) -> bool {
        self.held.saturating_add(1) >= self.limit
    }

    /// Far enough from the limit that it cannot have been the limit.
    pub(super) fn has_room(self) -> bool {
        self.held <= self.limit / 10 * 9
    }
}

/// The watched server processes whose descriptors could be counted.
pub(super) fn servers(facts: &Facts) -> Vec<Server> {
    let known = facts.list.iter().filter_map(|fact| match fact.source {
        Source::ServerDescriptors(pid) => Some((pid, fact.after?)),
        _ => None,
    });
    known
        .filter_map(|(pid, held)| {
            let limit = facts.after(&Source::ServerDescriptorLimit(pid))?;
            Some(Server { pid, held, limit })
        })
        .collect()
}

/// The first one at its limit.
pub(super) fn full_server(facts: &Facts) -> Option<Server> {
    servers(facts).into_iter().find(|server| server.is_full())
}

/// Half of the failures are younger than this; `None` without any.
pub(super) fn median_age(rows: &[Row]) -> Option<Nanos> {
    let ages = all_ages(rows);
    let total: u64 = ages.values().sum();
    let mut below = 0;
    ages.into_iter().find_map(|(bucket, count)| {
        below += count;
        (below * 2 >= total).then(|| crate::tally::Ages::value(bucket))
    })
}

/// Ages of all rows together.
pub(super) fn all_ages(rows: &[Row]) -> BTreeMap<u16, u64> {
    let mut all = BTreeMap::new();
    for (bucket, count) in rows.iter().flat_map(|row| &row.ages.0) {
        *all.entry(*bucket).or_default() += count;
    }
    all
}

/// One line per class: `ws-handshake-timeout 172: no answer to the upgrade within 60 s`.
pub(super) fn lines(plan: &Plan, rows: &[Row]) -> Vec<String> {
    let mut classes: BTreeMap<Class, BTreeMap<String, u64>> = BTreeMap::new();
    for row in rows {
        let ways = classes.entry(row.class(plan)).or_default();
        *ways.entry(how(plan, row)).or_default() += row.count;
    }
    let mut lines: Vec<(u64, String)> = Vec::new();
    for (class, ways) in classes {
        let total = ways.values().sum();
        let mut ways: Vec<_> = ways.into_iter().collect();
        ways.sort_by(|one, two| two.1.cmp(&one.1).then_with(|| one.0.cmp(&two.0)));
        let mut text = format!("{} {}: ", class.id(), words::count(total));
        for (at, (way, count)) in ways.iter().take(3).enumerate() {
            let gap = if at > 0 { "; " } else { "" };
            let share =
                if ways.len() > 1 { format!(" ({})", words::count(*count)) } else { String::new() };
            text.push_str(&format!("{gap}{way}{share}"));
        }
        lines.push((total, text));
    }
    lines.sort_by_key(|(total, _)| core::cmp::Reverse(*total));
    lines.into_iter().map(|(_, text)| text).collect()
}

fn how(plan: &Plan, row: &Row) -> String {
    let limits = &plan.timeouts;
    let Signature { phase, op, outcome } = row.key.signature;
    match outcome {
        Outcome::Errno(errno) => {
            let (symbol, meaning) = (errno.symbol(), errno.meaning());
            let when = during(phase, op);
            format!("{} = {symbol} ({}) \"{meaning}\"{when}", call(op), errno.0)
        }
        Outcome::Eof { .. } if phase == Phase::Upgrade && row.key.heard => {
            "FIN inside the answer to the upgrade".into()
        }
        Outcome::Eof { .. } if phase == Phase::Upgrade => {
            "FIN instead of an answer to the upgrade".into()
        }
        Outcome::Eof { .. } if phase == Phase::Tls => "FIN inside the TLS hand-shake".into(),
        Outcome::Eof { .. } if !row.key.heard => "FIN before the first byte".into(),
        Outcome::Eof { mid_message: true } => "FIN inside a message, or with replies due".into(),
        Outcome::Eof { mid_message: false } => "FIN between messages, nothing announced".into(),
        Outcome::TimedOut => match phase {
            Phase::Resolve => "the name was not resolved in time".into(),
            Phase::Socket | Phase::Bind | Phase::Connect | Phase::Accept => {
                format!("connect() was not answered within {}", words::time(limits.connect))
            }
            Phase::Tls => {
                format!("the TLS hand-shake took longer than {}", words::time(limits.handshake))
            }
            Phase::Upgrade => {
                format!("no answer to the upgrade within {}", words::time(limits.handshake))
            }
            _ if row.key.heard => {
                let limit = words::time(limits.reply);
                format!("not a byte within {limit} while {} were due", awaited(plan))
            }
            _ => format!("connected, and not one byte came while {} were due", awaited(plan)),
        },
        Outcome::Protocol(error) => broken(error),
        Outcome::Tls(error) => broken_tls(error),
        Outcome::SelfConnected => "connect() met its own socket: nobody listens on this port, and \
             it lies in the range of local ports"
            .into(),
        Outcome::NotServed => match row.key.peer {
            Peer::Queued => "still in the accept queue at the end of the hold".into(),
            _ => "the server has no such socket at the end of the hold".into(),
        },
    }
}

/// What we wait for on an open connection.
fn awaited(plan: &Plan) -> &'static str {
    let silent = plan.messages.schedule == Schedule::Idle;
    match (plan.messages.frame, plan.messages.ping_every) {
        (Frame::Ping, _) => "pongs",
        (_, Some(_)) if silent => "pongs",
        (_, Some(_)) => "replies or pongs",
        (_, None) => "replies",
    }
}

fn broken(error: ProtocolError) -> String {
    use ProtocolError as E;
    let text = match error {
        E::Status(status) => return format!("HTTP status {status} instead of 101"),
        E::Closed(1005) => "Close frame without a code",
        E::Closed(code) => return format!("Close frame with code {code}"),
        E::NotHttp => "the answer to the upgrade is no HTTP",
        E::HeadTooLong => "the head of the answer is longer than 16 KiB or 64 headers",
        E::NoUpgrade => "101 without Upgrade: websocket and Connection: Upgrade",
        E::BadAccept => "Sec-WebSocket-Accept is missing or wrong",
        E::NotOffered => "a subprotocol or extension that was not offered",
        E::Reserved => "reserved bits set without an extension",
        E::Opcode => "an unknown opcode",
        E::Mask => "a masked frame from a server",
        E::ControlTooLong => "a control frame over 125 bytes",
        E::ControlFragmented => "a fragmented control frame",
        E::Continuation => "a continuation without a beginning",
        E::Interleaved => "a new message inside a fragmented one",
        E::FrameInFrame { resumed: true } => "a frame inside another one, which goes on after it",
        E::FrameInFrame { resumed: false } => "a frame inside another one",
        E::Length => "a frame length that is not allowed",
        E::Utf8 => "text that is no UTF-8",
        E::BadClose => "a Close frame that is not allowed",
        E::Deflate => "a compressed message that cannot be decompressed",
        E::TooBig => "a message over our limit",
        E::NoRoom => "no room of ours for one more unfinished message",
    };
    text.into()
}

fn broken_tls(error: TlsError) -> String {
    match error {
        TlsError::Alert(alert) => format!("TLS alert {} ({alert})", alert_name(alert)),
        TlsError::Certificate(fault) => format!("certificate {}", fault.name()),
        TlsError::CertificateWanted(alert) => {
            format!("TLS alert {} ({alert}) after it asked for a certificate", alert_name(alert))
        }
        TlsError::Incompatible => "no common TLS version, cipher or group".into(),
        TlsError::NotTls => "the answer is no TLS".into(),
        TlsError::Echoed => "our own first TLS message came back".into(),
        TlsError::BadRecord => "a TLS record that does not decrypt".into(),
        TlsError::Violation => "a TLS message that is not allowed there".into(),
        TlsError::NoCertificate => "no certificate from the peer".into(),
        TlsError::KeyWornOut => "our TLS key may encrypt no more records".into(),
        TlsError::NoRoom => "no room of ours for one more unfinished TLS record".into(),
    }
}

fn call(op: Op) -> &'static str {
    match op {
        Op::Lookup => "getaddrinfo()",
        Op::Socket => "socket()",
        Op::Bind => "bind()",
        Op::Connect => "connect()",
        Op::Accept => "accept4()",
        Op::Read => "recv()",
        Op::Write => "send()",
        Op::Deadline => "deadline",
        Op::Decode => "decode",
        Op::Look => "sock_diag",
    }
}

/// When the call alone does not say it.
fn during(phase: Phase, op: Op) -> &'static str {
    match (phase, op) {
        (Phase::Tls, Op::Read | Op::Write) => " during the TLS hand-shake",
        (Phase::Upgrade, Op::Read | Op::Write) => " during the upgrade",
        (Phase::Connect, Op::Read | Op::Write) => " right after connect()",
        _ => "",
    }
}
