//! The kernel had no memory for a socket or its buffers.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::errno::Errno;
use crate::evidence::Source;
use crate::failure::Class;
use alloc::format;

pub(super) static CAUSE: Cause = Cause {
    id: "tcp-memory-pressure",
    culprit: Culprit::Client,
    what: "This host's kernel had no memory for a socket or its buffers",
    unsure: Some("a server on the same host draws from the same net.ipv4.tcp_mem"),
    same_as: &[
        "Go \"socket: no buffer space available\", \"connect: cannot allocate memory\"",
        "Node \"connect ENOBUFS\"",
        "Java \"java.net.SocketException: No buffer space available\"",
        "Python \"OSError: [Errno 105] No buffer space available\"",
        "kernel log \"TCP: out of memory -- consider tuning tcp_mem\"",
    ],
    scenario: Scenario::None { why: "net.ipv4.tcp_mem is host-wide: lowering it hurts all others" },
    texts: Texts {
        what: "The kernel had no memory for a socket or its buffers",
        decide: "cat /proc/net/sockstat; sysctl net.ipv4.tcp_mem; nstat -az \
               TcpExtTCPAbortOnMemory",
        remedy: "hold fewer connections or smaller buffers, or allow TCP more memory",
        command: "sysctl net.ipv4.tcp_mem",
        shows_up: &[
            shows(Class::TcpMemory, Where::Anywhere, Confidence::Proven),
            shows(Class::NoBufferSpace, Where::Anywhere, Confidence::Likely),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim =
        pool.take(|row| matches!(seen::errno(row), Some(Errno::ENOBUFS | Errno::ENOMEM)))?;
    let aborted = Source::Counter("TcpExt".into(), "TCPAbortOnMemory".into());
    let claim = claim
        .sure(Confidence::Proven)
        .says("the kernel said so to our own call")
        .cites(case.facts, &Source::TcpMemory, |pages| {
            format!("TCP uses {} pages of 4 KiB", count(pages))
        })
        .cites(case.facts, &Source::TcpMemoryLimit, |pages| {
            format!("net.ipv4.tcp_mem allows {} pages", count(pages))
        })
        .cites(case.facts, &aborted, |_| {
            let rise = case.facts.rise(&aborted).unwrap_or(0);
            format!("the kernel aborted {} connections for memory", count(rise))
        })
        .remedy("client-host", "see what TCP uses, in pages", "cat /proc/net/sockstat; free -m")
        .root_remedy(
            "client-host",
            "allow more: low, pressure and high mark in pages of 4 KiB (here 8 GiB)",
            "sysctl -w net.ipv4.tcp_mem='1048576 1572864 2097152'",
        )
        .remedy(
            "run",
            "smaller buffers per connection",
            words::again(case.plan, "--sndbuf 8KiB --rcvbuf 8KiB"),
        );
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn the_kernels_own_word_is_proof() {
        let memory = |op, errno| Seen::new(Phase::Socket, op, Outcome::Errno(errno));
        Lab::ws()
            .book(5, memory(Op::Socket, Errno::ENOMEM))
            .book(5, memory(Op::Socket, Errno::ENOBUFS))
            .counter("TcpExt", "TCPAbortOnMemory", 4)
            .expect(&[("tcp-memory-pressure", 10, Confidence::Proven)]);
    }
}
