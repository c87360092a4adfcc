//! Texts of many runtimes and what they say.

mod corpus;
