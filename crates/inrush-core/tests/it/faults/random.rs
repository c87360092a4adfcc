//! Runs whose plan, server, network and mishaps are drawn from a seed. Nothing is known of what
//! will fail; what must be true of every run is (see `Outcome`): all ends, and the sums are exact.

mod draw;
mod wire;

use super::echo;
use crate::world::{Chance, Link, Outcome, World, address, plan, seeds, talking};
use draw::{random_plan, random_server, random_world};
use inrush_core::plan::{Payload, Schedule, Scheme};
use inrush_core::time::Nanos;

fn random_run(seed: u64) -> Outcome {
    let mut chance = Chance::new(seed);
    let mut world = random_world(seed, &mut chance);
    let plan = random_plan(&mut chance);
    random_server(&mut world, &mut chance, address(1));
    if chance.one_in(2) {
        random_server(&mut world, &mut chance, address(2));
    }
    world.run(&plan)
}

#[test]
fn every_run_ends_with_exact_sums_and_whole_frames() {
    for seed in seeds(1_000, 400) {
        let out = random_run(seed);
        println!(
            "PLAN {:?} {:?} {:?}",
            out.plan.messages,
            out.plan.reconnect,
            out.plan.targets.len()
        );
        {
            let c = out.counts();
            let d: Vec<_> =
                out.diagnoses().iter().map(|d| format!("{}:{}", d.cause, d.count)).collect();
            println!(
                "STAT a{} o{} f{} x{} u{} s{} r{} l{} mu{} late{} dup{} cor{} uns{} recon{} {d:?} {:?}",
                c.attempted,
                c.opened,
                c.finished,
                c.failed,
                c.unfinished,
                c.sent,
                c.received,
                c.lost,
                c.messages_unfinished,
                c.late,
                c.duplicated,
                c.corrupted,
                c.unsent,
                c.reconnects,
                out.ended
            );
        }
        for (scheme, bytes) in out.wires() {
            println!("WIRE {scheme:?} {}", bytes.escape_ascii());
            wire::check_client(&out.plan, scheme, &bytes);
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run_twice() {
    for seed in seeds(5_000, 25) {
        let (one, two) = (random_run(seed), random_run(seed));
        assert_eq!((&one.totals, one.ended, one.counters), (&two.totals, two.ended, two.counters));
        assert_eq!((one.facts.list.clone(), one.wires()), (two.facts.list.clone(), two.wires()));
    }
}

/// A server without faults behind sockets that take a few bytes at a time: all is echoed, nothing
/// is changed, and both sides write whole frames.
#[test]
fn short_writes_change_nothing() {
    for seed in seeds(2_000, 40) {
        let mut chance = Chance::new(seed);
        let mut world = World::with_link(
            seed,
            Link {
                delay: (Nanos(100), Nanos(chance.between(100, 200_000))),
                mss: (1, chance.size((1, 60))),
                sndbuf: (1, chance.size((1, 400))),
                rcvbuf: (1, chance.size((1, 400))),
            },
        );
        world.kernel.taps = true;
        world.buffer = chance.size((1, 300));
        world.with_latencies = false;
        world.serve(address(1), 4_096, echo());
        let scheme = chance.pick(&[Scheme::Ws, Scheme::Tcp]);
        let mut plan = talking(plan(scheme, 4), chance.between(5, 60));
        if chance.one_in(3) {
            plan.messages.schedule = Schedule::Closed;
        }
        plan.hold = Nanos::from_millis(300);
        plan.messages.payload = Payload::Generated(chance.between(1, 200) as u32);
        plan.messages.binary = chance.one_in(2);
        let out = world.run(&plan);
        out.assert_causes(&[]);
        let counts = out.counts();
        assert_eq!((counts.received, counts.lost), (counts.sent, 0), "{}", out.told());
        assert_eq!((counts.corrupted, counts.duplicated), (0, 0), "{}", out.told());
        assert!(counts.sent > 0, "{}", out.told());
        for (scheme, bytes) in out.wires() {
            wire::check_client(&out.plan, scheme, &bytes);
        }
        for bytes in out.served_wires() {
            wire::check_server(scheme, &bytes);
        }
        assert_eq!(out.leaked(), 0, "the server keeps what its clients closed");
    }
}
