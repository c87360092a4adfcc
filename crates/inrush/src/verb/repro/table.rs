//! A full connection-tracking table. Its size is one for the whole host: it is lowered for a moment
//! by a process that does nothing else but put it back, also when this one is killed.

use super::outcome::Outcome;
use super::stage::Wish;
use crate::exit;
use inrush_core::repro::{Scenario, Storm};

/// Shows it.
pub(super) fn run(scenario: &'static Scenario, storm: Storm, wish: Wish) -> Outcome {
    let _ = (storm, wish);
    Outcome::skipped(scenario, "nf_conntrack".into())
}

/// The process that puts the value back.
pub(super) fn guard() -> u8 {
    exit::HELD
}
