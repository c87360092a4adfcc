//! THE loop: the only place that waits and reads the clock. It carries orders out and inputs in,
//! and does not know whether it runs in a thread, in a child process or on another machine.

mod hands;
mod role;
mod secure;

use crate::link::{Broken, Link};
use crate::sys::{clock, inherited, limits};
use hands::Hands;
use inrush_core::dispatch::{ToCaptain, ToWorker, decode_to_worker, encode_to_captain};
use inrush_core::errno::Errno;
use inrush_core::failure::{Op, TlsError};
use inrush_core::plan::Job;
use inrush_core::swarm::{
    Close, ConnId, Input, Order, Orders, Step, load::LoadSwarm, serve::ServeSwarm,
};
use inrush_core::time::Nanos;
use role::Role;
use rustix::fd::OwnedFd;

/// Bytes read at once; one buffer for the whole loop.
const BUFFER: usize = 64 << 10;
/// A socket that fills so many buffers in a row waits for the others.
const BUFFERS_IN_A_ROW: usize = 4;
/// A snapshot each so long, on full seconds of the run.
const INTERVAL: Nanos = Nanos::from_secs(1);
/// Urgent ones no closer than this.
const URGENT_GAP: Nanos = Nanos::from_millis(50);
/// What the captain has not read yet is offered again this soon.
const UNSENT_GAP: Nanos = Nanos::from_millis(2);
/// Tokens of the poller that are no connection: generations begin with 1.
pub(crate) const CONTROL: u64 = 0;
pub(crate) const LISTENER: u64 = 1;

/// Runs one job from `Prepare` to `Finished`. Returns when it is done or its captain is gone.
pub fn run(control: OwnedFd, listener: Option<OwnedFd>) -> Result<(), Broken> {
    let mut link = Link::new(control);
    let ToWorker::Prepare(job) = link.receive_waiting(decode_to_worker)? else {
        return refuse(link, "the first message was not Prepare");
    };
    let hands = match Hands::new(&job, &link, listener) {
        Ok(hands) => hands,
        Err(why) => return refuse(link, &why),
    };
    if let Job::Load(shard) = &*job {
        clock::set_timer_slack(shard.plan.timer_slack.0);
    }
    match *job {
        Job::Load(shard) => begin(LoadSwarm::new(shard), hands, link),
        Job::Serve(serve) => begin(ServeSwarm::new(serve), hands, link),
    }
}

/// Says that it is ready, waits for T0, and goes.
fn begin<R: Role>(swarm: R, hands: Hands, mut link: Link) -> Result<(), Broken> {
    let (soft, _) = limits::nofile();
    let descriptors_left = soft.saturating_sub(limits::open_descriptors());
    link.send(|out| encode_to_captain(&ToCaptain::Ready { descriptors_left }, out))?;
    let ToWorker::Begin(zero) = link.receive_waiting(decode_to_worker)? else {
        return refuse(link, "the second message was not Begin");
    };
    Loop::new(swarm, hands, link, zero).run()
}

/// Runs one loop for each inherited control socket: the first in the calling thread, because a
/// process of one thread shares its descriptor table with nobody, the others in threads.
pub fn run_inherited(controls: &[i32], listener: Option<i32>) -> Result<(), Broken> {
    let take = |number: i32| inherited::take(number).map_err(Broken::Errno);
    let listener = listener.map(take).transpose()?;
    let Some((first, others)) = controls.split_first() else { return Ok(()) };
    let mut threads = Vec::new();
    for number in others {
        let (control, listener) = (take(*number)?, duplicate(listener.as_ref())?);
        threads.push(std::thread::spawn(move || run(control, listener)));
    }
    let mut result = run(take(*first)?, listener);
    for thread in threads {
        result = result.and(thread.join().unwrap_or(Err(Broken::Ended)));
    }
    result
}

fn duplicate(fd: Option<&OwnedFd>) -> Result<Option<OwnedFd>, Broken> {
    fd.map(OwnedFd::try_clone).transpose().map_err(|error| Broken::Errno(crate::sys::code(&error)))
}

fn refuse(mut link: Link, why: &str) -> Result<(), Broken> {
    link.send(|out| encode_to_captain(&ToCaptain::Refused(why.into()), out))?;
    link.flush_all()
}

struct Loop<R> {
    swarm: R,
    hands: Hands,
    link: Link,
    /// CLOCK_MONOTONIC at T0.
    zero: u64,
    orders: Orders,
    spare: Orders,
    buffer: Vec<u8>,
    /// Sockets that have more to read than they were given turns for.
    ready: Vec<ConnId>,
    next_interval: Nanos,
    last_sent: Nanos,
    cpu_ns: u64,
}

impl<R: Role> Loop<R> {
    fn new(swarm: R, hands: Hands, link: Link, zero: u64) -> Self {
        Self {
            swarm,
            hands,
            link,
            zero,
            orders: Orders::default(),
            spare: Orders::default(),
            buffer: vec![0; BUFFER],
            ready: Vec::new(),
            next_interval: INTERVAL,
            last_sent: Nanos::ZERO,
            cpu_ns: clock::thread_cpu_ns(),
        }
    }

    fn run(mut self) -> Result<(), Broken> {
        self.hands.count_own();
        self.wait_for_zero();
        loop {
            let now = self.now();
            let step = self.swarm.poll(now, &mut self.orders);
            self.carry_out();
            let told = self.tell_in_time(now)?;
            let timeout = match step {
                Step::Sleep(until) if self.ready.is_empty() => {
                    until.min(self.next_interval).min(told) - self.now()
                }
                Step::Again | Step::Sleep(_) => Nanos::ZERO,
                Step::Done => return self.finish(),
            };
            if !self.look(timeout)? {
                return Ok(());
            }
        }
    }

    /// Tells the captain what is due, and says when it has to be done again.
    fn tell_in_time(&mut self, now: Nanos) -> Result<Nanos, Broken> {
        let urgent = self.swarm.urgent() || self.hands.just_filled();
        if now >= self.next_interval || (urgent && now - self.last_sent >= URGENT_GAP) {
            self.emit(now)?;
        } else if !self.link.drained() {
            self.link.flush()?;
        }
        let rest = if self.link.drained() { Nanos::MAX } else { now + UNSENT_GAP };
        Ok(if self.swarm.urgent() { rest.min(self.last_sent + URGENT_GAP) } else { rest })
    }

    /// Waits for what comes in and answers each thing before the next is read. False when the
    /// captain is gone.
    fn look(&mut self, timeout: Nanos) -> Result<bool, Broken> {
        let count = self.hands.poller.wait(Some(timeout.0));
        let mut accept = false;
        for i in 0..count {
            let event = self.hands.poller.ready(i);
            match event.token {
                CONTROL => {
                    if !self.obey()? {
                        return Ok(false);
                    }
                }
                LISTENER => accept = true,
                token => {
                    let id = id(token);
                    if event.write && self.hands.owes(id) {
                        self.pay(id);
                    }
                    if event.write && self.swarm.wants_room(id) && !self.hands.owes(id) {
                        self.writable(id);
                    }
                    if event.read {
                        self.read(id, event.last);
                    }
                }
            }
        }
        for id in std::mem::take(&mut self.ready) {
            self.read(id, true);
        }
        // Last, because a slot that was freed in this batch may live again now.
        if accept {
            self.accept();
        }
        Ok(true)
    }

    fn writable(&mut self, id: ConnId) {
        let input =
            if self.hands.is_self_connected(id) { Input::SelfConnected } else { Input::Writable };
        self.swarm.handle(self.now(), id, input, &mut self.orders);
        self.carry_out();
    }

    /// Reads until the socket is drained: a short read has drained it unless its end came along.
    fn read(&mut self, id: ConnId, last: bool) {
        if self.hands.is_paused(id) {
            return;
        }
        if self.hands.is_secure(id) {
            return self.read_secure(id, last);
        }
        for _ in 0..BUFFERS_IN_A_ROW {
            let Some(got) = self.hands.recv(id, &mut self.buffer) else { return };
            let now = self.now();
            let input = match got {
                Ok(0) => Input::Eof,
                Ok(n) => Input::Bytes(&self.buffer[..n]),
                Err(Errno::EAGAIN) => return,
                Err(errno) => Input::Failed(Op::Read, errno),
            };
            let more = matches!(got, Ok(n) if n > 0 && (n == self.buffer.len() || last));
            if matches!(got, Err(errno) if errno == Errno::ECONNREFUSED) {
                self.hands.refused();
            }
            self.swarm.handle(now, id, input, &mut self.orders);
            self.carry_out();
            if !more {
                return;
            }
        }
        self.ready.push(id);
    }

    /// Carries out all orders, and what they lead to, until none is left.
    #[inline]
    fn carry_out(&mut self) {
        while !self.orders.list.is_empty() {
            std::mem::swap(&mut self.orders, &mut self.spare);
            let mut list = std::mem::take(&mut self.spare.list);
            self.hands.begin_batch();
            for order in list.drain(..) {
                self.carry_out_one(order);
            }
            self.spare.list = list;
            self.spare.clear();
        }
    }

    #[inline]
    fn carry_out_one(&mut self, order: Order) {
        match order {
            Order::Write(id, range) => {
                let bytes = &self.spare.bytes[range.start as usize..range.end as usize];
                match self.hands.send(id, bytes) {
                    Ok(n) if n == bytes.len() => {}
                    Ok(n) => {
                        let tail = &bytes[n..];
                        let now = now(self.zero);
                        self.swarm.handle(now, id, Input::Unwritten(tail), &mut self.orders);
                        if self.hands.was_worn_out() {
                            self.input(id, Input::Tls(TlsError::KeyWornOut, &[]));
                        }
                    }
                    Err(errno) => {
                        let now = now(self.zero);
                        self.swarm.handle(now, id, Input::Unwritten(bytes), &mut self.orders);
                        let failed = Input::Failed(Op::Write, errno);
                        self.swarm.handle(now, id, failed, &mut self.orders);
                    }
                }
            }
            Order::Open { id, source, target } => {
                if let Err((op, errno)) = self.hands.open(id, source, target) {
                    if let Some(facts) = self.hands.exhausted(errno) {
                        self.swarm.state(facts);
                    }
                    self.input(id, Input::Failed(op, errno));
                }
            }
            Order::Secure { id, target, resume } => self.secure(id, target, resume),
            Order::Close(id, how) => {
                self.hands.close(id, how);
                if how != Close::Half {
                    self.swarm.closed(now(self.zero), id, &mut self.orders);
                }
            }
            Order::Look(id, target) => {
                let look = self.hands.look(id, target);
                self.input(id, Input::Looked(look));
            }
            Order::Read(id, most) => self.read_some(id, most as usize),
            Order::ReadOn(id, on) => {
                self.hands.pause(id, !on);
                if on {
                    self.ready.push(id);
                }
            }
            Order::AcceptOn(on) => self.hands.accept_on(on),
            Order::StopListening => self.hands.stop_listening(),
            Order::Shed => self.hands.shed(),
            Order::Die => limits::die(),
            Order::Stall(length) => std::thread::sleep(std::time::Duration::from_nanos(length.0)),
        }
    }

    /// Reads at most so many bytes, once, although reading may be off.
    fn read_some(&mut self, id: ConnId, most: usize) {
        if self.hands.is_secure(id) {
            // A batch is being carried out: what this leads to is the next one.
            self.read_secure_once(id, most, false, |_| {});
            return;
        }
        let room = self.buffer.len().min(most);
        let Some(got) = self.hands.recv(id, &mut self.buffer[..room]) else { return };
        let input = match got {
            Ok(0) => Input::Eof,
            Ok(n) => Input::Bytes(&self.buffer[..n]),
            Err(Errno::EAGAIN) => return,
            Err(errno) => Input::Failed(Op::Read, errno),
        };
        self.swarm.handle(now(self.zero), id, input, &mut self.orders);
    }

    fn input(&mut self, id: ConnId, input: Input<'_>) {
        let now = self.now();
        self.swarm.handle(now, id, input, &mut self.orders);
    }

    /// Takes connections until there are none, a few at a time so that the others get their turn.
    fn accept(&mut self) {
        for _ in 0..16 {
            let Some(got) = self.hands.accept() else { return };
            let now = self.now();
            match got {
                Ok(fd) => {
                    if let Some(id) = self.swarm.accept(now, &mut self.orders) {
                        if self.hands.admit(id, fd).is_ok() {
                            self.swarm.handle(now, id, Input::Accepted, &mut self.orders);
                        } else {
                            self.swarm.closed(now, id, &mut self.orders);
                        }
                        let left = self.hands.descriptors_left();
                        self.swarm.accepted(now, left, &mut self.orders);
                    }
                }
                Err(Errno::EAGAIN) => return,
                Err(errno) => {
                    let left = self.hands.descriptors_left();
                    self.swarm.accept_failed(now, errno, left, &mut self.orders);
                    self.carry_out();
                    return;
                }
            }
            self.carry_out();
        }
    }

    /// Does what the captain says. False when it is gone.
    fn obey(&mut self) -> Result<bool, Broken> {
        self.link.flush()?;
        loop {
            match self.link.receive(decode_to_worker) {
                Ok(Some(ToWorker::Tell(command))) => {
                    let now = self.now();
                    self.swarm.command(now, command, &mut self.orders);
                    self.carry_out();
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(true),
                Err(Broken::Ended) => return Ok(false),
                Err(broken) => return Err(broken),
            }
        }
    }

    /// Tells the captain what happened, unless it has not read the last one: then it grows on.
    fn emit(&mut self, now: Nanos) -> Result<(), Broken> {
        while self.next_interval <= now {
            self.next_interval += INTERVAL;
        }
        self.last_sent = now;
        self.link.flush()?;
        if self.link.drained() {
            self.tell(now, false)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Broken> {
        let now = self.now();
        self.tell(now, true)?;
        self.link.flush_all()
    }

    fn tell(&mut self, now: Nanos, last: bool) -> Result<(), Broken> {
        let cpu_ns = clock::thread_cpu_ns();
        let cpu = Nanos(cpu_ns - std::mem::replace(&mut self.cpu_ns, cpu_ns));
        let descriptors = limits::open_descriptors();
        let swarm = &mut self.swarm;
        self.link.send(|out| {
            swarm.emit(now, last, out, &mut |snapshot| {
                snapshot.cpu = cpu;
                snapshot.gauges.descriptors = descriptors;
            });
        })
    }

    fn wait_for_zero(&self) {
        let ahead = self.zero.saturating_sub(clock::now());
        std::thread::sleep(std::time::Duration::from_nanos(ahead));
    }

    #[inline]
    fn now(&self) -> Nanos {
        now(self.zero)
    }
}

#[inline]
fn now(zero: u64) -> Nanos {
    Nanos(clock::now().saturating_sub(zero))
}

pub(crate) fn token(id: ConnId) -> u64 {
    u64::from(id.generation) << 32 | u64::from(id.slot)
}

#[inline]
fn id(token: u64) -> ConnId {
    let slot = u32::try_from(token & 0xffff_ffff).expect("masked to 32 bits");
    let generation = u32::try_from(token >> 32).expect("the upper 32 bits");
    ConnId { slot, generation }
}
