//! What each verb does once its arguments are read.

pub mod run;
pub mod serve;
pub mod worker;
