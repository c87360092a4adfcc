//! The server closed in order and said why: a Close frame with a code.

use super::claim::{Claim, Pool};
use super::words::{self, count};
use super::{Cause, Scenario, Texts, Where, seen, shows};
use crate::diagnosis::{Case, Confidence, Culprit};
use crate::explain::Printed;
use crate::failure::{Class, ProtocolError, close_name};
use crate::plan::{Frame, Plan, Schedule};
use crate::tally::Row;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Codes told one by one.
const CODES: usize = 8;
/// Different texts told of one code.
const TEXTS: usize = 2;
/// Longest text of a Close frame: a control frame without its code (RFC 6455 §5.5).
const REASON: usize = 123;

pub(super) static CAUSE: Cause = Cause {
    id: "server-closed-with-reason",
    culprit: Culprit::Server,
    what: "The server ended these connections in order, with a Close frame",
    unsure: None,
    same_as: &[
        "Go \"websocket: close 1011 (internal server error)\"",
        "Node 'close' event with code 1011",
        "Java WebSocket.Listener.onClose(1011)",
        "Python \"received 1011 (internal error)\"",
        "Rust \"Close(Some(CloseFrame { code: Error\"",
    ],
    scenario: Scenario::Repro {
        name: "close-1013",
        says: "A server closes each connection with code 1013",
        class: Class::WsCloseError,
    },
    texts: Texts {
        what: "The peer closed the connection and said why",
        decide: "journalctl -u SERVICE -n 100        at the time of the close",
        remedy: "do what the code asks for: 1001 connect again, 1008 authenticate, 1011 read \
               the server's log",
        command: "journalctl -u SERVICE -n 100",
        shows_up: &[
            shows(Class::WsCloseNormal, Where::Anywhere, Confidence::Likely),
            shows(Class::WsCloseNoStatus, Where::Anywhere, Confidence::Likely),
            shows(Class::WsCloseError, Where::Anywhere, Confidence::Likely),
            shows(Class::MessageTooBig, Where::Phase(Printed::Close), Confidence::Possible),
        ],
    },
    recognise,
};

fn recognise(case: &Case<'_>, pool: &mut Pool) -> Option<Claim> {
    let claim = pool.take(|row| matches!(seen::protocol(row), Some(ProtocolError::Closed(_))))?;
    let codes = by_code(&claim.rows);
    let mut lines: Vec<String> =
        codes.iter().take(CODES).map(|(code, rows)| line(*code, rows)).collect();
    let rest = codes.get(CODES..).unwrap_or_default();
    if !rest.is_empty() {
        let connections: u64 = rest.iter().map(|(_, rows)| total(rows)).sum();
        let codes = if rest.len() == 1 { "code" } else { "codes" };
        lines.push(format!("{} more {codes} on {}", rest.len(), count(connections)));
    }
    let codes: Vec<u16> = codes.iter().map(|(code, _)| *code).collect();
    let mut claim = lines.into_iter().fold(claim.sure(Confidence::Proven), Claim::says);
    claim.same_as = codes.first().map(|code| same_as(*code));
    Some(helped(case.plan, claim, &codes))
}

/// In other programs' words, with the code that came most often.
fn same_as(code: u16) -> Vec<String> {
    let name = close_name(code);
    let rust = match code {
        1000 => "Normal",
        1001 => "Away",
        1002 => "Protocol",
        1003 => "Unsupported",
        1007 => "Invalid",
        1008 => "Policy",
        1009 => "Size",
        1011 => "Error",
        1012 => "Restart",
        1013 => "Again",
        1005 => "Status",
        1010 => "Extension",
        3000..=3999 => "Iana",
        4000.. => "Library",
        _ => "Reserved",
    };
    [
        format!("Go \"websocket: close {code} ({name})\""),
        format!("Node 'close' event with code {code}"),
        format!("Java WebSocket.Listener.onClose({code})"),
        format!("Python \"received {code} ({name})\""),
        format!("Rust \"Close(Some(CloseFrame {{ code: {rust}\""),
    ]
    .into()
}

/// Rows of each code, the most frequent code first.
fn by_code(rows: &[Row]) -> Vec<(u16, Vec<&Row>)> {
    let mut codes: BTreeMap<u16, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if let Some(ProtocolError::Closed(code)) = seen::protocol(row) {
            codes.entry(code).or_default().push(row);
        }
    }
    let mut codes: Vec<_> = codes.into_iter().collect();
    codes.sort_by_key(|(_, rows)| Reverse(total(rows)));
    codes
}

fn total(rows: &[&Row]) -> u64 {
    rows.iter().map(|row| row.count).sum()
}

/// `code 1008 (policy violation) on 7: "token expired"`
fn line(code: u16, rows: &[&Row]) -> String {
    let mut line = format!("code {code} ({}) on {}", close_name(code), count(total(rows)));
    let examples = rows.iter().flat_map(|row| &row.examples);
    let mut texts: Vec<&[u8]> = examples.map(|example| example.last_words.as_slice()).collect();
    texts.retain(|text| !text.is_empty());
    texts.sort_unstable();
    texts.dedup();
    for (at, text) in texts.iter().take(TEXTS).enumerate() {
        let gap = if at == 0 { ": " } else { ", " };
        line.push_str(&format!("{gap}\"{}\"", words::shown_most(text, REASON)));
    }
    if texts.len() > TEXTS {
        line.push_str(", …");
    }
    line
}

fn helped(plan: &Plan, claim: Claim, codes: &[u16]) -> Claim {
    let has = |wanted: &[u16]| codes.iter().any(|code| wanted.contains(code));
    let mut claim = claim.remedy(
        "server-host",
        "its log at that moment says why",
        "journalctl -u SERVICE --since -10min | grep -iE 'close|websocket|error'",
    );
    if has(&[1008, 3000, 3003]) {
        let token = words::again(plan, "-H 'Authorization: Bearer TOKEN'");
        claim = claim.remedy("run", "show who you are, if that is its policy", token);
    }
    if has(&[1012, 1013, 1014, 3008]) {
        let slower = words::again(plan, "-r 50/s");
        claim = claim.remedy("run", "see whether it depends on the rate", slower);
    }
    if has(&[1003, 1007]) && plan.messages.frame == Frame::Text {
        let binary = words::again(plan, "--frame binary");
        claim = claim.remedy("run", "see whether it wants binary messages", binary);
    }
    let silent = plan.messages.schedule == Schedule::Idle && plan.messages.ping_every.is_none();
    let general = |code: &u16| matches!(code, 1000..=1002 | 1005 | 3000..);
    if silent && codes.iter().any(general) {
        claim = claim
            .remedy("run", "if it closes idle connections, ping it", {
                words::again(plan, "--ping-interval 10s")
            })
            .remedy("run", "or say something now and then", words::again(plan, "-m 1/10s"));
    }
    claim
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase};

    #[test]
    fn code_and_words_are_told() {
        let closed = |code| {
            let outcome = Outcome::Protocol(ProtocolError::Closed(code));
            Seen::new(Phase::Open, Op::Decode, outcome).heard()
        };
        let lab = Lab::ws().book(7, closed(1001).words(b"bye\x07")).book(3, closed(1005));
        let lab = lab.book(2, closed(1008).words(&[b'x'; 123])).book(4, closed(4000).words(b"a"));
        let lab = lab.book(1, closed(4000).every(9_000, 0).words(b"b").from(50));
        let found = lab.expect(&[("server-closed-with-reason", 17, Confidence::Proven)]);
        let lines: Vec<_> = found[0].because.iter().map(|line| line.text.as_str()).collect();
        let long = format!("code 1008 (policy violation) on 2: \"{}\"", "x".repeat(123));
        let expected = [
            "code 1001 (going away) on 7: \"bye\\x07\"",
            "code 4000 (private to this application) on 5: \"a\", \"b\"",
            "code 1005 (no code) on 3",
            &long,
        ];
        assert_eq!(lines, expected);
        assert_eq!(found[0].same_as[0], "Go \"websocket: close 1001 (going away)\"");
        let commands = found[0].remedy.iter().filter_map(|remedy| remedy.command.as_deref());
        let commands = commands.collect::<Vec<_>>().join("\n");
        assert!(commands.contains("-H 'Authorization: Bearer TOKEN'"), "{commands}");
        assert!(commands.contains("--ping-interval 10s"), "{commands}");
    }

    #[test]
    fn a_hostile_variety_of_codes_is_summed_up() {
        let mut lab = Lab::ws();
        for code in 4_000..4_020 {
            let outcome = Outcome::Protocol(ProtocolError::Closed(code));
            lab = lab.book(2, Seen::new(Phase::Open, Op::Decode, outcome).heard());
        }
        let found = lab.expect(&[("server-closed-with-reason", 40, Confidence::Proven)]);
        assert_eq!(found[0].because.len(), CODES + 1);
        assert_eq!(found[0].because[CODES].text, "12 more codes on 24");
    }
}
