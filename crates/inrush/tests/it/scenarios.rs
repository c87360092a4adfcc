//! One test per row of the list of failures: what the server does, what the report must say, with
//! exact counts, and that the healthy connections of the same run are unharmed.

mod builtin;
mod compressed;
mod descriptors;
mod handshake;
mod healthy;
mod hostile;
mod killed;
mod messages;
mod midlife;
mod mirror;
mod outputs;
mod pings;
mod queue;
mod refusals;
mod refused;
mod repro;
mod stopping;
mod tls;
mod writers;
