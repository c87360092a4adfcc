//! What must hold for any bytes at all. The fuzz targets, the property tests of the core and the
//! replay of the corpus in `cargo test` are three sources of bytes for these same checks.

pub mod answers; // answers to an upgrade, against tungstenite's client
pub mod deflate; // compressed messages, against miniz_oxide
pub mod dispatch; // messages between captain and worker
pub mod explain; // pasted text
pub mod frames; // streams of frames, in any pieces
pub mod handshake; // heads of requests and answers
pub mod heads; // a head as its lines say it, and a stream that is read from
pub mod messages; // streams of frames, against tungstenite
pub mod requests; // requests for an upgrade, against tungstenite's server
