//! End to end: the built program against this kernel, and against servers that fail on purpose.

mod authority;
mod tidy;
mod explaining;
mod harness;
mod report;
mod scenarios;
mod servers;
