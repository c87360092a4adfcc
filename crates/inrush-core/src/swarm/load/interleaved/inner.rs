//! A frame inside another one, told from what is known of both: the reply that breaks off there
//! and has to go on after it, and our own messages, one of which may be what lies inside. Pure;
//! fed with the stream as it comes.

use crate::protocol::ws_frame::{Decoder, Event, Role, close_code, opcode};
use crate::swarm::load::messages::{TAG, read_tag, tag};
use alloc::vec::Vec;

/// A longer frame is not believed to lie inside another.
const PLAUSIBLE: u64 = 16 << 20;
/// So many bytes show that the interrupted message goes on, when a frame of ours lies inside it.
const GOES_ON: usize = 8;
/// So many have to be left of it when that frame could be anybody's: with the frame's own head they
/// are 5 bytes that garbage would have to guess.
pub(super) const LEAST: u64 = 4;
/// Bytes kept as evidence.
pub(super) const SEEN: usize = 64;

/// What the replies of one connection are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    /// A message; its first bytes are a tag when they are tagged.
    pub(super) payload: &'a [u8],
    pub(super) tagged: bool,
    /// Low half of the connection's number.
    pub(super) number: u32,
    /// Messages it has sent.
    pub(super) sent: u32,
    /// Connections of the whole run.
    pub(super) connections: u32,
}

/// What is known by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More bytes are needed.
    Open,
    /// It need not be a frame.
    Refuted,
    /// A frame lies inside another.
    Proven {
        /// The interrupted one goes on after it.
        resumed: bool,
    },
}

/// What may be a frame inside another one.
#[derive(Debug)]
pub(in crate::swarm::load) struct Inner {
    /// Where in the interrupted message it begins.
    pub(in crate::swarm::load) offset: usize,
    /// The first bytes of the stream from there on.
    pub(in crate::swarm::load) seen: Vec<u8>,
    /// Without it the message is a text that is no UTF-8.
    pub(in crate::swarm::load) breaks_text: bool,
    /// Bytes of the interrupted frame that are still to come.
    rest: u64,
    /// What the stream is when no frame lies inside: the first so many bytes have been decoded,
    /// those behind them follow.
    decoded: u64,
    rx: Decoder,
    broken: bool,
    /// Tag of the interrupted message, as far as it has come.
    tag: [u8; TAG],
    /// Bytes of the stream taken in.
    taken: u64,
    stage: Stage,
    /// A message of our own lies inside.
    ours: bool,
}

#[derive(Debug)]
enum Stage {
    /// Inside the inner frame.
    Frame(Frame),
    /// After it: so many bytes of the interrupted message have come. `broken` when the inner frame
    /// was interrupted in turn.
    Rest { at: u64, broken: bool },
}

#[derive(Debug, Default)]
struct Frame {
    rx: Decoder,
    /// Its first byte, and bytes of its head.
    first: u8,
    head: usize,
    /// Bytes of its payload in all, and how many of them have come.
    length: u64,
    at: u64,
    /// The first of them.
    begin: [u8; TAG],
    /// It is one of our messages, so that the rest of it is known.
    ours: bool,
}

/// Whether a message, or a control frame, in one frame of a server begins with this byte.
pub(super) fn begins_frame(byte: u8) -> bool {
    let kind = byte & 0x0f;
    byte & 0xf0 == 0x80
        && matches!(kind, opcode::TEXT | opcode::BINARY | opcode::CLOSE..=opcode::PONG)
}

impl Known<'_> {
    /// The first byte of this piece that no reply has there. `at`: where in its message it begins.
    pub(super) fn differs(&self, at: usize, piece: &[u8]) -> Option<usize> {
        let first = piece.iter().zip(at..).position(|(byte, at)| !self.fits(at, *byte));
        first.map(|first| at + first)
    }

    fn fits(&self, at: usize, byte: u8) -> bool {
        match at {
            0..8 if self.tagged => tag(u64::from(self.number), 0)[at] == byte,
            8..TAG if self.tagged => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            _ => self.payload.get(at) == Some(&byte),
        }
    }

    /// Whether it is the tag of a message that this connection has sent.
    pub(super) fn was_sent(&self, tag: &[u8]) -> bool {
        read_tag(tag).is_some_and(|(number, seq)| number == self.number && seq < self.sent)
    }

    /// Whether it is the tag of a message of this run: a server may hand them around.
    fn is_of_run(&self, tag: &[u8]) -> bool {
        match read_tag(tag) {
            Some((number, seq)) if number == self.number => seq < self.sent,
            Some((number, _)) => number < self.connections,
            None => false,
        }
    }
}

impl Inner {
    /// It would begin at `offset`. Of the frame around it `decoded` bytes from there on have passed
    /// `rx` already, which waits for the rest of it; `head` is what came of the message before.
    pub(super) fn new(offset: usize, decoded: u64, rx: Decoder, head: &[u8]) -> Self {
        let mut tag = [0; TAG];
        let length = head.len().min(offset).min(TAG);
        tag[..length].copy_from_slice(&head[..length]);
        let stage = Stage::Frame(Frame::default());
        Self {
            offset,
            seen: Vec::new(),
            breaks_text: false,
            rest: decoded.saturating_add(rx.payload_left()),
            decoded,
            rx,
            broken: false,
            tag,
            taken: 0,
            stage,
            ours: false,
        }
    }

    /// Whether one of our own messages lies inside, whatever comes after it.
    pub(super) fn is_ours(&self) -> bool {
        self.ours
    }

    /// Takes in the stream from `offset` on, control frames and heads of frames included.
    pub(super) fn feed(&mut self, known: &Known<'_>, bytes: &[u8]) -> Verdict {
        let room = SEEN - self.seen.len();
        self.seen.extend_from_slice(&bytes[..bytes.len().min(room)]);
        for byte in bytes {
            self.decode(*byte);
            match self.step(known, *byte) {
                Verdict::Open => self.taken += 1,
                verdict => return verdict,
            }
        }
        Verdict::Open
    }

    fn decode(&mut self, byte: u8) {
        if self.taken >= self.decoded && !self.broken {
            let mut one = core::slice::from_ref(&byte);
            while !one.is_empty() && !self.broken {
                self.broken = self.rx.next(Role::Client, &mut one).is_err();
            }
        }
    }

    fn step(&mut self, known: &Known<'_>, byte: u8) -> Verdict {
        match &self.stage {
            Stage::Frame(_) => self.in_frame(known, byte),
            Stage::Rest { at, broken } => self.in_rest(known, *at, *broken, byte),
        }
    }

    fn in_frame(&mut self, known: &Known<'_>, byte: u8) -> Verdict {
        let Stage::Frame(frame) = &mut self.stage else { return Verdict::Open };
        let Some(over) = frame.take(byte) else { return self.lost() };
        let enough = frame.length.min(TAG as u64);
        if frame.at == enough && !frame.ours {
            frame.ours = frame.is_message(known, self.offset);
            self.ours |= frame.ours;
        } else if frame.ours && frame.at > enough {
            let at = usize::try_from(frame.at - 1).unwrap_or(usize::MAX);
            if known.payload.get(at) != Some(&byte) {
                // A writer that is interrupted in turn.
                return self.in_rest(known, 0, true, byte);
            }
        }
        if over {
            self.stage = Stage::Rest { at: 0, broken: false };
        }
        Verdict::Open
    }

    /// One byte of what must be the rest of the interrupted message.
    fn in_rest(&mut self, known: &Known<'_>, at: u64, broken: bool, byte: u8) -> Verdict {
        let place = usize::try_from(at).map_or(usize::MAX, |at| self.offset.saturating_add(at));
        if !known.fits(place, byte) {
            // One that begins where the interrupted frame was to end may simply be the next.
            let may_be_next = self.taken >= self.rest && !self.ours;
            if at > 0 || broken || may_be_next {
                return self.lost();
            }
            // A second frame, before the first message goes on.
            self.stage = Stage::Frame(Frame::default());
            return self.in_frame(known, byte);
        }
        if known.tagged && place < TAG {
            self.tag[place] = byte;
            if place == TAG - 1 && !known.was_sent(&self.tag) {
                return self.lost();
            }
        }
        let at = at + 1;
        self.stage = Stage::Rest { at, broken };
        let enough = at >= GOES_ON as u64 && (!known.tagged || place + 1 >= TAG);
        match (self.ours, at == self.rest) {
            (true, whole) if whole || enough => Verdict::Proven { resumed: true },
            (false, true) if self.is_longer() => Verdict::Proven { resumed: true },
            (false, true) => Verdict::Refuted,
            _ => Verdict::Open,
        }
    }

    /// Whether something was put in, and nothing merely changed: bytes that look like a frame by
    /// chance leave the lengths of all frames right, and of messages that repeat themselves every
    /// rest looks alike. With too many bytes the frames that follow make no sense.
    fn is_longer(&self) -> bool {
        self.broken && self.rest >= LEAST
    }

    fn lost(&self) -> Verdict {
        if self.ours { Verdict::Proven { resumed: false } } else { Verdict::Refuted }
    }
}

impl Frame {
    /// Takes one byte in. Says whether the frame ends with it; `None` when it is no whole frame of
    /// a server.
    fn take(&mut self, byte: u8) -> Option<bool> {
        if self.head == 0 {
            self.first = byte;
        }
        let mut one = core::slice::from_ref(&byte);
        let event = self.rx.next(Role::Client, &mut one).ok()?;
        let Some(Event::Data { bytes, end, .. } | Event::Control { bytes, end, .. }) = event else {
            self.head += 1;
            self.length = self.rx.payload_left();
            return (self.length <= PLAUSIBLE).then_some(false);
        };
        self.head += usize::from(bytes.is_empty());
        for byte in bytes {
            if let Some(place) = usize::try_from(self.at).ok().and_then(|at| self.begin.get_mut(at))
            {
                *place = *byte;
            }
            self.at += 1;
        }
        let over = !self.rx.mid_frame();
        if over && self.opcode() == opcode::CLOSE {
            close_code(&self.begin[..self.begun().min(2)]).ok()?;
        }
        // A frame without FIN ends and its message does not.
        (over == end).then_some(over)
    }

    /// Whether its first bytes are those of one of our messages. Its length must be ours, too: a
    /// changed byte or two before the head of the next frame could make a head of both. `offset`:
    /// where it begins in the message around it.
    fn is_message(&self, known: &Known<'_>, offset: usize) -> bool {
        let is_data = matches!(self.opcode(), opcode::TEXT | opcode::BINARY);
        if !is_data || self.at == 0 || self.length != known.payload.len() as u64 {
            return false;
        }
        let begin = &self.begin[..self.begun()];
        if known.tagged {
            return known.is_of_run(begin);
        }
        // Of a message that repeats itself every part looks like its beginning.
        let behind = known.payload.get(offset + self.head..).unwrap_or_default();
        known.payload.starts_with(begin) && !behind.starts_with(begin)
    }

    /// Bytes that have come of its first ones.
    fn begun(&self) -> usize {
        usize::try_from(self.at).map_or(TAG, |at| at.min(TAG))
    }

    fn opcode(&self) -> u8 {
        self.first & 15
    }
}
