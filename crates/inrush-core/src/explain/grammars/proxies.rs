//! Other proxies and load balancers: Apache httpd, Caddy, Traefik, AWS, Cloudflare, Varnish, Squid,
//! Kubernetes, and the HTTP errors any of them answers with.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[
    Grammar { runtime: Some(Runtime::Apache), phrases: &[APACHE], read: None, print: None },
    Grammar { runtime: Some(Runtime::Caddy), phrases: &[CADDY], read: None, print: None },
    Grammar { runtime: Some(Runtime::Traefik), phrases: &[TRAEFIK], read: None, print: None },
    Grammar { runtime: Some(Runtime::Aws), phrases: &[AWS], read: Some(read_elb), print: None },
    Grammar { runtime: Some(Runtime::Docker), phrases: &[CONTAINERS], read: None, print: None },
    Grammar { runtime: Some(Runtime::Systemd), phrases: &[SYSTEMD], read: None, print: None },
    Grammar { runtime: None, phrases: &[ANY], read: None, print: None },
];

const fn upstream(text: &'static str, phase: Phase, op: Op) -> Phrase {
    is(text, Class::ProxyUpstreamFailure).in_(phase).by(op).last()
}

static APACHE: &[Phrase] = &[
    mark("AH0*"),
    mark("[proxy:error]"),
    mark("[proxy_http:error]"),
    mark("[core:"),
    mark("[mpm_*"),
    mark("httpd"),
    mark("apache2"),
    mark("(98)Address*"),
    upstream("AH00957", Phase::Connect, Op::Connect),
    upstream("AH00959", Phase::Connect, Op::Connect),
    upstream("AH01102", Phase::Open, Op::Read),
    upstream("AH01097", Phase::Open, Op::Read),
    upstream("AH01110", Phase::Open, Op::Read),
    upstream("AH01114", Phase::Connect, Op::Connect),
    upstream("AH01144", Phase::Connect, Op::Connect).weighs(SURE - 1),
    upstream("AH01084", Phase::Open, Op::Write),
    upstream("attempt to connect to", Phase::Connect, Op::Connect).with(&["failed"]),
    upstream("error reading status line from remote server", Phase::Open, Op::Read),
    upstream("Error reading from remote server", Phase::Open, Op::Read),
    upstream(
        "The proxy server received an invalid response from an upstream server",
        Phase::Open,
        Op::Read,
    ),
    upstream("failed to make connection to backend", Phase::Connect, Op::Connect),
    is("server reached MaxRequestWorkers setting", Class::ServerConnLimit).last(),
    is("server reached MaxClients setting", Class::ServerConnLimit).last(),
    is("AH00484", Class::ServerConnLimit).last(),
    is("scoreboard is full", Class::ServerConnLimit),
    doing("could not bind to address", Phase::Bind, Op::Bind),
    doing("AH00072", Phase::Bind, Op::Bind),
    is("AH00159", Class::ThreadLimit).weighs(WORDS),
    is("AH02032", Class::TlsAlert).weighs(WORDS),
    is("speaking HTTP to HTTPS port", Class::ProtocolMismatch).in_(Phase::Tls).side(Side::Client),
    is("AH01996", Class::ProtocolMismatch).in_(Phase::Tls).side(Side::Client),
    is("AH01998", Class::TlsHandshakeEof).side(Side::Client),
    is("AH02039", Class::TlsCertInvalid),
    doing("AH00056", Phase::Connect, Op::Connect),
    harmless("AH00558"),
    harmless("AH00094"),
    harmless("AH00163"),
    harmless("AH00489"),
    harmless("AH01630"),
    harmless("AH00128"),
    harmless("AH01276"),
    harmless("File does not exist:"),
];

static CADDY: &[Phrase] = &[
    mark("http.log.error"),
    mark("http.handlers.reverse_proxy"),
    mark("caddy"),
    amid("http.log.error", Doing::Upstream),
    amid("reverse_proxy", Doing::Upstream),
    amid("reverseproxy", Doing::Upstream),
    upstream("no upstreams available", Phase::Connect, Op::Connect),
    harmless("handled request").weighs(WORDS - 9),
    harmless("autosaved config"),
    harmless("serving initial configuration"),
    is("aborting with incomplete response", Class::ProxyUpstreamFailure)
        .in_(Phase::Open)
        .by(Op::Read),
];

static TRAEFIK: &[Phrase] = &[
    mark("traefik"),
    mark("Bad Gateway error=*"),
    amid("502 Bad Gateway", Doing::Upstream),
    amid("504 Gateway Timeout", Doing::Upstream),
    amid("'502 Bad Gateway' caused by:", Doing::Upstream),
    amid("caused by: dial tcp", Doing::Upstream),
    amid("Gateway Timeout' caused by:", Doing::Upstream),
    upstream("no available server", Phase::Connect, Op::Connect)
        .with(&["traefik", "503", "service"]),
    is("Error while dialing backend", Class::ProxyUpstreamFailure).in_(Phase::Connect),
    amid("Error while proxying", Doing::Upstream),
    amid("http: proxy error", Doing::Upstream),
    amid("error proxying", Doing::Upstream),
    amid("proxy error", Doing::Upstream),
    amid("proxyconnect tcp", Doing::Net),
    is("499 Client Closed Request", Class::EofUnexpected).side(Side::Client),
    is("client closed request", Class::EofUnexpected).side(Side::Client),
];

static AWS: &[Phrase] = &[
    mark("elb"),
    mark("HTTPCode_ELB*"),
    mark("Target.Timeout"),
    mark("awselb"),
    upstream("Target.FailedHealthChecks", Phase::Connect, Op::Connect),
    upstream("Target.Timeout", Phase::Open, Op::Read),
    upstream("TargetConnectionErrorCount", Phase::Connect, Op::Connect),
    upstream("HTTPCode_ELB_502_Count", Phase::Open, Op::Read),
    upstream("HTTPCode_ELB_504_Count", Phase::Open, Op::Read),
    is("SurgeQueueLength", Class::ServerConnLimit).weighs(WORDS),
    is("SpilloverCount", Class::ServerConnLimit),
    is("ErrorPortAllocation", Class::EphemeralPortsExhausted),
    is("PortAllocationErrorCount", Class::EphemeralPortsExhausted),
    is("conntrack_allowance_exceeded", Class::ConntrackFull),
];

static CONTAINERS: &[Phrase] = &[
    mark("docker:"),
    mark("kubelet"),
    mark("docker-proxy"),
    mark("containerd"),
    mark("dockerd"),
    mark("kube-proxy"),
    mark("podman"),
    mark("docker"),
    is("port is already allocated", Class::AddressInUse).last(),
    is("ports are not available", Class::AddressInUse).weighs(SURE),
    is("Cannot connect to the Docker daemon", Class::Refused).weighs(SURE),
    is("Readiness probe failed", Class::Refused).with(&["connection refused"]).weighs(SURE),
    is("Readiness probe failed", Class::IoTimeout)
        .with(&["deadline exceeded", "timeout"])
        .weighs(SURE + 1),
    is("Liveness probe failed", Class::IoTimeout)
        .with(&["deadline exceeded", "timeout"])
        .weighs(SURE + 1),
    harmless("Back-off restarting failed container"),
    harmless("OOMKilled"),
    harmless("ImagePullBackOff"),
    harmless("CrashLoopBackOff"),
    harmless("no space left on device"),
    harmless("Error response from daemon: No such container"),
    harmless("Unable to find image"),
    upstream("no endpoints available for service", Phase::Connect, Op::Connect),
    is("lost connection to pod", Class::EofUnexpected),
];

static SYSTEMD: &[Phrase] = &[
    mark("systemd["),
    mark("systemd"),
    is("Failed to listen on sockets", Class::AddressInUse).with(&["address already in use"]),
    doing("Failed to listen on", Phase::Bind, Op::Bind),
    doing("Failed to create listening socket", Phase::Bind, Op::Bind),
    is("Too many incoming connections", Class::ServerConnLimit),
    is("dropping connection.", Class::ServerConnLimit).with(&["too many incoming connections"]),
    is("Failed to fork", Class::ThreadLimit).with(&["resource temporarily unavailable"]),
    is("fork rejected by pids controller", Class::ThreadLimit).last(),
    is("Trigger limit hit, refusing further activation", Class::ServerConnLimit),
    harmless("Main process exited, code=exited"),
    harmless("Failed with result 'exit-code'"),
    harmless("Start request repeated too quickly"),
    harmless("Scheduled restart job"),
    harmless("Failed to start "),
    harmless("Started "),
    harmless("Stopping "),
    harmless("Deactivated successfully"),
    harmless("A process of this unit has been killed by the OOM killer"),
];

static ANY: &[Phrase] = &[
    upstream("Error 502 Bad gateway", Phase::Open, Op::Read).weighs(SURE - 3),
    upstream("502 Bad Gateway", Phase::Open, Op::Read).weighs(WORDS - 2).without(&[
        "unexpected server response",
        "websocket",
        "handshake",
    ]),
    upstream("504 Gateway Timeout", Phase::Open, Op::Read)
        .weighs(WORDS - 2)
        .without(&["websocket", "handshake"]),
    upstream("504 Gateway Time-out", Phase::Open, Op::Read)
        .weighs(WORDS)
        .without(&["websocket", "handshake"]),
    upstream("Error 521", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("Error 522", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("Error 523", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("Error 524", Phase::Open, Op::Read).weighs(SURE),
    upstream("Error 520", Phase::Open, Op::Read).weighs(SURE),
    upstream("error code: 521", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("error code: 522", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("error code: 524", Phase::Open, Op::Read).weighs(SURE),
    upstream("error code: 502", Phase::Open, Op::Read).weighs(SURE - 3),
    upstream("Backend fetch failed", Phase::Connect, Op::Connect),
    upstream("FetchError", Phase::Connect, Op::Connect)
        .with(&["no backend connection", "backend"])
        .weighs(SURE),
    upstream("TCP_MISS/503", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("ERR_CONNECT_FAIL", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("no healthy backend", Phase::Connect, Op::Connect),
    upstream("no backend available", Phase::Connect, Op::Connect),
    upstream("backend connection failed", Phase::Connect, Op::Connect),
    upstream("backend unavailable", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("failed_to_connect_to_backend", Phase::Connect, Op::Connect),
    upstream("backend_connection_closed_before_data_sent_to_client", Phase::Open, Op::Read),
    upstream("backend_timeout", Phase::Open, Op::Read),
    upstream("upstream unavailable", Phase::Connect, Op::Connect).weighs(SURE),
    upstream("proxy_error", Phase::Connect, Op::Connect).weighs(WEAK),
    amid("upstream server", Doing::Upstream).weighs(1),
    amid("to backend", Doing::Upstream),
    amid("from backend", Doing::Upstream),
    is("Proxy CONNECT aborted", Class::ProxyUpstreamFailure).in_(Phase::Connect).by(Op::Connect),
    is("Received HTTP code 502 from proxy after CONNECT", Class::ProxyUpstreamFailure)
        .in_(Phase::Connect)
        .by(Op::Connect),
    is("Received HTTP code 503 from proxy after CONNECT", Class::ProxyUpstreamFailure)
        .in_(Phase::Connect)
        .by(Op::Connect),
    is("Tunnel connection failed: 502", Class::ProxyUpstreamFailure)
        .in_(Phase::Connect)
        .by(Op::Connect),
    is("Tunnel connection failed: 503", Class::ProxyUpstreamFailure)
        .in_(Phase::Connect)
        .by(Op::Connect),
    is("ProxyError('Cannot connect to proxy.'", Class::Refused).weighs(WEAK + 4),
];

/// An ALB's access log: `type time elb client target t1 t2 t3 elb_status target_status`. A time of
/// -1 is one that never came.
fn read_elb(text: &Text, clues: &mut Vec<Clue>) {
    if !text.plain.contains(" app/") && !text.plain.contains("targetgroup/") {
        return;
    }
    let words: Vec<&str> = text.plain.split(' ').take(10).collect();
    let [_, _, _, _, _, _, target, _, status, seen] = words[..] else { return };
    let phrase = match (target, status, seen) {
        ("-1", "502" | "503" | "504", "-") => upstream("", Phase::Connect, Op::Connect),
        (_, "502" | "503" | "504", _) => upstream("", Phase::Open, Op::Read),
        (_, "460", _) => is("", Class::EofUnexpected).side(Side::Client),
        _ => return,
    };
    clues.push(Clue { at: 0, end: 1, phrase, runtime: Some(Runtime::Aws) });
}
