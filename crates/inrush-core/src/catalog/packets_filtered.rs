//! SYNs go out, nothing comes back: something on the way, or before the server, drops them.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::evidence::Source;
use crate::failure::Class;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "packets-filtered",
    culprit: Culprit::Network,
    what: "Our SYNs went out and nothing came back: something drops them on the way, or the host \
           is gone",
    unsure: Some("a host that is switched off, behind a router, looks the same"),
    same_as: &[
        "Go \"dial tcp 10.0.0.5:8080: i/o timeout\", \"connect: connection timed out\"",
        "Node \"connect ETIMEDOUT 10.0.0.5:8080\"",
        "Java \"java.net.SocketTimeoutException: Connect timed out\"",
        "Python \"TimeoutError: [Errno 110] Connection timed out\"",
        "Rust \"Connection timed out (os error 110)\"",
    ],
    scenario: Scenario::Repro {
        name: "packets-filtered",
        says: "A packet filter drops each SYN",
        class: Class::ConnectTimeout,
    },
    texts: Texts {
        what: "Something on the way drops the packets, or the host is gone",
        decide: "tcpdump -ni any host ADDRESS and port PORT        on both sides",
        remedy: "open the port on the way: security group, firewall, routing",
        command: "traceroute -T -p PORT ADDRESS",
        shows_up: &[shows(Class::ConnectTimeout, Where::Anywhere, Confidence::Likely)],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(seen::connect_timed_out)?;
    let address = seen::first_address(case, &claim.rows);
    let everything = claim.count() * 100 >= case.attempted * 95;
    let resent = Source::Counter("TcpExt".into(), "TCPSynRetrans".into());
    let mut claim = claim
        .sure(if everything { Confidence::Likely } else { Confidence::Possible })
        .says(if everything {
            "every connection attempt failed this way: it does not depend on the load"
        } else {
            "no answer to these SYNs, and no queue of the server is known to have dropped them"
        })
        .cites(case.facts, &resent, |_| {
            let rise = case.facts.rise(&resent).unwrap_or(0);
            format!("SYNs were sent again {} times", count(rise))
        });
    let dropped = |address| case.facts.rise(&Source::ListenerDrops(address));
    if let Some(address) = address.filter(|address| dropped(*address) == Some(0)) {
        claim = claim.cites(case.facts, &Source::ListenerDrops(address), |_| {
            let drops = case.facts.rise(&Source::ListenerDrops(address)).unwrap_or(0);
            format!("the listener on {address} dropped {drops}: it never saw these SYNs")
        });
    }
    if !everything {
        claim = claim.or(&["accept-queue-overflow"]).decided_by(words::queue_command(address));
    }
    let (ip, port) = (words::ip(address), words::port(address));
    let claim = claim
        .root_remedy(
            "server-host",
            "no line there while the run starts: it is dropped on the way; SYNs only: dropped here",
            format!("tcpdump -ni any -c 20 'tcp port {port} and tcp[tcpflags] & tcp-syn != 0'"),
        )
        .root_remedy(
            "server-host",
            "find the rule that drops; cloud: look at the security group too",
            "nft list ruleset | grep -n drop; iptables -S | grep -E 'DROP|-P'",
        )
        .root_remedy(
            "network",
            "the last hop that answers stands before the one that drops",
            format!("traceroute -T -p {port} {ip}"),
        );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::errno::Errno;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn silence_for_all_is_a_filter() {
        let ours = Seen::new(Phase::Connect, Op::Deadline, Outcome::TimedOut);
        let kernels = Seen::new(Phase::Connect, Op::Connect, Outcome::Errno(Errno::ETIMEDOUT));
        let lab = Lab::ws().remote().book(900, ours.clone()).book(100, kernels);
        lab.expect(&[("packets-filtered", 1_000, Confidence::Likely)]);
        // A listener of this host that dropped nothing never saw them.
        let lab = Lab::ws().opened(900).book(100, ours).listener(1, 1);
        let lab = lab.fact(Source::ListenerDrops(Lab::target()), 3, 3);
        lab.expect(&[("packets-filtered", 100, Confidence::Possible)]);
    }
}
