//! We were late ourselves: a deadline passed because this host had no time to look.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::{Class, Outcome, Peer, ProtocolError, TlsError};
use crate::time::Nanos;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "generator-overloaded",
    culprit: Culprit::Client,
    what: "This host was too busy to send and read in time: what looks late may not be the server",
    unsure: Some("the server may be late too; it can be judged when this host is not"),
    same_as: &[
        "Go \"context deadline exceeded\" with all cores busy",
        "Node: event loop delay, then 'Opening handshake has timed out'",
        "Java \"Read timed out\" during a long garbage collection",
        "Python \"keepalive ping timeout\" in a busy asyncio loop",
    ],
    scenario: Scenario::None { why: "it needs a host whose every core is taken by something else" },
    texts: Texts {
        what: "The program that printed it was too busy to read and write in time",
        decide: "top -H -p PID",
        remedy: "give it more cores, or less to do at once",
        command: "pidstat -t -p PID 1",
        shows_up: &[
            shows(Class::IoTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::KeepaliveTimeout, Where::Anywhere, Confidence::Possible),
            shows(Class::WsHandshakeTimeout, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

/// Late by a tenth of the limit that passed, and by this much at least.
const LATE: Nanos = Nanos::from_millis(100);
/// Percent of the cores the workers use.
const BUSY: u64 = 90;

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let tls = Claim::join(worn_out(case, pool), no_room_for_records(case, pool));
    let bounds = Claim::join(full(case, pool), tls);
    Claim::join(late(case, pool), bounds)
}

/// A bound of our own, which more workers would not have met.
fn full(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| seen::protocol(row) == Some(ProtocolError::NoRoom))?;
    let claim = claim
        .what("A worker of this run was inside as many compressed messages as it has room for")
        .sure(Confidence::Proven)
        .says("each worker takes in 4,096 messages at once that came in part: 180 MB of windows")
        .remedy(
            "run",
            "share the connections among more workers",
            words::again(case.plan, "--processes 8"),
        )
        .remedy(
            "run",
            "without compression an unfinished message costs nothing",
            words::uncompressed(case.plan),
        );
    Some(claim)
}

/// A bound of our own, which TLS 1.3 does not have.
fn worn_out(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let worn = Outcome::Tls(TlsError::KeyWornOut);
    let claim = pool.take(|row| row.key.signature.outcome == worn)?;
    let address = seen::first_address(case, &claim.rows);
    let (ip, port) = (words::ip(address), words::port(address));
    let claim = claim
        .what("A connection through TLS 1.2 has said as much as one key may encrypt: we ended it")
        .sure(Confidence::Proven)
        .says("with AES-GCM a key is good for 2^24 records, and TLS 1.2 has no means to renew it")
        .remedy(
            "run",
            "let connections come again before that",
            words::again(case.plan, "--lifetime 1h..2h"),
        )
        .remedy(
            "server-host",
            "or let the server speak TLS 1.3, where keys are renewed: see whether it does",
            format!("openssl s_client -connect {ip}:{port} -tls1_3 -brief </dev/null"),
        );
    Some(claim)
}

/// A bound of our own, which more workers would not have met.
fn no_room_for_records(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let full = Outcome::Tls(TlsError::NoRoom);
    let claim = pool.take(|row| row.key.signature.outcome == full)?;
    let claim = claim
        .what("A worker of this run held as many unfinished TLS records as it has room for")
        .sure(Confidence::Proven)
        .says("each worker keeps 256 MiB of records that came in part")
        .remedy(
            "run",
            "share the connections among more workers",
            words::again(case.plan, "--processes 8"),
        );
    Some(claim)
}

fn late(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let lag = Nanos::from_micros(case.facts.after(&Source::SendLagP99)?);
    let limits = &case.plan.timeouts;
    let shortest = limits.reply.min(limits.handshake);
    let busy = case.facts.after(&Source::OwnCpu).is_some_and(|percent| percent >= BUSY);
    if !busy || lag < LATE.max(Nanos(shortest.0 / 10)) {
        return None;
    }
    let claim = pool.take(|row| {
        let unknown = matches!(row.key.peer, Peer::Unseen | Peer::NotLocal)
            || row.key.peer == Peer::Accepted { unread: false };
        row.key.signature.outcome == Outcome::TimedOut && seen::established(row) && unknown
    })?;
    let claim = claim
        .sure(Confidence::Likely)
        .cites(case.facts, &Source::SendLagP99, |_| {
            format!("1 % of our own sends were late by {} or more", words::time(lag))
        })
        .cites(case.facts, &Source::OwnCpu, |percent| {
            format!("our loops were busy {} % of the time", count(percent))
        })
        .remedy(
            "run",
            "ask for less, until the send lag stays below 1 ms",
            words::again_with(case.plan, u64::from(case.plan.connections / 2).max(1), "-m 1/10s"),
        )
        .remedy("client-host", "see who else uses the cores", "top -b -n 1 | head -n 15; nproc");
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Phase};

    #[test]
    fn our_own_lateness_is_ours() {
        let check = |lag_us, cpu, cause, confidence| {
            let seen = Seen::new(Phase::Open, Op::Deadline, Outcome::TimedOut).heard();
            let lab = Lab::ws().opened(500).book(50, seen.peer(Peer::NotLocal));
            lab.fact(Source::SendLagP99, 0, lag_us)
                .fact(Source::OwnCpu, 0, cpu)
                .expect(&[(cause, 50, confidence)]);
        };
        check(1_500_000, 99, "generator-overloaded", Confidence::Likely);
        check(1_500_000, 40, "server-not-answering", Confidence::Likely);
        check(500, 99, "server-not-answering", Confidence::Likely);
    }

    #[test]
    fn a_bound_of_ours_is_not_the_servers() {
        let check = |error, what: &str, command: &str| {
            let seen = Seen::new(Phase::Open, Op::Decode, Outcome::Tls(error)).heard();
            let found = Lab::wss()
                .book(7, seen)
                .expect(&[("generator-overloaded", 7, Confidence::Proven)]);
            assert_eq!(found[0].culprit, Culprit::Client);
            assert!(found[0].what.contains(what), "{}", found[0].what);
            let first = found[0].remedy[0].command.as_deref().unwrap();
            assert!(first.ends_with(command), "{first}");
        };
        check(TlsError::KeyWornOut, "as one key may encrypt", "--lifetime 1h..2h");
        check(TlsError::NoRoom, "as it has room for", "--processes 8");
    }
}
