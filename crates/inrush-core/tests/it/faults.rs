//! The table of failures, each made to happen in the simulated world: what fails, fails for its
//! reason and nothing else does, with sums that are exact.

mod hidden;
mod interleaved;
mod midlife;
mod opening;
mod order_matrix;
mod pings;
mod random;
mod replies;
mod secret;

use crate::world::{Act, Pid, World, address};
use inrush_core::fault::{Fault, Kind, Select};
use inrush_core::plan::{Mode, OnEmfile, Proto, Serve};
use inrush_core::time::Nanos;

/// An echo server without faults.
fn echo() -> Serve {
    Serve {
        index: 0,
        seed: 7,
        mode: Mode::Echo,
        proto: Proto::Auto,
        tls: None,
        greeting: vec![],
        push_every: Nanos::from_secs(1),
        max_connections: 0,
        faults: vec![],
        on_emfile: OnEmfile::Pause,
        spare_descriptors: 0,
    }
}

fn faulty(kind: Kind, select: Select) -> Serve {
    Serve { faults: vec![Fault { kind, select }], ..echo() }
}

/// An echo server with these faults on address 1.
pub(crate) fn serve_echo(world: &mut World, faults: Vec<Fault>) -> Pid {
    serve(world, Serve { faults, ..echo() })
}

/// The real server on address 1.
fn serve(world: &mut World, plan: Serve) -> Pid {
    world.serve(address(1), 4_096, plan)
}

/// A server on address 1 that serves every second connection and misuses the others.
fn every_second(world: &mut World, misuse: &[Act]) -> Pid {
    let misuse = misuse.to_vec();
    let served = [Act::ReadRequest, Act::Accept, Act::EchoFrames(u32::MAX)];
    world.script(address(1), move |nth| if nth % 2 == 0 { served.to_vec() } else { misuse.clone() })
}

fn ms(n: u64) -> Nanos {
    Nanos::from_millis(n)
}
