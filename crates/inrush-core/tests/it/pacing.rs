//! When things are begun, and how long they are said to have taken: never a burst, never our own
//! blindness booked on the server, never a stall that hides behind the messages it held back.

use crate::world::{Act, Chance, Costs, World, address, plan, seed, seeds, talking, target};
use inrush_core::failure::Class;
use inrush_core::fault::{Fault, Kind, Select};
use inrush_core::pace::Pace;
use inrush_core::plan::{Expect, Mode, OnEmfile, Proto, Rate, Schedule, Scheme, Serve};
use inrush_core::time::Nanos;
use proptest::prelude::*;

/// Of any two begins the later is not among more than `2 * rate * w + slack` in the time between.
/// For neighbours `i` and `j` that is `(j - i) * per <= 2 * count * w`, exact in whole numbers.
#[track_caller]
fn assert_no_burst(times: &[Nanos], count: u64, per: Nanos, slack: usize) {
    for i in 0..times.len() {
        for j in i + slack..times.len() {
            let (between, w) = ((j + 1 - i - slack) as u128, u128::from((times[j] - times[i]).0));
            let most = 2 * u128::from(count) * w;
            assert!(between * u128::from(per.0) <= most, "{i}..{j}: {between} more in {w} ns");
        }
    }
}

proptest! {
    #![proptest_config(crate::cases(256))]

    /// Whatever the rate, the worker's share of it, and however long the loop was away each time.
    #[test]
    fn one_worker_never_bursts(
        count in 1_u64..2_000_000,
        per in 1_000_000_u64..100_000_000_000,
        (index, of) in (0_u32..64, 1_u32..64).prop_map(|(index, of)| (index % of, of)),
        stalls in prop::collection::vec(
            prop_oneof![3 => 0_u64..2_000, 1 => 0_u64..10_000_000_000],
            60,
        ),
    ) {
        let per = Nanos(per);
        let mut pace = Pace::new(Rate::Every { count, per }, index, of);
        let (mut now, mut times) = (Nanos::ZERO, Vec::new());
        for stall in stalls {
            let looked = now + Nanos(stall);
            now = looked.max(pace.due());
            pace.begin(now);
            times.push(now);
        }
        assert_no_burst(&times, count, per * u64::from(of), 1);
        // Nobody is ahead of the plan either.
        for (nth, at) in times.iter().enumerate() {
            let number = nth as u128 * u128::from(of) + u128::from(index);
            prop_assert!(u128::from(at.0) >= number * u128::from(per.0) / u128::from(count));
        }
    }
}

/// The same of real swarms that are not scheduled now and then, all workers together.
#[test]
fn stalled_workers_catch_up_without_a_burst() {
    for seed in seeds(100, 20) {
        let mut chance = Chance::new(seed);
        let (count, per) = (chance.between(50, 5_000), Nanos::from_secs(1));
        let mut world = World::new(seed);
        world.workers = chance.between(1, 3) as u32;
        world.script(address(1), |_| vec![Act::Hold]);
        for _ in 0..chance.between(0, 12) {
            let at = Nanos(chance.between(0, 2_000_000_000));
            let worker = chance.between(0, u64::from(world.workers) - 1) as usize;
            world.stall_at(at, worker, Nanos(chance.between(0, 600_000_000)));
        }
        let mut plan = plan(Scheme::Tcp, 200);
        plan.connect_rate = Rate::Every { count, per };
        let workers = world.workers as usize;
        let out = world.run(&plan);
        out.assert_healthy(200);
        assert_no_burst(&out.opened_at(), count, per, workers);
    }
}

#[test]
fn a_rate_that_can_be_kept_is_kept() {
    let mut world = World::new(seed(120));
    world.script(address(1), |_| vec![Act::Hold]);
    world.workers = 3;
    let mut plan = plan(Scheme::Tcp, 300);
    plan.connect_rate = Rate::Every { count: 1_000, per: Nanos::from_secs(1) };
    let times = world.run(&plan).opened_at();
    for (nth, at) in times.iter().enumerate() {
        let due = Nanos::from_millis(nth as u64);
        assert!(*at >= due && *at - due < Nanos::from_micros(60), "{nth}: {at:?}");
    }
}

/// ARCHITECTURE §4. Each connect costs 15 us, and the peer answers at once.
fn connect_p50(blind: bool) -> Nanos {
    let mut world = World::new(seed(121));
    world.costs = Costs { open: Nanos::from_micros(15), other: Nanos::from_micros(1) };
    world.kernel.link.delay = (Nanos(100), Nanos(100));
    world.blind = blind;
    world.script(address(1), |_| vec![Act::Hold]);
    let mut plan = plan(Scheme::Tcp, 2_000);
    plan.max_opening = 256;
    let out = world.run(&plan);
    out.assert_healthy(2_000);
    out.totals.latencies.connect.quantile(0.5).unwrap()
}

#[test]
fn a_connect_is_not_said_to_take_longer_than_it_does() {
    let p50 = connect_p50(false);
    assert!(p50 < Nanos::from_micros(30), "{p50:?}");
}

/// That the test above can fail: a loop that does all that is due before it looks books its own
/// blindness on the server.
#[test]
fn a_loop_that_does_not_look_would_show() {
    let p50 = connect_p50(true);
    assert!(p50 > Nanos::from_millis(1), "{p50:?}");
}

/// A server that stops for 200 ms every 2 s: latencies count from when a message was to be sent, so
/// the longest are the length of the stop, however few messages were under way.
#[test]
fn a_stall_of_the_server_is_seen_in_full() {
    for (scheme, per_second) in [(Scheme::Ws, 50), (Scheme::Tcp, 20)] {
        let mut world = World::new(seed(122));
        let pause = Kind::Pause(Nanos::from_millis(200), Nanos::from_secs(2));
        world.serve(
            address(1),
            4_096,
            Serve {
                index: 0,
                seed: 7,
                mode: Mode::Echo,
                proto: Proto::Auto,
                tls: None,
                greeting: vec![],
                push_every: Nanos::from_secs(1),
                max_connections: 0,
                faults: vec![Fault { kind: pause, select: Select::All }],
                on_emfile: OnEmfile::Pause,
                spare_descriptors: 0,
            },
        );
        let mut plan = talking(plan(scheme, 30), per_second);
        plan.hold = Nanos::from_secs(10);
        let out = world.run(&plan);
        out.assert_healthy(30);
        let rtt = &out.totals.latencies.rtt;
        let p999 = rtt.quantile(0.999).unwrap();
        let off = p999.0.abs_diff(200_000_000);
        assert!(off <= 10_000_000, "{p999:?}");
        // A tenth of the time it stood: of a tenth of the messages half waited for over 100 ms.
        let (slow, all) = (rtt.above(Nanos::from_millis(100)), rtt.count());
        assert!((all / 25..all / 16).contains(&slow), "{slow} of {all}");
        assert!(out.totals.latencies.lag.quantile(0.999).unwrap() < Nanos::from_micros(100));
    }
}

/// When it is our own process that stops, the lateness is ours, and it shows as such.
#[test]
fn a_stall_of_our_own_is_our_own_lag() {
    let mut world = World::new(seed(123));
    world.script(address(1), |_| vec![Act::EchoStream(u32::MAX, 64)]);
    world.stall_at(Nanos::from_millis(500), 0, Nanos::from_millis(200));
    let out = world.run(&talking(plan(Scheme::Tcp, 30), 50));
    let late = out.totals.latencies.lag.above(Nanos::from_millis(10));
    // 1,500 messages a second, and 200 ms of them late.
    assert!((270..=330).contains(&late), "{late}");
    assert_eq!((out.counts().unsent, out.counts().sent), (0, out.counts().received));
}

/// More than the loop can send: each connection gets its share of what it can, and those that still
/// wait for their connect are given up in time.
#[test]
fn an_overload_is_shared() {
    for (expect, schedule) in [
        (Expect::None, Schedule::Every(Nanos::from_micros(1))),
        (Expect::Push, Schedule::Closed),
        (Expect::None, Schedule::Closed),
    ] {
        let mut world = World::new(seed(124));
        world.kernel.taps = true;
        world.kernel.filtered.insert(address(2));
        world.script(address(1), |_| vec![Act::Drain]);
        let mut plan = plan(Scheme::Tcp, 10);
        plan.targets.push(target(Scheme::Tcp, address(2)));
        (plan.messages.schedule, plan.messages.expect) = (schedule, expect);
        plan.timeouts.connect = Nanos::from_millis(10);
        plan.hold = Nanos::from_millis(40);
        let out = world.run(&plan);
        out.assert_classes(&[(Class::ConnectTimeout, 5)]);
        let times = &out.totals.tally.rows[0].times;
        assert_eq!(times.span().unwrap().1, Nanos::from_millis(10), "given up in time");
        out.assert_healthy(5);
        let mut sent: Vec<_> = out.wires().iter().map(|(_, bytes)| bytes.len()).collect();
        sent.sort_unstable();
        let (least, most) = (sent[5], sent[9]);
        assert!(least > 64_000 && most < 3 * least, "{sent:?}");
        if schedule == Schedule::Closed {
            let lag = out.totals.latencies.lag.count();
            assert_eq!(lag, 0, "what has no schedule is not late");
        }
    }
}

/// Without replies to wait for, the room in the socket is the pace: whenever there is some again,
/// the loop goes on.
#[test]
fn a_full_socket_stops_a_loop_only_while_it_is_full() {
    for scheme in [Scheme::Tcp, Scheme::Ws] {
        let mut world = World::new(seed(125));
        // A window of 4,000 bytes each 2 ms is 2 MB in a second.
        world.kernel.link.delay = (Nanos::from_millis(1), Nanos::from_millis(1));
        (world.kernel.link.sndbuf, world.kernel.link.rcvbuf) = ((6_000, 6_000), (4_000, 4_000));
        let begin = if scheme == Scheme::Ws { vec![Act::ReadRequest, Act::Accept] } else { vec![] };
        world.script(address(1), move |_| [begin.clone(), vec![Act::Drain]].concat());
        let mut plan = plan(scheme, 2);
        (plan.messages.schedule, plan.messages.expect) = (Schedule::Closed, Expect::None);
        let out = world.run(&plan);
        out.assert_healthy(2);
        let sent = out.counts().sent_bytes;
        assert!((2_000_000..5_000_000).contains(&sent), "{sent}");
    }
}
