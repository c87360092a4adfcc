//! All connections of one worker: what comes in, what goes out. Plain data on both sides, so that a
//! test compares values and a fault rewrites a list.

pub mod load;
pub mod serve;

use crate::errno::Errno;
use crate::failure::{Look, Op, TlsError};
use crate::time::Nanos;
use alloc::vec::Vec;
use core::ops::Range;

/// A connection: the poller's token. A late event of an earlier life has an older generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// Dense: the host keeps its sockets in a `Vec` by slot.
    pub slot: u32,
    /// Counts the lives of a slot, from 1.
    pub generation: u32,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A server took it from its listener.
    Accepted,
    /// The socket can be written; the first one is the connection itself.
    Writable,
    /// These bytes were read.
    Bytes(&'a [u8]),
    /// The tail of its last write order that was *not* taken. A write that was taken whole is not
    /// reported: it is the rule.
    Unwritten(&'a [u8]),
    /// So many bytes came off the wire of an encrypted connection; what they mean follows.
    Wire(u32),
    /// The TLS hand-shake is done; `resumed` when a session of before went on.
    Secured {
        /// Without certificates and their signatures.
        resumed: bool,
    },
    /// The peer's close_notify: the end of what it says, in order (RFC 8446 §6.1).
    Notified,
    /// TLS ended it, with the verifier's words or the bytes at hand (at most 512).
    Tls(TlsError, &'a [u8]),
    /// The peer's FIN.
    Eof,
    /// This call failed so.
    Failed(Op, Errno),
    /// Its own port answered: local and remote address are equal.
    SelfConnected,
    /// The answer to `Order::Look`.
    Looked(Look),
}

/// How to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// close().
    Fin,
    /// close() with SO_LINGER 0.
    Rst,
    /// shutdown(SHUT_WR); the descriptor stays.
    Half,
}

/// What to do. Plain data without a lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// socket(), bind() to `sources[source]` unless it is `u16::MAX`, connect() to
    /// `targets[target]`.
    Open {
        /// Who.
        id: ConnId,
        /// Index into the plan's sources; `u16::MAX` is the kernel's choice.
        source: u16,
        /// Index into the plan's targets.
        target: u16,
    },
    /// Begin TLS on it: as a client of `targets[target]`, or as a server when that is `u16::MAX`.
    /// Answered with `Input::Secured` or `Input::Tls`.
    Secure {
        /// Who.
        id: ConnId,
        /// Index into the plan's targets.
        target: u16,
        /// Go on with a session of before if there is one.
        resume: bool,
    },
    /// send() this range of `Orders::bytes`.
    Write(ConnId, Range<u32>),
    /// End it.
    Close(ConnId, Close),
    /// Read TCP_INFO and the server's side at `targets[.1]`; answered at once with `Input::Looked`.
    Look(ConnId, u16),
    /// Stop reading, or read on: true also reads what is there now, whatever the poller says.
    ReadOn(ConnId, bool),
    /// Read at most so many bytes, once, although reading is off.
    Read(ConnId, u32),
    /// Take the listener out of the poller, or put it back.
    AcceptOn(bool),
    /// Close the listener for good.
    StopListening,
    /// Accept one connection with the spare descriptor and close it.
    Shed,
    /// End the whole process at once, as a crash would.
    Die,
    /// Sleep in the loop: the whole worker stops for so long.
    Stall(Nanos),
}

/// Orders and the bytes they write. The host owns and reuses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// In order.
    pub list: Vec<Order>,
    /// What `Order::Write` ranges point into.
    pub bytes: Vec<u8>,
}

/// When the swarm wants to be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// More is due already: look at what came in, then ask again.
    Again,
    /// Not before this moment, unless something comes in.
    Sleep(Nanos),
    /// All is over.
    Done,
}

/// What the captain says to a running worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Every worker has started its last connection: the hold ends then.
    Hold(Nanos),
    /// Every worker is settled and the hold is over: close all, in order.
    Close {
        /// Not one message of the whole run was answered: whoever waits for a reply has failed.
        unanswered: bool,
    },
    /// Stop opening, drain at most 5 s, close all. What is opening becomes `unfinished`.
    Stop,
    /// A server whose siblings are all full: go on to the last descriptor.
    AcceptToTheEnd,
}

impl Orders {
    /// Writes what `render` appends.
    #[inline]
    pub fn write(&mut self, id: ConnId, render: impl FnOnce(&mut Vec<u8>)) {
        let from = self.end();
        render(&mut self.bytes);
        self.list.push(Order::Write(id, from..self.end()));
    }

    /// Adds one order.
    #[inline]
    pub fn push(&mut self, order: Order) {
        self.list.push(order);
    }

    /// Forgets all and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
    }

    #[inline]
    fn end(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("one batch never renders 4 GiB")
    }
}
