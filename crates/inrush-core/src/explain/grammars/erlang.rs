//! Erlang and Elixir: gen_tcp's atoms in tuples, ssl, httpc, gun, cowboy, hackney, Mint, Phoenix.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[
    Grammar {
        runtime: Some(Runtime::Erlang),
        phrases: &[MARKS, SAYS],
        read: Some(read),
        print: Some(print),
    },
    Grammar { runtime: Some(Runtime::Elixir), phrases: &[ELIXIR], read: None, print: None },
];

static MARKS: &[Phrase] = &[
    mark("{error,"),
    mark("gen_tcp"),
    mark("gen_server"),
    mark("=ERROR REPORT===="),
    mark("=SUPERVISOR REPORT===="),
    mark("** Reason for termination"),
    mark("cowboy"),
    mark("ranch"),
    mark("hackney"),
    mark("gun_down"),
    mark("gun_error"),
    mark("gun_up"),
    mark("failed_connect"),
    mark("CRASH REPORT"),
    mark("prim_inet"),
    mark("{shutdown,"),
    mark("** exception error"),
    mark(".erl"),
    mark("{badmatch,"),
    mark("tls_alert"),
    mark("inet_gethost"),
    doing("gen_tcp:connect", Phase::Connect, Op::Connect),
    doing("failed_connect", Phase::Connect, Op::Connect),
    doing("gen_tcp:listen", Phase::Bind, Op::Bind),
    doing("gen_tcp:accept", Phase::Accept, Op::Accept),
    doing("gen_tcp:recv", Phase::Open, Op::Read),
    doing("gen_tcp:send", Phase::Open, Op::Write),
    doing("tcp_error", Phase::Open, Op::Read).weighs(1),
    doing("connect_error", Phase::Connect, Op::Connect),
    doing("ranch_acceptor", Phase::Accept, Op::Accept),
    doing("prim_inet:accept", Phase::Accept, Op::Accept),
    doing("prim_inet:send", Phase::Open, Op::Write),
    doing("prim_inet:recv", Phase::Open, Op::Read),
    doing("writev", Phase::Open, Op::Write),
    doing("listen_error", Phase::Bind, Op::Bind),
    doing("failed_to_start_child", Phase::Bind, Op::Bind),
    amid("gen_tcp", Doing::Net),
    amid("{inet,", Doing::Net),
    amid("{error,", Doing::Net),
    amid("tcp_error", Doing::Net),
    amid("tls_alert", Doing::Tls),
    doing("shutdown,econnrefused", Phase::Connect, Op::Connect),
    amid("ranch listener", Doing::Serving),
    amid("{file,", Doing::File),
    amid("file_error", Doing::File),
    amid("ranch acceptor", Doing::Serving),
    amid("Ranch acceptor", Doing::Serving),
];

static SAYS: &[Phrase] = &[
    is("nxdomain", Class::DnsFailure),
    is("{error,eai*", Class::DnsFailure),
    is("{error, nxdomain}", Class::DnsFailure),
    is("non-existing domain", Class::DnsFailure),
    is("no_scheme", Class::NotAConnectionFailure),
    is("ehostunreach", Class::Unreachable).weighs(WORDS),
    errno("{error,emfile}", Errno::EMFILE).weighs(NUMBER),
    errno("{error,system_limit}", Errno::EMFILE).weighs(NUMBER),
    errno("out of file descriptors", Errno::EMFILE),
    is("Could not accept new connection: all process", Class::ThreadLimit),
    is("Too many processes", Class::ThreadLimit),
    is("Ranch acceptor reducing accept rate: out of file descriptors", Class::FdExhaustedProcess)
        .at(Printed::Accept)
        .side(Side::Server)
        .last(),
    is("reducing accept rate", Class::FdExhaustedProcess).at(Printed::Accept).side(Side::Server),
    is("maximum number of ports", Class::FdExhaustedProcess),
    is("max_ports", Class::FdExhaustedProcess).weighs(WORDS),
    eof("{error,closed}"),
    eof("{error, closed}"),
    eof("socket_closed_remotely"),
    eof("tcp_closed"),
    eof("closed_by_peer"),
    eof("{shutdown,closed}"),
    eof("{shutdown,{closed,"),
    eof("{stop,{goaway"),
    eof("connection_closed_prematurely"),
    eof("connection_closed_abruptly"),
    eof("The connection was lost."),
    eof("{gun_down,").weighs(WORDS - 4),
    eof("{closed,\"The connection was lost"),
    eof("client unexpectedly closed TCP connection").side(Side::Client).weighs(WORDS),
    eof("reason: closed").weighs(WORDS - 4),
    is("{error,enotconn}", Class::LocalUseAfterClose),
    is("{error,einval}", Class::LocalUseAfterClose).with(&["gen_tcp"]).weighs(WORDS),
    is("noproc", Class::LocalUseAfterClose).with(&["gun", "socket", "conn", "ws"]),
    late_in("{error,connect_timeout}", Phase::Connect),
    late_in("connect_timeout", Phase::Connect).with(&["{", "error", ":connect_timeout"]),
    late_in("checkout_timeout", Phase::Connect).side(Side::Client),
    late_in("{error,timeout}", Phase::Open).weighs(WORDS + 1),
    late_in("recv_timeout", Phase::Open),
    late_in("{recv,timeout}", Phase::Open),
    late_in("{failed_connect,", Phase::Connect).with(&["timeout"]),
    late_in("send_timeout", Phase::Open).by(Op::Write),
    late_in("{timeout,{gen_server,call", Phase::Open).weighs(WORDS),
    is("{shutdown,timeout}", Class::IoTimeout).weighs(WORDS - 4),
    late_in("{error, timeout}", Phase::Open).weighs(WORDS + 1),
    is("keepalive_timeout", Class::KeepaliveTimeout)
        .with(&["{", "shutdown", "reason", "mqtt", "emqx"]),
    is("heartbeat_timeout", Class::KeepaliveTimeout),
    is("missed heartbeats from client", Class::KeepaliveTimeout).side(Side::Client).last(),
    is("{heartbeat_timeout", Class::KeepaliveTimeout),
    is("net_tick_timeout", Class::KeepaliveTimeout),
    late_in("handshake_timeout", Phase::Upgrade),
    late_in("{writer,send_failed,timeout}", Phase::Open).by(Op::Write),
    late_in("{inet_error,etimedout}", Phase::Open).by(Op::Read),
    late_in("{inet_error,timeout}", Phase::Open),
    is("{handshake_timeout,", Class::IoTimeout).last().side(Side::Client),
    is("ssl_handshake_timeout", Class::TlsHandshakeTimeout).last(),
    tls("{tls_alert,{unknown_ca", TlsError::Certificate(CertificateFault::UnknownIssuer))
        .weighs(SURE + 1),
    tls("selfsigned_peer", TlsError::Certificate(CertificateFault::SelfSigned)).weighs(SURE + 2),
    tls("cert_expired", TlsError::Certificate(CertificateFault::Expired)).weighs(SURE + 2),
    tls("hostname_check_failed", TlsError::Certificate(CertificateFault::WrongName))
        .weighs(SURE + 2),
    tls("{bad_cert,", TlsError::Certificate(CertificateFault::Other)).weighs(SURE + 1),
    tls("Fatal - Unknown CA", TlsError::Certificate(CertificateFault::UnknownIssuer))
        .weighs(SURE + 1),
    tls("Fatal - Certificate Expired", TlsError::Certificate(CertificateFault::Expired))
        .weighs(SURE + 1),
    tls("Fatal - Handshake Failure", TlsError::Alert(40)),
    tls("Fatal - Certificate Required", TlsError::Alert(116)).side(Side::Client),
    tls("Fatal - Protocol Version", TlsError::Alert(70)),
    tls("{tls_alert,", TlsError::Alert(40)).weighs(SURE - 2),
    tls("{tls_alert, ", TlsError::Alert(40)).weighs(SURE - 2),
    tls("Fatal - Unexpected Message", TlsError::NotTls).weighs(SURE - 1),
    tls("{unsupported_record_type", TlsError::NotTls).weighs(SURE + 3),
    tls("unsupported_record_type", TlsError::NotTls).weighs(SURE + 3),
    is("{ws_upgrade_failed", Class::WsBadHandshake),
    is("{error,badframe}", Class::WsProtocolError),
    is("badframe", Class::WsProtocolError),
    is("{error,badencoding}", Class::WsProtocolError),
    is("{response_status", Class::WsBadHandshake),
    is("max_frame_size", Class::MessageTooBig).with(&["badsize", "exceed", "error"]),
    is("badsize", Class::MessageTooBig),
    is("{error,{malformed_", Class::ProtocolMismatch).in_(Phase::Open),
    is("{could_not_parse_as_http", Class::ProtocolMismatch).in_(Phase::Open),
    is("bad_response", Class::ProtocolMismatch).in_(Phase::Open),
    is("{bad_header,<<", Class::ProtocolMismatch)
        .in_(Phase::Accept)
        .at(Printed::Read)
        .side(Side::Client),
    harmless("{badmatch,").weighs(WEAK + 1),
    harmless("function_clause").weighs(WORDS - 6),
    harmless("{error,enoent}"),
    harmless("undef,["),
    harmless("badarith"),
    harmless("case_clause").weighs(WORDS - 8),
    harmless("badarg").weighs(WEAK + 1),
];

static ELIXIR: &[Phrase] = &[
    mark("** ("),
    mark("Mint.TransportError"),
    mark("HTTPoison"),
    mark("Finch"),
    mark("Tesla"),
    mark("Phoenix"),
    mark("(stop)"),
    mark(".ex:"),
    mark(".exs:"),
    mark("%Mint"),
    mark("DBConnection"),
    mark("Elixir."),
    mark("WebSockex"),
    mark("GenServer #PID"),
    mark("%Req."),
    mark("Bandit"),
    mark("Req.TransportError"),
    doing("Mint.HTTP.connect", Phase::Connect, Op::Connect),
    doing("tcp connect", Phase::Connect, Op::Connect),
    errno("reason: :econnrefused", Errno::ECONNREFUSED).weighs(NUMBER),
    errno(":econnrefused", Errno::ECONNREFUSED).weighs(NUMBER),
    eof("reason: :closed"),
    eof("{:error, :closed}"),
    eof("socket closed").with(&["elixir", "transporterror", "mint", "** ("]),
    late("reason: :timeout").weighs(WORDS + 1),
    late("{:error, :timeout}").weighs(WORDS + 1),
    late_in(":connect_timeout", Phase::Connect),
    is(":nxdomain", Class::DnsFailure),
    late_in("connection not available and request was dropped from queue", Phase::Connect)
        .side(Side::Client),
    late_in("Finch was unable to provide a connection within the timeout", Phase::Connect)
        .side(Side::Client),
    is("WebSockex.RequestError", Class::WsBadHandshake).weighs(SURE - 1),
    is("WebSockex.NotConnectedError", Class::LocalUseAfterClose),
    is("Didn't get a proper response from the server", Class::WsBadHandshake).weighs(SURE - 1),
    is("%Mint.WebSocket.UpgradeFailureError", Class::WsBadHandshake),
    is("Mint.WebSocket.UpgradeFailureError", Class::WsBadHandshake),
    is("heartbeat timeout", Class::KeepaliveTimeout),
    harmless("(UndefinedFunctionError)"),
    harmless("(FunctionClauseError)"),
    harmless("(KeyError)"),
    harmless("(ArgumentError)"),
    harmless("(MatchError)").weighs(WEAK + 1),
    harmless("(ArithmeticError)"),
    harmless("(CompileError)"),
    harmless("(RuntimeError)").weighs(WEAK + 1),
];

/// Atoms of inet(3): an errno's symbol in small letters. `{remote,CODE,...}` is cowboy's Close.
fn read(text: &Text, clues: &mut Vec<Clue>) {
    for needle in ["{remote,", "{remote, "] {
        let Some(at) = text.lower.find(needle) else { continue };
        let digits = text.lower[at + needle.len()..].get(..4).and_then(|it| it.parse().ok());
        let Some(code @ 1000..=4999) = digits else { continue };
        let phrase = protocol("", ProtocolError::Closed(code)).in_(Phase::Open).by(Op::Decode);
        clues.push(Clue { at, end: at + 8, phrase: phrase.last(), runtime: Some(Runtime::Erlang) });
        return;
    }
}

fn print(event: &Event) -> Option<String> {
    let call = match event.op {
        Op::Connect => "connect",
        Op::Bind => "listen",
        Op::Accept => "accept",
        Op::Read => "recv",
        Op::Write => "send",
        _ => return None,
    };
    if event.errno == Errno::EAGAIN {
        return None;
    }
    let atom = event.errno.symbol().to_ascii_lowercase();
    Some(format!(
        "** exception error: no match of right hand side value {{error,{atom}}}\n     \
                  in function gen_tcp:{call}/3 (gen_tcp.erl, line 150)"
    ))
}
