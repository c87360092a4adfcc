//! HAProxy: the two letters of its HTTP and TCP log (configuration manual, 8.5), health checks,
//! alerts of its start.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] =
    &[Grammar { runtime: Some(Runtime::Haproxy), phrases: &[SAYS], read: Some(read), print: None }];

static SAYS: &[Phrase] = &[
    mark("haproxy"),
    mark("[haproxy.main()]"),
    mark("Layer4"),
    mark("Layer7"),
    mark("Layer6"),
    mark("<NOSRV>"),
    mark("check duration:"),
    mark("active and"),
    alarm("is DOWN"),
    is("is DOWN", Class::ProxyUpstreamFailure)
        .with(&["layer4", "layer6", "layer7", "check duration", "active and", "agent"])
        .in_(Phase::Connect)
        .weighs(SURE + 1),
    is("Layer4 timeout", Class::ProxyUpstreamFailure).in_(Phase::Connect).last(),
    is("Layer7 timeout", Class::ProxyUpstreamFailure).in_(Phase::Open).by(Op::Read).last(),
    is("Layer7 wrong status", Class::ProxyUpstreamFailure).in_(Phase::Open).by(Op::Read).last(),
    is("Layer7 invalid response", Class::ProxyUpstreamFailure).in_(Phase::Open).by(Op::Read).last(),
    is("Layer6 invalid response", Class::ProxyUpstreamFailure).in_(Phase::Tls).last(),
    is("Layer6 timeout", Class::ProxyUpstreamFailure).in_(Phase::Tls).last(),
    is("Layer4 connection problem", Class::ProxyUpstreamFailure).in_(Phase::Connect).last(),
    is("has no server available", Class::ProxyUpstreamFailure).in_(Phase::Connect),
    is("Cannot raise FD limit to", Class::FdExhaustedProcess)
        .at(Printed::Local)
        .side(Side::Server)
        .last(),
    is("Not enough memory/FDs", Class::FdExhaustedProcess).at(Printed::Local).side(Side::Server),
    is("reached the configured maxconn value", Class::ServerConnLimit).last(),
    is("Proxy ", Class::ServerConnLimit).with(&[
        "reached process fd limit",
        "reached process-wide maxconn",
        "reached the maxconn",
    ]),
    is("reached system FD limit", Class::FdExhaustedSystem).at(Printed::Accept).side(Side::Server),
    is("reached process FD limit", Class::FdExhaustedProcess)
        .at(Printed::Accept)
        .side(Side::Server)
        .last(),
    is("reached system memory limit", Class::NoBufferSpace).at(Printed::Accept).side(Side::Server),
    is("cannot bind socket", Class::AddressInUse)
        .weighs(WORDS + 1)
        .without(&["permission denied", "cannot assign"]),
    doing("cannot bind socket", Phase::Bind, Op::Bind),
    is("Connection closed during SSL handshake", Class::TlsHandshakeEof).last().side(Side::Client),
    is("SSL handshake failure", Class::TlsAlert).weighs(WORDS),
    is("Timeout during SSL handshake", Class::TlsHandshakeTimeout).last().side(Side::Client),
    is(
        "Received something which does not look like a PROXY protocol header",
        Class::ProtocolMismatch,
    )
    .in_(Phase::Open)
    .side(Side::Client),
    is("Connection error during SSL handshake", Class::TlsHandshakeEof).last(),
    is("FD limit (", Class::FdExhaustedProcess)
        .at(Printed::Local)
        .side(Side::Server)
        .with(&["maxsock", "maxconn"]),
    harmless("is UP, reason"),
    harmless("is UP."),
    harmless("Proxy http started"),
    harmless("New worker"),
    harmless("Loading success"),
    harmless("Configuration file is valid"),
    harmless("parsing ["),
    harmless("Stopping proxy"),
    harmless("Pausing frontend"),
    harmless("<STATS>"),
];

/// The termination state: four letters after a dash for each cookie (or, in TCP logs, after the
/// byte count), before five counts with slashes.
fn read(text: &Text, clues: &mut Vec<Clue>) {
    let line = text.plain.as_str();
    let mut words = line.split(' ').filter(|word| !word.is_empty()).peekable();
    let mut timed = false;
    while let Some(word) = words.next() {
        let next = words.peek().copied().unwrap_or_default();
        timed |= is_counts(word, 2);
        if timed && is_state(word) && is_counts(next, 4) {
            let at = word.as_ptr() as usize - line.as_ptr() as usize;
            let nobody = line.contains("<NOSRV>");
            if let Some(phrase) = of_state(word.as_bytes(), nobody) {
                let runtime = Some(Runtime::Haproxy);
                clues.push(Clue { at, end: at + word.len(), phrase, runtime });
            }
            return;
        }
    }
}

fn is_state(word: &str) -> bool {
    let bytes = word.as_bytes();
    matches!(bytes.len(), 2 | 4)
        && b"CSPLRIDUKcs-".contains(&bytes[0])
        && b"RQCHDLT-".contains(&bytes[1])
}

/// `0/0/-1/-1/1503`
fn is_counts(word: &str, slashes: usize) -> bool {
    word.matches('/').count() >= slashes
        && word.bytes().all(|byte| byte.is_ascii_digit() || b"/-+".contains(&byte))
}

fn of_state(state: &[u8], nobody: bool) -> Option<Phrase> {
    let proxy = |phase, op| is("", Class::ProxyUpstreamFailure).in_(phase).by(op).last();
    let client = |class| is("", class).side(Side::Client).last();
    Some(match (state[0], state[1]) {
        (b'S' | b's', b'C') => proxy(Phase::Connect, Op::Connect),
        (b's' | b'S', b'Q') => proxy(Phase::Connect, Op::Connect),
        (b'S' | b's', b'H' | b'L') => proxy(Phase::Open, Op::Read),
        (b'S' | b's', b'D' | b'T') => proxy(Phase::Open, Op::Read),
        (b'S' | b's', _) if nobody => proxy(Phase::Connect, Op::Connect),
        (b'P', b'H') => proxy(Phase::Open, Op::Read),
        (b'c', b'R' | b'H' | b'D' | b'T') => client(Class::IoTimeout),
        (b'C', b'R' | b'H' | b'D' | b'C' | b'Q' | b'L' | b'T') => client(Class::EofUnexpected),
        (b'R', _) => is("", Class::FdExhaustedProcess).at(Printed::Connect).side(Side::Server),
        (b'D' | b'U' | b'K', _) => proxy(Phase::Open, Op::Read),
        (b'P' | b'L' | b'I' | b'-', _) if !nobody => harmless("").last(),
        _ if nobody => proxy(Phase::Connect, Op::Connect),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_letters_tell_who_ended_it() {
        let check = |state: &str, expected: Class| {
            let line = format!(
                "127.0.0.1:35186 [21/Nov/2026:02:27:42.644] f b1/s1 0/0/-1/-1/1503 503 217 - - \
                 {state}-- 1/1/0/0/3 0/0 \"GET /refused HTTP/1.1\""
            );
            let mut clues = Vec::new();
            read(&Text::of(&line), &mut clues);
            assert_eq!(clues.len(), 1, "{state}");
            assert_eq!(clues[0].phrase.tells, Tells::Class(expected), "{state}");
        };
        check("SC", Class::ProxyUpstreamFailure);
        check("sH", Class::ProxyUpstreamFailure);
        check("cR", Class::IoTimeout);
        check("CD", Class::EofUnexpected);
        check("--", Class::NotAConnectionFailure);
        let mut clues = Vec::new();
        read(&Text::of("a SC-- 1/2/3/4/5 word"), &mut clues);
        assert!(clues.is_empty(), "no times, no log line");
    }
}
