//! The grammars, one file per runtime or family: what each prints, how its structured lines are
//! read, and how it would print a failure.

use super::numbers::{self, System};
use super::ops;
use super::phrase::Phrase;
use super::runtime::Runtime;
use super::spot::Clue;
use super::text::Text;
use crate::errno::Errno;
use crate::failure::Op;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// What a runtime prints.
pub(super) struct Grammar {
    /// Whose it is; `None` for what many print.
    pub(super) runtime: Option<Runtime>,
    pub(super) phrases: &'static [&'static [Phrase]],
    /// Reads lines of a fixed form.
    pub(super) read: Option<fn(&Text, &mut Vec<Clue>)>,
    /// Prints a failure as that runtime does; `None` where it would not tell the operation.
    pub(super) print: Option<fn(&Event) -> Option<String>>,
}

/// A failed call, as a runtime would see it.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Which call.
    pub op: Op,
    /// What it gave.
    pub errno: Errno,
    /// On which system.
    pub system: System,
    /// Own address.
    pub local: SocketAddr,
    /// The other's.
    pub remote: SocketAddr,
}

impl Event {
    /// Its number there.
    pub(super) fn number(&self) -> Option<u16> {
        numbers::number(self.errno, self.system)
    }

    /// Its words there.
    pub(super) fn words(&self) -> Option<&'static str> {
        numbers::words(self.errno, self.system)
    }
}

/// How a runtime would print a failure; `None` where its words would not tell the operation, or
/// where that system has no such error.
pub fn in_words_of(runtime: Runtime, event: &Event) -> Option<String> {
    let mut own = all().filter(|grammar| grammar.runtime == Some(runtime));
    own.find_map(|grammar| grammar.print?(event))
}

macro_rules! grammars {
    ($($name:ident)*) => {
        $(mod $name;)*
        static OTHERS: &[&[Grammar]] = &[$($name::GRAMMARS),*];
    };
}

grammars! {
    go node java python rust ruby php perl dotnet erlang lua mobile
    libc openssl nginx haproxy envoy proxies kernel databases brokers browser grpc tools
    websocket general innocent
}

/// What most grammars are written with.
mod prelude {
    pub(super) use super::{Event, Grammar, System};
    pub(super) use crate::errno::Errno;
    pub(super) use crate::explain::phrase::*;
    pub(super) use crate::explain::runtime::Runtime;
    pub(super) use crate::explain::said::{Printed, Side};
    pub(super) use crate::explain::spot::Clue;
    pub(super) use crate::explain::text::Text;
    pub(super) use crate::failure::{CertificateFault, Class, Op, Phase, ProtocolError, TlsError};
    pub(super) use alloc::format;
    pub(super) use alloc::string::String;
    pub(super) use alloc::vec::Vec;
}

static COMMON: &[Grammar] = &[Grammar {
    runtime: None,
    phrases: &[
        numbers::words::SYMBOLS,
        numbers::words::ENGLISH,
        numbers::words::LOCALISED,
        numbers::words::OTHER_SCRIPTS,
        ops::WORDS,
    ],
    read: None,
    print: None,
}];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Grammar> {
    COMMON.iter().chain(OTHERS.iter().copied().flatten())
}
