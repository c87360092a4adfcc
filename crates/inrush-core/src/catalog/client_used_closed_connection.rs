//! A program writes to, or reads from, a connection that it has itself closed.

use super::claim::{Claim, Pool};
use super::{Cause, Scenario, Texts, Where, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::failure::Class;

pub(super) static CAUSE: Cause = Cause {
    id: "client-used-closed-connection",
    culprit: Culprit::Client,
    what: "The program used a connection that it had itself closed",
    unsure: None,
    same_as: &[
        "Go \"use of closed network connection\"",
        "Node \"write after end\", \"WebSocket is not open: readyState 3 (CLOSED)\"",
        "Java \"java.net.SocketException: Socket closed\"",
        "Python \"OSError: [Errno 9] Bad file descriptor\"",
        "Rust \"Trying to work with closed connection\"",
    ],
    scenario: Scenario::Repro {
        name: "use-of-closed-connection",
        says: "A client closes its connection and writes to it",
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
    let claim = pool.take(|row| row.class(case.plan) == Class::LocalUseAfterClose)?;
    let claim = claim.sure(Confidence::Proven).says("the kernel said so to our own call").remedy(
        "client-host",
        CAUSE.texts.remedy,
        CAUSE.texts.command,
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
    fn what_our_own_call_said_is_proven() {
        let errno = Outcome::Errno(Errno::EBADF);
        let lab = Lab::ws().book(3, Seen::new(Phase::Open, Op::Write, errno));
        lab.expect(&[("client-used-closed-connection", 3, Confidence::Proven)]);
    }
}
