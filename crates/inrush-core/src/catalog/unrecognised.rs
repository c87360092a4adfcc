//! What no cause takes: everything observed, raw. The tool never guesses and never hides.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, seen};
use crate::diagnosis::{Case, Culprit};
use crate::tally::Row;
use alloc::format;
use alloc::string::String;

pub(super) static CAUSE: Cause = Cause {
    id: "unrecognised",
    culprit: Culprit::Unknown,
    what: "No known cause fits: here is all that was observed",
    unsure: None,
    same_as: &[],
    scenario: Scenario::None { why: "what can be made to happen on purpose is recognised" },
    texts: Texts {
        what: "No known cause stands behind these words",
        decide: "",
        remedy: "",
        command: "",
        shows_up: &[],
    },
    recognise,
};

/// Rows that are written out.
const SHOWN: usize = 8;

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let mut claim = pool.take(|_| true)?;
    claim.rows.sort_by_key(|row| core::cmp::Reverse(row.count));
    let lines: alloc::vec::Vec<String> = claim.rows.iter().take(SHOWN).map(raw).collect();
    let rest = claim.rows.len().saturating_sub(SHOWN);
    for line in lines {
        claim = claim.says(line);
    }
    if rest > 0 {
        claim = claim.says(format!("and {} more kinds", count(rest as u64)));
    }
    let address = seen::first_address(case, &claim.rows);
    let claim = claim
        .remedy(
            "run",
            "keep everything that was observed",
            words::again(case.plan, "--json run.json"),
        )
        .root_remedy(
            "client-host",
            "and the packets, to look at them or to report this",
            format!("tcpdump -ni any -w run.pcap tcp port {}", words::port(address)),
        );
    Some(claim)
}

fn raw(row: &Row) -> String {
    let key = &row.key;
    let mut text = format!(
        "{} x {:?}/{:?} {:?}, peer {:?}, fin {}, heard {}, spoke {}",
        count(row.count),
        key.signature.phase,
        key.signature.op,
        key.signature.outcome,
        key.peer,
        key.fin_seen,
        key.heard,
        key.spoke
    );
    if let Some(example) = row.examples.first() {
        text.push_str(&format!(
            "; first: connection {}, age {}, {} B in, {} B out",
            example.connection,
            words::time(example.age),
            example.bytes_in,
            example.bytes_out
        ));
        if let Some(look) = &example.look {
            text.push_str(&format!(
                ", tcp state {}, retrans {}, unacked {}, segs in {}",
                look.state, look.total_retrans, look.unacked, look.segs_in
            ));
        }
        if !example.last_words.is_empty() {
            text.push_str(&format!(", said \"{}\"", words::shown(&example.last_words)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use crate::diagnosis::Confidence;
    use crate::errno::Errno;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn what_is_not_known_is_shown_raw() {
        let strange = Seen::new(Phase::Open, Op::Read, Outcome::Errno(Errno::EIO));
        let lab = Lab::ws().book(3, strange.words(b"\x1b[2J"));
        let found = lab.expect(&[("unrecognised", 3, Confidence::Possible)]);
        let text = &found[0].because[0].text;
        assert!(text.starts_with("3 x Open/Read Errno(Errno(5))"), "{text}");
        assert!(text.ends_with("said \"\\x1b[2J\""), "{text}");
    }
}
