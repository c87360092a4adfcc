//! The client role: opens, holds and uses a shard's connections, one due thing at a time.

mod again;
mod compressed;
mod conn;
mod deadline;
mod ending;
mod holes;
mod incoming;
mod interleaved;
mod looking;
mod messages;
mod opening;
mod pings;
mod replies;
mod said;

use super::{Command, ConnId, Input, Order, Orders, Step};
use crate::failure::{Op, Outcome};
use crate::pace::Pace;
use crate::plan::{Ending, Expect, Frame, Payload, Rate, Schedule, Scheme, Shard};
use crate::protocol::ws_frame::opcode;
use crate::protocol::ws_handshake::{EXTENSIONS, Request};
use crate::snapshot::Snapshot;
use crate::time::Nanos;
use crate::wheel::Wheel;
use again::Again;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use compressed::Compressed;
use conn::{Conn, HEARD, NOTIFIED, OWED, SECURE, State};
use ending::Dying;
use holes::Holes;
use incoming::Incoming;
use interleaved::Inner;
use looking::Looking;
use messages::Owed;
use pings::Pings;
use replies::{Gaps, Partial};
use said::Said;

/// Longest wait for outstanding replies at the end.
const DRAIN: Nanos = Nanos::from_secs(5);

/// Where the run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Connections are opened and used; the hold ends at this time, once all workers have ramped.
    Running(Nanos),
    /// The hold is over since then: silent, replies are awaited, unconfirmed ones are looked up.
    Quiet(Nanos),
    /// All are being closed; those before this slot have been told.
    Closing(u32),
}

/// All connections of one worker that storms.
pub struct LoadSwarm {
    shard: Shard,
    conns: Vec<Conn>,
    wheel: Wheel,
    pace: Pace,
    stage: Stage,
    stopping: bool,
    /// No worker had an answer to any message.
    unanswered: bool,
    /// Slots whose connection ended and that shall live again.
    again: Again,
    /// Of a new connection and one that lives again, both due, the new one is next.
    new_first: bool,
    /// At most so many opening at once; `u32::MAX` at a fixed rate.
    window: u32,
    /// Opening ones that count against it.
    in_window: u32,
    /// At most so many closing at once, so that an orderly end does not drown the server.
    close_window: u32,
    /// Closing ones that count against it.
    in_close_window: u32,
    requests: Vec<Option<Request>>,
    /// Whether any target is spoken to through TLS.
    has_tls: bool,
    payload: Vec<u8>,
    tagged: bool,
    /// Opcode of our messages.
    opcode: u8,
    /// What data frames are to us: not the replies of pings.
    data_is: Expect,
    /// Of keep-alive, when it was asked for.
    pings: Option<Pings>,
    /// Rare buffers, by slot.
    parts: BTreeMap<u32, Vec<u8>>,
    owed: BTreeMap<u32, Owed>,
    /// Control frames of ours: tells their masks apart.
    controls: u32,
    /// When the connection whose bytes come in had been heard before.
    heard_before: Nanos,
    partial: BTreeMap<u32, Partial>,
    said: Said,
    /// Replies in which a frame may lie that is not theirs.
    inner: BTreeMap<u32, Inner>,
    incoming: Incoming,
    compressed: Compressed,
    gaps: BTreeMap<u32, Gaps>,
    gap_count: u64,
    /// Of connections that could not send all that was due.
    holes: BTreeMap<u32, Holes>,
    dying: BTreeMap<u32, Dying>,
    looking: Option<Looking>,
    /// When the last one opened that still has to be looked up after the hold.
    late: Option<Nanos>,
    /// On a stop: opening ones before this slot have been given up.
    abandoned: u32,
    /// Targets whose server is not on this host.
    not_local: Vec<bool>,
    /// Messages that await a reply, those of closed connections taken off.
    outstanding: u64,
    alive: u64,
    burst: (Nanos, u64),
    urgent: bool,
    wheel_first: bool,
    snapshot: Snapshot,
}

impl LoadSwarm {
    /// All connections of this shard, none of them begun.
    pub fn new(shard: Shard) -> Self {
        let plan = &shard.plan;
        let offer = plan.compress.map(|offer| (EXTENSIONS.into(), offer.to_string()));
        let headers: Vec<_> = plan.headers.iter().cloned().chain(offer).collect();
        let request = |t: &crate::plan::Target| {
            (t.scheme == Scheme::Ws)
                .then(|| Request::new(&t.host, &t.path, &headers, &plan.subprotocols))
        };
        let (payload, tagged) = messages::template(&plan.messages.payload);
        let slots = usize::try_from(shard.connections).expect("usize has at least 32 bits");
        let window = match plan.connect_rate {
            Rate::Max => (plan.max_opening / shard.of.max(1)).max(1),
            Rate::Every { .. } => u32::MAX,
        };
        let mut snapshot = Snapshot::default();
        let pings = Pings::new(plan, slots);
        snapshot.latencies.warm(pings.is_some());
        Self {
            conns: Vec::with_capacity(slots),
            wheel: Wheel::with_capacity(slots),
            pace: Pace::new(plan.connect_rate, shard.index, shard.of),
            stage: Stage::Running(Nanos::MAX),
            stopping: false,
            unanswered: false,
            again: Again::default(),
            new_first: true,
            window,
            in_window: 0,
            close_window: (plan.max_opening / shard.of.max(1)).max(1),
            in_close_window: 0,
            has_tls: plan.targets.iter().any(|target| target.tls.is_some()),
            requests: plan.targets.iter().map(request).collect(),
            payload,
            tagged,
            opcode: match plan.messages.frame {
                Frame::Text => opcode::TEXT,
                Frame::Binary => opcode::BINARY,
                Frame::Ping => opcode::PING,
            },
            data_is: match plan.messages.frame {
                Frame::Ping => Expect::None,
                Frame::Text | Frame::Binary => plan.messages.expect,
            },
            pings,
            parts: BTreeMap::new(),
            owed: BTreeMap::new(),
            controls: 0,
            heard_before: Nanos::ZERO,
            partial: BTreeMap::new(),
            said: Said::default(),
            inner: BTreeMap::new(),
            incoming: Incoming::default(),
            compressed: Compressed::default(),
            gaps: BTreeMap::new(),
            gap_count: 0,
            holes: BTreeMap::new(),
            dying: BTreeMap::new(),
            looking: None,
            late: None,
            abandoned: 0,
            not_local: plan.targets.iter().map(|_| false).collect(),
            outstanding: 0,
            alive: 0,
            burst: (Nanos::ZERO, 0),
            urgent: false,
            wheel_first: true,
            snapshot,
            shard,
        }
    }

    /// Does at most one thing that is due.
    pub fn poll(&mut self, now: Nanos, orders: &mut Orders) -> Step {
        self.wheel_first = !self.wheel_first;
        if self.wheel_first && self.wake_one(now, orders) {
            return Step::Again;
        }
        if self.advance(now, orders) || self.wake_one(now, orders) {
            return Step::Again;
        }
        if self.over() {
            return Step::Done;
        }
        Step::Sleep(self.next_due(now))
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, now: Nanos, id: ConnId, input: Input<'_>, orders: &mut Orders) {
        let Some(c) = self.conns.get_mut(id.slot as usize) else { return };
        if c.generation != id.generation || c.state == State::Gone {
            return;
        }
        match input {
            Input::Bytes(bytes) => {
                if c.is(SECURE) {
                    // TLS has told how much came off the wire.
                    c.flags |= HEARD;
                } else {
                    c.bytes_in += bytes.len() as u64;
                }
                self.heard_before = core::mem::replace(&mut c.heard, now);
                self.bytes(now, id, bytes, orders);
            }
            Input::Writable => self.writable(now, id, orders),
            Input::Unwritten(tail) => self.unwritten(id, tail),
            Input::Eof => self.ended(now, id, Op::Read, None, orders),
            Input::Failed(op, errno) => self.ended(now, id, op, Some(errno), orders),
            Input::SelfConnected => {
                self.fail(now, id, Op::Connect, Outcome::SelfConnected, orders);
            }
            Input::Looked(look) => self.looked(now, id, look, orders),
            Input::Wire(bytes) => {
                // Tickets and the like are no word of the program's: it is heard by what it says.
                c.bytes_in += u64::from(bytes);
            }
            Input::Secured { resumed } => self.secured(now, id, resumed, orders),
            Input::Notified => {
                c.flags |= NOTIFIED;
                self.ended(now, id, Op::Read, None, orders);
            }
            Input::Tls(error, words) => self.ended_by_tls(now, id, error, words, orders),
            Input::Accepted => {}
        }
    }

    /// Whether it waits for its connect, or for room to write: a poller tells of room with every
    /// byte that comes in, and most of the time nobody asked.
    #[inline]
    pub fn wants_room(&self, id: ConnId) -> bool {
        let c = self.conns.get(id.slot as usize);
        c.is_some_and(|c| c.state == State::Connect || c.tx_left > 0 || c.is(OWED))
    }

    /// Takes in a captain's word.
    pub fn command(&mut self, now: Nanos, command: Command) {
        match (command, self.stage) {
            (Command::Hold(until), Stage::Running(_)) => self.stage = Stage::Running(until),
            (Command::Close { unanswered }, Stage::Running(_) | Stage::Quiet(_)) => {
                self.quiet(now);
                self.unanswered = unanswered;
                self.stage = Stage::Closing(0);
            }
            (Command::Stop, _) if !self.stopping => {
                self.stopping = true;
                if matches!(self.stage, Stage::Running(_)) {
                    self.quiet(now);
                }
            }
            _ => {}
        }
    }

    /// What was counted since the last [`Self::clear`], and how things stand.
    pub fn snapshot(&mut self, now: Nanos) -> &mut Snapshot {
        self.snapshot.at = now;
        let ramped = self.ramped();
        let settled = self.settled(now);
        let gauges = &mut self.snapshot.gauges;
        gauges.ramped = ramped;
        gauges.settled = settled;
        self.urgent = false;
        &mut self.snapshot
    }

    /// Begins the next interval.
    pub fn clear(&mut self) {
        self.snapshot.clear();
        self.snapshot.gauges.open_peak = self.snapshot.gauges.open;
    }

    /// Facts that only the worker could read.
    pub fn state_facts(&mut self, facts: Vec<crate::evidence::Fact>) {
        self.snapshot.facts.extend(facts);
        self.urgent = true;
    }

    /// Whether the captain should hear at once: a new kind of failure, a burst, a stage reached.
    pub fn urgent(&self) -> bool {
        self.urgent
    }

    /// One step of the stage: a connect, a look, a close. Says whether it did something.
    fn advance(&mut self, now: Nanos, orders: &mut Orders) -> bool {
        match self.stage {
            Stage::Running(until) if until <= now => {
                self.quiet(now);
                true
            }
            Stage::Running(_) => self.look_at_one(orders) || self.open_one(now, orders),
            Stage::Quiet(since) => {
                if self.look_at_one(orders) || self.look_at_late(now) {
                    return true;
                }
                if self.stopping && self.abandon_one(orders) {
                    return true;
                }
                if self.stopping && (self.outstanding == 0 || now >= self.drained_at(since)) {
                    self.stage = Stage::Closing(0);
                    return true;
                }
                let was = self.snapshot.gauges.settled;
                if !was && self.settled(now) {
                    self.snapshot.gauges.settled = true;
                    self.urgent = true;
                }
                false
            }
            Stage::Closing(from) => self.close_one(now, from, orders),
        }
    }

    /// The hold is over: everybody falls silent, and whoever is unconfirmed is looked up.
    fn quiet(&mut self, now: Nanos) {
        if !matches!(self.stage, Stage::Running(_)) {
            return;
        }
        self.stage = Stage::Quiet(now);
        self.snapshot.gauges.held = self.snapshot.gauges.open;
        self.again.clear();
        self.looking = (!self.stopping).then(Looking::all);
        self.urgent = true;
    }

    fn over(&self) -> bool {
        let nothing_to_open = self.started() && self.again.is_empty();
        let begun = nothing_to_open || !matches!(self.stage, Stage::Running(_));
        let idle = self.alive == 0 && self.looking.is_none();
        begun && idle
    }

    fn next_due(&self, now: Nanos) -> Nanos {
        let mut due = self.wheel.next().unwrap_or(Nanos::MAX);
        match self.stage {
            Stage::Running(until) => {
                due = due.min(until);
                if !self.started() && self.in_window < self.window {
                    due = due.min(self.pace.due());
                }
                if let Some(at) = self.again.next() {
                    due = due.min(at.max(self.pace.due()));
                }
            }
            Stage::Quiet(since) => {
                due = due.min(self.late_due());
                if self.outstanding > 0 && now < self.drained_at(since) {
                    due = due.min(self.drained_at(since));
                }
            }
            _ => {}
        }
        due
    }

    /// The last planned connection has been started.
    fn started(&self) -> bool {
        self.conns.len() as u64 == u64::from(self.shard.connections)
    }

    fn ramped(&self) -> bool {
        self.started() || !matches!(self.stage, Stage::Running(_))
    }

    /// Nothing is opening, no reply is awaited, nobody is looked up.
    fn settled(&self, now: Nanos) -> bool {
        match self.stage {
            Stage::Running(_) => false,
            Stage::Quiet(since) => {
                self.snapshot.gauges.opening == 0
                    && self.looking.is_none()
                    && self.late_due() == Nanos::MAX
                    && (self.outstanding == 0 || now >= self.drained_at(since))
            }
            Stage::Closing(_) => true,
        }
    }

    fn drained_at(&self, since: Nanos) -> Nanos {
        since + self.shard.plan.timeouts.reply.min(DRAIN)
    }

    fn id(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self.conns[slot as usize].generation }
    }

    fn target(&self, slot: u32) -> u16 {
        crate::ports::route(&self.shard.plan, self.shard.number(slot)).target
    }

    fn is_ws(&self, slot: u32) -> bool {
        // With one target, which is the rule, nothing has to be computed.
        let target = if self.requests.len() == 1 { 0 } else { self.target(slot) };
        self.requests[usize::from(target)].is_some()
    }

    fn is_tls(&self, slot: u32) -> bool {
        self.has_tls && self.shard.plan.targets[usize::from(self.target(slot))].tls.is_some()
    }

    fn open_loop_gap(&self) -> Option<Nanos> {
        match self.shard.plan.messages.schedule {
            Schedule::Every(gap) => Some(gap),
            Schedule::Idle | Schedule::Closed => None,
        }
    }

    fn closing_order(&self, id: ConnId) -> Order {
        let how = match self.shard.plan.close {
            Ending::Fin => super::Close::Fin,
            Ending::Rst => super::Close::Rst,
        };
        Order::Close(id, how)
    }
}

/// Sizes of messages are bounded by the plan, so a frame's length fits 32 bits.
fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl core::fmt::Debug for LoadSwarm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LoadSwarm")
            .field("stage", &self.stage)
            .field("alive", &self.alive)
            .field("gauges", &self.snapshot.gauges)
            .finish_non_exhaustive()
    }
}

impl Payload {
    /// Bytes of one message.
    pub fn len(&self) -> usize {
        match self {
            Self::Generated(size) => *size as usize,
            Self::Fixed(bytes) => bytes.len(),
        }
    }

    /// Whether messages are empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
