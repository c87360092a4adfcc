//! What inrush decides. It knows no clock, socket, file, thread or terminal: the same plan, seed
//! and inputs give the same run, bit for bit. Read the modules in this order.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod errno; // the kernel's error numbers
pub mod time; // nanoseconds since the run began

pub mod fault; // how a server misbehaves on purpose
pub mod plan; // the question: what to do, and how it is cut

pub mod evidence; // what the machine says
pub mod failure; // what was seen
pub mod tally; // rows of failures

pub mod diagnosis; // why, who, what to type
pub mod catalog; // every known cause
pub mod preflight; // what will break before it does

pub mod protocol; // bytes
pub mod wheel; // one wake-up per connection
pub mod pace; // when the next one is due
pub mod ports; // sources, ports, destinations
pub mod latency; // histograms
pub mod snapshot; // what one worker counted
pub mod swarm; // all connections of one worker
pub mod dispatch; // captain and worker

pub mod units; // values as people type them
mod bytes;
pub mod capacity; // how many processes
pub mod conclude; // what the numbers mean
pub mod threshold; // what was promised
pub mod report; // the answer
pub mod explain; // other programs' words

pub mod repro; // failures made on purpose
