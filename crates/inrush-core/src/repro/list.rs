//! The list of scenarios (CATALOGUE part 3): name, cause, class, what happens, how.

use super::script::Turn;
use super::scripts as s;
use super::{How, Needs, Scenario, Storm};
use crate::failure::Class as C;

/// A script that runs anywhere.
const fn plain(
    name: &'static str,
    cause: &'static str,
    class: C,
    says: &'static str,
    script: &'static [Turn],
) -> Scenario {
    Scenario { name, cause, class, says, needs: Needs::Nothing, how: How::Script(script) }
}

/// A script that changes the network, which must be its own.
const fn fenced(
    name: &'static str,
    cause: &'static str,
    class: C,
    says: &'static str,
    script: &'static [Turn],
) -> Scenario {
    Scenario { needs: Needs::Namespace, ..plain(name, cause, class, says, script) }
}

const fn storm(
    name: &'static str,
    cause: &'static str,
    class: C,
    says: &'static str,
    (serve, run): (&'static str, &'static str),
) -> Scenario {
    let how = How::Storm(Storm { serve, run, alone: false });
    Scenario { name, cause, class, says, needs: Needs::Nothing, how }
}

/// A storm whose clocks others would disturb.
const fn lone(
    name: &'static str,
    cause: &'static str,
    class: C,
    says: &'static str,
    (serve, run): (&'static str, &'static str),
) -> Scenario {
    let how = How::Storm(Storm { serve, run, alone: true });
    Scenario { name, cause, class, says, needs: Needs::Nothing, how }
}

/// Measured: on two cores the load was busy 40 to 60 % of its time, whatever was asked of it.
const OUTRUN: &str = "our own server is busy before our load is: it needs a host whose every core \
    is taken by something else";

pub(super) static SCENARIOS: &[Scenario] = &[
    plain(
        "accept-too-many-open-files",
        "server-out-of-descriptors",
        C::FdExhaustedProcess,
        "A server without a free descriptor is connected to: accept4() fails, nobody is served",
        s::ACCEPT_EMFILE,
    ),
    plain(
        "accept-retrying",
        "server-out-of-descriptors",
        C::FdExhaustedProcess,
        "A server without a free descriptor waits until it has one, and then serves",
        s::ACCEPT_RETRYING,
    ),
    plain(
        "socket-too-many-open-files",
        "client-out-of-descriptors",
        C::FdExhaustedProcess,
        "A client without a free descriptor asks for one more socket",
        s::SOCKET_EMFILE,
    ),
    plain(
        "lookup-no-such-host",
        "client-out-of-descriptors",
        C::DnsFailureFdExhausted,
        "A client without a free descriptor looks up localhost, and hears that there is none",
        s::LOOKUP_EMFILE,
    ),
    plain(
        "write-broken-pipe",
        "server-closed-without-reason",
        C::BrokenPipe,
        "A server closes as soon as it has accepted: the first write succeeds, the second is EPIPE",
        s::WRITE_BROKEN_PIPE,
    ),
    plain(
        "write-after-own-close",
        "client-used-closed-connection",
        C::LocalUseAfterClose,
        "A client writes after its own close(), and after its own shutdown()",
        s::WRITE_AFTER_OWN_CLOSE,
    ),
    plain(
        "write-reset-then-broken-pipe",
        "server-closed-with-unread-data",
        C::ResetOnWrite,
        "A server closes with bytes unread: the first write is reset, later ones are EPIPE",
        s::WRITE_RESET_THEN_PIPE,
    ),
    plain(
        "read-reset-after-response",
        "server-closed-with-unread-data",
        C::ResetOnRead,
        "A server answers and closes without having read the request: response, then reset",
        s::READ_RESET,
    ),
    plain(
        "server-dies-after-response",
        "server-process-gone",
        C::ResetOnRead,
        "A server is killed right after its response: response, reset, then refused",
        s::SERVER_DIES,
    ),
    storm(
        "unexpected-eof-server-crash",
        "server-process-gone",
        C::EofUnexpected,
        "A server dies with all its connections open",
        ("--fault die-after:700ms", "ws://ADDRESS -c 200 -r max -d 1500ms --server-pid PID"),
    ),
    storm(
        "handshake-deadline-client",
        "client-handshake-deadline-too-short",
        C::WsHandshakeTimeout,
        "A server that needs a second for an upgrade meets a client that waits hardly longer",
        (
            "--fault stall-upgrade:1500ms@every:3 --fault stall-upgrade:900ms",
            "ws://ADDRESS -c 30 -r max -d 300ms --handshake-timeout 1s",
        ),
    ),
    lone(
        "handshake-deadline-server",
        "server-handshake-deadline",
        C::EofUnexpected,
        "A server closes each connection whose upgrade it has not answered within a second",
        ("--fault stall-upgrade --fault close-after:1s", "ws://ADDRESS -c 50 -r 500/s -d 300ms"),
    ),
    plain(
        "connection-refused",
        "nothing-listening",
        C::Refused,
        "A client connects to a port on which nobody listens",
        s::REFUSED,
    ),
    plain(
        "use-of-closed-connection",
        "client-used-closed-connection",
        C::LocalUseAfterClose,
        "A client reads and writes a connection that it has closed",
        s::USE_OF_CLOSED,
    ),
    storm(
        "concurrent-write",
        "two-writers-on-one-connection",
        C::WsProtocolError,
        "A server's second writer puts a frame into the middle of the first one's",
        ("--fault interleave-frames@every:20", "ws://ADDRESS -c 20 -r max -d 700ms -m 10/s"),
    ),
    lone(
        "accept-queue-overflow",
        "accept-queue-overflow",
        C::ConnectTimeout,
        "A listener with a short backlog accepts nothing while connections pour in",
        (
            "--backlog 1 --fault stall-accept",
            "tcp://ADDRESS -c 40 -r max -d 500ms --connect-timeout 1500ms",
        ),
    ),
    lone(
        "ghost-connections",
        "ghost-connections",
        C::ConnectedNotServed,
        "A hundred connections at once meet a backlog of 8: of most the server never hears",
        (
            "--backlog 8 --fault slow-accept:50/s",
            "tcp://ADDRESS -c 100 -r max -d 2500ms --connect-timeout 3s",
        ),
    ),
    storm(
        "server-not-accepting",
        "server-not-accepting",
        C::WsHandshakeTimeout,
        "A server listens and never calls accept4()",
        ("--fault stall-accept", "ws://ADDRESS -c 20 -r max -d 200ms --handshake-timeout 500ms"),
    ),
    storm(
        "server-not-answering",
        "server-not-answering",
        C::WsHandshakeTimeout,
        "A server accepts, reads the upgrade and never answers",
        ("--fault stall-upgrade", "ws://ADDRESS -c 20 -r max -d 200ms --handshake-timeout 500ms"),
    ),
    storm(
        "server-not-reading",
        "server-not-reading",
        C::IoTimeout,
        "A server answers the upgrade and then reads a byte now and then",
        (
            "--fault slow-read",
            "ws://ADDRESS -c 5 -r max -d 2500ms -m 50/s -s 64KiB --reply-timeout 1s",
        ),
    ),
    fenced(
        "ephemeral-ports",
        "client-out-of-ports",
        C::EphemeralPortsExhausted,
        "More connections to one destination than there are local ports",
        s::NO_PORTS,
    ),
    plain(
        "packets-filtered",
        "packets-filtered",
        C::ConnectTimeout,
        "A packet filter drops each SYN",
        s::FILTERED,
    ),
    fenced(
        "rejected-by-network",
        "rejected-by-network",
        C::Refused,
        "A SYN is answered with ICMP port unreachable",
        s::REJECTED,
    ),
    Scenario {
        name: "conntrack-full",
        cause: "conntrack-full",
        class: C::ConnectTimeout,
        says: "The connection-tracking table of the host is full: SYNs are dropped in silence",
        needs: Needs::HostChange,
        how: How::FullTable(Storm {
            serve: "",
            run: "tcp://ADDRESS -r max -d 300ms --connect-timeout 1500ms",
            alone: true,
        }),
    },
    fenced(
        "peer-vanished",
        "peer-vanished",
        C::IoTimeout,
        "The other machine goes away while a connection is in use, and nothing comes back from it",
        s::VANISHED,
    ),
    plain(
        "middlebox-dropped-idle",
        "middlebox-dropped-idle",
        C::IoTimeout,
        "What lies between forgets a connection and drops its packets; the server still has it",
        s::MIDDLEBOX_SILENT,
    ),
    storm(
        "upgrade-rejected",
        "server-rejected-upgrade",
        C::WsBadHandshake,
        "A server answers the upgrade with 403",
        ("--fault reject-upgrade:403", "ws://ADDRESS -c 20 -r max -d 200ms"),
    ),
    storm(
        "not-a-websocket-server",
        "not-a-websocket-server",
        C::WsHandshakeMalformed,
        "The upgrade is answered with bytes that are no HTTP",
        ("--fault garbage-upgrade", "ws://ADDRESS -c 20 -r max -d 200ms"),
    ),
    storm(
        "tls-certificate",
        "tls-certificate",
        C::TlsCertInvalid,
        "A server shows a certificate that nobody trusts",
        ("--tls-self-signed", "wss://ADDRESS -c 20 -r max -d 200ms"),
    ),
    storm(
        "tls-negotiation",
        "tls-negotiation",
        C::TlsAlert,
        "A server that speaks no version of TLS that we speak",
        ("--fault refuse-tls", "wss://ADDRESS -k -c 20 -r max -d 200ms"),
    ),
    plain(
        "abortive-close",
        "server-closed-abortively",
        C::ResetOnRead,
        "A server reads the request and closes with SO_LINGER 0",
        s::ABORTIVE_CLOSE,
    ),
    storm(
        "protocol-violation",
        "protocol-violation",
        C::WsProtocolError,
        "A server answers with a frame of an unknown opcode",
        ("--fault bad-opcode", "ws://ADDRESS -c 20 -r max -d 500ms -m 5/s"),
    ),
    storm(
        "message-over-limit",
        "message-over-limit",
        C::WsCloseError,
        "A message over the server's read limit is answered with Close 1009",
        ("--fault message-limit:1000", "ws://ADDRESS -c 20 -r max -d 700ms -m 5/s -s 2KiB"),
    ),
    storm(
        "close-1013",
        "server-closed-with-reason",
        C::WsCloseError,
        "A server ends each connection with Close 1013 (try again later)",
        ("--fault close-code:1013", "ws://ADDRESS -c 20 -r max -d 700ms -m 5/s"),
    ),
    plain(
        "thread-limit",
        "client-thread-limit",
        C::ThreadLimit,
        "A client starts one thread for each connection until the limit of its user is reached",
        s::NO_THREADS,
    ),
    storm(
        "server-connection-limit",
        "server-connection-limit",
        C::WsBadHandshake,
        "A server lets in ten connections and answers the others 503",
        ("--fault reject-upgrade:503@after:10", "ws://ADDRESS -c 40 -r 200/s -d 300ms"),
    ),
    storm(
        "server-leaks-connections",
        "server-leaks-connections",
        C::ConnectedNotServed,
        "A server never closes: the sockets of clients that left fill its descriptors",
        (
            "--fault leak --fault fd-limit:64",
            "tcp://ADDRESS -c 20 -r 100/s -d 1s -m 5/s --lifetime 200ms..300ms \
             --reply-timeout 500ms --expect none --server-pid PID",
        ),
    ),
    storm(
        "scheme-mismatch",
        "scheme-mismatch",
        C::WsHandshakeMalformed,
        "An upgrade request in plain text goes to a TLS port",
        ("--tls-self-signed", "ws://ADDRESS -c 20 -r max -d 200ms"),
    ),
    plain(
        "name-does-not-exist",
        "name-does-not-exist",
        C::DnsFailure,
        "A client with free descriptors looks up a name that nobody has",
        s::NO_SUCH_NAME,
    ),
    fenced(
        "no-route",
        "no-route",
        C::Unreachable,
        "An address for which this host has no route",
        s::NO_ROUTE,
    ),
    fenced(
        "local-firewall",
        "local-firewall",
        C::BlockedByPolicy,
        "A rule of the client's own host forbids the way to the server",
        s::LOCAL_FIREWALL,
    ),
    fenced(
        "syn-queue-overflow",
        "syn-queue-overflow",
        C::ConnectTimeout,
        "A listener without SYN cookies and with a short queue meets half-open connections",
        s::SYN_QUEUE,
    ),
    fenced(
        "server-lost-state",
        "server-lost-state",
        C::ResetOnRead,
        "A server's kernel forgets a connection, and answers its next bytes with RST",
        s::LOST_STATE,
    ),
    fenced(
        "middlebox-reset",
        "middlebox-reset",
        C::ResetOnRead,
        "What lies between answers with RST: the server never sent it, and has the connection",
        s::MIDDLEBOX_RESET,
    ),
    Scenario {
        name: "generator-overloaded",
        cause: "generator-overloaded",
        class: C::IoTimeout,
        says: "More messages than the loops of this host can send: they leave late",
        needs: Needs::Nothing,
        how: How::Missing(OUTRUN),
    },
    storm(
        "proxy-upstream-failed",
        "proxy-upstream-failed",
        C::WsBadHandshake,
        "A proxy answers the upgrade with 502: what stands behind it failed",
        ("--fault reject-upgrade:502", "ws://ADDRESS -c 20 -r max -d 200ms"),
    ),
];
