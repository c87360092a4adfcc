//! Envoy and Istio: response flags (`UF`, `UH`, ...), local replies, connection-pool debug lines.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] =
    &[Grammar { runtime: Some(Runtime::Envoy), phrases: &[SAYS], read: Some(read), print: None }];

const fn upstream(text: &'static str, phase: Phase, op: Op) -> Phrase {
    is(text, Class::ProxyUpstreamFailure).in_(phase).by(op).last()
}

static SAYS: &[Phrase] = &[
    mark("envoy"),
    mark("istio"),
    mark("upstream connect error"),
    mark("upstream_reset_before_response_started"),
    mark("response_flags"),
    mark("via_upstream"),
    mark("delayed connect error"),
    mark("outbound|"),
    upstream(
        "upstream connect error or disconnect/reset before headers",
        Phase::Connect,
        Op::Connect,
    )
    .without(&["connection termination", "remote reset", "protocol error", "local reset"]),
    upstream("upstream connect error or disconnect/reset before headers", Phase::Open, Op::Read)
        .with(&["connection termination", "remote reset", "protocol error", "local reset"]),
    upstream("upstream request timeout", Phase::Open, Op::Read),
    upstream("no healthy upstream", Phase::Connect, Op::Connect),
    upstream(
        "upstream_reset_before_response_started{connection_termination",
        Phase::Open,
        Op::Read,
    ),
    upstream("upstream_reset_before_response_started{remote_reset", Phase::Open, Op::Read),
    upstream(
        "upstream_reset_before_response_started{connection_failure",
        Phase::Connect,
        Op::Connect,
    ),
    upstream(
        "upstream_reset_before_response_started{remote_connection_failure",
        Phase::Connect,
        Op::Connect,
    ),
    upstream("upstream_reset_before_response_started", Phase::Connect, Op::Connect)
        .weighs(FINAL - 1),
    upstream("upstream_response_timeout", Phase::Open, Op::Read),
    upstream("upstream_per_try_timeout", Phase::Open, Op::Read),
    upstream("no_healthy_upstream", Phase::Connect, Op::Connect),
    upstream("delayed connect error", Phase::Connect, Op::Connect),
    upstream("immediate connect error", Phase::Connect, Op::Connect),
    upstream("transport failure reason:", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("TLS error: ", Phase::Tls, Op::Read).with(&["upstream"]),
    upstream("Request for unknown cluster", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("cluster_not_found", Phase::Connect, Op::Connect),
    upstream("connect timeout", Phase::Connect, Op::Connect).with(&["upstream", "[c"]).weighs(SURE),
    is("upstream_max_stream_duration_reached", Class::ProxyUpstreamFailure)
        .in_(Phase::Open)
        .by(Op::Read),
    is("overflow", Class::ServerConnLimit)
        .with(&["reset reason: overflow", "upstream_reset_before_response_started{overflow"])
        .weighs(FINAL + 1),
    is("stream timeout", Class::IoTimeout).weighs(WORDS),
    is("stream_idle_timeout", Class::IoTimeout),
    is("downstream_remote_disconnect", Class::EofUnexpected).side(Side::Client),
    is("downstream_local_disconnect", Class::EofUnexpected).side(Side::Client),
    is("closing due to tcp_proxy_idle_timeout", Class::KeepaliveTimeout),
    is("upstream_idle_timeout", Class::IoTimeout),
    is("connection limit reached", Class::ServerConnLimit),
    is("listener connection limit exceeded", Class::ServerConnLimit),
    is("closing connection: rate limited", Class::ServerConnLimit),
    is("global_downstream_max_connections", Class::ServerConnLimit),
    is("codec error: http/1.1 protocol error", Class::ProtocolMismatch)
        .in_(Phase::Open)
        .side(Side::Client),
    harmless("gRPC config stream closed: 0"),
    harmless("cm init: all clusters initialized"),
    harmless("all dependencies initialized. starting workers"),
];

/// `"GET / HTTP/1.1" 503 UF ...`: the flags stand right after the status.
fn read(text: &Text, clues: &mut Vec<Clue>) {
    let line = text.plain.as_str();
    let after = |needle: &str| line.find(needle).map(|at| at + needle.len());
    let flagged = after("response_flags: ").or_else(|| after("response_flags="));
    let status = after("HTTP/1.1\" ").or_else(|| after("HTTP/2\" ")).and_then(|at| {
        let word = line[at..].split(' ').next()?;
        (word.len() <= 3 && word.bytes().all(|it| it.is_ascii_digit())).then(|| at + word.len() + 1)
    });
    let Some(at) = flagged.or(status) else { return };
    let Some(flags) = line.get(at..).and_then(|rest| rest.split([' ', '\n', '"']).next()) else {
        return;
    };
    let found = flags.split(',').filter_map(of_flag).next();
    if let Some(phrase) = found {
        clues.push(Clue { at, end: at + flags.len(), phrase, runtime: Some(Runtime::Envoy) });
    }
}

/// Response flags of the access log (Envoy, "Command operators").
fn of_flag(flag: &str) -> Option<Phrase> {
    Some(match flag {
        "UF" | "UH" | "URX" => upstream("", Phase::Connect, Op::Connect),
        "UC" | "UR" | "UT" | "UPE" | "UMSDR" | "LR" => upstream("", Phase::Open, Op::Read),
        "NC" | "NR" => upstream("", Phase::Connect, Op::Connect),
        "UO" | "RL" | "OM" => is("", Class::ServerConnLimit).last(),
        "DC" => is("", Class::EofUnexpected).side(Side::Client).last(),
        "DPE" => is("", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client).last(),
        "SI" | "DT" => is("", Class::IoTimeout).last(),
        "DF" => is("", Class::DnsFailure).last(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_after_the_status_are_read() {
        let check = |flags: &str, expected: Option<Class>| {
            let line = format!(
                "[2026-11-21T02:00:00Z] \"GET /x HTTP/1.1\" 503 {flags} 0 91 5 - \"-\" \"curl\""
            );
            let mut clues = Vec::new();
            read(&Text::of(&line), &mut clues);
            let class = clues.first().map(|clue| match clue.phrase.tells {
                Tells::Class(class) => class,
                _ => Class::NotAConnectionFailure,
            });
            assert_eq!(class, expected, "{flags}");
        };
        check("UF", Some(Class::ProxyUpstreamFailure));
        check("UF,URX", Some(Class::ProxyUpstreamFailure));
        check("UO", Some(Class::ServerConnLimit));
        check("DC", Some(Class::EofUnexpected));
        check("-", None);
    }
}
