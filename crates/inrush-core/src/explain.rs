//! From any program's words to what failed: text, clues, class, causes. The same catalogue words
//! the answer as for a run.

mod decide;
mod defaults;
mod envelope;
mod grammars;
pub mod numbers;
mod ops;
mod phrase;
mod runtime;
mod said;
mod spot;
mod text;

pub use grammars::Event;
pub use runtime::Runtime;
pub use said::{Printed, Said, Side};
pub use text::TEXT_BYTES;

use crate::failure::Class;
use spot::Spotter;
use text::Text;

/// What a text says, and why that may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// What it says, as far as it goes.
    pub said: Said,
    /// Its class; `None` when nothing was recognised.
    pub class: Option<Class>,
    /// How far the connection had come.
    pub phase: Printed,
    /// Where the remedy has most likely to be applied.
    pub side: Side,
}

/// All grammars, ready to read. Making one takes milliseconds: keep it.
#[derive(Debug)]
pub struct Explainer {
    spotter: Spotter,
}

impl Default for Explainer {
    fn default() -> Self {
        Self::new()
    }
}

impl Explainer {
    /// Reads all grammars.
    pub fn new() -> Self {
        Self { spotter: Spotter::new() }
    }

    /// What this text says; of a longer one than [`TEXT_BYTES`], what its beginning says. `from`:
    /// who printed it, when that is known.
    pub fn explain(&self, raw: &str, from: Option<Runtime>) -> Explained {
        let text = Text::of(raw);
        let clues = self.spotter.clues(&text);
        match decide::decide(&text, &clues, from) {
            Some(decided) => Explained {
                said: decided.said,
                class: Some(decided.class),
                phase: decided.printed,
                side: decided.side,
            },
            None => Explained {
                said: Said { runtime: from, ..Said::default() },
                class: None,
                phase: Printed::Local,
                side: Side::Either,
            },
        }
    }
}
