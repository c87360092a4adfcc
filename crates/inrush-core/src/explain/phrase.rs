//! One thing that some program prints when a connection fails, and what it tells. Grammars are
//! tables of these beside their structured forms.

use super::said::{Printed, Side};
use crate::errno::Errno;
use crate::failure::{Class, Op, Outcome, Phase, ProtocolError, TlsError};

/// What a phrase tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// What was seen; phase and operation come from around it unless the phrase has them.
    Outcome(Outcome),
    /// What no signature can say.
    Class(Class),
    /// What was going on: never an error by itself.
    Doing(Doing),
    /// Who printed it, and nothing else.
    Runtime,
    /// A word that only failures carry: it makes room for weak phrases.
    Alarm,
}

/// What a program was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// An operation on a connection.
    Op(Phase, Op),
    /// Between a proxy and its upstream.
    Upstream,
    /// The TLS hand-shake.
    Tls,
    /// The opening hand-shake of a WebSocket.
    Upgrade,
    /// Something with a network, whatever it is.
    Net,
    /// Files: no connection.
    File,
    /// Making a thread or a process.
    Spawn,
    /// Serving: who prints it is the server.
    Serving,
}

/// One phrase. Letters match in either case; where it begins or ends with a letter or digit, no
/// letter or digit may follow there (a `*` at the end lifts that).
#[derive(Clone, Copy, Debug)]
pub(super) struct Phrase {
    pub(super) text: &'static str,
    pub(super) tells: Tells,
    /// The heaviest phrase of a text decides; below [`WEAK`] it needs an alarm.
    pub(super) weight: u8,
    pub(super) phase: Option<Phase>,
    pub(super) op: Option<Op>,
    pub(super) printed: Option<Printed>,
    pub(super) side: Option<Side>,
    /// One of these, in lower case, must be in the text, too.
    pub(super) with: &'static [&'static str],
    /// None of these may be.
    pub(super) without: &'static [&'static str],
}

/// Phrases that an ordinary line may contain, too.
pub(super) const WEAK: u8 = 20;
/// The words of an error number.
pub(super) const WORDS: u8 = 40;
/// Its number or symbol.
pub(super) const NUMBER: u8 = 50;
/// What one program prints in one situation.
pub(super) const SURE: u8 = 60;
/// The same, where it wraps the words of something less telling.
pub(super) const FINAL: u8 = 80;

const fn phrase(text: &'static str, tells: Tells, weight: u8) -> Phrase {
    Phrase {
        text,
        tells,
        weight,
        phase: None,
        op: None,
        printed: None,
        side: None,
        with: &[],
        without: &[],
    }
}

/// It is this, whatever stands around it.
pub(super) const fn is(text: &'static str, class: Class) -> Phrase {
    phrase(text, Tells::Class(class), SURE)
}

/// It is none of ours.
pub(super) const fn harmless(text: &'static str) -> Phrase {
    phrase(text, Tells::Class(Class::NotAConnectionFailure), SURE)
}

/// Other words for this error number.
pub(super) const fn errno(text: &'static str, errno: Errno) -> Phrase {
    phrase(text, Tells::Outcome(Outcome::Errno(errno)), WORDS)
}

/// The peer's FIN in the middle.
pub(super) const fn eof(text: &'static str) -> Phrase {
    phrase(text, Tells::Outcome(Outcome::Eof { mid_message: true }), SURE)
}

/// A deadline passed, of which it is not said.
pub(super) const fn late(text: &'static str) -> Phrase {
    phrase(text, Tells::Outcome(Outcome::TimedOut), WORDS)
}

/// A deadline passed in this phase.
pub(super) const fn late_in(text: &'static str, phase: Phase) -> Phrase {
    phrase(text, Tells::Outcome(Outcome::TimedOut), SURE).in_(phase)
}

/// The peer's bytes were wrong.
pub(super) const fn protocol(text: &'static str, error: ProtocolError) -> Phrase {
    phrase(text, Tells::Outcome(Outcome::Protocol(error)), SURE)
}

/// TLS said so.
pub(super) const fn tls(text: &'static str, error: TlsError) -> Phrase {
    phrase(text, Tells::Outcome(Outcome::Tls(error)), SURE).in_(Phase::Tls)
}

/// What was going on.
pub(super) const fn doing(text: &'static str, phase: Phase, op: Op) -> Phrase {
    phrase(text, Tells::Doing(Doing::Op(phase, op)), WORDS)
}

/// What was going on, of which no operation is known.
pub(super) const fn amid(text: &'static str, what: Doing) -> Phrase {
    phrase(text, Tells::Doing(what), WORDS)
}

/// It betrays who printed the text.
pub(super) const fn mark(text: &'static str) -> Phrase {
    phrase(text, Tells::Runtime, WORDS)
}

/// It belongs to failures.
pub(super) const fn alarm(text: &'static str) -> Phrase {
    phrase(text, Tells::Alarm, WORDS)
}

impl Phrase {
    pub(super) const fn weighs(mut self, weight: u8) -> Self {
        self.weight = weight;
        self
    }

    /// An ordinary line may contain it, too.
    pub(super) const fn weak(self) -> Self {
        self.weighs(WEAK - 1)
    }

    /// It outweighs what it wraps.
    pub(super) const fn last(self) -> Self {
        self.weighs(FINAL)
    }

    pub(super) const fn in_(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }

    pub(super) const fn by(mut self, op: Op) -> Self {
        self.op = Some(op);
        self
    }

    pub(super) const fn at(mut self, printed: Printed) -> Self {
        self.printed = Some(printed);
        self
    }

    pub(super) const fn side(mut self, side: Side) -> Self {
        self.side = Some(side);
        self
    }

    pub(super) const fn with(mut self, texts: &'static [&'static str]) -> Self {
        self.with = texts;
        self
    }

    pub(super) const fn without(mut self, texts: &'static [&'static str]) -> Self {
        self.without = texts;
        self
    }
}
