//! Node.js: system errors (`syscall CODE address`), http, undici, ws, socket.io, axios, got, and
//! Deno and Bun, which print alike.

use super::go::is_own_name;
use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[Grammar {
    runtime: Some(Runtime::Node),
    phrases: &[MARKS, NET, TLS, WEBSOCKET, OTHERS],
    read: Some(read),
    print: Some(print),
}];

static MARKS: &[Phrase] = &[
    mark("node:net"),
    mark("node:internal"),
    mark("node:events"),
    mark("node:dns"),
    mark("node:_http_client"),
    mark("node:_tls_wrap"),
    mark("node_modules"),
    mark("TCPConnectWrap"),
    mark("AxiosError"),
    mark("FetchError"),
    mark("undici"),
    mark("ioredis"),
    mark("kafkajs"),
    mark("GotError"),
    mark("RequestError:"),
    mark("UnhandledPromiseRejection"),
    mark("[cause]:"),
    mark("at process."),
    mark("internal/streams"),
    mark("net.js:"),
    mark("events.js:"),
    mark("_http_client.js"),
    mark("Error: connect"),
    mark("Error: read"),
    mark("Error: write"),
    mark("Error: listen"),
    mark("Error: getaddrinfo"),
    mark("Error: socket hang up"),
    mark("TypeError: fetch failed"),
    mark("npm ERR!"),
    mark("npm error"),
    mark("MongoServerSelectionError:"),
    mark("SequelizeConnection*"),
    mark("PrismaClient*"),
    mark("Error ["),
    mark("TimeoutError: The operation was aborted"),
    mark("(<anonymous>)"),
    mark("in JSON at position"),
    mark("socket.io"),
    mark("WebSocket is not open: readyState"),
    mark("processTicksAndRejections"),
    mark("syscall: '"),
    mark("code: 'E*"),
    amid("syscall: connect", Doing::Net),
    amid("syscall: 'connect'", Doing::Net),
    doing("createServerHandle", Phase::Bind, Op::Bind),
    doing("onReadableStreamEnd", Phase::Open, Op::Read),
    amid("uvException", Doing::File),
    amid("FSWatcher", Doing::File),
    amid("FSReqCallback", Doing::File),
    amid("fs.open", Doing::File),
];

static NET: &[Phrase] = &[
    is("EMFILE", Class::DnsFailureFdExhausted).with(&["getaddrinfo emfile"]).last(),
    is("EBUSY", Class::DnsFailureFdExhausted).with(&["getaddrinfo ebusy"]).last(),
    is("getaddrinfo", Class::DnsFailure)
        .weighs(WORDS - 2)
        .with(&["getaddrinfo e", "getaddrinfo failed"]),
    is("queryA ETIMEOUT", Class::DnsFailure).last(),
    is("ETIMEOUT", Class::DnsFailure),
    is("ESERVFAIL", Class::DnsFailure),
    is("EAI_SYSTEM", Class::DnsFailure),
    is("queryA", Class::DnsFailure),
    is("querySrv", Class::DnsFailure),
    is("queryAaaa", Class::DnsFailure),
    is("queryTxt", Class::DnsFailure),
    eof("socket hang up"),
    eof("other side closed"),
    eof("UND_ERR_SOCKET").weighs(WORDS),
    eof("ECONNABORTED").weighs(WORDS - 4).with(&["error: aborted", "request aborted"]),
    eof("Error: aborted"),
    eof("request aborted"),
    eof("premature close"),
    eof("ERR_STREAM_PREMATURE_CLOSE"),
    eof("socket has been ended by the other party").weighs(SURE + 1),
    eof("The server disconnected before a secure TLS connection"),
    eof("response ended prematurely").with(&["node", "fetch"]),
    is("This socket has been ended by the other party", Class::BrokenPipe).last(),
    is(
        "Client network socket disconnected before secure TLS connection was \
                  established",
        Class::TlsHandshakeEof,
    )
    .last(),
    late_in("HeadersTimeoutError", Phase::Open),
    late_in("Headers Timeout Error", Phase::Open),
    late_in("UND_ERR_HEADERS_TIMEOUT", Phase::Open),
    late_in("BodyTimeoutError", Phase::Open),
    late_in("Body Timeout Error", Phase::Open),
    late_in("UND_ERR_BODY_TIMEOUT", Phase::Open),
    late_in("ConnectTimeoutError", Phase::Connect),
    late_in("Connect Timeout Error", Phase::Connect),
    late_in("UND_ERR_CONNECT_TIMEOUT", Phase::Connect),
    late_in("timeout of ", Phase::Open).with(&["ms exceeded"]),
    late_in("network timeout at:", Phase::Open),
    late_in("response timeout while trying to fetch", Phase::Open),
    late_in("The operation was aborted due to timeout", Phase::Open),
    late_in("Timeout awaiting 'request'", Phase::Open),
    late_in("Timeout awaiting 'response'", Phase::Open),
    late_in("Timeout awaiting 'socket'", Phase::Open),
    late_in("Timeout awaiting 'connect'", Phase::Connect),
    late_in("Timeout awaiting 'secureConnect'", Phase::Tls),
    late_in("Timeout awaiting 'lookup'", Phase::Resolve),
    late_in("ESOCKETTIMEDOUT", Phase::Open),
    late_in("ERR_HTTP_REQUEST_TIMEOUT", Phase::Open).side(Side::Client),
    late_in("ERR_SOCKET_CONNECTION_TIMEOUT", Phase::Connect),
    late_in("AggregateError [ETIMEDOUT]", Phase::Connect).last(),
    is("ERR_STREAM_WRITE_AFTER_END", Class::LocalUseAfterClose).last().side(Side::Client),
    is("write after end", Class::LocalUseAfterClose).side(Side::Client),
    is("ERR_STREAM_DESTROYED", Class::LocalUseAfterClose).last().side(Side::Client),
    is("after a stream was destroyed", Class::LocalUseAfterClose).side(Side::Client),
    is("ERR_SOCKET_CLOSED", Class::LocalUseAfterClose).side(Side::Client),
    is("ERR_HTTP2_INVALID_SESSION", Class::LocalUseAfterClose).side(Side::Client),
    is("ERR_SERVER_NOT_RUNNING", Class::LocalUseAfterClose).side(Side::Server),
    is("ERR_SOCKET_DGRAM_NOT_RUNNING", Class::LocalUseAfterClose).side(Side::Client),
    is("the client is closed", Class::LocalUseAfterClose)
        .with(&["redis", "client"])
        .side(Side::Client),
    is("ERR_HTTP2_STREAM_CANCEL", Class::EofUnexpected),
    is("ERR_HTTP2_SESSION_ERROR", Class::EofUnexpected),
    is("ERR_HTTP2_PING_CANCEL", Class::KeepaliveTimeout),
    is("HPE_INVALID_CONSTANT", Class::ProtocolMismatch).in_(Phase::Open).weighs(SURE + 1),
    is("Parse Error: Expected HTTP/", Class::ProtocolMismatch).in_(Phase::Open).weighs(SURE + 1),
    is("HPE_INVALID_VERSION", Class::ProtocolMismatch).in_(Phase::Open),
    is("HPE_INVALID_METHOD", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client),
    is("Parse Error:", Class::ProtocolMismatch).in_(Phase::Open).weighs(WORDS),
    is("ERR_HTTP2_ERROR", Class::ProtocolMismatch).in_(Phase::Open).weighs(WORDS),
    is("HPE_INVALID_HEADER_TOKEN", Class::ProtocolMismatch).in_(Phase::Open),
    is("HPE_HEADER_OVERFLOW", Class::MessageTooBig),
    is("maxContentLength size of", Class::MessageTooBig),
    is("maxBodyLength", Class::MessageTooBig),
    is("request entity too large", Class::MessageTooBig),
    is("FST_ERR_CTP_BODY_TOO_LARGE", Class::MessageTooBig),
    is("ERR_WORKER_INIT_FAILED", Class::ThreadLimit),
    is("ERR_WORKER_OUT_OF_MEMORY", Class::NotAConnectionFailure),
    is("uv_thread_create", Class::ThreadLimit),
    is("spawn EAGAIN", Class::ThreadLimit).last(),
    harmless("ERR_SOCKET_BAD_PORT"),
    harmless("ERR_INVALID_URL"),
    harmless("ERR_INVALID_ARG_TYPE"),
    harmless("MODULE_NOT_FOUND"),
    harmless("ERR_MODULE_NOT_FOUND"),
    harmless("ERR_REQUIRE_ESM"),
    harmless("ERR_HTTP_HEADERS_SENT"),
    harmless("Cannot find module"),
    harmless("ERR_UNHANDLED_REJECTION").weighs(WEAK + 1),
    harmless("MaxListenersExceededWarning"),
    harmless("DeprecationWarning"),
    harmless("ERR_INVALID_PROTOCOL"),
    harmless("ERR_INVALID_ARG_VALUE"),
    harmless("ERR_ASSERTION"),
    harmless("ERR_OUT_OF_RANGE"),
];

static TLS: &[Phrase] = &[
    tls("DEPTH_ZERO_SELF_SIGNED_CERT", TlsError::Certificate(CertificateFault::SelfSigned)),
    tls("SELF_SIGNED_CERT_IN_CHAIN", TlsError::Certificate(CertificateFault::SelfSigned)),
    tls("UNABLE_TO_VERIFY_LEAF_SIGNATURE", TlsError::Certificate(CertificateFault::UnknownIssuer)),
    tls("UNABLE_TO_GET_ISSUER_CERT*", TlsError::Certificate(CertificateFault::UnknownIssuer)),
    tls("CERT_HAS_EXPIRED", TlsError::Certificate(CertificateFault::Expired)),
    tls("CERT_NOT_YET_VALID", TlsError::Certificate(CertificateFault::NotYetValid)),
    tls("CERT_UNTRUSTED", TlsError::Certificate(CertificateFault::UnknownIssuer)),
    tls("CERT_REVOKED", TlsError::Certificate(CertificateFault::Revoked)),
    tls("ERR_TLS_CERT_ALTNAME_INVALID", TlsError::Certificate(CertificateFault::WrongName)),
    tls(
        "does not match certificate's altnames",
        TlsError::Certificate(CertificateFault::WrongName),
    ),
    is("ERR_TLS_HANDSHAKE_TIMEOUT", Class::TlsHandshakeTimeout),
    tls("ERR_SSL_NO_CIPHER_MATCH", TlsError::Incompatible),
    tls("ERR_SSL_UNSUPPORTED_PROTOCOL", TlsError::Incompatible),
    tls("ERR_SSL_VERSION_OR_CIPHER_MISMATCH", TlsError::Incompatible),
    tls("ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", TlsError::Alert(40)),
    tls("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", TlsError::Alert(70)),
    tls("ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR", TlsError::Alert(80)),
    tls("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", TlsError::Alert(116)).side(Side::Client),
    tls("ERR_SSL_WRONG_VERSION_NUMBER", TlsError::NotTls).side(Side::Client),
    tls("ERR_SSL_PACKET_LENGTH_TOO_LONG", TlsError::NotTls).side(Side::Client),
    tls("ERR_SSL_HTTP_REQUEST", TlsError::NotTls).side(Side::Client),
];

static WEBSOCKET: &[Phrase] = &[
    is("Unexpected server response:", Class::WsBadHandshake).weighs(SURE - 1),
    is("WebSocket was closed before the connection was established", Class::LocalUseAfterClose)
        .side(Side::Client),
    late_in("Opening handshake has timed out", Phase::Upgrade),
    is("Invalid Sec-WebSocket-Accept header", Class::WsHandshakeMalformed),
    is("Invalid Upgrade header", Class::WsHandshakeMalformed),
    is("Server sent a subprotocol but none was requested", Class::WsHandshakeMalformed),
    is("Server sent an invalid subprotocol", Class::WsHandshakeMalformed),
    is("Server sent no subprotocol", Class::WsHandshakeMalformed),
    is("Invalid Sec-WebSocket-Extensions header", Class::WsHandshakeMalformed),
    is(
        "Server sent a Sec-WebSocket-Extensions header but no extension",
        Class::WsHandshakeMalformed,
    ),
    is("Server indicated an extension that was not requested", Class::WsHandshakeMalformed),
    is("Missing or invalid Sec-WebSocket-Key header", Class::WsHandshakeMalformed)
        .side(Side::Client),
    is("Missing or invalid Sec-WebSocket-Version header", Class::WsHandshakeMalformed)
        .side(Side::Client),
    is("Invalid Sec-WebSocket-Protocol header", Class::WsHandshakeMalformed).side(Side::Client),
    is("WebSocket is not open: readyState", Class::LocalUseAfterClose).side(Side::Client),
    is("WebSocket is not open", Class::LocalUseAfterClose).side(Side::Client),
    is("WebSocket is already in CLOSING or CLOSED state", Class::LocalUseAfterClose)
        .side(Side::Client),
    is(
        "server.handleUpgrade() was called more than once with the same socket",
        Class::ConcurrentMisuse,
    )
    .side(Side::Server),
    protocol("Invalid WebSocket frame:", ProtocolError::Opcode).weighs(SURE - 1),
    protocol("MASK must be clear", ProtocolError::Mask),
    protocol("MASK must be set", ProtocolError::Mask).side(Side::Client),
    protocol("RSV1 must be clear", ProtocolError::Reserved),
    protocol("RSV2 and RSV3 must be clear", ProtocolError::Reserved),
    protocol("FIN must be set", ProtocolError::ControlFragmented),
    protocol("invalid payload length", ProtocolError::ControlTooLong),
    protocol("invalid opcode", ProtocolError::Opcode),
    protocol("invalid status code", ProtocolError::BadClose).weighs(SURE + 3).with(&["websocket"]),
    protocol("WS_ERR_INVALID_OPCODE", ProtocolError::Opcode),
    protocol("WS_ERR_INVALID_UTF8", ProtocolError::Utf8),
    protocol("WS_ERR_UNEXPECTED_MASK", ProtocolError::Mask),
    protocol("WS_ERR_EXPECTED_MASK", ProtocolError::Mask).side(Side::Client),
    protocol("WS_ERR_UNEXPECTED_RSV_1", ProtocolError::Reserved),
    protocol("WS_ERR_UNEXPECTED_RSV_2_3", ProtocolError::Reserved),
    protocol("WS_ERR_EXPECTED_FIN", ProtocolError::ControlFragmented),
    protocol("WS_ERR_INVALID_CLOSE_CODE", ProtocolError::BadClose),
    protocol("WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", ProtocolError::ControlTooLong),
    protocol("WS_ERR_INVALID_DATA_PAYLOAD_LENGTH", ProtocolError::Length),
    protocol("Z_DATA_ERROR", ProtocolError::Deflate).with(&["websocket", "receiver", "permessage"]),
    is("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", Class::MessageTooBig),
    is("WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH", Class::MessageTooBig),
    is("Max payload size exceeded", Class::MessageTooBig),
    is("Unsupported WebSocket frame: payload length", Class::MessageTooBig),
    is("WS_ERR_TOO_MANY_BUFFERED_PARTS", Class::MessageTooBig),
];

static OTHERS: &[Phrase] = &[
    is("websocket error", Class::WsBadHandshake)
        .with(&["transporterror", "engine.io", "socket.io", "connect_error"])
        .weighs(WORDS - 2)
        .side(Side::Either),
    eof("xhr poll error").weighs(WORDS - 2),
    late_in("connect_error: timeout", Phase::Connect),
    late_in("connect_error due to timeout", Phase::Connect),
    is("disconnect: ping timeout", Class::KeepaliveTimeout),
    is("ping timeout", Class::KeepaliveTimeout),
    is("transport close", Class::EofUnexpected).with(&["disconnect"]),
    is("transport error", Class::ResetOnRead).with(&["disconnect", "socket.io"]),
    is("Reached the max retries per request limit", Class::ConnectTimeout)
        .with(&["maxretriesperrequest"])
        .weighs(WORDS),
    is("Connection is closed.", Class::LocalUseAfterClose)
        .with(&["redis", "bull"])
        .side(Side::Client),
    is("KafkaJSConnectionClosedError", Class::EofUnexpected),
    late_in("KafkaJSRequestTimeoutError", Phase::Open),
    eof("Connection terminated unexpectedly"),
    eof("Connection lost: The server closed the connection"),
    eof("PROTOCOL_CONNECTION_LOST"),
    late_in("Connection terminated due to connection timeout", Phase::Connect),
    late_in("timeout expired", Phase::Connect).with(&["pg", "postgres"]),
    late_in("timeout exceeded when trying to connect", Phase::Connect),
    is("Cannot enqueue", Class::LocalUseAfterClose)
        .with(&["after fatal error", "after invoking quit"]),
];

/// A look-up of a name that always resolves failed: no descriptor was left (uv_getaddrinfo turns
/// EMFILE into ENOTFOUND).
fn read(text: &Text, clues: &mut Vec<Clue>) {
    for code in ["getaddrinfo enotfound ", "getaddrinfo eai_again "] {
        let Some(at) = text.lower.find(code) else { continue };
        let name = text.lower[at + code.len()..].split_whitespace().next().unwrap_or_default();
        let name = name.split(':').next().unwrap_or_default().trim_matches(['"', '\'', ',']);
        if is_own_name(name) {
            let phrase = is("", Class::DnsFailureFdExhausted).last();
            clues.push(Clue { at, end: at + 11, phrase, runtime: Some(Runtime::Node) });
        }
    }
}

fn print(event: &Event) -> Option<String> {
    let symbol = match event.errno {
        Errno::EAGAIN => return None,
        errno => errno.symbol(),
    };
    let (local, remote) = (event.local, event.remote);
    Some(match event.op {
        Op::Connect | Op::Socket if event.op == Op::Connect => format!(
            "Error: connect {symbol} {remote}\n    at TCPConnectWrap.afterConnect [as oncomplete] \
             (node:net:1611:16)"
        ),
        Op::Bind => format!(
            "Error: listen {symbol}: {} {local}\n    at Server.setupListenHandle [as _listen2] \
             (node:net:1908:16)",
            event.errno.meaning().to_ascii_lowercase()
        ),
        Op::Accept => format!("Error: accept {symbol}\n    at TCP.onconnection (node:net:2208:10)"),
        Op::Read => format!(
            "Error: read {symbol}\n    at TCP.onStreamRead \
                  (node:internal/stream_base_commons:218:20)"
        ),
        Op::Write => format!(
            "Error: write {symbol}\n    at afterWriteDispatched \
             (node:internal/stream_base_commons:161:15)"
        ),
        _ => return None,
    })
}
