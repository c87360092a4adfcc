//! From the first bytes to an open connection: which protocol it is, and the answer to an upgrade.

use super::SNIFF_PATIENCE;
use super::ServeSwarm;
use super::conn::{Alarm, Ending, Flag, State};
use crate::failure::{Op, Outcome, ProtocolError};
use crate::fault::Kind;
use crate::plan::Proto;
use crate::protocol::ws_frame::{self, opcode};
use crate::protocol::ws_handshake::{self as handshake, Asked};
use crate::swarm::{Order, Orders};
use crate::time::Nanos;
use alloc::vec::Vec;

/// What may follow a request whose answer is held back.
const STALLED_BYTES: usize = 64 << 10;
/// No HTTP, and no byte that a terminal minds.
const GARBAGE: &[u8] = b"\x01\x02 this is no HTTP, says inrush serve --fault\r\n\r\n";
const REJECTION: &str = "rejected by inrush serve --fault";
const UPGRADE_REQUIRED: &str = "this server speaks WebSocket: send Upgrade: websocket";

impl ServeSwarm {
    /// The first bytes, or more of a request in parts.
    pub(super) fn sniff(&mut self, now: Nanos, slot: u32, bytes: &[u8], orders: &mut Orders) {
        let in_parts = self.rare.get(&slot).is_some_and(|rare| !rare.parts.is_empty());
        if !in_parts {
            return self.decide(now, slot, bytes, orders);
        }
        // Its request may come in one piece with megabytes of frames, so the whole is parsed.
        self.keep_parts(slot, bytes, orders);
        let whole = self.with_rare(slot, |rare| core::mem::take(&mut rare.parts));
        self.decide(now, slot, &whole, orders);
    }

    /// `bytes` is all that came so far.
    fn decide(&mut self, now: Nanos, slot: u32, bytes: &[u8], orders: &mut Orders) {
        if self.plan.proto == Proto::Auto {
            match handshake::looks_like_http(bytes) {
                Some(true) => self.silence(slot, Alarm::TakeAsTcp),
                Some(false) => {
                    self.enter_tcp(now, slot);
                    return self.stream(now, slot, bytes, orders);
                }
                None => {
                    self.alarm(slot, now + SNIFF_PATIENCE, Alarm::TakeAsTcp);
                    return self.keep_parts(slot, bytes, orders);
                }
            }
        }
        match handshake::read_request(bytes) {
            // A head over 16 KiB is bad, so this is bounded.
            Asked::More => self.keep_parts(slot, bytes, orders),
            Asked::Bad => {
                self.failed(now, slot, Op::Decode, Outcome::Protocol(ProtocolError::NotHttp));
                self.refuse(now, slot, 400, "this is no HTTP request", orders);
            }
            Asked::TooLong => {
                self.failed(now, slot, Op::Decode, Outcome::Protocol(ProtocolError::HeadTooLong));
                self.refuse(now, slot, 431, "a head may have 16 KiB and 64 headers", orders);
            }
            Asked::NotWebSocket { .. } => {
                self.failed(now, slot, Op::Decode, Outcome::Protocol(ProtocolError::NoUpgrade));
                self.refuse(now, slot, 426, UPGRADE_REQUIRED, orders);
            }
            Asked::Upgrade { key, subprotocols, deflate, len, .. } => {
                if self.disturbed(now, slot, bytes, orders) {
                    return;
                }
                let subprotocol = subprotocols.and_then(handshake::first_offered);
                self.say(now, slot, orders, |out| {
                    handshake::render_answer(key, subprotocol, deflate, out);
                });
                if self.conn(slot).ending == Ending::None {
                    if let Some(agreed) = deflate {
                        self.agree_to_compress(slot, agreed);
                    }
                    self.enter_ws(now, slot, &bytes[len..], orders);
                }
            }
        }
    }

    /// The 101 is said: the greeting, the faults of this moment, and what came with the request.
    fn enter_ws(&mut self, now: Nanos, slot: u32, rest: &[u8], orders: &mut Orders) {
        self.conn(slot).state = State::Ws;
        self.opened(slot);
        if self.plan.proto == Proto::Ws {
            self.greet(now, slot, orders);
        }
        self.schedule_push(now, slot);
        let code = self.fault(slot, |k| matches!(k, Kind::CloseCode(_)));
        if let Some(Kind::CloseCode(code)) = code {
            self.alarm(slot, now + Nanos::from_secs(1), Alarm::CloseCode(code));
        }
        if self.fault(slot, |k| matches!(k, Kind::HalfFrame)).is_some() {
            self.commit();
            // A text frame of 126 bytes or more has a head of four bytes; these are two of them.
            self.say(now, slot, orders, |out| out.extend_from_slice(&[0x81, 126]));
            self.conn(slot).state = State::Mute;
            self.conn(slot).timer = Nanos::ZERO;
            return;
        }
        if !rest.is_empty() && self.conn(slot).ending == Ending::None {
            self.frames(now, slot, rest, orders);
        }
    }

    /// Faults that replace or hold back the 101. Says whether one did.
    fn disturbed(&mut self, now: Nanos, slot: u32, bytes: &[u8], orders: &mut Orders) -> bool {
        let stalled = self.conn(slot).has(Flag::Stalled);
        let fault = self.fault(slot, |kind| match kind {
            Kind::StallUpgrade(_) => !stalled,
            Kind::GarbageUpgrade | Kind::RejectUpgrade(_) => true,
            _ => false,
        });
        match fault {
            Some(Kind::StallUpgrade(by)) => {
                self.conn(slot).state = State::Stalled;
                self.alarm(slot, now + by, Alarm::Upgrade);
                self.keep_parts(slot, bytes, orders);
            }
            Some(Kind::GarbageUpgrade) => {
                self.conn(slot).state = State::Mute;
                self.say(now, slot, orders, |out| out.extend_from_slice(GARBAGE));
            }
            Some(Kind::RejectUpgrade(status)) => {
                self.refuse(now, slot, status, REJECTION, orders);
            }
            _ => return false,
        }
        self.commit();
        true
    }

    /// The stalled upgrade is answered now.
    pub(super) fn upgrade_late(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        let whole = self.with_rare(slot, |rare| core::mem::take(&mut rare.parts));
        self.conn(slot).set(Flag::Stalled, true);
        self.conn(slot).state = State::Fresh;
        self.decide(now, slot, &whole, orders);
        self.relieve(slot, orders);
    }

    /// Nothing has decided what it is: a bare stream.
    pub(super) fn take_as_tcp(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        if self.conn(slot).state != State::Fresh {
            return;
        }
        let parts = self
            .rare
            .contains_key(&slot)
            .then(|| self.with_rare(slot, |rare| core::mem::take(&mut rare.parts)));
        self.enter_tcp(now, slot);
        if let Some(parts) = parts.filter(|parts| !parts.is_empty()) {
            self.stream(now, slot, &parts, orders);
        }
    }

    /// Says the greeting, if there is one, in the protocol that is spoken.
    pub(super) fn greet(&mut self, now: Nanos, slot: u32, orders: &mut Orders) {
        if self.plan.greeting.is_empty() {
            return;
        }
        let greeting = core::mem::take(&mut self.plan.greeting);
        let text = self.conn(slot).state == State::Ws;
        self.say(now, slot, orders, |out| {
            if text {
                let kind = match core::str::from_utf8(&greeting) {
                    Ok(_) => opcode::TEXT,
                    Err(_) => opcode::BINARY,
                };
                ws_frame::put_head(out, 0x80 | kind, greeting.len(), None);
            }
            out.extend_from_slice(&greeting);
        });
        self.plan.greeting = greeting;
    }

    /// Keeps a request in parts, or what follows one that is not answered yet.
    pub(super) fn keep_parts(&mut self, slot: u32, bytes: &[u8], orders: &mut Orders) {
        let kept = self.with_rare(slot, |rare| {
            rare.parts.extend_from_slice(bytes);
            rare.parts.len()
        });
        let stalled = self.conn(slot).state == State::Stalled;
        let conn = self.conn(slot);
        if stalled && kept > STALLED_BYTES && !conn.has(Flag::Deaf) && !conn.has(Flag::Paused) {
            conn.set(Flag::Paused, true);
            orders.push(Order::ReadOn(self.id(slot), false));
        }
    }

    /// Answers with this status and ends it.
    fn refuse(&mut self, now: Nanos, slot: u32, status: u16, body: &str, orders: &mut Orders) {
        self.conn(slot).state = State::Mute;
        let mut answer = Vec::new();
        handshake::render_status(status, body, &mut answer);
        self.say(now, slot, orders, |out| out.extend_from_slice(&answer));
        if self.conn(slot).ending == Ending::None {
            self.end(now, slot, Ending::Half);
        }
    }
}
