//! A machine made of numbers: a kernel's sockets and queues, processes with the loop of
//! `inrush-host/src/worker.rs`, time that passes only when nothing is left to do. It drives the
//! real swarms, and whatever happens in it follows from one seed. It knows no class and no cause:
//! it models what a kernel does (FAILURES.md), and what is made of that is for the core to find
//! out.

mod between;
mod captain;
mod chance;
mod kernel;
mod outcome;
mod process;
mod role;
mod script;
mod secure;
mod segments;
mod socket;

pub(crate) use chance::{Chance, seed, seeds};
pub(crate) use kernel::{Kernel, Link};
pub(crate) use outcome::Outcome;
pub(crate) use process::{Costs, OWN};
pub(crate) use script::{Act, Part, Scripted};
pub(crate) use secure::{HELLO, alert};
pub(crate) use socket::{Pid, Sock, SockId};

use captain::Captain;
use inrush_core::plan::{
    Ending, Expect, Frame, Messages, Payload, Plan, Rate, Reconnect, Schedule, Scheme, Serve,
    Target, Timeouts, TlsClient,
};
use inrush_core::swarm::load::LoadSwarm;
use inrush_core::swarm::serve::ServeSwarm;
use inrush_core::time::Nanos;
use process::Process;
use role::Role;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// No run of a test lasts longer.
const AT_MOST: Nanos = Nanos::from_secs(300);
/// How often the captain looks by itself.
const SECOND: Nanos = Nanos::from_secs(1);

/// What a test does at a moment.
enum Deed {
    Kill(Pid),
    Stop,
    /// The load process of this number is not scheduled for so long.
    Stall(usize, Nanos),
    Change(Box<dyn FnOnce(&mut Kernel)>),
}

/// The machine. Build it with [`World::new`], add servers, [`World::run`] a plan.
pub(crate) struct World {
    pub(crate) kernel: Kernel,
    pub(crate) costs: Costs,
    /// Soft RLIMIT_NOFILE of each load process.
    pub(crate) limit: u64,
    /// Load processes.
    pub(crate) workers: u32,
    /// Server processes whose descriptors are watched.
    pub(crate) watched: Vec<Pid>,
    pub(crate) with_latencies: bool,
    /// Most bytes a load process reads at once.
    pub(crate) buffer: usize,
    /// The load's loop does not look between deeds.
    pub(crate) blind: bool,
    processes: Vec<Process>,
    deeds: BTreeMap<(Nanos, usize), Deed>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with_link(seed, Link::default())
    }

    pub(crate) fn with_link(seed: u64, link: Link) -> Self {
        Self {
            kernel: Kernel::new(seed, link),
            costs: Costs::default(),
            limit: 1 << 20,
            workers: 1,
            watched: Vec::new(),
            with_latencies: true,
            buffer: 64 << 10,
            blind: false,
            processes: Vec::new(),
            deeds: BTreeMap::new(),
        }
    }

    /// The real server, on an address.
    pub(crate) fn serve(&mut self, at: SocketAddr, backlog: usize, plan: Serve) -> Pid {
        self.spawn(at, backlog, Box::new(ServeSwarm::new(plan)))
    }

    /// A server that does for connection number n what `each(n)` says.
    pub(crate) fn script(
        &mut self,
        at: SocketAddr,
        each: impl Fn(usize) -> Vec<Act> + 'static,
    ) -> Pid {
        self.spawn(at, 4_096, Box::new(Scripted::new(each)))
    }

    pub(crate) fn spawn(&mut self, at: SocketAddr, backlog: usize, role: Box<dyn Role>) -> Pid {
        let pid = self.kernel.add_process();
        self.kernel.listen(pid, at, backlog);
        let mut process = Process::new(pid, role);
        process.listener = Some(at);
        process.costs = self.costs;
        self.processes.push(process);
        pid
    }

    /// Sets a process's RLIMIT_NOFILE.
    pub(crate) fn limit_of(&mut self, pid: Pid, limit: u64) {
        self.processes[pid].limit = limit;
    }

    /// SIGKILL at this moment.
    pub(crate) fn kill_at(&mut self, at: Nanos, pid: Pid) {
        self.at(at, Deed::Kill(pid));
    }

    /// Ctrl-C at this moment.
    pub(crate) fn stop_at(&mut self, at: Nanos) {
        self.at(at, Deed::Stop);
    }

    /// The load process number `worker` is not scheduled for `length` from this moment on.
    pub(crate) fn stall_at(&mut self, at: Nanos, worker: usize, length: Nanos) {
        self.at(at, Deed::Stall(worker, length));
    }

    /// Something else happens to the machine at this moment.
    pub(crate) fn change_at(&mut self, at: Nanos, change: impl FnOnce(&mut Kernel) + 'static) {
        self.at(at, Deed::Change(Box::new(change)));
    }

    /// Runs a plan to its end.
    pub(crate) fn run(mut self, plan: &Plan) -> Outcome {
        let targets: Vec<_> = plan.targets.iter().map(|target| target.address).collect();
        let first = self.processes.len();
        for shard in plan.shards(self.workers) {
            let pid = self.kernel.add_process();
            let process = Process::new(pid, Box::new(LoadSwarm::new(shard)));
            let mut process = process.with_routes(targets.clone(), plan.sources.clone());
            (process.limit, process.costs) = (self.limit, self.costs);
            (process.buffer, process.blind) = (self.buffer, self.blind);
            self.processes.push(process);
        }
        let mut captain = Captain::new(plan.clone(), first..self.processes.len());
        captain.watched = self.watched.iter().copied().collect();
        captain.with_latencies = self.with_latencies;
        captain.look(Nanos::ZERO, &self.kernel, &self.processes);
        let ended = self.sail(&mut captain, first);
        captain.look(ended, &self.kernel, &self.processes);
        self.settle(ended);
        Outcome::new(plan.clone(), captain, self.kernel, self.processes, first, ended)
    }

    fn at(&mut self, at: Nanos, deed: Deed) {
        self.deeds.insert((at, self.deeds.len()), deed);
    }

    /// Until every load process is over.
    fn sail(&mut self, captain: &mut Captain, first: usize) -> Nanos {
        let (mut now, mut second) = (Nanos::ZERO, SECOND);
        while !self.processes[first..].iter().all(Process::is_over) {
            let kernel = self.kernel.next();
            let deed = self.deeds.keys().next().map_or(Nanos::MAX, |(at, _)| *at);
            let own = captain.wakes().min(second);
            let step = self.next_process(now);
            let process = step.map_or(Nanos::MAX, |(at, _)| at);
            now = now.max(kernel.min(deed).min(own).min(process));
            let told = || self.processes.iter().map(|p| p.role.told()).collect::<String>();
            assert!(now < AT_MOST, "it does not end: {}", told());
            if kernel <= now {
                self.kernel.happen();
            } else if deed <= now {
                self.happen(now, first, captain);
            } else if own <= now {
                if second <= now {
                    second = now + SECOND;
                    captain.look(now, &self.kernel, &self.processes);
                }
                captain.advance(now);
            } else if let Some((_, pid)) = step {
                self.step(now, pid, captain);
            }
            for command in captain.said.drain(..) {
                self.processes[first..].iter_mut().for_each(|p| p.inbox.push_back(command));
            }
        }
        now
    }

    fn step(&mut self, now: Nanos, pid: Pid, captain: &mut Captain) {
        let mut heard = false;
        let process = &mut self.processes[pid];
        process.step(&mut self.kernel, now, &mut |pid, snapshot, last| {
            if captain.commands(pid) {
                captain.hear(pid, snapshot, last);
                heard = true;
            }
        });
        if heard {
            captain.look(now, &self.kernel, &self.processes);
            captain.advance(now);
        }
    }

    fn happen(&mut self, now: Nanos, first: Pid, captain: &mut Captain) {
        match self.deeds.pop_first() {
            Some((_, Deed::Kill(pid))) => self.processes[pid].die(&mut self.kernel),
            Some((_, Deed::Stop)) => captain.stop(),
            Some((_, Deed::Stall(worker, length))) => {
                self.processes[first + worker].stall(now, length);
            }
            Some((_, Deed::Change(change))) => change(&mut self.kernel),
            None => {}
        }
    }

    /// The process that is next, and when.
    fn next_process(&self, now: Nanos) -> Option<(Nanos, Pid)> {
        let wakes = |process: &Process| (process.wakes(&self.kernel, now), process.pid);
        self.processes.iter().map(wakes).min().filter(|(at, _)| *at < Nanos::MAX)
    }

    /// The load is over; servers finish what they have for a while.
    fn settle(&mut self, ended: Nanos) {
        let (mut now, until) = (ended, ended + Nanos::from_secs(30));
        loop {
            let kernel = self.kernel.next();
            let step = self.next_process(now);
            let next = kernel.min(step.map_or(Nanos::MAX, |(at, _)| at));
            if next > until {
                return;
            }
            now = now.max(next);
            if kernel <= now {
                self.kernel.happen();
            } else if let Some((_, pid)) = step {
                self.processes[pid].step(&mut self.kernel, now, &mut |_, _, _| {});
            }
        }
    }
}

/// An address of this machine.
pub(crate) fn address(last: u8) -> SocketAddr {
    ([127, 0, 0, last], 8080).into()
}

/// A target there.
pub(crate) fn target(scheme: Scheme, at: SocketAddr) -> Target {
    let name = if scheme == Scheme::Ws { "ws" } else { "tcp" };
    Target {
        url: format!("{name}://{at}/"),
        scheme,
        address: at,
        host: at.to_string(),
        path: "/".into(),
        tls: None,
    }
}

/// Idle connections to one target, as fast as they open, held for a second.
pub(crate) fn plan(scheme: Scheme, connections: u32) -> Plan {
    Plan {
        seed: 7,
        targets: vec![target(scheme, address(1))],
        sources: vec![],
        connections,
        connect_rate: Rate::Max,
        hold: Nanos::from_secs(1),
        max_time: None,
        lifetime: None,
        reconnect: Reconnect::Never,
        messages: Messages {
            schedule: Schedule::Idle,
            payload: Payload::Generated(64),
            expect: Expect::Echo,
            frame: Frame::Text,
            max_outstanding: 1_024,
            ping_every: None,
        },
        timeouts: Timeouts {
            connect: Nanos::from_secs(10),
            handshake: Nanos::from_secs(60),
            reply: Nanos::from_secs(10),
        },
        headers: vec![],
        subprotocols: vec![],
        compress: None,
        tls: TlsClient::default(),
        nodelay: true,
        sndbuf_bytes: None,
        rcvbuf_bytes: None,
        close: Ending::Fin,
        timer_slack: Nanos::from_micros(100),
        max_opening: 512,
    }
}

/// So many messages a second on each connection.
pub(crate) fn talking(mut plan: Plan, per_second: u64) -> Plan {
    plan.messages.schedule = Schedule::Every(Nanos(1_000_000_000 / per_second));
    plan
}
