//! What people and programs read: each face of a run in one file, computed from a `Report` (or,
//! while it lasts, a `Snapshot`) and from nothing else.

pub(crate) mod error;
pub(crate) mod escape;
pub(crate) mod explained;
pub(crate) mod json;
pub(crate) mod ndjson;
pub(crate) mod number;
pub(crate) mod out;
pub(crate) mod plain;
pub(crate) mod repro;
pub(crate) mod secret;
pub(crate) mod serving;
pub(crate) mod summary;
pub(crate) mod words;

#[cfg(test)]
mod fixture;
