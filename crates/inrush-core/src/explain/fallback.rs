//! What no grammar knows, by words that stand together in a line: "closed" with "server" and
//! "unexpectedly", "certificate" with "not valid". Asked only when nothing else was found.

use super::phrase::{Phrase, eof, errno, is, late, protocol, tls};
use super::said::Side;
use crate::errno::Errno;
use crate::failure::{CertificateFault, Class, Phase, ProtocolError, TlsError};

/// Of each group one word (or several words) must be there.
struct Rule {
    groups: &'static [&'static [&'static str]],
    phrase: Phrase,
}

const fn rule(groups: &'static [&'static [&'static str]], phrase: Phrase) -> Rule {
    Rule { groups, phrase }
}

const FAILED: &[&str] = &[
    "failed",
    "failure",
    "error",
    "cannot",
    "could not",
    "unable",
    "fail",
    "fails",
    "not",
    "bad",
    "invalid",
    "rejected",
    "exception",
];
const LATE: &[&str] =
    &["timed out", "timeout", "timedout", "elapsed", "too long", "time out", "deadline"];
const PING: &[&str] = &["ping", "pong", "heartbeat", "keepalive", "keep alive", "heartbeats"];
const FRAME: &[&str] = &["frame", "frames", "protocol error", "websocket", "opcode", "rsv1", "rsv"];
const OVER: &[&str] = &["reached", "exceeded", "exceeds", "exceed", "too many", "full", "hit"];

/// The most telling first.
static RULES: &[Rule] = &[
    rule(&[&["sigpipe"]], is("", Class::BrokenPipe)),
    rule(
        &[
            PING,
            &["timeout", "timed out", "missed", "no", "not received", "lost", "expired"],
            FAILED_OR_LATE,
        ],
        is("", Class::KeepaliveTimeout),
    ),
    rule(
        &[
            &["certificate", "cert", "x509"],
            &[
                "invalid",
                "not valid",
                "expired",
                "untrusted",
                "not trusted",
                "unknown",
                "mismatch",
                "self signed",
                "verify",
                "verification",
                "revoked",
                "not verified",
            ],
        ],
        tls("", TlsError::Certificate(CertificateFault::Other)),
    ),
    rule(
        &[&["alert"], &["tls", "ssl"], &["fatal", "received", "sent", "error", "handshake"]],
        tls("", TlsError::Alert(40)),
    ),
    rule(
        &[&["tls", "ssl"], &["handshake", "negotiation"], LATE],
        is("", Class::TlsHandshakeTimeout),
    ),
    rule(
        &[&["tls", "ssl"], &["handshake"], &["closed", "eof", "reset", "aborted", "disconnected"]],
        is("", Class::TlsHandshakeEof),
    ),
    rule(
        &[&["handshake", "upgrade"], &["websocket", "ws", "opening"], LATE],
        is("", Class::WsHandshakeTimeout),
    ),
    rule(
        &[
            &["handshake", "upgrade"],
            &["missing", "mismatch", "invalid", "malformed", "wrong"],
            &["header", "headers", "key", "accept", "response"],
        ],
        is("", Class::WsHandshakeMalformed),
    ),
    rule(&[&["handshake", "upgrade"], FAILED, STATUSES], is("", Class::WsBadHandshake)),
    rule(
        &[&["handshake", "upgrade"], &["websocket", "ws"], FAILED],
        is("", Class::WsBadHandshake).side(Side::Either),
    ),
    rule(
        &[&["rsv", "rsv1", "rsv2", "rsv3", "reserved bit", "reserved bits"], FRAME],
        protocol("", ProtocolError::Reserved),
    ),
    rule(
        &[
            &["opcode", "masked", "unmasked", "mask", "utf 8", "fragmented", "continuation"],
            &["frame", "frames", "websocket"],
            FAILED,
        ],
        protocol("", ProtocolError::Opcode),
    ),
    rule(
        &[
            &["message", "frame", "payload", "packet", "body"],
            &["too large", "too big", "too long", "exceeds", "exceeded", "larger than"],
            &["size", "limit", "maximum", "max", "bytes", "allowed", "large", "big"],
        ],
        is("", Class::MessageTooBig),
    ),
    rule(
        &[
            &["upstream", "backend", "origin server"],
            &[
                "failed",
                "failure",
                "error",
                "unavailable",
                "unreachable",
                "down",
                "refused",
                "timed out",
                "closed",
            ],
        ],
        is("", Class::ProxyUpstreamFailure),
    ),
    rule(
        &[
            OVER,
            &["connections", "connection", "clients", "sessions"],
            &["limit", "maximum", "max", "too many"],
        ],
        is("", Class::ServerConnLimit),
    ),
    rule(
        &[
            &["resolve", "resolving", "resolution", "lookup", "dns"],
            &["host", "hostname", "name", "address", "domain", "dns"],
            FAILED,
        ],
        is("", Class::DnsFailure),
    ),
    rule(
        &[
            &["too many", "out of", "no more", "exhausted", "ran out"],
            &["file descriptors", "descriptors", "fds", "open files", "sockets", "handles"],
        ],
        errno("", Errno::EMFILE),
    ),
    rule(
        &[&["address", "port"], &["in use", "already used", "already bound", "occupied"]],
        errno("", Errno::EADDRINUSE),
    ),
    rule(
        &[
            &["send", "sending", "write", "writing", "read", "reading", "use"],
            &["closed"],
            &["socket", "connection", "websocket", "stream", "session"],
            &["on", "after", "is", "already", "to"],
        ],
        is("", Class::LocalUseAfterClose),
    ),
    rule(
        &[&["refused"], &["connection", "connect", "connecting", "connections"]],
        errno("", Errno::ECONNREFUSED),
    ),
    rule(
        &[
            &["reset"],
            &["connection", "socket", "peer"],
            &["by", "was", "been", "error", "got", "unexpectedly", "failed"],
        ],
        errno("", Errno::ECONNRESET),
    ),
    rule(
        &[&["unreachable", "not reachable"], &["host", "network", "server", "destination"]],
        errno("", Errno::EHOSTUNREACH),
    ),
    rule(
        &[
            &[
                "closed",
                "close",
                "disconnected",
                "dropped",
                "terminated",
                "hung up",
                "ended",
                "lost",
                "parse data",
            ],
            PEER_OR_LINK,
            &[
                "unexpected",
                "unexpectedly",
                "before",
                "without",
                "premature",
                "prematurely",
                "entirely",
                "lost",
                "error",
                "hung up",
            ],
        ],
        eof(""),
    ),
    rule(
        &[LATE, &["connect", "connecting", "dialing", "establish"], FAILED_OR_LATE],
        late("").in_(Phase::Connect),
    ),
    rule(
        &[
            &["timed out", "timedout", "elapsed"],
            &[
                "request",
                "response",
                "read",
                "reading",
                "reply",
                "server",
                "write",
                "call",
                "query",
                "operation",
                "kind",
            ],
        ],
        late("").in_(Phase::Open),
    ),
];

const FAILED_OR_LATE: &[&str] = &[
    "failed",
    "failure",
    "error",
    "timed out",
    "timeout",
    "missed",
    "closing",
    "terminated",
    "dead",
    "lost",
    "disconnecting",
    "disconnected",
    "no",
    "not",
    "elapsed",
    "closed",
    "exceeded",
];
const PEER_OR_LINK: &[&str] = &[
    "server",
    "peer",
    "remote",
    "host",
    "client",
    "broker",
    "other side",
    "connection",
    "socket",
    "stream",
];
const STATUSES: &[&str] = &[
    "301", "302", "307", "400", "401", "403", "404", "405", "426", "429", "500", "502", "503",
    "504",
];

/// Lines longer than this are prose or data.
const LINE_BYTES: usize = 500;
/// Lines that are looked at.
const LINES: usize = 40;

/// What the words of a text say together, in lower case; where, and as which phrase.
pub(super) fn by_words(lower: &str) -> Option<(usize, Phrase)> {
    lower.lines().take(LINES).filter(|line| line.len() <= LINE_BYTES).find_map(|line| {
        let rule =
            RULES.iter().find(|rule| rule.groups.iter().all(|group| has_one(line, group)))?;
        Some((line.as_ptr() as usize - lower.as_ptr() as usize, rule.phrase))
    })
}

fn has_one(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| has(line, word))
}

/// As a word of its own; a space stands for any mark.
fn has(line: &str, words: &str) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let mut parts = words.split(' ');
    let first = parts.next().unwrap_or_default();
    line.match_indices(first).any(|(at, _)| {
        let mut end = at + first.len();
        let bytes = line.as_bytes();
        if at > 0 && is_word(bytes.get(at - 1)) {
            return false;
        }
        for part in parts.clone() {
            let rest = &bytes[end..];
            let [mark, tail @ ..] = rest else { return false };
            if mark.is_ascii_alphanumeric() || !tail.starts_with(part.as_bytes()) {
                return false;
            }
            end += 1 + part.len();
        }
        !is_word(bytes.get(end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_alone_and_marks_are_spaces() {
        let check = |line: &str, words: &str, expected: bool| {
            assert_eq!(has(line, words), expected, "{line}: {words}");
        };
        check("request timed-out", "timed out", true);
        check("closeddown", "closed", false);
        check("disclosed", "closed", false);
        check("a closed b", "closed", true);
        check("timed", "timed out", false);
        check("über timed out", "timed out", true);
    }

    #[test]
    fn one_word_alone_says_nothing() {
        for line in ["closed", "the server is up", "certificate", "limit 5", "reset the counter"] {
            assert!(by_words(line).is_none(), "{line}");
        }
        assert!(by_words("the peer has closed the stream unexpectedly").is_some());
    }
}
