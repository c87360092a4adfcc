//! Somebody closes: which error comes of it, and in which order (FAILURES §2).

use super::super::script::{Call, Came, Event, Turn};
use super::{OK, accepts, connects, errno, listens, read_fails, reads, write_fails, writes};
use crate::errno::Errno;

const READS_END: Turn = Turn::client(Call::Read(4_096), Came::Eof);
const FIN_COMES: Turn = Turn::client(Call::Await(Event::Fin), OK);
const RST_COMES: Turn = Turn::client(Call::Await(Event::Dead), OK);
const UNREAD: Turn = Turn::server(Call::Await(Event::Readable), OK);
const CLOSES: Turn = Turn::server(Call::Close, OK);

/// A plain close: the first write succeeds and is answered with RST, the second is EPIPE.
pub(crate) const WRITE_BROKEN_PIPE: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    CLOSES,
    FIN_COMES,
    writes(5),
    RST_COMES,
    write_fails(Errno::EPIPE),
    READS_END,
];

/// Row 16. Two connections: one closed, and one whose sending side alone is closed.
pub(crate) const WRITE_AFTER_OWN_CLOSE: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    writes(5),
    Turn::client(Call::Close, OK),
    write_fails(Errno::EBADF),
    Turn::client(Call::Connect(super::SOON), OK).on(1),
    accepts().on(1),
    writes(5).on(1),
    Turn::client(Call::ShutdownWrite, OK).on(1),
    write_fails(Errno::EPIPE).on(1),
];

/// Row 16: what other runtimes call the use of a closed connection.
pub(crate) const USE_OF_CLOSED: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    Turn::server(Call::Write(5), Came::Bytes(5)),
    reads(5),
    Turn::client(Call::Close, OK),
    read_fails(Errno::EBADF),
    write_fails(Errno::EBADF),
];

/// Row 5a: a close with unread bytes is a RST without FIN. The error is told once.
pub(crate) const WRITE_RESET_THEN_PIPE: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    writes(5),
    UNREAD,
    CLOSES,
    RST_COMES,
    write_fails(Errno::ECONNRESET),
    write_fails(Errno::EPIPE),
    READS_END,
];

/// Row 7: the response is read first, even though a RST stands behind it.
pub(crate) const READ_RESET: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    writes(10),
    UNREAD,
    Turn::server(Call::Write(500), Came::Bytes(500)),
    CLOSES,
    RST_COMES,
    reads(500),
    read_fails(Errno::ECONNRESET),
    READS_END,
    write_fails(Errno::EPIPE),
];

/// Row 5b.
pub(crate) const ABORTIVE_CLOSE: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    writes(5),
    Turn::server(Call::Read(5), Came::Bytes(5)),
    Turn::server(Call::Reset, OK),
    RST_COMES,
    read_fails(Errno::ECONNRESET),
    READS_END,
    write_fails(Errno::EPIPE),
];

/// Rows 5c, 5d: what is on its way still comes; only the next connect tells a death from a close.
pub(crate) const SERVER_DIES: &[Turn] = &[
    listens(8),
    connects(),
    accepts(),
    writes(5),
    Turn::server(Call::Read(5), Came::Bytes(5)),
    Turn::server(Call::Write(500), Came::Bytes(500)),
    writes(5),
    UNREAD,
    Turn::server(Call::Die, OK),
    RST_COMES,
    reads(500),
    read_fails(Errno::ECONNRESET),
    Turn::client(Call::Connect(super::SOON), errno(Errno::ECONNREFUSED)).on(1),
];

/// Row 4.
pub(crate) const REFUSED: &[Turn] = &[
    listens(8),
    Turn::server(Call::StopListening, OK),
    Turn::client(Call::Connect(super::SOON), errno(Errno::ECONNREFUSED)),
];
