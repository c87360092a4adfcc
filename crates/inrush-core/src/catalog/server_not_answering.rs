//! The server's program has the connection and says nothing.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::{Class, Peer, Phase};
use crate::plan::{Plan, Schedule};
use crate::tally::Row;
use alloc::format;
use alloc::string::String;

pub(super) static CAUSE: Cause = Cause {
    id: "server-not-answering",
    culprit: Culprit::Server,
    what: "The server's program took the connection and did not answer in time",
    unsure: None,
    same_as: &[
        "Go \"context deadline exceeded (Client.Timeout exceeded while awaiting headers)\"",
        "Node \"Opening handshake has timed out\", \"HeadersTimeoutError\"",
        "Java \"java.net.SocketTimeoutException: Read timed out\"",
        "Python \"ReadTimeout\", \"timed out during opening handshake\"",
        "curl \"(28) Operation timed out after 1001 milliseconds with 0 bytes received\"",
    ],
    scenario: Scenario::Repro {
        name: "server-not-answering",
        says: "A server accepts, reads the upgrade and never answers",
        class: Class::WsHandshakeTimeout,
    },
    texts: Texts {
        what: "The server took the connection and did not answer in time",
        decide: "ss -tn 'sport = :PORT'        on the server: Recv-Q says whether it read the \
               request",
        remedy: "see what the server waits for, or give it more time",
        command: "gdb -p PID -batch -ex 'thread apply all bt'",
        shows_up: &[
            shows(Class::IoTimeout, Where::Anywhere, Confidence::Likely),
            shows(Class::WsHandshakeTimeout, Where::Anywhere, Confidence::Likely),
            shows(Class::TlsHandshakeTimeout, Where::Anywhere, Confidence::Likely),
            shows(Class::KeepaliveTimeout, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let accepted = pool.take(|row| seen::deadline(row) && is_accepted(row));
    let accepted = accepted.map(|claim| {
        let unread: u64 = claim.rows.iter().filter(|row| unread(row)).map(|row| row.count).sum();
        let n = claim.count();
        let text = format!("{} have an owner in the server's process (sock_diag inode)", count(n));
        let claim = claim.sure(Confidence::Proven).says(text);
        match (unread, n - unread) {
            (0, _) => claim.says("it has read all that we sent (Recv-Q 0) and is silent"),
            (unread, 0) => claim.says(format!(
                "our bytes lie unread there on all {}: it does not even read",
                count(unread)
            )),
            (unread, read) => claim.says(format!(
                "on {} it has read all we sent, on {} our bytes lie unread",
                count(read),
                count(unread)
            )),
        }
    });
    // One that spoke before was accepted, wherever it is.
    let spoke = pool.take(|row| seen::deadline(row) && row.key.heard).map(|claim| {
        claim
            .sure(Confidence::Likely)
            .says("it had spoken on these connections before, and its kernel acknowledged our data")
    });
    let claim = Claim::join(accepted, spoke)?;
    let address = seen::first_address(case, &claim.rows);
    // A stream has no hand-shake; what it waits for are replies.
    let upgrade =
        claim.rows.iter().all(|row| matches!(seen::phase(row), Phase::Tls | Phase::Upgrade));
    let limit = match !upgrade {
        true => format!("--reply-timeout {}", words::flag_time(case.plan.timeouts.reply * 4)),
        false => {
            format!("--handshake-timeout {}", words::flag_time(case.plan.timeouts.handshake * 4))
        }
    };
    let port = words::port(address);
    let pid = words::server_pid(case.facts);
    let mut claim = claim
        .remedy(
            "server-host",
            "busy cores: too much work; idle cores: a lock, a pool or a backend it waits for",
            format!("top -H -b -n 1 -p {pid} | head -n 20"),
        )
        .remedy(
            "server",
            "see where it stands: Go prints all goroutines at SIGQUIT and ends; Java: jstack",
            format!("py-spy dump --pid {pid} || jstack {pid}"),
        )
        .remedy(
            "server-host",
            "what it has not read (Recv-Q) and what it could not send (Send-Q)",
            format!("ss -tn 'sport = :{port}' | awk '$2+$3 > 0' | head"),
        )
        .remedy("run", "see whether it is slow or silent", words::again(case.plan, &limit));
    if !upgrade {
        claim = claim.remedy(
            "run",
            "if it is not meant to answer, do not wait for it",
            without_answers(case.plan),
        );
    }
    Some(claim)
}

/// This run again, silent about what it waited for.
fn without_answers(plan: &Plan) -> String {
    let mut plan = plan.clone();
    plan.messages.ping_every = None;
    let idle = plan.messages.schedule == Schedule::Idle;
    words::again(&plan, if idle { "" } else { "--expect none" })
}

fn is_accepted(row: &Row) -> bool {
    matches!(row.key.peer, Peer::Accepted { .. })
}

fn unread(row: &Row) -> bool {
    row.key.peer == Peer::Accepted { unread: true }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome};
    use crate::time::Nanos;

    #[test]
    fn an_owner_that_is_silent_is_proven() {
        let check = |phase, unread, line: &str| {
            let seen = Seen::new(phase, Op::Deadline, Outcome::TimedOut);
            let lab = Lab::ws().book(60, seen.peer(Peer::Accepted { unread }));
            let found = lab.expect(&[("server-not-answering", 60, Confidence::Proven)]);
            assert!(found[0].because[1].text.contains(line), "{:?}", found[0].because);
        };
        check(Phase::Upgrade, false, "Recv-Q 0");
        check(Phase::Upgrade, true, "does not even read");
        check(Phase::Open, false, "Recv-Q 0");
    }

    #[test]
    fn missing_replies_elsewhere_are_likely_its_silence() {
        let seen = Seen::new(Phase::Open, Op::Deadline, Outcome::TimedOut).heard();
        let lab = Lab::ws().remote().opened(60).book(60, seen.peer(Peer::NotLocal));
        lab.expect(&[("server-not-answering", 60, Confidence::Likely)]);
    }

    #[test]
    fn missing_pongs_are_called_so() {
        let mut lab = Lab::ws().opened(60);
        lab.plan.messages.ping_every = Some(Nanos::from_secs(5));
        let seen = Seen::new(Phase::Open, Op::Deadline, Outcome::TimedOut).heard();
        let lab = lab.book(60, seen.peer(Peer::Accepted { unread: false }));
        let found = lab.expect(&[("server-not-answering", 60, Confidence::Proven)]);
        let line = "io-timeout 60: not a byte within 10 s while pongs were due";
        assert_eq!(found[0].seen_as, [line]);
        let last = found[0].remedy.last().and_then(|remedy| remedy.command.as_deref());
        assert_eq!(last, Some("inrush run ws://127.0.0.1:8080/ -c 1000 -r max -d 1s"));
    }
}
