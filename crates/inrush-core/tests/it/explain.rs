//! Texts of many runtimes and what they say.

mod corpus;
mod hostile;
mod misleading;
mod rendered;
mod speed;
mod table;
