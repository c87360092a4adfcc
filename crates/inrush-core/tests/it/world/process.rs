//! THE loop, as `inrush-host/src/worker.rs` has it, in numbers: one look, one deed. A process does
//! one small step at a time, and each system call costs what it costs.

use super::kernel::Kernel;
use super::role::Role;
use super::secure::Layer;
use super::socket::{Pid, Ready, SockId};
use inrush_core::errno::Errno;
use inrush_core::evidence::{Fact, Source};
use inrush_core::failure::Op;
use inrush_core::snapshot::Snapshot;
use inrush_core::swarm::{Close, Command, ConnId, Input, Order, Orders, Step};
use inrush_core::time::Nanos;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

const BUFFERS_IN_A_ROW: usize = 4;
const INTERVAL: Nanos = Nanos::from_secs(1);
const URGENT_GAP: Nanos = Nanos::from_millis(50);
/// Events of one wait.
const BATCH: usize = 64;
/// Descriptors of a process that are no connections.
pub(crate) const OWN: u64 = 12;

/// What a system call costs (ENGINE.md; a connect is the dearest).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    pub(crate) open: Nanos,
    pub(crate) other: Nanos,
}

impl Default for Costs {
    fn default() -> Self {
        Self { open: Nanos::from_micros(15), other: Nanos::from_micros(1) }
    }
}

/// What the loop does next.
#[derive(Clone, Debug)]
enum Next {
    Poll,
    Look(Nanos),
    Events(VecDeque<Happened>),
    Accept(u32),
    Over,
}

#[derive(Clone, Debug)]
enum Happened {
    Control,
    Ready(ConnId, Ready),
    /// It has more to read than it was given turns for.
    More(ConnId),
}

/// A process with one loop.
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) role: Box<dyn Role>,
    pub(crate) costs: Costs,
    /// Soft RLIMIT_NOFILE.
    pub(crate) limit: u64,
    /// Connections it holds, and the most it held.
    pub(crate) open: u64,
    pub(crate) open_max: u64,
    pub(crate) listener: Option<SocketAddr>,
    pub(crate) alive: bool,
    pub(crate) inbox: VecDeque<Command>,
    /// Most bytes of one read.
    pub(crate) buffer: usize,
    /// A loop that polls until nothing is due before it looks: what must not be.
    pub(crate) blind: bool,
    /// Socket of each connection's number, for a test that looks at the wire.
    pub(crate) lives: Vec<(ConnId, SockId)>,
    /// Connections with TLS, by slot.
    pub(super) layers: BTreeMap<u32, Layer>,
    targets: Vec<SocketAddr>,
    sources: Vec<IpAddr>,
    next: Next,
    asleep: bool,
    clock: Nanos,
    accepting: bool,
    sockets: Vec<Option<SockId>>,
    paused: BTreeSet<u32>,
    blocked: Option<u32>,
    ready: Vec<ConnId>,
    pub(super) orders: Orders,
    said_exhausted: bool,
    next_interval: Nanos,
    last_sent: Nanos,
}

/// Where a process tells its snapshots; true = its last one.
pub(crate) type Hear<'a> = &'a mut dyn FnMut(Pid, &Snapshot, bool);

impl Process {
    pub(crate) fn new(pid: Pid, role: Box<dyn Role>) -> Self {
        Self {
            pid,
            role,
            costs: Costs::default(),
            limit: 1 << 20,
            open: 0,
            open_max: 0,
            listener: None,
            alive: true,
            inbox: VecDeque::new(),
            buffer: 64 << 10,
            blind: false,
            lives: Vec::new(),
            layers: BTreeMap::new(),
            targets: Vec::new(),
            sources: Vec::new(),
            next: Next::Poll,
            asleep: false,
            clock: Nanos::ZERO,
            accepting: true,
            sockets: Vec::new(),
            paused: BTreeSet::new(),
            blocked: None,
            ready: Vec::new(),
            orders: Orders::default(),
            said_exhausted: false,
            next_interval: INTERVAL,
            last_sent: Nanos::ZERO,
        }
    }

    pub(crate) fn with_routes(mut self, targets: Vec<SocketAddr>, sources: Vec<IpAddr>) -> Self {
        (self.targets, self.sources) = (targets, sources);
        self
    }

    /// When it does its next step, as things stand.
    pub(crate) fn wakes(&self, kernel: &Kernel, now: Nanos) -> Nanos {
        match self.next {
            _ if !self.alive => Nanos::MAX,
            Next::Over => Nanos::MAX,
            Next::Look(until) if self.asleep && !self.is_called(kernel) => until.max(self.clock),
            _ => self.clock.max(if self.asleep { now } else { Nanos::ZERO }),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.next, Next::Over) || !self.alive
    }

    /// One step at `now`, or later when it was busy.
    pub(crate) fn step(&mut self, kernel: &mut Kernel, now: Nanos, hear: Hear<'_>) {
        self.clock = self.clock.max(now);
        match std::mem::replace(&mut self.next, Next::Poll) {
            Next::Poll => self.poll(kernel, hear),
            Next::Look(until) => self.look(kernel, until),
            Next::Events(mut events) => {
                match events.pop_front() {
                    Some(event) => self.happened(kernel, event),
                    None => return self.next = Next::Accept(0),
                }
                self.next = Next::Events(events);
            }
            Next::Accept(count) => self.accept(kernel, count),
            Next::Over => self.next = Next::Over,
        }
    }

    fn poll(&mut self, kernel: &mut Kernel, hear: Hear<'_>) {
        self.spend(Nanos(200));
        let step = self.role.poll(self.clock, &mut self.orders);
        let opens = self.orders.list.iter().filter(|order| matches!(order, Order::Open { .. }));
        assert!(opens.count() <= 1, "one due thing between two looks: {:?}", self.orders.list);
        self.carry_out(kernel);
        let until = match step {
            Step::Again if self.blind => return,
            Step::Again => Nanos::ZERO,
            Step::Sleep(until) => until.min(self.next_interval),
            Step::Done => {
                self.emit(true, hear);
                return self.next = Next::Over;
            }
        };
        let urgent = self.role.urgent();
        if self.clock >= self.next_interval || (urgent && self.clock - self.last_sent >= URGENT_GAP)
        {
            self.emit(false, hear);
        }
        let until = if self.role.urgent() { until.min(self.last_sent + URGENT_GAP) } else { until };
        self.next = Next::Look(until);
    }

    fn look(&mut self, kernel: &mut Kernel, until: Nanos) {
        if !self.is_called(kernel) && self.ready.is_empty() && until > self.clock {
            self.asleep = true;
            self.next = Next::Look(until);
            return;
        }
        self.asleep = false;
        self.spend(self.costs.other);
        let mut events = VecDeque::new();
        if !self.inbox.is_empty() {
            events.push_back(Happened::Control);
        }
        while events.len() < BATCH {
            let Some((id, ready)) = kernel.next_ready(self.pid) else { break };
            events.push_back(Happened::Ready(id, ready));
        }
        events.extend(std::mem::take(&mut self.ready).into_iter().map(Happened::More));
        self.next = Next::Events(events);
    }

    fn happened(&mut self, kernel: &mut Kernel, event: Happened) {
        match event {
            Happened::Control => {
                while let Some(command) = self.inbox.pop_front() {
                    self.role.command(self.clock, command, &mut self.orders);
                    self.carry_out(kernel);
                }
            }
            Happened::Ready(id, ready) => {
                if ready.write {
                    self.writable(kernel, id);
                }
                if ready.read {
                    self.read(kernel, id, ready.last);
                }
            }
            Happened::More(id) => self.read(kernel, id, true),
        }
    }

    fn writable(&mut self, kernel: &mut Kernel, id: ConnId) {
        let alone = self.sock(id).is_some_and(|s| kernel.socks[s].local == kernel.socks[s].remote);
        let input = if alone { Input::SelfConnected } else { Input::Writable };
        self.role.handle(self.clock, id, input, &mut self.orders);
        self.carry_out(kernel);
    }

    fn read(&mut self, kernel: &mut Kernel, id: ConnId, last: bool) {
        if self.paused.contains(&id.slot) {
            return;
        }
        let mut buffer = vec![0; self.buffer];
        for _ in 0..BUFFERS_IN_A_ROW {
            let Some(sock) = self.sock(id) else { return };
            self.spend(self.costs.other);
            let got = kernel.recv(sock, &mut buffer);
            let input = match got {
                Ok(0) => Input::Eof,
                Ok(n) => Input::Bytes(&buffer[..n]),
                Err(Errno::EAGAIN) => return,
                Err(errno) => Input::Failed(Op::Read, errno),
            };
            let more = matches!(got, Ok(n) if n > 0 && (n == buffer.len() || last));
            match input {
                Input::Bytes(wire) if self.layers.contains_key(&id.slot) => {
                    self.unwrap(kernel, id, wire);
                }
                input => self.role.handle(self.clock, id, input, &mut self.orders),
            }
            self.carry_out(kernel);
            if !more {
                return;
            }
        }
        self.ready.push(id);
    }

    pub(super) fn carry_out(&mut self, kernel: &mut Kernel) {
        while !self.orders.list.is_empty() {
            let batch = std::mem::take(&mut self.orders);
            self.blocked = None;
            for order in &batch.list {
                kernel.now = self.clock;
                self.carry_out_one(kernel, order, &batch.bytes);
            }
        }
    }

    fn carry_out_one(&mut self, kernel: &mut Kernel, order: &Order, bytes: &[u8]) {
        match *order {
            Order::Write(id, ref range) => {
                let bytes = &bytes[range.start as usize..range.end as usize];
                self.write(kernel, id, bytes);
            }
            Order::Open { id, source, target } => self.open(kernel, id, source, target),
            Order::Secure { id, target, .. } => self.secure(kernel, id, target == u16::MAX),
            Order::Close(id, how) => {
                if how != Close::Rst {
                    self.notify(kernel, id);
                }
                self.close(kernel, id, how);
                if how != Close::Half {
                    self.role.closed(self.clock, id, &mut self.orders);
                }
            }
            Order::Look(id, target) => {
                self.spend(self.costs.other * 5);
                let to = self.targets.get(usize::from(target)).copied();
                let look = self.sock(id).map(|sock| kernel.look(sock, to)).unwrap_or_default();
                self.role.handle(self.clock, id, Input::Looked(look), &mut self.orders);
            }
            Order::Read(id, most) => self.read_some(kernel, id, most as usize),
            Order::ReadOn(id, true) => {
                self.paused.remove(&id.slot);
                self.ready.push(id);
            }
            Order::ReadOn(id, false) => {
                self.paused.insert(id.slot);
            }
            Order::AcceptOn(on) => self.accepting = on,
            Order::StopListening => {
                if let Some(address) = self.listener.take() {
                    kernel.stop_listening(address);
                }
            }
            Order::Shed => {
                let taken = self.listener.and_then(|address| kernel.accept(address).ok());
                if let Some(sock) = taken {
                    kernel.close(sock, Close::Fin);
                }
            }
            Order::Die => self.die(kernel),
            Order::Stall(length) => self.spend(length),
        }
    }

    fn write(&mut self, kernel: &mut Kernel, id: ConnId, bytes: &[u8]) {
        self.spend(self.costs.other);
        let written = match self.sock(id) {
            _ if self.blocked == Some(id.slot) => Ok(0),
            None => return,
            Some(sock) => kernel.send(sock, bytes),
        };
        let written = match written {
            Err(Errno::EAGAIN) => 0,
            Ok(count) => count,
            Err(errno) => {
                let unwritten = Input::Unwritten(bytes);
                self.role.handle(self.clock, id, unwritten, &mut self.orders);
                let input = Input::Failed(Op::Write, errno);
                return self.role.handle(self.clock, id, input, &mut self.orders);
            }
        };
        if written < bytes.len() {
            self.blocked = Some(id.slot);
            let input = Input::Unwritten(&bytes[written..]);
            self.role.handle(self.clock, id, input, &mut self.orders);
        }
    }

    fn open(&mut self, kernel: &mut Kernel, id: ConnId, source: u16, target: u16) {
        self.spend(self.costs.open);
        let to = self.targets[usize::from(target)];
        let from = self.sources.get(usize::from(source)).copied().unwrap_or(to.ip());
        // FAILURES row 2: EMFILE at socket(), before any packet.
        let made = if self.open + OWN >= self.limit {
            Err((Op::Socket, Errno::EMFILE))
        } else {
            kernel.connect((self.pid, id), from, to)
        };
        match made {
            Ok(sock) => self.put(id, sock),
            Err((op, errno)) => {
                if errno == Errno::EMFILE && !std::mem::replace(&mut self.said_exhausted, true) {
                    let held = self.open + OWN;
                    self.role.state(own_facts(held, OWN, self.limit));
                }
                let input = Input::Failed(op, errno);
                self.role.handle(self.clock, id, input, &mut self.orders);
            }
        }
    }

    fn close(&mut self, kernel: &mut Kernel, id: ConnId, how: Close) {
        self.spend(self.costs.other);
        let Some(sock) = self.sock(id) else { return };
        kernel.close(sock, how);
        if how != Close::Half {
            self.sockets[id.slot as usize] = None;
            self.open -= 1;
            self.paused.remove(&id.slot);
            self.layers.remove(&id.slot);
        }
    }

    fn read_some(&mut self, kernel: &mut Kernel, id: ConnId, most: usize) {
        let mut buffer = vec![0; most.min(self.buffer)];
        let Some(sock) = self.sock(id) else { return };
        let input = match kernel.recv(sock, &mut buffer) {
            Ok(0) => Input::Eof,
            Ok(n) => Input::Bytes(&buffer[..n]),
            Err(Errno::EAGAIN) => return,
            Err(errno) => Input::Failed(Op::Read, errno),
        };
        self.role.handle(self.clock, id, input, &mut self.orders);
    }

    /// One of at most 16 in a row.
    fn accept(&mut self, kernel: &mut Kernel, count: u32) {
        let Some(address) = self.listener.filter(|_| self.accepting && count < 16) else { return };
        let waiting = kernel.listeners.get(&address).is_some_and(|l| !l.queue.is_empty());
        if count == 0 && !waiting {
            return;
        }
        self.spend(self.costs.other);
        kernel.now = self.clock;
        let limit = self.limit;
        // FAILURES 1a; accept4() takes its descriptor before it looks at the queue.
        let got =
            if self.open + OWN >= limit { Err(Errno::EMFILE) } else { kernel.accept(address) };
        let left = |open: u64| limit.saturating_sub(open + OWN);
        match got {
            Ok(sock) => {
                if let Some(id) = self.role.accept(self.clock, &mut self.orders) {
                    self.put(id, sock);
                    kernel.adopt(sock, self.pid, id);
                    self.role.handle(self.clock, id, Input::Accepted, &mut self.orders);
                    self.role.accepted(self.clock, left(self.open), &mut self.orders);
                } else {
                    kernel.close(sock, Close::Fin);
                }
                self.next = Next::Accept(count + 1);
            }
            Err(Errno::EAGAIN) => {}
            Err(errno) => {
                self.role.accept_failed(self.clock, errno, left(self.open), &mut self.orders);
            }
        }
        self.carry_out(kernel);
    }

    /// It is not scheduled for so long.
    pub(crate) fn stall(&mut self, now: Nanos, length: Nanos) {
        self.clock = self.clock.max(now) + length;
    }

    /// SIGKILL, or as good as it.
    pub(crate) fn die(&mut self, kernel: &mut Kernel) {
        self.alive = false;
        self.listener = None;
        self.sockets.clear();
        self.open = 0;
        kernel.reap(self.pid);
    }

    fn emit(&mut self, last: bool, hear: Hear<'_>) {
        while self.next_interval <= self.clock {
            self.next_interval += INTERVAL;
        }
        self.last_sent = self.clock;
        let pid = self.pid;
        self.role.emit(self.clock, &mut |snapshot| hear(pid, snapshot, last));
    }

    fn is_called(&self, kernel: &Kernel) -> bool {
        let knock = |address| kernel.listeners.get(&address).is_some_and(|l| !l.queue.is_empty());
        let accept = self.accepting && self.listener.is_some_and(knock);
        accept || !self.inbox.is_empty() || kernel.has_ready(self.pid)
    }

    fn put(&mut self, id: ConnId, sock: SockId) {
        let slot = id.slot as usize;
        if slot >= self.sockets.len() {
            self.sockets.resize(slot + 1, None);
        }
        assert_eq!(self.sockets[slot], None, "a slot has one socket");
        self.sockets[slot] = Some(sock);
        self.lives.push((id, sock));
        self.open += 1;
        self.open_max = self.open_max.max(self.open);
    }

    pub(super) fn now(&self) -> Nanos {
        self.clock
    }

    pub(super) fn sock(&self, id: ConnId) -> Option<SockId> {
        self.sockets.get(id.slot as usize).copied().flatten()
    }

    fn spend(&mut self, time: Nanos) {
        self.clock += time;
    }
}

fn own_facts(held: u64, other: u64, limit: u64) -> Vec<Fact> {
    let fact =
        |source, value| Fact { source, host: "world".into(), before: None, after: Some(value) };
    vec![
        fact(Source::OwnDescriptors, held),
        fact(Source::OwnDescriptorsOther, other),
        fact(Source::OwnDescriptorLimit, limit),
    ]
}
