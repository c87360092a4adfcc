//! Bytes to meaning and back. Nothing here knows a socket, a clock or a connection's purpose, and
//! every byte that comes in is taken for hostile.

pub mod ws_deflate; // compressed messages (RFC 7692)
pub mod ws_frame; // frames, masks, control frames (RFC 6455 §5)
pub mod ws_handshake; // upgrade request and answer, both roles (RFC 6455 §4)
