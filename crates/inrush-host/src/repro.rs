//! Plays the scripts of `inrush_core::repro` on the real kernel: the client's side in this process,
//! the server's in another one that may be killed, and what lies between them.

mod actor; // one side: a call is a system call
mod network; // what lies between
mod server; // the other side, in its own process
mod stage; // both of them, and the facts

pub use server::serve_side;
pub use stage::{Shown, show};

use crate::sys::namespace;
use inrush_core::errno::Errno;

/// Moves this process, which must have one thread, into a network of its own.
pub fn own_network() -> Result<(), Errno> {
    namespace::enter()
}
