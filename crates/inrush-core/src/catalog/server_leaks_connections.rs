//! The server does not close what its clients have left: its descriptors fill up, and whoever comes
//! then is not served.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::explain::Side;
use crate::failure::{Class, Peer};
use crate::plan::Reconnect;
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "server-leaks-connections",
    culprit: Culprit::Server,
    what: "The server keeps connections whose clients have left, until no descriptor is left",
    unsure: Some("other clients of the same server may hold its descriptors"),
    same_as: &[
        "Go \"accept4: too many open files\" hours after the start",
        "Node \"accept EMFILE\" hours after the start",
        "Java \"java.net.SocketException: Too many open files\"",
        "Python \"OSError: [Errno 24] Too many open files\"",
        "ss: many sockets in CLOSE-WAIT",
    ],
    scenario: Scenario::Repro {
        name: "server-leaks-connections",
        says: "A server never closes: the sockets of clients that left fill its descriptors",
        class: Class::ConnectedNotServed,
    },
    texts: Texts {
        what: "The server does not close connections that are over, until it has no \
               descriptor left",
        decide: "ss -Htn state close-wait 'sport = :PORT' | wc -l        on the server: it \
               only rises",
        remedy: "close in every path of the handler, also after errors",
        command: "ss -Htnp state close-wait 'sport = :PORT'",
        shows_up: &[shows(
            Class::FdExhaustedProcess,
            Where::Side(Side::Server),
            Confidence::Possible,
        )],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let server = seen::full_server(case.facts)?;
    let come_and_go = case.plan.lifetime.is_some() || case.plan.reconnect != Reconnect::Never;
    let most = pool.rows().iter().filter(|row| waits(row)).map(|row| row.open_max).max()?;
    // As many as it holds were ours once, and at most half of those were open at the same time.
    if !come_and_go || most.saturating_mul(2) > server.held || case.opened < server.held / 2 {
        return None;
    }
    let claim = pool.take(waits)?;
    let pid = server.pid;
    let opened = count(case.opened);
    let claim = claim
        .sure(Confidence::Likely)
        .cites(case.facts, &Source::ServerDescriptors(pid), |held| {
            format!("process {pid} held {} descriptors", count(held))
        })
        .cites(case.facts, &Source::ServerDescriptorLimit(pid), |limit| {
            format!("its limit is {} (/proc/{pid}/limits)", count(limit))
        })
        .says(format!(
            "at most {} of our {opened} connections were open at once: it keeps what was closed",
            count(most)
        ))
        .or(&["server-out-of-descriptors"])
        .decided_by(format!("ss -tnp state close-wait | grep -c pid={pid}"))
        .remedy(
            "server-host",
            "sockets in CLOSE-WAIT: the clients have closed, the server has not",
            format!("ss -tnp state close-wait | grep pid={pid} | head"),
        )
        .remedy(
            "server",
            "close on every way out of the handler (Go defer conn.Close(), Java try-with-resources)",
            "grep -rnE 'accept|Accept' SOURCE",
        )
        .remedy("run", "watch it grow", words::again(case.plan, "-d 5m"));
    Some(claim)
}

fn waits(row: &Row) -> bool {
    row.key.peer == Peer::Queued && !row.key.heard
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};
    use crate::time::Nanos;

    #[test]
    fn descriptors_that_do_not_fall_are_kept() {
        let lab = |open, opened, lifetime: Option<(Nanos, Nanos)>| {
            let waits = Seen::new(Phase::Open, Op::Look, Outcome::NotServed);
            let mut lab = Lab::tcp().opened(opened).server(64, 64, 1);
            lab.plan.lifetime = lifetime;
            lab.book(9, waits.peer(Peer::Queued).open(open, open))
        };
        let short = Some((Nanos::from_millis(200), Nanos::from_millis(300)));
        lab(20, 70, short).expect(&[("server-leaks-connections", 9, Confidence::Likely)]);
        for lab in [lab(60, 70, short), lab(20, 70, None), lab(5, 10, short)] {
            lab.expect(&[("server-out-of-descriptors", 9, Confidence::Proven)]);
        }
    }
}
