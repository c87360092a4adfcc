//! Failures made to happen on purpose: every scenario by its name, the cause and the class that it
//! must show up as, and how it is made. The same list serves the real kernel and the simulated one.

mod judge;
mod list;
mod play;
pub mod script;
mod scripts;

pub use judge::{Found, judge};
pub use play::{Machine, Played, Step, play};

use crate::failure::Class;
use script::Turn;

/// A failure that can be shown.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Stable, as `inrush repro NAME` takes it.
    pub name: &'static str,
    /// The cause that must be found.
    pub cause: &'static str,
    /// The class that it must be seen as.
    pub class: Class,
    /// What happens, one sentence.
    pub says: &'static str,
    /// What it needs of the machine.
    pub needs: Needs,
    /// How it is made.
    pub how: How,
}

/// What a scenario needs of the machine it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Sockets. A network namespace of its own is better and not needed.
    Nothing,
    /// A network namespace of its own: root, or user namespaces.
    Namespace,
    /// To change a value of the whole host, which is put back.
    HostChange,
}

/// How a scenario is made.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// Both sides call in turn.
    Script(&'static [Turn]),
    /// A load against our own server.
    Storm(Storm),
    /// A load into a full connection-tracking table.
    FullTable(Storm),
    /// Not on demand, and why.
    Missing(&'static str),
}

/// `inrush serve` and `inrush run`, as they are typed: words separated by spaces. ADDRESS is where
/// the server listens, PID its process.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// Behind `inrush serve 127.0.0.1:0`.
    pub serve: &'static str,
    /// Behind `inrush run`.
    pub run: &'static str,
    /// Other storms beside it would be felt in its clocks.
    pub alone: bool,
}

impl Needs {
    /// In words, for the list.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Namespace => "a network namespace of its own",
            Self::HostChange => "root, nf_conntrack, --allow-host-changes",
        }
    }
}

/// Every scenario, in the catalogue's order.
pub fn all() -> &'static [Scenario] {
    list::SCENARIOS
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    all().iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests;
