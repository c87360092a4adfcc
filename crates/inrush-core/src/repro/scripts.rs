//! The scripts: who calls what in which order, and what comes back. What they expect is what was
//! measured (FAILURES.md §1 and §2, whose rows they name).

mod closing;
mod limits;
mod path;

pub(super) use closing::*;
pub(super) use limits::*;
pub(super) use path::*;

use super::script::{Call, Came, Turn};
use crate::errno::Errno;

/// A connect() on this host is answered at once; one that is not has failed.
const SOON: u32 = 5_000;

const OK: Came = Came::Done;

const fn errno(errno: Errno) -> Came {
    Came::Errno(errno)
}

const fn listens(backlog: u32) -> Turn {
    Turn::server(Call::Listen(backlog), OK)
}

const fn connects() -> Turn {
    Turn::client(Call::Connect(SOON), OK)
}

const fn accepts() -> Turn {
    Turn::server(Call::Accept, OK)
}

const fn writes(n: u32) -> Turn {
    Turn::client(Call::Write(n), Came::Bytes(n))
}

const fn reads(n: u32) -> Turn {
    Turn::client(Call::Read(n), Came::Bytes(n))
}

const fn write_fails(with: Errno) -> Turn {
    Turn::client(Call::Write(5), errno(with))
}

const fn read_fails(with: Errno) -> Turn {
    Turn::client(Call::Read(4_096), errno(with))
}
