//! Go: `net.OpError` (`op net src->dst: call: errno`), net/http, crypto/tls, gorilla/websocket,
//! coder/websocket (nhooyr), gobwas/ws, x/net/websocket.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[Grammar {
    runtime: Some(Runtime::Go),
    phrases: &[MARKS, NET, HTTP, TLS, WEBSOCKET],
    read: Some(read),
    print: Some(print),
}];

static MARKS: &[Phrase] = &[
    mark("dial tcp"),
    mark("read tcp"),
    mark("write tcp"),
    mark("listen tcp"),
    mark("accept tcp"),
    mark("dial udp"),
    mark("write unix"),
    mark("read unix"),
    mark("dial unix"),
    mark("goroutine"),
    mark("panic:"),
    mark("net/http:"),
    mark("x509:"),
    mark("accept4:"),
    mark(".go:"),
    mark("remote error: tls:"),
    mark("context deadline exceeded"),
    mark("rpc error:"),
    mark("dial tcp4"),
    mark("dial tcp6"),
    mark("net.OpError"),
    mark("os.SyscallError"),
    mark("net.dnserror"),
    mark("http: Server closed"),
    mark("websocket: close"),
    amid("accept tcp", Doing::Serving),
    amid("http: accept error", Doing::Serving),
    amid("http: tls handshake error from", Doing::Serving),
    amid("dial tcp", Doing::Net),
    amid("dial udp", Doing::Net),
    amid("read tcp", Doing::Net),
    amid("write tcp", Doing::Net),
    alarm("panic:"),
];

static NET: &[Phrase] = &[
    errno("too many open files", Errno::EMFILE)
        .with(&["listen tcp", "listen udp"])
        .without(&["in system"])
        .weighs(41)
        .in_(Phase::Socket)
        .by(Op::Socket),
    errno("too many open files", Errno::EMFILE)
        .with(&["accept tcp", "accept4:", "accept:", "accept unix"])
        .without(&["in system"])
        .weighs(42)
        .in_(Phase::Accept)
        .by(Op::Accept),
    is("no such host", Class::DnsFailure).with(&["lookup "]),
    is("server misbehaving", Class::DnsFailure).with(&["lookup "]),
    is("no suitable address found", Class::DnsFailure),
    is("no suitable address", Class::DnsFailure).with(&["lookup ", "dial "]),
    is("i/o timeout", Class::DnsFailure).with(&["dial tcp: lookup ", "lookup "]).weighs(70),
    is("connection refused", Class::DnsFailure)
        .with(&["dial tcp: lookup ", ":53: read", ":53: connect"])
        .weighs(70),
    is("network is unreachable", Class::DnsFailure)
        .with(&["dial tcp: lookup "])
        .weighs(70)
        .side(Side::Network),
    is("too many open files", Class::DnsFailureFdExhausted).with(&["lookup "]).weighs(71),
    is("no dns server", Class::DnsFailure),
    late_in("i/o timeout", Phase::Connect).with(&["dial tcp", "dial:"]),
    late("i/o timeout").weighs(WORDS + 1),
    late_in("operation was canceled", Phase::Connect).with(&["dial tcp"]).weighs(WORDS),
    is("use of closed network connection", Class::LocalUseAfterClose).side(Side::Either),
    is("use of closed file", Class::LocalUseAfterClose).with(&["tcp", "socket"]).side(Side::Either),
    is("use of closed connection", Class::LocalUseAfterClose).side(Side::Either),
    is("file already closed", Class::LocalUseAfterClose)
        .with(&["tcp", "socket", "conn"])
        .side(Side::Either),
    is("net.(*conn)", Class::LocalUseAfterClose)
        .with(&["nil pointer dereference", "sigsegv"])
        .side(Side::Client)
        .last(),
    is("net.(*tcpconn)", Class::LocalUseAfterClose)
        .with(&["nil pointer dereference", "sigsegv"])
        .side(Side::Client)
        .last(),
    is("gorilla/websocket.(*conn)", Class::LocalUseAfterClose)
        .with(&["nil pointer dereference", "sigsegv"])
        .side(Side::Client)
        .last(),
    is("repeated read on failed websocket connection", Class::LocalUseAfterClose)
        .last()
        .side(Side::Either),
    is("read/write on closed pipe", Class::LocalUseAfterClose),
    eof("unexpected eof"),
    eof("EOF").weighs(WORDS).with(&[
        "read tcp",
        "get \"",
        "post \"",
        "put \"",
        "head \"",
        "patch \"",
        "delete \"",
        "options \"",
        "read:",
        "dial",
        "conn",
        "reading",
        "rpc",
        "websocket",
        "failed",
        "handshake",
        "read ",
        "err",
        "panic:",
        "reason:",
    ]),
    is("failed to create new os thread", Class::ThreadLimit),
    is("newosproc", Class::ThreadLimit),
    is("thread exhaustion", Class::ThreadLimit),
    is("program exceeds 10000-thread limit", Class::ThreadLimit),
    errno("an operation on a socket could not be performed", Errno::ENOBUFS),
];

static HTTP: &[Phrase] = &[
    late_in("context deadline exceeded", Phase::Open).weighs(WORDS + 2).without(&[
        "dial tcp",
        "lookup ",
        "handshake",
    ]),
    late_in("context deadline exceeded", Phase::Connect)
        .with(&["dial tcp", "dial:"])
        .weighs(WORDS + 3),
    late_in("context deadline exceeded", Phase::Upgrade)
        .with(&["websocket dial", "failed to websocket dial", "handshake"])
        .weighs(WORDS + 4),
    late_in("client.timeout exceeded while awaiting headers", Phase::Open).without(&["dial tcp"]),
    late_in("client.timeout exceeded while awaiting headers", Phase::Connect).with(&["dial tcp"]),
    late_in("client.timeout or context cancellation while reading body", Phase::Open),
    late_in("request canceled while waiting for connection", Phase::Connect)
        .with(&["timeout exceeded"]),
    late_in("timeout awaiting response headers", Phase::Open),
    late_in("tls handshake timeout", Phase::Tls).last(),
    late_in("http2: timeout awaiting response headers", Phase::Open).last(),
    is("http2: client connection lost", Class::KeepaliveTimeout),
    is("client connection force closed via clientconn.close", Class::LocalUseAfterClose),
    eof("server sent goaway and closed the connection"),
    eof("http: server closed idle connection"),
    eof("http: unexpected eof reading trailer"),
    is("http: server gave http response to https client", Class::ProtocolMismatch).in_(Phase::Tls),
    is("server gave http response to https client", Class::ProtocolMismatch).in_(Phase::Tls),
    is("client sent an http request to an https server", Class::ProtocolMismatch).in_(Phase::Tls),
    is("malformed http response", Class::ProtocolMismatch)
        .in_(Phase::Open)
        .side(Side::Either)
        .at(Printed::Read),
    is("malformed http status code", Class::ProtocolMismatch).at(Printed::Read),
    is("malformed http version", Class::ProtocolMismatch).at(Printed::Read),
    is("frame too large", Class::ProtocolMismatch).with(&["http2"]).at(Printed::Read),
    eof("http: server closed connection"),
    is("http: request body too large", Class::MessageTooBig),
    eof("transport connection broken").weighs(WORDS - 1),
    harmless("http: Server closed"),
    harmless("http: proxy error: context canceled"),
    harmless("context canceled").weighs(WORDS - 5),
    is("http: proxy error", Class::ProxyUpstreamFailure).weighs(WORDS - 3),
    harmless("superfluous response.writeheader"),
    harmless("http: multiple response.writeheader"),
];

static TLS: &[Phrase] = &[
    tls(
        "x509: certificate has expired or is not yet valid",
        TlsError::Certificate(CertificateFault::Expired),
    ),
    tls("x509: certificate is valid for", TlsError::Certificate(CertificateFault::WrongName)),
    tls(
        "x509: certificate signed by unknown authority",
        TlsError::Certificate(CertificateFault::UnknownIssuer),
    ),
    tls(
        "x509: cannot validate certificate for",
        TlsError::Certificate(CertificateFault::WrongName),
    ),
    tls(
        "x509: certificate is not valid for any names",
        TlsError::Certificate(CertificateFault::WrongName),
    ),
    tls(
        "x509: certificate relies on legacy common name",
        TlsError::Certificate(CertificateFault::WrongName),
    ),
    tls(
        "x509: certificate specifies an incompatible key usage",
        TlsError::Certificate(CertificateFault::WrongPurpose),
    ),
    tls("x509:", TlsError::Certificate(CertificateFault::Other)).weighs(WORDS),
    tls("tls: failed to verify certificate", TlsError::Certificate(CertificateFault::Other))
        .weighs(WORDS + 1),
    tls("tls: first record does not look like a tls handshake", TlsError::NotTls),
    tls("tls: oversized record received with length", TlsError::NotTls),
    tls("tls: unsupported sslv2 handshake received", TlsError::NotTls),
    tls("tls: client offered only unsupported versions", TlsError::Incompatible).side(Side::Client),
    tls("tls: no cipher suite supported by both client and server", TlsError::Incompatible),
    tls("tls: server selected unsupported protocol version", TlsError::Incompatible),
    tls("tls: protocol version not supported", TlsError::Alert(70)),
    tls("tls: handshake failure", TlsError::Alert(40)),
    tls("tls: bad certificate", TlsError::Alert(42)),
    tls("tls: unknown certificate authority", TlsError::Alert(48)),
    tls("tls: unknown certificate", TlsError::Alert(46)),
    tls("tls: expired certificate", TlsError::Alert(45)),
    tls("tls: revoked certificate", TlsError::Alert(44)),
    tls("tls: certificate required", TlsError::Alert(116)).side(Side::Client),
    tls("tls: client didn't provide a certificate", TlsError::NoCertificate).side(Side::Client),
    tls("tls: internal error", TlsError::Alert(80)),
    tls("tls: unrecognized name", TlsError::Alert(112)),
    tls("tls: no application protocol", TlsError::Alert(120)),
    tls("tls: client requested unsupported application protocols", TlsError::Incompatible),
    tls("tls: illegal parameter", TlsError::Alert(47)),
    tls("tls: bad record mac", TlsError::BadRecord),
    tls("remote error: tls:", TlsError::Alert(80)).weighs(WORDS),
    eof("EOF")
        .in_(Phase::Tls)
        .by(Op::Read)
        .with(&["tls handshake error", "tls: handshake"])
        .side(Side::Client),
];

static WEBSOCKET: &[Phrase] = &[
    is("concurrent write to websocket connection", Class::ConcurrentMisuse).side(Side::Either),
    is("concurrent read from websocket connection", Class::ConcurrentMisuse).side(Side::Either),
    is("concurrent map writes", Class::NotAConnectionFailure),
    is("websocket: bad handshake", Class::WsBadHandshake).side(Side::Either).weighs(SURE - 1),
    is("request origin not allowed by upgrader.checkorigin", Class::WsBadHandshake)
        .side(Side::Client),
    is("websocket: origin not allowed", Class::WsBadHandshake).side(Side::Client),
    is("origin not allowed", Class::WsBadHandshake)
        .with(&["websocket", "ws", "upgrade"])
        .side(Side::Client),
    is("is not authorized for host", Class::WsBadHandshake).with(&["origin"]).side(Side::Client),
    is("the client is not using the websocket protocol", Class::WsHandshakeMalformed)
        .side(Side::Client),
    is("websocket: not a websocket handshake", Class::WsHandshakeMalformed).side(Side::Client),
    is("'upgrade' token not found in 'connection' header", Class::WsHandshakeMalformed)
        .side(Side::Client),
    is("'websocket' token not found in 'upgrade' header", Class::WsHandshakeMalformed)
        .side(Side::Client),
    is("'sec-websocket-key' header", Class::WsHandshakeMalformed).side(Side::Client),
    is("websocket: unsupported version", Class::WsHandshakeMalformed).side(Side::Client),
    is("websocket: request method is not get", Class::WsHandshakeMalformed).side(Side::Client),
    is("websocket: response does not implement http.hijacker", Class::WsHandshakeMalformed),
    is("websocket: client sent data before handshake is complete", Class::WsHandshakeMalformed)
        .side(Side::Client),
    is("websocket protocol violation: connection header", Class::WsHandshakeMalformed).last(),
    is("websocket protocol violation: upgrade header", Class::WsHandshakeMalformed).last(),
    is("websocket protocol violation: invalid sec-websocket-accept", Class::WsHandshakeMalformed)
        .last(),
    is("websocket protocol violation", Class::WsHandshakeMalformed).weighs(SURE - 1),
    is("expected handshake response status code 101 but got", Class::WsBadHandshake)
        .weighs(SURE - 1),
    is("handshake error: bad", Class::WsHandshakeMalformed),
    is("unexpected http response status", Class::WsBadHandshake).weighs(SURE - 1),
    protocol("websocket: bad opcode", ProtocolError::Opcode),
    protocol("bad opcode", ProtocolError::Opcode),
    protocol("websocket: bad mask", ProtocolError::Mask).side(Side::Client),
    protocol("incorrect mask flag", ProtocolError::Mask),
    protocol("websocket: unexpected reserved bits", ProtocolError::Reserved),
    protocol("rsv1 set", ProtocolError::Reserved),
    protocol("rsv2 set", ProtocolError::Reserved),
    protocol("rsv3 set", ProtocolError::Reserved),
    protocol("websocket: continuation after final", ProtocolError::Continuation),
    protocol("continuation after fin", ProtocolError::Continuation),
    protocol("data before fin", ProtocolError::Interleaved),
    protocol("len > 125 for control", ProtocolError::ControlTooLong),
    protocol("fin not set on control", ProtocolError::ControlFragmented),
    protocol("invalid utf8 payload in close frame", ProtocolError::BadClose),
    protocol("websocket: bad close code", ProtocolError::BadClose).weighs(SURE + 3),
    protocol("invalid close payload", ProtocolError::BadClose),
    protocol("websocket: invalid", ProtocolError::Opcode).weighs(WORDS),
    protocol("received header with unexpected rsv bits set", ProtocolError::Reserved),
    is("websocket: read limit exceeded", Class::MessageTooBig),
    is("read limited at", Class::MessageTooBig),
    is("websocket: close sent", Class::LocalUseAfterClose).side(Side::Either),
    is("failed to write msg: websocket closed", Class::LocalUseAfterClose),
    is("websocket: internal error, extra used in", Class::NotAConnectionFailure),
    harmless("malformed ws or wss url"),
    is("failed to get reader: received close frame", Class::WsCloseError).weighs(WORDS),
    is("failed to ping: failed to wait for pong", Class::KeepaliveTimeout).last(),
    is("failed to wait for pong", Class::KeepaliveTimeout).last(),
    is("pong timeout", Class::KeepaliveTimeout),
];

/// `op net src->dst: call: errno`: between `op` and the errno only addresses and the call stand,
/// whatever they look like. A look-up without a server (` on IP:53`) never left the process: for a
/// name that always resolves, no descriptor was left (net/dnsclient_unix.go).
fn read(text: &Text, clues: &mut Vec<Clue>) {
    let lower = &text.lower;
    let Some(at) = lower.find("lookup ") else { return };
    let rest = &lower[at + 7..];
    let line = rest.lines().next().unwrap_or_default();
    let name = line.split([' ', ':']).next().unwrap_or_default().trim_matches(['"', '\'']);
    let on_its_own = is_own_name(name) && !line.contains(" on ") && line.contains("no such host");
    if on_its_own {
        let phrase = is("", Class::DnsFailureFdExhausted).last();
        clues.push(Clue { at, end: at + 7, phrase, runtime: Some(Runtime::Go) });
    }
}

/// A name that every host resolves by itself (RFC 6761 §6.3).
pub(super) fn is_own_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost") || name == "localhost.localdomain"
}

fn print(event: &Event) -> Option<String> {
    let words = event.words()?;
    // Go's own strings are in small letters (zerrors_linux_amd64.go); Windows' are not.
    let words = match event.system {
        System::Windows => format!("{words}."),
        _ => words.to_ascii_lowercase(),
    };
    let (local, remote) = (event.local, event.remote);
    let windows = event.system == System::Windows;
    Some(match event.op {
        Op::Socket => format!("dial tcp {remote}: socket: {words}"),
        Op::Connect if windows => format!("dial tcp {remote}: connectex: {words}"),
        Op::Connect => format!("dial tcp {remote}: connect: {words}"),
        Op::Bind => format!("listen tcp {local}: bind: {words}"),
        Op::Accept if event.system == System::Linux => {
            format!("accept tcp {local}: accept4: {words}")
        }
        Op::Accept => format!("accept tcp {local}: accept: {words}"),
        Op::Read if windows => format!("read tcp {local}->{remote}: wsarecv: {words}"),
        Op::Read => format!("read tcp {local}->{remote}: read: {words}"),
        Op::Write if windows => format!("write tcp {local}->{remote}: wsasend: {words}"),
        Op::Write => format!("write tcp {local}->{remote}: write: {words}"),
        _ => return None,
    })
}
