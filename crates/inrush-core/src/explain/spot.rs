//! Finds all phrases of all grammars in one pass over a text.

use super::grammars::{self, Grammar};
use super::numbers;
use super::phrase::{NUMBER, Phrase, Tells, WORDS, errno, harmless};
use super::runtime::Runtime;
use super::text::Text;
use crate::failure::Outcome;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use alloc::vec::Vec;

/// Clues of one text; what comes after is left out.
const CLUES: usize = 400;

/// One phrase found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clue {
    /// Where it begins.
    pub(super) at: usize,
    /// Where it ends.
    pub(super) end: usize,
    pub(super) phrase: Phrase,
    /// Whose grammar has it.
    pub(super) runtime: Option<Runtime>,
}

/// All phrases as one automaton.
#[derive(Debug)]
pub(super) struct Spotter {
    automaton: AhoCorasick,
    phrases: Vec<(&'static Phrase, Option<Runtime>)>,
}

impl Spotter {
    pub(super) fn new() -> Self {
        let mut phrases = Vec::new();
        for Grammar { runtime, phrases: tables, .. } in grammars::all() {
            for phrase in tables.iter().copied().flatten() {
                phrases.push((phrase, *runtime));
            }
        }
        let texts = phrases.iter().map(|(phrase, _)| phrase.text.trim_end_matches('*'));
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(texts)
            .expect("a few thousand short phrases fit into an automaton");
        Self { automaton, phrases }
    }

    /// All that a text tells, in its order.
    pub(super) fn clues(&self, text: &Text) -> Vec<Clue> {
        let mut clues = Vec::new();
        for found in self.automaton.find_overlapping_iter(&text.plain) {
            let (phrase, runtime) = self.phrases[found.pattern().as_usize()];
            let clue = Clue { at: found.start(), end: found.end(), phrase: *phrase, runtime };
            if stands_alone(text, &clue) && is_meant(text, phrase) {
                clues.push(clue);
                if clues.len() == CLUES {
                    break;
                }
            }
        }
        add_numbers(text, &mut clues);
        for Grammar { read, .. } in grammars::all() {
            if let Some(read) = read {
                read(text, &mut clues);
            }
        }
        clues.sort_by_key(|clue| clue.at);
        clues
    }
}

/// It is a word of its own, where it begins or ends with one.
fn stands_alone(text: &Text, clue: &Clue) -> bool {
    let bytes = text.plain.as_bytes();
    // An operation inside of a name (PR_CONNECT_RESET) was done by nobody.
    let named = matches!(clue.phrase.tells, Tells::Doing(_));
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || named && *byte == b'_';
    let word = |at: usize| bytes.get(at).is_some_and(in_name);
    let open = clue.phrase.text.ends_with('*');
    let begins = clue.at == 0 || !word(clue.at) || !word(clue.at - 1);
    begins && (open || !word(clue.end - 1) || !word(clue.end))
}

fn is_meant(text: &Text, phrase: &Phrase) -> bool {
    let has = |needle: &&str| text.lower.contains(*needle);
    (phrase.with.is_empty() || phrase.with.iter().any(has)) && !phrase.without.iter().any(has)
}

fn add_numbers(text: &Text, clues: &mut Vec<Clue>) {
    for (at, number) in numbers::spotted(&text.lower).take(CLUES) {
        let said = clues.iter().filter_map(said_errno);
        let said = said.min_by_key(|(place, _)| place.abs_diff(at)).map(|(_, errno)| errno);
        let phrase = match numbers::error(number, said) {
            // Words in another language may stand beside it: the number goes first.
            Some(number) => errno("", number).weighs(NUMBER + 1),
            None if (11_001..=11_004).contains(&number) => {
                super::phrase::is("", crate::failure::Class::DnsFailure)
            }
            None if numbers::is_foreign(number) => harmless("").weighs(WORDS - 10),
            None => continue,
        };
        clues.push(Clue { at, end: at + 1, phrase, runtime: None });
    }
}

fn said_errno(clue: &Clue) -> Option<(usize, crate::errno::Errno)> {
    match clue.phrase.tells {
        Tells::Outcome(Outcome::Errno(errno)) => Some((clue.at, errno)),
        _ => None,
    }
}
