//! What lies between does it: no way, a filter, a firewall, a middlebox, a silence (FAILURES rows
//! 10a, 11, 13, 21).

use super::super::script::{Call, Came, Event, Turn};
use super::{OK, accepts, connects, errno, listens, read_fails, reads, writes};
use crate::errno::Errno;

/// Of the network for documentation (RFC 5737): nobody's.
const NOBODYS: [u8; 4] = [192, 0, 2, 1];
/// A kernel that hears no ACK for so long gives up.
const PATIENCE: Turn = Turn::client(Call::GiveUpAfter(600), OK);
const GIVES_UP: Turn = Turn::client(Call::Await(Event::Dead), OK);
const HEARS: Turn = Turn::server(Call::Read(5), Came::Bytes(5));
const ANSWERS: Turn = Turn::server(Call::Write(5), Came::Bytes(5));

/// Row 11, no route.
pub(crate) const NO_ROUTE: &[Turn] =
    &[Turn::client(Call::ConnectTo(NOBODYS), errno(Errno::ENETUNREACH))];

/// Row 11, prohibit.
pub(crate) const LOCAL_FIREWALL: &[Turn] = &[
    Turn::network(Call::Prohibit(NOBODYS)),
    Turn::client(Call::ConnectTo(NOBODYS), errno(Errno::EACCES)),
];

/// Row 11: refused, and no segment came back.
pub(crate) const REJECTED: &[Turn] = &[
    listens(8),
    Turn::server(Call::CutOff, OK),
    Turn::network(Call::Watch),
    Turn::client(Call::BeginConnect, OK),
    Turn::network(Call::RejectSyn),
    Turn::client(Call::FinishConnect(5_000), errno(Errno::ECONNREFUSED)),
];

/// Row 10a: the SYN is repeated after a second, and nobody ever sees it.
pub(crate) const FILTERED: &[Turn] = &[
    listens(8),
    Turn::server(Call::CutOff, OK),
    Turn::client(Call::Connect(1_300), Came::TimedOut),
];

/// Row 21c: the server's kernel has no such connection any more, and says so with RST.
pub(crate) const LOST_STATE: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    writes(5),
    HEARS,
    ANSWERS,
    reads(5),
    Turn::server(Call::Forget, OK),
    writes(5),
    GIVES_UP,
    read_fails(Errno::ECONNRESET),
];

/// Row 21, forgetful: a RST that the server never sent, while its socket is still there.
pub(crate) const MIDDLEBOX_RESET: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    writes(5),
    HEARS,
    ANSWERS,
    reads(5),
    Turn::server(Call::CutOff, OK),
    Turn::network(Call::Watch),
    writes(5),
    Turn::network(Call::ForgeReset),
    GIVES_UP,
    read_fails(Errno::ECONNRESET),
];

/// Row 21, silent: nothing gets through any more, and the server's socket is still there.
pub(crate) const MIDDLEBOX_SILENT: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    writes(5),
    HEARS,
    ANSWERS,
    reads(5),
    PATIENCE,
    Turn::server(Call::CutOff, OK),
    writes(5),
    GIVES_UP,
    read_fails(Errno::ETIMEDOUT),
];

/// Row 13: the other machine is gone, and nothing comes back from there.
pub(crate) const VANISHED: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    writes(5),
    HEARS,
    ANSWERS,
    reads(5),
    PATIENCE,
    Turn::client(Call::CutOff, OK),
    Turn::server(Call::Forget, OK),
    writes(5),
    GIVES_UP,
    read_fails(Errno::ETIMEDOUT),
];
