//! Servers that do what a test says, connection by connection. They share nothing with the server
//! role of the core but its frames' decoder.

use super::role::Role;
use super::secure::HELLO;
use inrush_core::protocol::ws_deflate;
use inrush_core::protocol::ws_frame::{Decoder, Event, Role as Side, apply_mask, opcode, put_head};
use inrush_core::protocol::ws_handshake::{Asked, read_request, render_answer};
use inrush_core::swarm::{Close, ConnId, Input, Order, Orders, Step};
use inrush_core::time::Nanos;
use std::collections::VecDeque;
use std::ops::Range;

/// One thing a server does with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Reads a request to its empty line.
    ReadRequest,
    /// Reads a request as far as its key, and not its end.
    ReadKey,
    /// Answers the request that was read with 101.
    Accept,
    /// The same, and agrees to compress.
    AcceptCompressed,
    /// Waits until bytes lie unread.
    AwaitUnread,
    Say(Vec<u8>),
    Wait(Nanos),
    /// Reads a TLS client's first message.
    ReadHello,
    /// Echoes so many messages of a bare stream, of this size.
    EchoStream(u32, usize),
    /// Echoes so many messages of a WebSocket; answers no ping and no Close.
    EchoFrames(u32),
    /// Answers one message of a WebSocket with these parts instead of its echo.
    EchoParts(Vec<Part>),
    /// Reads and forgets until the peer ends; then it closes.
    Drain,
    /// Reads no more and keeps it.
    Hold,
    /// shutdown(SHUT_WR).
    Half,
    /// Answers pings for ever, the nth so many times as the nth of these says, over and over.
    AnswerPings(Vec<u32>),
    Close,
    Reset,
}

/// Of a wrong answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The head of a text frame that declares so many bytes more than the message has.
    Head(isize),
    /// These bytes of the message.
    Payload(Range<usize>),
    /// Whatever.
    Raw(&'static [u8]),
}

type Each = Box<dyn Fn(usize) -> Vec<Act>>;

/// A scripted server.
pub(crate) struct Scripted {
    each: Each,
    guests: Vec<Guest>,
    now: Nanos,
    /// One accept each so long.
    accept_every: Option<Nanos>,
    next_accept: Nanos,
    accepted: u32,
}

#[derive(Default)]
struct Guest {
    acts: VecDeque<Act>,
    /// What came, and how much of it was used up.
    heard: Vec<u8>,
    used: usize,
    key: Vec<u8>,
    decoder: Decoder,
    message: Vec<u8>,
    pings: usize,
    unsaid: Vec<u8>,
    blocked: bool,
    reading: bool,
    /// End of the wait under way.
    until: Option<Nanos>,
    /// It goes on at the next look.
    again: bool,
    ended: bool,
    gone: bool,
}

impl Scripted {
    pub(crate) fn new(each: impl Fn(usize) -> Vec<Act> + 'static) -> Self {
        Self {
            each: Box::new(each),
            guests: Vec::new(),
            now: Nanos::ZERO,
            accept_every: None,
            next_accept: Nanos::ZERO,
            accepted: 0,
        }
    }

    /// Sleeps so long before each accept.
    pub(crate) fn slowly(mut self, every: Nanos) -> Self {
        (self.accept_every, self.next_accept) = (Some(every), every);
        self
    }

    /// Goes on with a connection as far as it can.
    fn go_on(&mut self, slot: u32, orders: &mut Orders) {
        let id = id(slot);
        loop {
            let guest = &mut self.guests[slot as usize];
            if guest.gone || guest.blocked {
                return;
            }
            if !guest.unsaid.is_empty() {
                let bytes = std::mem::take(&mut guest.unsaid);
                orders.write(id, |out| out.extend_from_slice(&bytes));
                // Whether it was taken whole is known before the next thing is done.
                guest.again = true;
                return;
            }
            let Some(act) = guest.acts.front().cloned() else { return };
            if !guest.reading && needs_bytes(&act) {
                guest.reading = true;
                orders.push(Order::ReadOn(id, true));
                return;
            }
            if guest.reading && act == Act::Hold {
                guest.reading = false;
                orders.push(Order::ReadOn(id, false));
                return;
            }
            if !guest.done(&act, self.now, id, orders) {
                return;
            }
            guest.acts.pop_front();
        }
    }
}

fn needs_bytes(act: &Act) -> bool {
    matches!(
        act,
        Act::ReadRequest
            | Act::ReadKey
            | Act::ReadHello
            | Act::EchoStream(..)
            | Act::EchoFrames(_)
            | Act::EchoParts(_)
            | Act::Drain
            | Act::AnswerPings(_)
    )
}

fn id(slot: u32) -> ConnId {
    ConnId { slot, generation: 1 }
}

impl Guest {
    /// Whether this act is done; if not, it goes on when something happens.
    fn done(&mut self, act: &Act, now: Nanos, id: ConnId, orders: &mut Orders) -> bool {
        match act {
            Act::ReadHello => {
                let came = self.heard[self.used..].starts_with(HELLO);
                self.used += if came { HELLO.len() } else { 0 };
                came
            }
            Act::ReadRequest => match read_request(&self.heard[self.used..]) {
                Asked::Upgrade { key, len, .. } => {
                    self.key = key.to_vec();
                    self.use_up(len);
                    true
                }
                _ => self.give_up(id, orders),
            },
            Act::ReadKey => {
                let name = b"Sec-WebSocket-Key: ";
                let at = self.heard.windows(name.len()).position(|part| part == name);
                let from = at.map_or(usize::MAX - 24, |at| at + name.len());
                match self.heard.get(from..from + 24) {
                    Some(key) => {
                        self.key = key.to_vec();
                        true
                    }
                    None => self.give_up(id, orders),
                }
            }
            Act::Accept | Act::AcceptCompressed => {
                let offer = Some("permessage-deflate").filter(|_| *act == Act::AcceptCompressed);
                let agreed = offer.and_then(ws_deflate::accept);
                render_answer(&self.key, None, agreed, &mut self.unsaid);
                true
            }
            Act::Say(bytes) => {
                self.unsaid.extend_from_slice(bytes);
                true
            }
            Act::Wait(time) => {
                let until = *self.until.get_or_insert(now + *time);
                if until <= now {
                    self.until = None;
                }
                until <= now
            }
            Act::EchoStream(count, size) => self.echo_stream(*count, *size, id, orders),
            Act::EchoFrames(0) => true,
            Act::EchoFrames(count) => {
                let echoed = self.echo_frame(&[], id, orders);
                if echoed {
                    self.acts.insert(1, Act::EchoFrames(count - 1));
                }
                echoed
            }
            Act::EchoParts(parts) => self.echo_frame(parts, id, orders),
            Act::Drain => {
                self.use_up(self.heard.len() - self.used);
                self.give_up(id, orders)
            }
            Act::AnswerPings(times) => self.answer_pings(times, id, orders),
            Act::AwaitUnread => {
                orders.push(Order::Look(id, u16::MAX));
                false
            }
            Act::Hold => false,
            Act::Half => self.end(id, Close::Half, orders),
            Act::Close => self.end(id, Close::Fin, orders),
            Act::Reset => self.end(id, Close::Rst, orders),
        }
    }

    fn end(&mut self, id: ConnId, how: Close, orders: &mut Orders) -> bool {
        self.gone |= how != Close::Half;
        orders.push(Order::Close(id, how));
        true
    }

    /// It is not done, and when the peer has ended it never will be.
    fn give_up(&mut self, id: ConnId, orders: &mut Orders) -> bool {
        if self.ended {
            self.end(id, Close::Fin, orders);
        }
        false
    }

    fn echo_stream(&mut self, count: u32, size: usize, id: ConnId, orders: &mut Orders) -> bool {
        if count == 0 {
            return true;
        }
        let Some(echo) = self.heard.get(self.used..self.used + size) else {
            return self.give_up(id, orders);
        };
        self.unsaid.extend_from_slice(echo);
        self.use_up(size);
        self.acts.insert(1, Act::EchoStream(count - 1, size));
        true
    }

    /// Echoes a message; by these parts if there are any.
    fn echo_frame(&mut self, parts: &[Part], id: ConnId, orders: &mut Orders) -> bool {
        let mut rest = &self.heard[self.used..];
        while let Ok(Some(event)) = self.decoder.next(Side::Server, &mut rest) {
            let Event::Data { text, bytes, end, mask, offset, .. } = event else { continue };
            let from = self.message.len();
            self.message.extend_from_slice(bytes);
            apply_mask(&mut self.message[from..], mask, offset);
            if end {
                let message = std::mem::take(&mut self.message);
                let left = rest.len();
                self.use_up(self.heard.len() - self.used - left);
                let whole = [Part::Head(0), Part::Payload(0..message.len())];
                for part in if parts.is_empty() { &whole } else { parts } {
                    self.say_part(part, text, &message);
                }
                return true;
            }
        }
        self.use_up(self.heard.len() - self.used);
        self.give_up(id, orders)
    }

    fn say_part(&mut self, part: &Part, text: bool, message: &[u8]) {
        match part {
            Part::Head(more) => {
                let first = if text { 0x81 } else { 0x82 };
                let declared = message.len().checked_add_signed(*more).expect("not below nothing");
                put_head(&mut self.unsaid, first, declared, None);
            }
            Part::Payload(range) => self.unsaid.extend_from_slice(&message[range.clone()]),
            Part::Raw(bytes) => self.unsaid.extend_from_slice(bytes),
        }
    }

    fn answer_pings(&mut self, times: &[u32], id: ConnId, orders: &mut Orders) -> bool {
        let mut rest = &self.heard[self.used..];
        let mut pongs = Vec::new();
        while let Ok(Some(event)) = self.decoder.next(Side::Server, &mut rest) {
            let Event::Control { op: opcode::PING, bytes, end, mask, offset } = event else {
                continue;
            };
            let from = self.message.len();
            self.message.extend_from_slice(bytes);
            apply_mask(&mut self.message[from..], mask, offset);
            if end {
                for _ in 0..times[self.pings % times.len()] {
                    put_head(&mut pongs, 0x80 | opcode::PONG, self.message.len(), None);
                    pongs.extend_from_slice(&self.message);
                }
                self.pings += 1;
                self.message.clear();
            }
        }
        self.use_up(self.heard.len() - self.used);
        let said = !pongs.is_empty();
        if said {
            self.unsaid = pongs;
            self.acts.insert(1, Act::AnswerPings(times.to_vec()));
            return true;
        }
        self.give_up(id, orders)
    }

    fn use_up(&mut self, bytes: usize) {
        self.used += bytes;
        if self.used * 2 > self.heard.len() {
            self.heard.drain(..self.used);
            self.used = 0;
        }
    }
}

impl Role for Scripted {
    fn poll(&mut self, now: Nanos, orders: &mut Orders) -> Step {
        self.now = now;
        if self.accept_every.is_some() {
            if self.accepted == 0 && now < self.next_accept {
                orders.push(Order::AcceptOn(false));
            } else if self.next_accept <= now {
                self.next_accept = Nanos::MAX;
                orders.push(Order::AcceptOn(true));
                return Step::Again;
            }
        }
        let due = |guest: &Guest| guest.again || guest.until.is_some_and(|at| at <= now);
        if let Some(slot) = self.guests.iter().position(|guest| !guest.gone && due(guest)) {
            self.guests[slot].again = false;
            self.go_on(u32::try_from(slot).unwrap(), orders);
            return Step::Again;
        }
        let living = self.guests.iter().filter(|guest| !guest.gone);
        let until = living.filter_map(|guest| guest.until).min().unwrap_or(Nanos::MAX);
        let accept = if self.accept_every.is_some() { self.next_accept } else { Nanos::MAX };
        Step::Sleep(until.min(accept))
    }

    fn handle(&mut self, now: Nanos, id: ConnId, input: Input<'_>, orders: &mut Orders) {
        self.now = now;
        let guest = &mut self.guests[id.slot as usize];
        if guest.gone {
            return;
        }
        match input {
            Input::Accepted => orders.push(Order::ReadOn(id, false)),
            Input::Writable => guest.blocked = false,
            Input::Bytes(bytes) => guest.heard.extend_from_slice(bytes),
            Input::Unwritten(tail) => {
                guest.unsaid.splice(0..0, tail.iter().copied());
                guest.blocked = true;
                return;
            }
            Input::Eof => guest.ended = true,
            Input::Failed(..) => {
                guest.end(id, Close::Fin, orders);
                return;
            }
            Input::Looked(look) => {
                let waits = guest.acts.front() == Some(&Act::AwaitUnread);
                if !waits || look.bytes_received == 0 {
                    return;
                }
                guest.acts.pop_front();
            }
            // Scripts say their records by hand.
            Input::SelfConnected
            | Input::Wire(_)
            | Input::Secured { .. }
            | Input::Notified
            | Input::Tls(..) => {}
        }
        self.go_on(id.slot, orders);
    }

    fn accept(&mut self, now: Nanos, orders: &mut Orders) -> Option<ConnId> {
        let slot = self.guests.len();
        let acts = (self.each)(slot).into();
        self.guests.push(Guest { acts, ..Guest::default() });
        self.accepted += 1;
        if let Some(every) = self.accept_every {
            self.next_accept = now + every;
            orders.push(Order::AcceptOn(false));
        }
        Some(id(u32::try_from(slot).unwrap()))
    }
}
