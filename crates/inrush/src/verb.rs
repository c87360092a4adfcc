//! What each verb does once its arguments are read.

pub(crate) mod explain;
pub(crate) mod repro;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod worker;
