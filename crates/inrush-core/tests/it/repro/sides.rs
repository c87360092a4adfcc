//! Both sides of a script on the simulated kernel. They have descriptors, a resolver that needs
//! one, and a limit of threads; they know no class and no cause.

use crate::world::{Kernel, Link, SockId, address};
use inrush_core::errno::Errno;
use inrush_core::evidence::{Fact, Facts, Source};
use inrush_core::failure::Look;
use inrush_core::repro::Machine;
use inrush_core::repro::script::{Call, Came, Event, Side, Turn};
use inrush_core::swarm::{Close, ConnId};
use inrush_core::time::Nanos;
use std::collections::BTreeMap;
use std::net::SocketAddr;

const SERVER: usize = 0;
const CLIENT: usize = 1;
/// Nothing takes longer in here.
const PATIENCE: Nanos = Nanos::from_secs(5);
/// Descriptors of a process, of which some are its own.
const LIMIT: u64 = 16;
const OWN: u64 = 5;
/// Threads that a user may have.
const THREADS: u32 = 8;

/// What a process has.
#[derive(Debug, Default)]
struct Process {
    sockets: BTreeMap<u8, Place>,
    /// Opened to have none left.
    hoard: u64,
    most: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A socket that is connected to nobody; whether it is cut off.
    Fresh(bool),
    Kernel(SockId),
    Closed,
}

/// The machine.
pub(super) struct Sides {
    kernel: Kernel,
    processes: [Process; 2],
    was_there: Option<bool>,
    died: Option<Nanos>,
}

impl Sides {
    pub(super) fn new() -> Self {
        let mut kernel = Kernel::new(1, Link::default());
        assert_eq!((kernel.add_process(), kernel.add_process()), (SERVER, CLIENT));
        kernel.alone = true;
        Self {
            kernel,
            processes: [Process::default(), Process::default()],
            was_there: None,
            died: None,
        }
    }

    pub(super) fn server(&self) -> SocketAddr {
        address(1)
    }

    /// What a host tells of all this.
    pub(super) fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        let mut set = |source, before, after| {
            let fact =
                Fact { source, host: "world".into(), before: Some(before), after: Some(after) };
            facts.set(fact);
        };
        let counters = self.kernel.counters;
        for (group, name, value) in [
            ("Tcp", "OutRsts", counters.out_rsts),
            ("Icmp", "InDestUnreachs", counters.icmp_unreachables),
            ("TcpExt", "ListenDrops", counters.listen_overflows + counters.req_queue_full_drops),
            ("TcpExt", "ListenOverflows", counters.listen_overflows),
            ("TcpExt", "TCPReqQFullDrop", counters.req_queue_full_drops),
            ("TcpExt", "TCPSynRetrans", counters.syn_retrans),
            ("TcpExt", "TCPAbortOnClose", counters.aborts_on_close),
            ("TcpExt", "TCPAbortOnData", counters.aborts_on_data),
        ] {
            set(Source::Counter(group.into(), name.into()), 0, value);
        }
        if let Some(before) = self.was_there {
            let listener = self.kernel.listeners.get(&address(1));
            set(Source::ListenerPresent(address(1)), before.into(), listener.is_some().into());
            if let Some(listener) = listener {
                set(Source::ListenerQueue(address(1)), 0, listener.queue.len() as u64);
                set(Source::ListenerBacklog(address(1)), 0, listener.backlog as u64);
                set(Source::ListenerDrops(address(1)), 0, listener.drops);
            }
        }
        let held = |process: &Process| process.most.max(process.held());
        set(Source::OwnDescriptors, OWN, held(&self.processes[CLIENT]));
        set(Source::OwnDescriptorLimit, LIMIT, LIMIT);
        set(Source::ServerDescriptors(7), OWN, held(&self.processes[SERVER]));
        set(Source::ServerDescriptorLimit(7), LIMIT, LIMIT);
        set(Source::ServerAlive(7), 1, self.died.is_none().into());
        if let Some(died) = self.died {
            set(Source::ServerEnded(7), died.as_millis(), died.as_millis());
        }
        let (low, high) = self.kernel.ports;
        set(Source::PortRange, u64::from(high - low) + 1, u64::from(high - low) + 1);
        facts
    }

    fn id(&self, side: usize, connection: u8) -> Option<SockId> {
        match self.processes[side].sockets.get(&connection) {
            Some(Place::Kernel(id)) => Some(*id),
            _ => None,
        }
    }

    fn make(&mut self, side: usize, connection: u8) -> Result<(), Errno> {
        let process = &mut self.processes[side];
        if process.held() >= LIMIT {
            return Err(Errno::EMFILE);
        }
        process.sockets.insert(connection, Place::Fresh(false));
        Ok(())
    }

    fn begin(&mut self, connection: u8, to: SocketAddr) -> Result<(), Errno> {
        if to == address(1) {
            self.was_there = self.was_there.or(Some(self.kernel.listeners.contains_key(&to)));
        }
        if !self.processes[CLIENT].sockets.contains_key(&connection) {
            self.make(CLIENT, connection)?;
        }
        let conn = ConnId { slot: connection.into(), generation: 1 };
        let begun = self.kernel.connect((CLIENT, conn), address(9).ip(), to);
        let id = begun.map_err(|(_, errno)| errno)?;
        let place = self.processes[CLIENT].sockets.insert(connection, Place::Kernel(id));
        if place == Some(Place::Fresh(true)) {
            self.kernel.cut_off(id);
        }
        Ok(())
    }

    /// Lets time pass until it is so, or for so long.
    fn pass(&mut self, most: Nanos, so: impl Fn(&mut Kernel) -> bool) -> bool {
        let until = self.kernel.now + most;
        while !so(&mut self.kernel) {
            if self.kernel.next() > until {
                self.kernel.now = until;
                return false;
            }
            self.kernel.happen();
        }
        true
    }

    fn connected(&mut self, connection: u8, patience_ms: u32) -> Came {
        let Some(id) = self.id(CLIENT, connection) else { return Came::Errno(Errno::EBADF) };
        let answered = |kernel: &mut Kernel| kernel.socks[id].state as u8 != 2;
        if !self.pass(Nanos::from_millis(patience_ms.into()), answered) {
            return Came::TimedOut;
        }
        self.kernel.socks[id].error.take().map_or(Came::Done, Came::Errno)
    }

    fn accept(&mut self, connection: u8) -> Result<(), Errno> {
        let waits = |kernel: &mut Kernel| {
            kernel.listeners.get(&address(1)).is_some_and(|listener| !listener.queue.is_empty())
        };
        self.pass(PATIENCE, waits);
        if self.processes[SERVER].held() >= LIMIT {
            return Err(Errno::EMFILE);
        }
        let id = self.kernel.accept(address(1))?;
        self.kernel.adopt(id, SERVER, ConnId { slot: connection.into(), generation: 1 });
        self.processes[SERVER].sockets.insert(connection, Place::Kernel(id));
        Ok(())
    }

    fn write(&mut self, side: usize, connection: u8, length: u32) -> Came {
        let Some(id) = self.id(side, connection) else { return Came::Errno(Errno::EBADF) };
        match self.kernel.send(id, &vec![b'x'; length as usize]) {
            Ok(n) => Came::Bytes(n as u32),
            Err(errno) => Came::Errno(errno),
        }
    }

    fn read(&mut self, side: usize, connection: u8, length: u32) -> Came {
        let Some(id) = self.id(side, connection) else { return Came::Errno(Errno::EBADF) };
        if !self.pass(PATIENCE, |kernel| kernel.socks[id].ready().read) {
            return Came::TimedOut;
        }
        match self.kernel.recv(id, &mut vec![0; length as usize]) {
            Ok(0) => Came::Eof,
            Ok(n) => Came::Bytes(n as u32),
            Err(errno) => Came::Errno(errno),
        }
    }

    fn end(&mut self, side: usize, connection: u8, how: Close) -> Came {
        let Some(id) = self.id(side, connection) else { return Came::Errno(Errno::EBADF) };
        self.kernel.close(id, how);
        if how != Close::Half {
            self.processes[side].sockets.insert(connection, Place::Closed);
        }
        Came::Done
    }

    fn wait(&mut self, side: usize, connection: u8, event: Event) -> Came {
        let Some(id) = self.id(side, connection) else { return Came::Errno(Errno::EBADF) };
        let came = self.pass(PATIENCE, |kernel| {
            let ready = kernel.socks[id].ready();
            match event {
                Event::Readable => ready.read,
                Event::Fin => ready.last,
                // CLOSE is 7.
                Event::Dead => kernel.socks[id].state as u8 == 7,
            }
        });
        if came { Came::Done } else { Came::TimedOut }
    }

    fn act(&mut self, side: usize, turn: &Turn) -> Came {
        let done = |result: Result<(), Errno>| result.map_or_else(Came::Errno, |()| Came::Done);
        let connection = turn.connection;
        match turn.call {
            Call::Socket => done(self.make(side, connection)),
            Call::Listen(backlog) => {
                self.kernel.listen(SERVER, address(1), backlog as usize);
                Came::Done
            }
            Call::StopListening => {
                self.kernel.stop_listening(address(1));
                Came::Done
            }
            Call::Connect(patience) => match self.begin(connection, address(1)) {
                Ok(()) => self.connected(connection, patience),
                Err(errno) => Came::Errno(errno),
            },
            Call::BeginConnect => done(self.begin(connection, address(1))),
            Call::FinishConnect(patience) => self.connected(connection, patience),
            Call::ConnectTo(ip) => done(self.begin(connection, (ip, 8_080).into())),
            Call::Accept => done(self.accept(connection)),
            Call::Write(length) => self.write(side, connection, length),
            Call::Read(length) => self.read(side, connection, length),
            Call::Reply(patience) => {
                let Some(id) = self.id(side, connection) else { return Came::TimedOut };
                let patience = Nanos::from_millis(patience.into());
                match self.pass(patience, |kernel| kernel.socks[id].ready().read) {
                    true => {
                        self.pass(Nanos::from_millis(30), |_| false);
                        Came::Done
                    }
                    false => Came::TimedOut,
                }
            }
            Call::ShutdownWrite => self.end(side, connection, Close::Half),
            Call::Close => self.end(side, connection, Close::Fin),
            Call::Reset => self.end(side, connection, Close::Rst),
            Call::Await(event) => self.wait(side, connection, event),
            _ => self.rare(side, turn),
        }
    }

    /// What few scripts do.
    fn rare(&mut self, side: usize, turn: &Turn) -> Came {
        let id = self.id(side, turn.connection);
        match (turn.call, id) {
            (Call::Die, _) => {
                self.kernel.reap(SERVER);
                self.died = Some(self.kernel.now);
            }
            (Call::GiveUpAfter(ms), Some(id)) => {
                self.kernel.give_up_after(id, Nanos::from_millis(ms.into()));
            }
            (Call::Exhaust, _) => {
                let process = &mut self.processes[side];
                process.hoard = LIMIT - process.held();
                process.most = LIMIT;
            }
            (Call::Release, _) => self.processes[side].hoard -= 1,
            (Call::Lookup(name), _) => {
                let exhausted = self.processes[side].held() >= LIMIT;
                return match name {
                    "localhost" if !exhausted => Came::Found,
                    _ => Came::NotFound { exhausted },
                };
            }
            (Call::Threads(most), _) if most > THREADS => return Came::Errno(Errno::EAGAIN),
            (Call::CutOff, Some(id)) => self.kernel.cut_off(id),
            (Call::CutOff, None) if side == SERVER => {
                self.kernel.filtered.insert(address(1));
            }
            (Call::CutOff, None) => {
                self.processes[side].sockets.insert(turn.connection, Place::Fresh(true));
            }
            (Call::Forget, Some(id)) => {
                self.kernel.lose(id);
                self.processes[side].sockets.insert(turn.connection, Place::Closed);
            }
            _ => return Came::Errno(Errno::EINVAL),
        }
        Came::Done
    }

    fn network(&mut self, turn: &Turn) -> Came {
        let client = self.id(CLIENT, turn.connection);
        match (turn.call, client) {
            (Call::Sysctl("net.ipv4.tcp_syncookies", value), _) => {
                self.kernel.cookies = value != "0";
            }
            (Call::Sysctl("net.ipv4.ip_local_port_range", value), _) => {
                let ports: Vec<u16> = value.split(' ').map(|port| port.parse().unwrap()).collect();
                self.kernel.ports = (ports[0], ports[1]);
            }
            (Call::Prohibit(ip), _) => {
                self.kernel.prohibited.insert(ip.into());
            }
            (Call::Watch, _) => {}
            (Call::RejectSyn, Some(id)) => self.kernel.reject(id),
            (Call::ForgeReset, Some(id)) => self.kernel.forge_reset(id),
            _ => return Came::Errno(Errno::EINVAL),
        }
        Came::Done
    }
}

impl Machine for Sides {
    fn now(&mut self) -> Nanos {
        self.kernel.now
    }

    fn carry_out(&mut self, _: usize, turn: &Turn) -> Came {
        match turn.side {
            Side::Client => self.act(CLIENT, turn),
            Side::Server => self.act(SERVER, turn),
            Side::Network => self.network(turn),
        }
    }

    fn look(&mut self, connection: u8) -> Option<Look> {
        let id = self.id(CLIENT, connection)?;
        Some(self.kernel.look(id, Some(address(1))))
    }
}

impl Process {
    fn held(&self) -> u64 {
        let open = self.sockets.values().filter(|place| **place != Place::Closed).count();
        OWN + open as u64 + self.hoard
    }
}
