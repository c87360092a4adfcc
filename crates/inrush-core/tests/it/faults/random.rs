//! Runs whose plan, server, network and mishaps are drawn from a seed. Nothing is known of what
//! will fail; what must be true of every run is (see `Outcome`): all ends, and the sums are exact.

mod draw;
mod wire;

use super::echo;
use crate::world::{Chance, Link, Outcome, Sock, World, address, plan, seeds, talking};
use draw::{random_plan, random_server, random_world};
use inrush_core::failure::{self, Op, Phase, Signature};
use inrush_core::plan::{Frame, Payload, Schedule, Scheme};
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
    for seed in seeds(1_000, 150) {
        let out = random_run(seed);
        check_examples(&out);
        for (scheme, bytes) in out.wires() {
            wire::check_client(&out.plan, scheme, &bytes);
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run_twice() {
    for seed in seeds(5_000, 15) {
        let (one, two) = (random_run(seed), random_run(seed));
        assert_eq!((&one.totals, one.ended, one.counters), (&two.totals, two.ended, two.counters));
        assert_eq!((one.facts.list.clone(), one.wires()), (two.facts.list.clone(), two.wires()));
    }
}

/// What is kept of a failure is what the kernel knows of its socket.
fn check_examples(out: &Outcome) {
    for (failure, socks) in out.examples() {
        let Signature { phase, op, outcome } = failure.signature;
        let bytes_out = |sock: &Sock| sock.tap.as_ref().map_or(0, Vec::len) as u64;
        // What a write took that failed is not told.
        let told = matches!(op, Op::Read | Op::Deadline | Op::Look);
        let same = |sock: &&Sock| bytes_out(sock) == failure.bytes_out;
        assert!(!told || socks.iter().any(same), "{failure:?}");
        // FAILURES §0.4: a FIN that came first, whatever errno told the end.
        let ended = matches!(outcome, failure::Outcome::Eof { .. } | failure::Outcome::Errno(_))
            && op != Op::Connect;
        let fin_seen = failure.fin_seen;
        assert!(!ended || socks.iter().any(|sock| sock.fin_in == fin_seen), "{failure:?}");
        let limits = &out.plan.timeouts;
        let limit = match phase {
            Phase::Connect => limits.connect,
            _ => limits.handshake,
        };
        if op == Op::Deadline && matches!(phase, Phase::Connect | Phase::Upgrade) {
            // The loop may have been away, at most three times for 300 ms.
            let late = failure.age - limit;
            assert!(failure.age >= limit && late < Nanos::from_millis(1_000), "{failure:?}");
        }
    }
}

/// A server without faults behind sockets that take a few bytes at a time: all is echoed, nothing
/// is changed, and both sides write whole frames.
#[test]
fn short_writes_change_nothing() {
    for seed in seeds(2_000, 12) {
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
        plan.messages.frame = chance.pick(match scheme {
            Scheme::Ws => &[Frame::Text, Frame::Binary, Frame::Ping],
            Scheme::Tcp => &[Frame::Text],
        });
        if let (Frame::Ping, Payload::Generated(size)) =
            (plan.messages.frame, &mut plan.messages.payload)
        {
            *size = (*size).min(125);
        }
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
