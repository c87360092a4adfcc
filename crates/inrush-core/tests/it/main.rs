//! What the core promises, held against models and other implementations.

mod frames;
mod handshakes;
mod wheel_model;

use proptest::prelude::ProptestConfig;

/// So many cases, and no file left behind when one fails.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
