//! Something runs out: descriptors, ports, threads, names (FAILURES rows 1a, 2, 9a, 17, and §4).

use super::super::script::{Call, Came, Turn};
use super::{OK, accepts, connects, errno, listens, reads, writes};
use crate::errno::Errno;

/// Row 1a: the client is connected, its bytes are acknowledged, and nobody reads them.
pub(crate) const ACCEPT_EMFILE: &[Turn] = &[
    listens(8),
    Turn::server(Call::Exhaust, OK),
    connects(),
    Turn::server(Call::Accept, errno(Errno::EMFILE)),
    writes(5),
    Turn::client(Call::Reply(300), Came::TimedOut),
];

/// A server that waits until a descriptor is free loses nobody.
pub(crate) const ACCEPT_RETRYING: &[Turn] = &[
    listens(8),
    Turn::server(Call::Exhaust, OK),
    connects(),
    writes(5),
    Turn::server(Call::Accept, errno(Errno::EMFILE)),
    Turn::server(Call::Release, OK),
    accepts(),
    Turn::server(Call::Read(5), Came::Bytes(5)),
    Turn::server(Call::Write(5), Came::Bytes(5)),
    reads(5),
];

/// Row 2: a socket that is there already still connects.
pub(crate) const SOCKET_EMFILE: &[Turn] = &[
    listens(8),
    Turn::client(Call::Socket, OK),
    Turn::client(Call::Exhaust, OK),
    Turn::client(Call::Connect(super::SOON), OK),
    Turn::client(Call::Socket, errno(Errno::EMFILE)).on(1),
];

/// §4: `localhost` has an address, and without a descriptor the resolver says that it has none.
pub(crate) const LOOKUP_EMFILE: &[Turn] = &[
    Turn::client(Call::Exhaust, OK),
    Turn::client(Call::Lookup("localhost"), Came::NotFound { exhausted: true }),
    Turn::client(Call::Release, OK),
    Turn::client(Call::Lookup("localhost"), Came::Found),
];

/// RFC 6761 §6.4: no name below `invalid` exists.
pub(crate) const NO_SUCH_NAME: &[Turn] =
    &[Turn::client(Call::Lookup("chat.invalid"), Came::NotFound { exhausted: false })];

/// Row 9a: four ports, and a fifth connection to the same destination.
pub(crate) const NO_PORTS: &[Turn] = &[
    listens(16),
    Turn::network(Call::Sysctl("net.ipv4.ip_local_port_range", "42000 42003")),
    connects(),
    connects().on(1),
    connects().on(2),
    connects().on(3),
    Turn::client(Call::Connect(super::SOON), errno(Errno::EADDRNOTAVAIL)).on(4),
];

/// Row 17.
pub(crate) const NO_THREADS: &[Turn] = &[Turn::client(Call::Threads(4_096), errno(Errno::EAGAIN))];

/// Row 10c: without cookies, half-open connections fill the queue; whoever comes next is dropped.
/// The SYN-ACKs of the first ones are lost, so that their hand-shakes stay half done.
pub(crate) const SYN_QUEUE: &[Turn] = &[
    Turn::network(Call::Sysctl("net.ipv4.tcp_syncookies", "0")),
    listens(1),
    Turn::client(Call::Socket, OK),
    Turn::client(Call::CutOff, OK),
    Turn::client(Call::BeginConnect, OK),
    Turn::client(Call::Socket, OK).on(1),
    Turn::client(Call::CutOff, OK).on(1),
    Turn::client(Call::BeginConnect, OK).on(1),
    Turn::client(Call::Connect(1_300), Came::TimedOut).on(2),
];
