//! The program used a connection that it had closed itself: nobody else did anything.

use super::claim::{Claim, Pool};
use super::words::count;
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::failure::{Class, Op, Phase};
use crate::tally::Row;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "client-used-closed-connection",
    culprit: Culprit::Client,
    what: "The program used a connection after it had closed it, or its sending side, itself",
    unsure: None,
    same_as: &[
        "Go \"use of closed network connection\"",
        "Node \"This socket has been ended by the other party\", \"write after end\"",
        "Java \"java.net.SocketException: Socket closed\", \"ClosedChannelException\"",
        "Python \"OSError: [Errno 9] Bad file descriptor\"",
        "Rust \"Bad file descriptor (os error 9)\"",
    ],
    scenario: Scenario::Repro {
        name: "write-after-own-close",
        says: "A client writes after its own close(), and after its own shutdown()",
        class: Class::LocalUseAfterClose,
    },
    texts: Texts {
        what: "The program uses a connection that it has itself closed, or never had: a dial \
               error that was not checked does the same",
        decide: "strace -f -e trace=close,shutdown,write,sendto -p PID",
        remedy: "let one place own the connection, and ask nobody to use it after its close",
        command: "grep -n '[Cc]lose(' SOURCE",
        shows_up: &[
            shows(Class::LocalUseAfterClose, Where::Anywhere, Confidence::Likely),
            shows(Class::BrokenPipe, Where::Anywhere, Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim =
        pool.take(|row| row.class(case.plan) == Class::LocalUseAfterClose || half_closed(row))?;
    let halves: u64 = claim.rows.iter().filter(|row| half_closed(row)).map(|row| row.count).sum();
    let closed = claim.count() - halves;
    let mut claim = claim.sure(Confidence::Proven);
    if closed > 0 {
        let n = count(closed);
        claim = claim.says(format!("{n} calls named a descriptor that was closed here (EBADF)"));
    }
    if halves > 0 {
        let n = count(halves);
        claim = claim.says(format!("{n} writes came after our own shutdown: EPIPE at the first"));
    }
    Some(claim.remedy(
        "client-host",
        "find who closes: one owner per connection, and nobody writes once it has closed it",
        "grep -rnE 'close\\(|Close\\(|shutdown\\(' SOURCE",
    ))
}

/// EPIPE that no peer had a part in: its FIN or RST was not seen, ours went first.
fn half_closed(row: &Row) -> bool {
    seen::phase(row) == Phase::Close
        && row.key.signature.op == Op::Write
        && seen::errno(row) == Some(Errno::EPIPE)
        && !row.key.fin_seen
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::Outcome;

    #[test]
    fn what_follows_an_own_close_is_our_own() {
        let seen = |phase, errno| Seen::new(phase, Op::Write, Outcome::Errno(errno));
        let lab = Lab::tcp()
            .book(2, seen(Phase::Close, Errno::EBADF))
            .book(3, seen(Phase::Close, Errno::EPIPE))
            .book(1, seen(Phase::Open, Errno::EPIPE).fin());
        let found = lab.expect(&[
            ("client-used-closed-connection", 5, Confidence::Proven),
            ("server-closed-without-reason", 1, Confidence::Proven),
        ]);
        assert_eq!(found[0].classes[&Class::LocalUseAfterClose], 2);
    }
}
