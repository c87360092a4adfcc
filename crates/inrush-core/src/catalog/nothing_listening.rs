//! Nobody listens on that port. Inside the range of local ports a closed loopback port even lets
//! a client connect to itself after some thousand tries.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::{Class, Outcome};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "nothing-listening",
    culprit: Culprit::Server,
    what: "Nobody listens on that port: the server's kernel refused the connection",
    unsure: Some("a firewall that answers with RST looks the same from another host"),
    same_as: &[
        "Go \"dial tcp 10.0.0.5:8080: connect: connection refused\"",
        "Node \"connect ECONNREFUSED 10.0.0.5:8080\"",
        "Java \"java.net.ConnectException: Connection refused\"",
        "Python \"ConnectionRefusedError: [Errno 111]\"",
        "Rust \"Connection refused (os error 111)\"",
    ],
    scenario: Scenario::Repro {
        name: "connection-refused",
        says: "Connections to a port on which nobody listens",
        class: Class::Refused,
    },
    texts: Texts {
        what: "Nothing listens on that address and port",
        decide: "ss -ltn 'sport = :PORT'        on the server",
        remedy: "start the server, or name the address and port it listens on",
        command: "ss -ltnp; systemctl status SERVICE",
        shows_up: &[shows(Class::Refused, Where::Anywhere, Confidence::Likely)],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let mut all = None;
    for target in pool.targets() {
        let claim = pool.take(|row| row.key.target == target && (seen::refused(row) || own(row)));
        all = Claim::join(all, claim.map(|claim| tell(case, claim)));
    }
    all
}

fn tell(case: &Case<'_>, claim: Claim) -> Claim {
    let address = seen::first_address(case, &claim.rows);
    let fact = address.and_then(|address| case.facts.get(&Source::ListenerPresent(address)));
    let absent = fact.is_some_and(|fact| fact.after == Some(0) && fact.before != Some(1));
    let present = fact.is_some_and(|fact| fact.after == Some(1));
    let came = present && fact.is_some_and(|fact| fact.before == Some(0));
    let answered = claim.rows.iter().any(|row| seen::mostly(row, |look| look.segs_in > 0));
    let own_count: u64 = claim.rows.iter().filter(|row| own(row)).map(|row| row.count).sum();
    let local = claim.rows.first().is_some_and(|row| seen::is_local(case, row));
    let confidence = match () {
        () if absent || own_count > 0 => Confidence::Proven,
        () if present && !came => Confidence::Possible,
        () if local && answered && fact.is_none() => Confidence::Proven,
        () => Confidence::Likely,
    };
    let mut claim = claim.sure(confidence);
    if let Some(address) = address {
        claim = claim.cites(case.facts, &Source::ListenerPresent(address), |present| {
            let is = match present {
                0 => "no socket listens",
                _ if came => "no socket listened before the load, and one listens now,",
                _ => "a socket listens now",
            };
            format!("{is} on {address} on this host (sock_diag)")
        });
    }
    if answered {
        claim = claim.says("one segment came back (tcpi_segs_in = 1): a RST, no ICMP");
    }
    if own_count > 0 {
        claim = claim.says(format!(
            "{} connects met their own socket: the port lies in the range of local ports",
            count(own_count)
        ));
    }
    if claim.because.is_empty() {
        claim = claim.says("connect() was answered at once, by a refusal");
    }
    if present && !came {
        claim = claim
            .what("The connection was refused, although somebody listens on that port now")
            .or(&["local-firewall", "server-process-gone"])
            .decided_by(format!("{}; nft list ruleset", words::queue_command(address)));
    } else if !local {
        claim = claim.or(&["rejected-by-network"]).decided_by(words::queue_command(address));
    }
    claim
        .remedy(
            "server-host",
            "see what listens there; start the server, or name the port it has",
            words::queue_command(address),
        )
        .remedy(
            "client-host",
            "see whether anybody answers",
            format!("nc -vz {}", words::host_port(address)),
        )
}

/// It was connected to itself.
fn own(row: &Row) -> bool {
    row.key.signature.outcome == Outcome::SelfConnected
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Look, Op, Phase};

    fn refused() -> Seen {
        let errno = Outcome::Errno(Errno::ECONNREFUSED);
        let look = Look { segs_in: 1, ..Look::default() };
        Seen::new(Phase::Connect, Op::Connect, errno).look(look)
    }

    #[test]
    fn a_closed_local_port_is_proven_even_where_it_met_itself() {
        let own = Seen::new(Phase::Connect, Op::Connect, Outcome::SelfConnected);
        let lab = Lab::tcp().book(49_980, refused()).book(20, own);
        lab.listener(0, 0).expect(&[("nothing-listening", 50_000, Confidence::Proven)]);
        let lab = Lab::tcp().book(9, refused());
        lab.expect(&[("nothing-listening", 9, Confidence::Proven)]);
    }

    #[test]
    fn a_socket_that_listens_is_no_proof_that_nobody_does() {
        let lab = Lab::tcp().book(9, refused()).listener(1, 1);
        let found = lab.expect(&[("nothing-listening", 9, Confidence::Possible)]);
        assert_eq!(found[0].alternatives, ["local-firewall", "server-process-gone"]);
        assert!(found[0].decide.is_some());
        assert!(!found[0].what.contains("Nobody"), "{}", found[0].what);
        let lab = Lab::tcp().book(9, refused()).listener(0, 1);
        lab.expect(&[("nothing-listening", 9, Confidence::Likely)]);
    }

    #[test]
    fn elsewhere_a_firewall_could_say_the_same() {
        let lab = Lab::ws().remote().book(50, refused());
        let found = lab.expect(&[("nothing-listening", 50, Confidence::Likely)]);
        assert_eq!(found[0].alternatives, ["rejected-by-network"]);
        assert_eq!(found[0].decide.as_deref(), Some("ss -ltn 'sport = :8080'"));
    }
}
