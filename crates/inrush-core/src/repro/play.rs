//! Plays a script on a machine, call by call, and keeps what failed as the run keeps it: the first
//! failure of each connection, with what the kernel says of its socket.

use super::script::{Call, Came, Side, Turn};
use crate::errno::Errno;
use crate::failure::{Failure, Look, Op, Outcome, Peer, Phase, Signature, tcp_state};
use crate::tally::{Key, Tally};
use crate::time::Nanos;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Where a script is played: the real kernel, or the simulated one.
pub trait Machine {
    /// Time since the script began.
    fn now(&mut self) -> Nanos;
    /// Makes this call, number `number` of the script, and says what came back.
    fn carry_out(&mut self, number: usize, turn: &Turn) -> Came;
    /// TCP_INFO of the client's socket, and the server's side of it; `None` without a socket.
    fn look(&mut self, connection: u8) -> Option<Look>;
}

/// A call that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// As the script has it.
    pub turn: Turn,
    /// When it was made, since the script began.
    pub at: Nanos,
    /// What came back.
    pub came: Came,
}

/// How a script went.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// The calls, in order; after one that came out differently there is none.
    pub steps: Vec<Step>,
    /// What failed.
    pub tally: Tally,
    /// In the order in which it failed.
    pub seen: Vec<Signature>,
    /// Connections that the client asked for, and that it was given.
    pub attempted: u64,
    /// Of them, those that connect() gave out.
    pub opened: u64,
}

/// One connection of the client as its program knows it.
#[derive(Clone, Debug, Default)]
struct Conn {
    opened: Option<Nanos>,
    asked: Nanos,
    ended: bool,
    bytes_in: u64,
    bytes_out: u64,
    failed: Option<(Nanos, Signature)>,
    later: Option<Signature>,
    /// At the failure, and the last one before its close.
    look: Option<Look>,
    last: Option<Look>,
}

/// Plays it to its end, or to the first call that comes out differently.
pub fn play(script: &[Turn], machine: &mut impl Machine) -> Played {
    let mut played = Played::default();
    let mut conns: BTreeMap<(bool, u8), Conn> = BTreeMap::new();
    for (number, turn) in script.iter().enumerate() {
        let at = machine.now();
        let came = machine.carry_out(number, turn);
        played.steps.push(Step { turn: *turn, at, came });
        if turn.side != Side::Network {
            let client = turn.side == Side::Client;
            let conn = conns.entry((client, turn.connection)).or_default();
            conn.follow(turn, came, at);
            if let Some(signature) = signature(turn, came, conn) {
                conn.fail(machine.now(), signature, &mut played.seen);
            }
            let over = matches!(turn.call, Call::Close | Call::Reset);
            if client && conn.failed.is_some() && !over {
                conn.last = machine.look(turn.connection).or(conn.last);
                conn.look = conn.look.or(conn.last);
            }
        }
        if came != turn.came {
            break;
        }
    }
    for ((client, number), conn) in &conns {
        played.attempted += u64::from(*client && conn.asked != Nanos::MAX);
        played.opened += u64::from(*client && conn.opened.is_some());
        conn.book(u64::from(*number) + 1, &mut played.tally);
    }
    played
}

impl Played {
    /// Whether each call of the script was made and came out as it says.
    pub fn as_written(&self, script: &[Turn]) -> bool {
        self.steps.len() == script.len()
            && self.steps.iter().all(|step| step.came == step.turn.came)
    }
}

impl Conn {
    fn follow(&mut self, turn: &Turn, came: Came, at: Nanos) {
        match (turn.call, came) {
            (Call::BeginConnect, _) => self.asked = at,
            (Call::Connect(_) | Call::FinishConnect(_), Came::Done) => self.opened = Some(at),
            (Call::Connect(_) | Call::ConnectTo(_) | Call::Lookup(_) | Call::Socket, _) => {
                self.asked = at;
            }
            (Call::Read(_), Came::Bytes(n)) => self.bytes_in += u64::from(n),
            (Call::Write(_), Came::Bytes(n)) => self.bytes_out += u64::from(n),
            (Call::ShutdownWrite | Call::Close | Call::Reset, _) => self.ended = true,
            _ => {}
        }
    }

    fn fail(&mut self, at: Nanos, signature: Signature, seen: &mut Vec<Signature>) {
        if self.failed.is_none() {
            self.failed = Some((at, signature));
            seen.push(signature);
        } else {
            self.later = self.later.or(Some(signature));
        }
    }

    fn book(&self, connection: u64, tally: &mut Tally) {
        let Some((at, signature)) = self.failed else { return };
        // The FIN is one received byte (FAILURES §0.4), which counts once all others were read.
        let over = |look: &Look| matches!(look.state, tcp_state::CLOSE | tcp_state::CLOSE_WAIT);
        let after = |look: &Look| over(look) && look.bytes_received > self.bytes_in;
        let eof = matches!(signature.outcome, Outcome::Eof { .. });
        let fin_seen = eof || self.last.as_ref().is_some_and(after);
        let failure = Failure {
            at,
            connection,
            signature,
            later: self.later,
            age: at - self.opened.unwrap_or(self.asked),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            fin_seen,
            look: self.look,
            last_words: Vec::new(),
            offset: None,
        };
        let key = Key {
            target: 0,
            signature,
            peer: self.look.map_or(Peer::Unseen, |look| look.peer),
            fin_seen,
            heard: self.bytes_in > 0,
            spoke: self.bytes_out > 0,
        };
        tally.book(key, failure, 1);
    }
}

/// What the program was told, in the run's own terms; `None` when it is no failure.
fn signature(turn: &Turn, came: Came, conn: &Conn) -> Option<Signature> {
    let established = if conn.ended { Phase::Close } else { Phase::Open };
    let (phase, op) = match turn.call {
        Call::Lookup(_) => (Phase::Resolve, Op::Lookup),
        Call::Socket | Call::Threads(_) => (Phase::Socket, Op::Socket),
        Call::Connect(_) | Call::FinishConnect(_) | Call::ConnectTo(_) => {
            (Phase::Connect, Op::Connect)
        }
        Call::Accept => (Phase::Accept, Op::Accept),
        Call::Write(_) => (established, Op::Write),
        Call::Read(_) => (established, Op::Read),
        Call::Reply(_) => (established, Op::Deadline),
        _ => return None,
    };
    // A server that meets what it did itself is no failure of the client's connection.
    if turn.side == Side::Server && op != Op::Accept {
        return None;
    }
    let outcome = match came {
        Came::Errno(errno) => Outcome::Errno(errno),
        Came::TimedOut => {
            return Some(Signature { phase, op: Op::Deadline, outcome: Outcome::TimedOut });
        }
        Came::Eof if !conn.ended => Outcome::Eof { mid_message: false },
        // glibc keeps no number for it; that none was left to ask with is known from elsewhere.
        Came::NotFound { exhausted: true } => Outcome::Errno(Errno::EMFILE),
        Came::NotFound { exhausted: false } => Outcome::Errno(Errno::EIO),
        _ => return None,
    };
    Some(Signature { phase, op, outcome })
}
