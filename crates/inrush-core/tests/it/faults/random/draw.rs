//! What a random run is made of. All of it is bounded, so that a run is some thousand events.

use super::super::echo;
use crate::world::{Act, Chance, Costs, Link, OWN, World, address, plan, target};
use inrush_core::fault::{Fault, Kind, Select};
use inrush_core::plan::{
    Ending, Expect, Frame, Mode, OnEmfile, Payload, Plan, Proto, Rate, Reconnect, Schedule, Scheme,
    Serve,
};
use inrush_core::time::Nanos;
use std::net::SocketAddr;

fn ms(chance: &mut Chance, low: u64, high: u64) -> Nanos {
    Nanos(chance.between(low * 1_000_000, high * 1_000_000))
}

pub(super) fn random_world(seed: u64, chance: &mut Chance) -> World {
    let mut link = Link::default();
    link.delay = (Nanos(chance.between(0, 1_000_000)), Nanos(chance.between(1_000_000, 9_000_000)));
    if chance.one_in(2) {
        link.mss = (1, chance.size((1, 100)));
        link.sndbuf = (1, chance.size((1, 600)));
        link.rcvbuf = (1, chance.size((1, 600)));
    }
    let mut world = World::with_link(seed, link);
    world.kernel.taps = true;
    world.kernel.abort_on_overflow = chance.one_in(4);
    world.with_latencies = false;
    world.workers = chance.between(1, 3) as u32;
    world.buffer = chance.pick(&[1, 7, 100, 4_096, 65_536]);
    world.costs =
        Costs { open: Nanos(chance.between(1, 90_000)), other: Nanos(chance.between(1, 9_000)) };
    if chance.one_in(6) {
        world.limit = OWN + chance.between(0, 10);
    }
    if chance.one_in(8) {
        world.kernel.elsewhere.insert(address(1));
    }
    if chance.one_in(12) {
        world.kernel.filtered.insert(address(2));
    }
    if chance.one_in(4) {
        let at = ms(chance, 0, 1_500);
        world.stop_at(at);
    }
    for _ in 0..chance.between(0, 3) {
        let (at, length) = (ms(chance, 0, 1_000), ms(chance, 0, 300));
        let worker = chance.between(0, u64::from(world.workers) - 1) as usize;
        world.stall_at(at, worker, length);
    }
    world
}

pub(super) fn random_plan(chance: &mut Chance) -> Plan {
    let scheme = chance.pick(&[Scheme::Ws, Scheme::Ws, Scheme::Tcp]);
    let mut plan = plan(scheme, chance.between(0, 20) as u32);
    plan.seed = chance.next();
    if chance.one_in(3) {
        plan.targets.push(target(chance.pick(&[Scheme::Ws, Scheme::Tcp]), address(2)));
    }
    if chance.one_in(3) {
        let count = chance.between(5, 500);
        plan.connect_rate = Rate::Every { count, per: Nanos::from_secs(1) };
    }
    plan.max_opening = chance.between(1, 40) as u32;
    plan.hold = ms(chance, 0, 800);
    plan.close = chance.pick(&[Ending::Fin, Ending::Rst]);
    plan.reconnect = chance.pick(&[Reconnect::Never, Reconnect::Failed, Reconnect::Always]);
    if chance.one_in(4) {
        let low = ms(chance, 50, 200);
        plan.lifetime = Some((low, low + ms(chance, 0, 300)));
    }
    if chance.one_in(10) {
        plan.max_time = Some(ms(chance, 1, 2_000));
    }
    plan.timeouts.connect = ms(chance, 5, 2_500);
    plan.timeouts.handshake = ms(chance, 5, 1_000);
    plan.timeouts.reply = ms(chance, 5, 800);
    random_messages(&mut plan, chance);
    plan
}

fn random_messages(plan: &mut Plan, chance: &mut Chance) {
    let messages = &mut plan.messages;
    messages.expect =
        chance.pick(&[Expect::Echo, Expect::Echo, Expect::Reply, Expect::Push, Expect::None]);
    messages.frame = chance.pick(&[Frame::Text, Frame::Binary, Frame::Ping]);
    if chance.one_in(3) {
        messages.ping_every = Some(ms(chance, 5, 300));
    }
    messages.max_outstanding = chance.pick(&[1, 2, 9, 1_024]);
    messages.payload = match chance.between(0, 3) {
        0 => Payload::Fixed(b"the same each time"[..chance.size((0, 18))].to_vec()),
        1 => Payload::Generated(chance.between(0, 20) as u32),
        _ => Payload::Generated(chance.between(16, 300) as u32),
    };
    if let (Frame::Ping, Payload::Generated(size)) = (messages.frame, &mut messages.payload) {
        *size = (*size).min(125);
    }
    messages.schedule = match chance.between(0, 3) {
        0 => Schedule::Idle,
        1 => Schedule::Closed,
        _ => Schedule::Every(ms(chance, 10, 200)),
    };
    let waits = matches!(messages.expect, Expect::Echo | Expect::Reply);
    if messages.schedule == Schedule::Closed && !waits {
        // As fast as the socket takes it.
        plan.hold = ms(chance, 0, 3);
        plan.connect_rate = Rate::Max;
    }
}

/// The real server with some faults, a script, one that dies, or nobody.
pub(super) fn random_server(world: &mut World, chance: &mut Chance, at: SocketAddr) {
    let backlog = chance.pick(&[0, 1, 3, 8, 4_096, 4_096]);
    let pid = match chance.between(0, 9) {
        0 => return,
        1..=6 => world.serve(at, backlog, random_serve(chance)),
        _ => {
            let seed = chance.next();
            world.script(at, move |nth| random_script(&mut Chance::new(seed ^ nth as u64)))
        }
    };
    world.watched.extend(chance.one_in(2).then_some(pid));
    if chance.one_in(5) {
        world.limit_of(pid, OWN + chance.between(1, 15));
    }
    if chance.one_in(4) {
        let when = ms(chance, 0, 1_200);
        world.kill_at(when, pid);
    }
}

fn random_serve(chance: &mut Chance) -> Serve {
    let mut faults = Vec::new();
    for _ in 0..chance.between(0, 3) {
        faults.push(Fault { kind: random_fault(chance), select: random_select(chance) });
    }
    Serve {
        seed: chance.next(),
        mode: chance.pick(&[Mode::Echo, Mode::Echo, Mode::Echo, Mode::Sink, Mode::Push]),
        proto: chance.pick(&[Proto::Auto, Proto::Auto, Proto::Ws, Proto::Tcp]),
        tls: None,
        greeting: chance.pick(&[vec![], vec![], b"good morning".to_vec()]),
        push_every: ms(chance, 10, 200),
        max_connections: chance.pick(&[0, 0, 0, 4]),
        on_emfile: chance.pick(&[OnEmfile::Pause, OnEmfile::Shed, OnEmfile::Die]),
        spare_descriptors: chance.pick(&[0, 0, 3]),
        faults,
        ..echo()
    }
}

fn random_select(chance: &mut Chance) -> Select {
    let n = chance.between(1, 9) as u32;
    let ratio = chance.between(0, 1_000_000) as u32;
    chance.pick(&[
        Select::All,
        Select::Ratio(ratio),
        Select::Every(n),
        Select::First(n),
        Select::After(n),
    ])
}

fn random_fault(chance: &mut Chance) -> Kind {
    let time = ms(chance, 0, 500);
    let pause = Kind::Pause(ms(chance, 0, 100), ms(chance, 100, 400));
    let code = chance.pick(&[1_000, 1_001, 1_011, 1_013, 4_000, 999]);
    let status = chance.pick(&[200, 400, 429, 503]);
    chance.pick(&[
        Kind::CloseAfterAccept,
        Kind::RstAfterAccept,
        Kind::CloseAfter(time),
        Kind::CloseAfterFirstWrite,
        Kind::Leak,
        Kind::RstOnFirstByte,
        Kind::CloseOnFirstByte,
        Kind::GarbageUpgrade,
        Kind::DropReply,
        Kind::DelayReply(time),
        Kind::DuplicateReply,
        Kind::CorruptReply,
        Kind::InterleaveFrames,
        pause,
        Kind::SlowAccept(time),
        Kind::CloseMidWrite,
        Kind::RstMidWrite,
        Kind::StallAccept,
        Kind::StallUpgrade(time),
        Kind::RejectUpgrade(status),
        Kind::HalfFrame,
        Kind::RefuseTls,
        Kind::BadOpcode,
        Kind::MessageLimit(64),
        Kind::CloseCode(code),
        Kind::SlowRead,
        Kind::DieAfterCount(code.into()),
        Kind::DieAfterTime(time),
    ])
}

fn random_script(chance: &mut Chance) -> Vec<Act> {
    let mut acts = Vec::new();
    if chance.one_in(2) {
        acts.extend([
            chance.pick(&[Act::ReadRequest, Act::ReadRequest, Act::ReadKey]),
            Act::Accept,
        ]);
    }
    for _ in 0..chance.between(0, 5) {
        let (count, time) = (chance.between(0, 5) as u32, ms(chance, 0, 300));
        let bytes = (0..chance.between(0, 40)).map(|_| chance.next() as u8).collect();
        let frame = chance.pick(&[
            b"\x81\x02hi".as_slice(),
            b"\x01\x02hi\x80\x01!",
            b"\x89\x04ping",
            b"\x88\x02\x03\xe8",
            b"\x88\x0c\x03\xf5good-bye!!",
            b"\x8a\x00",
            b"\x81\x7e\x00\x02no",
            b"HTTP/1.1 503 No\r\n\r\n",
        ]);
        acts.push(chance.pick(&[
            Act::Say(bytes),
            Act::Say(frame.to_vec()),
            Act::Say(frame.to_vec()),
            Act::Wait(time),
            Act::AwaitUnread,
            Act::EchoFrames(count),
            Act::EchoStream(count, 64),
            Act::Half,
        ]));
    }
    let last = [Act::Close, Act::Reset, Act::Drain, Act::Hold, Act::EchoFrames(u32::MAX)];
    acts.push(chance.pick(&last));
    acts
}
