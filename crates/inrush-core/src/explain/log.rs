//! A pasted log: lines become messages (a stack belongs to its error), messages become groups whose
//! addresses, ports, times and ids are left out. Everything is bounded.

mod joiner;
mod normal;

pub use joiner::Joiner;
pub use normal::normal;

use super::{Explained, Explainer, Runtime, text};
use crate::failure::Class;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Groups kept; what comes after them is counted by its class alone.
const GROUPS: usize = 1_000;
/// Bytes of a message that are shown and told apart.
const SHOWN: usize = 240;

/// Messages that say the same.
#[derive(Clone, Debug)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// The first of them, its addresses and times left out; empty for those beyond the bound.
    pub text: String,
    /// What it says.
    pub explained: Explained,
}

/// What a log says.
#[derive(Debug, Default)]
pub struct Groups {
    groups: BTreeMap<(Option<Class>, String), Group>,
    /// Messages that are no failures of connections, as their words say.
    pub harmless: u64,
    /// Messages that nobody knows.
    pub unknown: u64,
    /// The first of those.
    pub first_unknown: Option<String>,
}

impl Groups {
    /// Takes in one message.
    pub fn add(&mut self, explainer: &Explainer, message: &str, from: Option<Runtime>) {
        if message.trim().is_empty() {
            return;
        }
        let explained = explainer.explain(message, from);
        let text = || {
            let first = message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            normal(text::first(first, SHOWN))
        };
        match explained.class {
            None => {
                self.unknown += 1;
                self.first_unknown.get_or_insert_with(text);
            }
            Some(Class::NotAConnectionFailure) => self.harmless += 1,
            Some(class) => {
                let mut key = (Some(class), text());
                if self.groups.len() >= GROUPS && !self.groups.contains_key(&key) {
                    key.1 = String::new();
                }
                let text = key.1.clone();
                let new = Group { count: 0, text, explained };
                self.groups.entry(key).or_insert(new).count += 1;
            }
        }
    }

    /// The groups, the largest first.
    pub fn sorted(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by_key(|group| Reverse(group.count));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn what_differs_in_ports_and_times_is_one_group() {
        let explainer = Explainer::new();
        let mut groups = Groups::default();
        for n in 0..50 {
            let line = format!(
                "2026/11/21 02:07:{n:02} write tcp 10.0.0.1:{}->10.0.0.2:80: write: broken pipe",
                40_000 + n
            );
            groups.add(&explainer, &line, None);
        }
        groups.add(&explainer, "the sky is blue", None);
        groups.add(&explainer, "Ready to accept connections", None);
        let sorted = groups.sorted();
        assert_eq!(sorted.len(), 1);
        assert_eq!(
            (sorted[0].count, sorted[0].text.as_str()),
            (50, "write tcp …: write: broken pipe")
        );
        assert_eq!((groups.unknown, groups.harmless), (1, 1));
        assert_eq!(groups.first_unknown.as_deref(), Some("the sky is blue"));
    }

    #[test]
    fn a_thousand_kinds_are_kept_and_the_rest_is_counted() {
        let explainer = Explainer::new();
        let mut groups = Groups::default();
        for n in 0..GROUPS + 50 {
            // Words differ, not numbers.
            let word: String =
                format!("{n:05}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
            groups.add(&explainer, &format!("service {word}: connection refused"), None);
        }
        let sorted = groups.sorted();
        assert_eq!(sorted.len(), GROUPS + 1);
        assert_eq!((sorted[0].count, sorted[0].text.as_str()), (50, ""));
    }
}
