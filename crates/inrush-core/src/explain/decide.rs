//! From clues to what was said: the heaviest clue decides, what stands nearest before it says what
//! the program was doing.

use super::phrase::{Doing, Phrase, Tells, WEAK};
use super::runtime::Runtime;
use super::said::{Printed, Said, Side};
use super::spot::Clue;
use super::text::Text;
use super::{defaults, fallback};
use crate::errno::Errno;
use crate::failure::{Class, Op, Outcome, Phase, ProtocolError, classify};
use alloc::vec::Vec;

/// What was decided about a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) said: Said,
    pub(super) class: Class,
    pub(super) printed: Printed,
    pub(super) side: Side,
}

/// What a text says, if it says something.
pub(super) fn decide(text: &Text, clues: &[Clue], from: Option<Runtime>) -> Option<Decided> {
    let runtime = from.or_else(|| who(clues));
    let alarmed = clues.iter().any(|clue| clue.phrase.tells == Tells::Alarm);
    let chosen = clues
        .iter()
        .filter(|clue| clue.phrase.weight >= WEAK || alarmed)
        .filter(|clue| is_outcome(clue.phrase.tells))
        .filter(|clue| is_of_a_connection(text, clues, clue))
        .max_by(|one, other| {
            let key = |clue: &Clue| (clue.phrase.weight, core::cmp::Reverse(clue.at));
            key(one).cmp(&key(other))
        });
    let by_words = |at, phrase| Clue { at, end: at, phrase, runtime: None };
    let chosen = match chosen {
        Some(chosen) => *chosen,
        None => match of_a_file(text, clues, runtime) {
            Some(decided) => return Some(decided),
            None => fallback::by_words(&text.lower).map(|(at, phrase)| by_words(at, phrase))?,
        },
    };
    let chosen = &chosen;

    let around = Around::of(text, clues, chosen);
    let mut said = said(&chosen.phrase, &around, runtime);
    said.code = said.code.or_else(|| code(said.outcome));
    let class = class(&mut said, &around, chosen.phrase.phase.is_some())?;
    let place = defaults::Place { text, around: &around, said: &said };
    let printed = chosen.phrase.printed.unwrap_or_else(|| defaults::printed(class, &place));
    let side = chosen.phrase.side.unwrap_or_else(|| defaults::side(class, &place));
    Some(Decided { said, class, printed, side })
}

/// An error number that no connection gave: a file, a terminal, a process.
fn of_a_file(text: &Text, clues: &[Clue], runtime: Option<Runtime>) -> Option<Decided> {
    let is_errno = |tells| matches!(tells, Tells::Outcome(Outcome::Errno(_)));
    let mut errnos = clues.iter().filter(|clue| is_errno(clue.phrase.tells));
    errnos.any(|clue| !is_of_a_connection(text, clues, clue)).then_some(Decided {
        said: Said { runtime, ..Said::default() },
        class: Class::NotAConnectionFailure,
        printed: Printed::Local,
        side: Side::Either,
    })
}

fn is_outcome(tells: Tells) -> bool {
    matches!(tells, Tells::Outcome(_) | Tells::Class(_))
}

/// The runtime that most of the text betrays: its own phrases count, marks more.
fn who(clues: &[Clue]) -> Option<Runtime> {
    let mut votes: Vec<(Runtime, u32)> = Vec::new();
    for clue in clues {
        let Some(runtime) = clue.runtime else { continue };
        let votes_for = match clue.phrase.tells {
            Tells::Runtime => 4,
            Tells::Outcome(_) | Tells::Class(_) if clue.phrase.weight >= WEAK => 3,
            _ => 1,
        };
        match votes.iter_mut().find(|(known, _)| *known == runtime) {
            Some((_, sum)) => *sum += votes_for,
            None => votes.push((runtime, votes_for)),
        }
    }
    votes.iter().rev().max_by_key(|(_, sum)| *sum).map(|(runtime, _)| *runtime)
}

/// What stands around the deciding clue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    /// The operation nearest before it, or else nearest after it.
    pub(super) op: Option<(Phase, Op)>,
    pub(super) upstream: bool,
    pub(super) tls: bool,
    pub(super) upgrade: bool,
    pub(super) net: bool,
    pub(super) file: bool,
    pub(super) spawn: bool,
    pub(super) serving: bool,
}

impl Around {
    fn of(text: &Text, clues: &[Clue], chosen: &Clue) -> Self {
        let (from, to) = text.line(chosen.at);
        let here = |clue: &Clue| (from..=to).contains(&clue.at);
        let mut around = Self::default();
        let mut best: Option<(u64, (Phase, Op))> = None;
        for clue in clues {
            let Tells::Doing(doing) = clue.phrase.tells else { continue };
            if clues.iter().any(|words| is_inside(clue, words)) {
                continue;
            }
            match doing {
                Doing::Op(phase, op) => {
                    let key = distance(clue, chosen, here(clue));
                    if best.is_none_or(|(least, _)| key < least) {
                        best = Some((key, (phase, op)));
                    }
                    around.net |= matches!(op, Op::Connect | Op::Accept | Op::Socket | Op::Bind);
                }
                Doing::Upstream => around.upstream = true,
                Doing::Tls => around.tls = true,
                Doing::Upgrade => around.upgrade = true,
                Doing::Net => around.net = true,
                Doing::File => around.file |= here(clue),
                Doing::Spawn => around.spawn |= here(clue),
                Doing::Serving => around.serving = true,
            }
        }
        around.op = best.map(|(_, op)| op);
        around
    }
}

/// A word of an error's own words ("the connected party") was done by nobody.
fn is_inside(clue: &Clue, words: &Clue) -> bool {
    let is_errno = matches!(words.phrase.tells, Tells::Outcome(Outcome::Errno(_)));
    let longer = words.end - words.at > clue.end - clue.at;
    is_errno && longer && words.at <= clue.at && clue.end <= words.end && words.end - words.at > 40
}

/// Before it in its line, after it there, in later lines (frames of a stack), in earlier ones.
fn distance(clue: &Clue, chosen: &Clue, same_line: bool) -> u64 {
    // What begins inside the deciding words says nothing of its own.
    let gap = match clue.at < chosen.at {
        true => chosen.at.saturating_sub(clue.end),
        false => clue.at - chosen.at,
    } as u64;
    let rank = match (same_line, clue.at < chosen.at) {
        (true, true) => 0,
        (true, false) => 1,
        (false, false) => 2,
        (false, true) => 3,
    };
    // Longer words of the same place come first.
    (rank << 40) + (gap << 8) + 255_u64.saturating_sub((clue.end - clue.at) as u64)
}

/// Error numbers that files, processes and terminals give, too, need a network around them.
fn is_of_a_connection(text: &Text, clues: &[Clue], clue: &Clue) -> bool {
    let Tells::Outcome(Outcome::Errno(errno)) = clue.phrase.tells else { return true };
    let around = Around::of(text, clues, clue);
    match errno {
        Errno::EMFILE | Errno::ENFILE | Errno::EPIPE | Errno::EBADF => !around.file,
        Errno::EACCES | Errno::EPERM | Errno::ENOMEM | Errno::EINVAL => {
            around.net && !around.file && !around.spawn
        }
        Errno::EAGAIN => !around.file,
        _ => true,
    }
}

fn said(phrase: &Phrase, around: &Around, runtime: Option<Runtime>) -> Said {
    let (phase, op) = around.op.unzip();
    let mut said = Said { runtime, phase, op, ..Said::default() };
    if around.tls && !matches!(phase, Some(Phase::Resolve)) {
        said.phase = Some(Phase::Tls);
    } else if around.upgrade && matches!(phase, None | Some(Phase::Open)) {
        said.phase = Some(Phase::Upgrade);
    }
    match phrase.tells {
        Tells::Outcome(outcome) => said.outcome = Some(outcome),
        Tells::Class(class) => said.beyond = Some(class),
        Tells::Doing(_) | Tells::Runtime | Tells::Alarm => {}
    }
    if phrase.phase.is_some() {
        said.phase = phrase.phase;
        said.op = phrase.op;
    } else if phrase.op.is_some() {
        said.op = phrase.op;
        said.phase = said.phase.filter(|phase| matches!(phase, Phase::Tls | Phase::Upgrade));
    }
    said
}

fn code(outcome: Option<Outcome>) -> Option<u16> {
    match outcome? {
        Outcome::Protocol(ProtocolError::Status(code) | ProtocolError::Closed(code)) => Some(code),
        _ => None,
    }
}

/// The class of what was said, and a signature that agrees with it.
fn class(said: &mut Said, around: &Around, own_phase: bool) -> Option<Class> {
    if let Some(class) = said.beyond {
        return Some(class);
    }
    let outcome = said.outcome?;
    let resetting = matches!(
        outcome,
        Outcome::Eof { .. }
            | Outcome::Errno(Errno::ECONNRESET | Errno::EPIPE | Errno::ECONNABORTED)
    );
    match outcome {
        Outcome::Errno(Errno::EAGAIN) if around.spawn => {
            (said.phase, said.op) = (None, None);
            return Some(Class::ThreadLimit);
        }
        // A receive time-out (SO_RCVTIMEO) is EAGAIN, too.
        Outcome::Errno(Errno::EAGAIN) if around.net || around.op.is_some() => {
            said.phase = said.phase.filter(|phase| matches!(phase, Phase::Tls | Phase::Upgrade));
            said.outcome = Some(Outcome::TimedOut);
        }
        Outcome::Errno(Errno::EAGAIN) => {
            (said.phase, said.op) = (Some(Phase::Open), Some(Op::Read));
            return Some(Class::IoTimeout);
        }
        Outcome::Errno(errno) => settle(said, errno),
        Outcome::TimedOut => {
            if matches!(said.phase, Some(Phase::Accept | Phase::Bind | Phase::Socket)) {
                (said.phase, said.op) = (None, None);
            }
        }
        // A frame or an answer was read, whatever word stood nearest.
        Outcome::Protocol(_) => {
            said.phase = said.phase.filter(|_| own_phase);
            said.op = Some(Op::Decode);
        }
        Outcome::Eof { .. } => {
            said.op = Some(Op::Read);
            said.phase = said.phase.filter(|phase| matches!(phase, Phase::Tls | Phase::Upgrade));
        }
        _ => {}
    }
    let signature = said.signature()?;
    (said.phase, said.op) = (Some(signature.phase), Some(signature.op));
    if around.upstream && is_of_the_way(outcome) && !is_late_tls(said) {
        return Some(Class::ProxyUpstreamFailure);
    }
    if said.phase == Some(Phase::Tls) && resetting {
        return Some(Class::TlsHandshakeEof);
    }
    Some(match classify(signature, true, false) {
        Class::ConnectedNotServed => Class::IoTimeout,
        Class::WsCloseError if said.code == Some(1006) => Class::WsCloseAbnormal,
        Class::WsCloseError if said.code == Some(1009) => Class::MessageTooBig,
        class => class,
    })
}

/// An errno belongs to few operations: a refusal to connect(), whatever word stood nearest.
fn settle(said: &mut Said, errno: Errno) {
    let open = matches!(said.op, Some(Op::Read | Op::Write));
    let set = |said: &mut Said, phase, op| (said.phase, said.op) = (Some(phase), Some(op));
    match errno {
        _ if said.op == Some(Op::Lookup) => {}
        Errno::ECONNREFUSED => set(said, Phase::Connect, Op::Connect),
        Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EHOSTDOWN | Errno::ENETDOWN if !open => {
            set(said, Phase::Connect, Op::Connect);
        }
        Errno::EADDRINUSE | Errno::EADDRNOTAVAIL => match said.op {
            Some(Op::Connect) => set(said, Phase::Connect, Op::Connect),
            Some(Op::Bind | Op::Accept) => set(said, Phase::Bind, Op::Bind),
            _ => (said.phase, said.op) = (None, None),
        },
        Errno::EPIPE => {
            said.op = Some(Op::Write);
            said.phase = said.phase.filter(|phase| matches!(phase, Phase::Tls | Phase::Upgrade));
        }
        Errno::ECONNRESET if matches!(said.op, Some(Op::Bind | Op::Socket)) => {
            (said.phase, said.op) = (None, None);
        }
        Errno::ETIMEDOUT if matches!(said.phase, Some(Phase::Tls | Phase::Upgrade)) => {
            said.outcome = Some(Outcome::TimedOut);
        }
        Errno::ETIMEDOUT if !open => set(said, Phase::Connect, Op::Connect),
        _ => {}
    }
}

/// What can happen between a proxy and its upstream.
fn is_of_the_way(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Errno(errno) => !matches!(
            errno,
            Errno::EMFILE | Errno::ENFILE | Errno::EADDRNOTAVAIL | Errno::EADDRINUSE | Errno::EBADF
        ),
        Outcome::Eof { .. } | Outcome::TimedOut => true,
        _ => false,
    }
}

fn is_late_tls(said: &Said) -> bool {
    said.phase == Some(Phase::Tls) && said.outcome == Some(Outcome::TimedOut)
}
