//! What inrush touches: the operating system and the network. It calls, reads and carries; it
//! decides nothing and prints nothing. Unsafe code lives in `sys/` alone.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod fleet; // captain and workers, in threads and in child processes
pub mod link; // what they speak over
pub mod probe; // readers of facts
pub mod repro; // scripts on the real kernel
pub mod resolve; // names to addresses, once
pub mod sys; // the only unsafe code
pub mod tls; // between a socket and its swarm
pub mod worker; // the loop
