//! From any program's words to what failed: text, clues, class, causes. The same catalogue words
//! the answer as for a run.

mod decide;
mod defaults;
mod envelope;
mod fallback;
mod grammars;
pub mod log;
pub mod numbers;
mod ops;
mod phrase;
mod runtime;
mod said;
mod spot;
mod text;

pub use grammars::{Event, in_words_of};
pub use runtime::Runtime;
pub use said::{Printed, Said, Side};
pub use text::TEXT_BYTES;

use crate::catalog::{self, Cause};
use crate::diagnosis::Confidence;
use crate::failure::Class;
use alloc::vec::Vec;
use spot::Spotter;
use text::Text;

/// What a text says, and why that may be.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What it says, as far as it goes.
    pub said: Said,
    /// Its class; `None` when nothing was recognised.
    pub class: Option<Class>,
    /// How far the connection had come.
    pub phase: Printed,
    /// Where the remedy has most likely to be applied.
    pub side: Side,
    /// Why that may be, the likeliest first.
    pub causes: Vec<(&'static Cause, Confidence)>,
}

impl Explained {
    /// What happened, one sentence.
    pub fn what(&self) -> &'static str {
        let advice = || self.class.and_then(catalog::advice).map(|advice| advice.what);
        let cause = self.causes.first().map(|(cause, _)| cause.texts.what);
        cause.or_else(advice).unwrap_or("No grammar knows these words")
    }

    /// What helps, without what to type for it; `None` when nothing was recognised.
    pub fn remedy(&self) -> Option<&'static str> {
        let advice = || self.class.and_then(catalog::advice).map(|advice| advice.remedy);
        self.causes.first().map(|(cause, _)| cause.texts.remedy).or_else(advice)
    }

    /// What to type for it.
    pub fn command(&self) -> Option<&'static str> {
        self.causes.first().map(|(cause, _)| cause.texts.command)
    }
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
                causes: catalog::causes_of(
                    decided.class,
                    decided.printed,
                    decided.side,
                    decided.said.code,
                ),
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
                causes: Vec::new(),
            },
        }
    }
}
