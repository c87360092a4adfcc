//! A 101 whose Sec-WebSocket-Accept fits another key than ours: somebody answers for the server.

use super::super::claim::Claim;
use super::super::seen;
use super::super::words::{self, count};
use crate::diagnosis::{Case, Confidence};
use crate::protocol::ws_handshake::Answer;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

/// Headers in which caches and proxies sign.
const SIGNED: [&str; 4] = ["Age", "X-Cache", "Via", "Server"];

/// Every key is new, so that an answer which comes twice was made for somebody else (RFC 6455 §1.3:
/// the server proves with it that it received this very hand-shake).
pub(super) fn answered(case: &Case<'_>, claim: Claim) -> Claim {
    let words: Vec<_> = claim.rows.iter().flat_map(|row| row.examples.clone()).collect();
    let answers: Vec<_> = words.iter().filter_map(|one| Answer::read(&one.last_words)).collect();
    let accepts = answers.iter().filter_map(|answer| answer.header("Sec-WebSocket-Accept"));
    let accepts: Vec<&[u8]> = accepts.collect();
    let different: BTreeSet<&[u8]> = accepts.iter().copied().collect();
    let n = count(claim.count());
    let mut claim = claim.sure(Confidence::Proven).what(
        "The 101 that came back is not for our request: its Sec-WebSocket-Accept fits another key",
    );
    claim = match (accepts.first(), different.len()) {
        (None, _) => claim.says(format!("the 101 has no Sec-WebSocket-Accept at all, on {n}")),
        (Some(same), 1) if accepts.len() > 1 => claim.says(format!(
            "the same Sec-WebSocket-Accept \"{}\" came back for different keys: a cache or proxy \
             answers for the server",
            words::shown(same)
        )),
        (Some(first), _) => claim.says(format!(
            "Sec-WebSocket-Accept \"{}\" is not what our key makes, on {n}",
            words::shown(first)
        )),
    };
    for name in SIGNED {
        if let Some(value) = answers.iter().find_map(|answer| answer.header(name)) {
            claim = claim.says(format!("{name}: {}", words::shown(value)));
        }
    }
    let target = claim.rows.first().and_then(|row| seen::target(case, row));
    let by_hand = words::ask(target, words::path(target));
    let first = format!("{by_hand} | grep -i accept");
    let other = first.replace(words::KEY, "aGFuZHNoYWtlIG5vLiAyIQ==");
    claim
        .remedy(
            "client-host",
            "two keys: the same answer twice is a cache's, two wrong ones are the server's own",
            format!("{first}; {other}"),
        )
        .remedy(
            "server-host",
            "a proxy must hand the upgrade on, and cache none: see how it is told to",
            "grep -rnE 'proxy_cache|proxy_http_version|proxy_set_header' /etc/nginx",
        )
        .remedy(
            "server-host",
            "storm the server behind it, without the proxy: see where it listens",
            "ss -ltnp",
        )
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{Lab, Seen};
    use super::*;
    use crate::failure::{Op, Outcome, Phase, ProtocolError};

    #[test]
    fn an_answer_for_another_key_is_somebody_elses() {
        let check = |headers: &str, line: &str| {
            let outcome = Outcome::Protocol(ProtocolError::BadAccept);
            let seen = Seen::new(Phase::Upgrade, Op::Decode, outcome);
            let words = format!("HTTP/1.1 101 Switching Protocols\r\n{headers}\r\n");
            let lab = Lab::ws().book(9, seen.words(words.as_bytes()));
            let found = lab.expect(&[("not-a-websocket-server", 9, Confidence::Proven)]);
            let lines: Vec<_> = found[0].because.iter().map(|line| line.text.as_str()).collect();
            assert!(lines[0].contains(line), "{lines:?}");
            assert!(found[0].what.contains("fits another key"));
            lines.join("\n")
        };
        let cached = "Age: 31\r\nSec-WebSocket-Accept: abc=\r\nX-Cache: HIT\r\n";
        let lines = check(cached, "the same Sec-WebSocket-Accept \"abc=\" came back");
        assert!(lines.contains("Age: 31") && lines.contains("X-Cache: HIT"), "{lines}");
        check("", "no Sec-WebSocket-Accept at all");
    }
}
