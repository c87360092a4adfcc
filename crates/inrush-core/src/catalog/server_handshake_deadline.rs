//! The server gives a hand-shake so long and then closes: all of these died at the same age.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::explain::Printed;
use crate::failure::{Class, Phase};
use crate::tally::{Ages, Row};
use crate::time::Nanos;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "server-handshake-deadline",
    culprit: Culprit::Server,
    what: "The server gave up hand-shakes at a fixed age: its own time limit passed before it \
           answered",
    unsure: Some("a proxy's header or upstream time limit in between looks the same"),
    same_as: &[
        "Go \"connection reset by peer\", \"unexpected EOF\" at http.Server.ReadHeaderTimeout",
        "Node \"socket hang up\" at server.headersTimeout or requestTimeout",
        "Java \"Connection reset\"",
        "Python \"did not receive a valid HTTP response\"",
        "Rust \"Connection reset without closing handshake\"",
    ],
    scenario: Scenario::Repro {
        name: "handshake-deadline-server",
        says: "A server closes each connection whose upgrade it has not answered within a second",
        class: Class::EofUnexpected,
    },
    texts: Texts {
        what: "The server ends a hand-shake that takes longer than it allows",
        decide: "inrush run ws://HOST:PORT/PATH -c 1k        (HAND-SHAKE LIMIT)",
        remedy: "lengthen the server's limit for hand-shakes, or open connections more slowly",
        command: "grep -rniE 'handshake_?timeout|client_header_timeout|ReadHeaderTimeout' CONFIG",
        shows_up: &[
            shows(Class::EofUnexpected, Where::Phase(Printed::Upgrade), Confidence::Likely),
            shows(Class::ResetOnRead, Where::Phase(Printed::Upgrade), Confidence::Likely),
            shows(Class::TlsHandshakeEof, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

// CATALOGUE part 2: the samples it takes, and how alike they must be.
const SAMPLES: u64 = 20;
const SPREAD: Nanos = Nanos::from_millis(20);
const LEAST: Nanos = Nanos::from_millis(500);
const CONNECTS: u64 = 20;

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let mut all = None;
    for target in pool.targets() {
        let wanted = |row: &Row| row.key.target == target && ended_in_handshake(row);
        let rows = pool.rows().iter().filter(|row| wanted(row));
        let Some(age) = common_age(rows, case.connect_p50_ns) else { continue };
        let claim = pool.take(wanted).map(|claim| tell(case, claim, age));
        all = Claim::join(all, claim);
    }
    all
}

fn tell(case: &Case<'_>, claim: Claim, age: Nanos) -> Claim {
    let n = count(claim.count());
    claim
        .sure(Confidence::Likely)
        .says(format!(
            "90 % or more of {n} ended at the same age, {} after connect()",
            words::time(age)
        ))
        .says("not one byte was received before the end")
        .remedy(
            "server",
            "find its limit and raise it, or find out what keeps it from answering until then",
            "grep -rnE 'ReadHeaderTimeout|HandshakeTimeout|headersTimeout|open_timeout' SOURCE",
        )
        .remedy(
            "run",
            "see whether it answers in time when fewer come at once",
            words::again(case.plan, "-r 50/s"),
        )
}

/// EOF, reset and broken pipe count together: timing alone decides between them (FAILURES §2).
fn ended_in_handshake(row: &Row) -> bool {
    let handshake = matches!(seen::phase(row), Phase::Tls | Phase::Upgrade);
    handshake && seen::peer_closed(row) && !row.key.heard
}

fn common_age<'a>(rows: impl Iterator<Item = &'a Row>, connect_ns: u64) -> Option<Nanos> {
    let (mut ages, mut failed) = (Ages::default(), 0_u64);
    for row in rows {
        failed += row.count;
        for (bucket, count) in &row.ages.0 {
            *ages.0.entry(*bucket).or_default() += count;
        }
    }
    let total: u64 = ages.0.values().sum();
    if failed < SAMPLES || total == 0 {
        return None;
    }
    let list: alloc::vec::Vec<(Nanos, u64)> =
        ages.0.iter().map(|(bucket, count)| (Ages::value(*bucket), *count)).collect();
    let alike = |from: Nanos| {
        // Ages are known to a bucket of 2 %, so neighbours are within 2 % of each other.
        let width = Nanos((from.0 / 1_000 * 21).max(SPREAD.0));
        let near = list.iter().filter(|(age, _)| *age >= from && *age - from <= width);
        near.map(|(_, count)| *count).sum::<u64>()
    };
    if !list.iter().any(|(from, _)| alike(*from) * 10 >= total * 9) {
        return None;
    }
    let mut below = 0;
    let median = list.iter().find_map(|(age, count)| {
        below += count;
        (below * 2 >= total).then_some(*age)
    })?;
    (median >= LEAST && median.0 >= connect_ns.saturating_mul(CONNECTS)).then_some(median)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Op, Outcome};

    fn eof() -> Seen {
        Seen::new(Phase::Upgrade, Op::Read, Outcome::Eof { mid_message: true })
    }

    fn reset() -> Seen {
        Seen::new(Phase::Upgrade, Op::Read, Outcome::Errno(Errno::ECONNRESET))
    }

    #[test]
    fn one_age_for_all_is_a_deadline_whatever_they_died_of() {
        let pipe = Seen::new(Phase::Upgrade, Op::Write, Outcome::Errno(Errno::EPIPE));
        let lab = Lab::ws()
            .book(60, reset().aged(1_000))
            .book(30, eof().aged(1_004))
            .book(3, pipe.aged(1_010))
            .book(7, eof().aged(400));
        lab.expect(&[("server-handshake-deadline", 100, Confidence::Likely)]);
    }

    #[test]
    fn other_closes_are_none() {
        let check = |lab: Lab, cause: &str| {
            let found = lab.diagnoses();
            assert_eq!((found.len(), found[0].cause.as_str()), (1, cause));
        };
        // 100 closes 1 ms after the request.
        check(Lab::ws().book(100, eof().aged(1)), "server-closed-without-reason");
        check(Lab::ws().book(19, eof().aged(1_000)), "server-closed-without-reason");
        check(Lab::ws().book(50, reset().aged(1_000).heard()), "server-closed-with-unread-data");
        let mixed = Lab::ws().book(80, eof().aged(1_000)).book(20, eof().aged(2_000));
        check(mixed, "server-closed-without-reason");
    }
}
