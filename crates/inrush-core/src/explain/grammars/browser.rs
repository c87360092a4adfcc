//! Browsers: Chrome's `net::ERR_...`, Firefox's NS_ERROR and PR_ codes, Safari's sentences.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[Grammar {
    runtime: Some(Runtime::Browser),
    phrases: &[MARKS, CODES, WEBSOCKET],
    read: None,
    print: Some(print),
}];

static MARKS: &[Phrase] = &[
    mark("net::ERR_*"),
    mark("ERR_CONNECTION_*"),
    mark("NS_ERROR_*"),
    mark("WebSocket connection to"),
    mark("can't establish a connection to the server at"),
    mark("Firefox"),
    mark("CloseEvent"),
    mark("Failed to construct 'WebSocket'"),
    mark("XMLHttpRequest"),
    mark("PR_*"),
    mark("This site can"),
    mark("DOMException"),
    mark("The connection to wss*"),
    mark("The connection to ws*"),
    mark("Failed to load resource"),
    mark("chrome"),
    mark("SSL_ERROR_*"),
    mark("MOZILLA_PKIX*"),
    mark("InvalidStateError"),
    alarm("failed"),
    alarm("error"),
    alarm("fatal"),
    alarm("could not"),
    alarm("cannot"),
    alarm("can't"),
    alarm("unable to"),
    alarm("lost"),
    alarm("aborted"),
    alarm("warn"),
    alarm("warning"),
    alarm("err"),
    alarm("couldn't"),
    alarm("unexpected"),
    alarm("failure"),
    alarm("rejected"),
    alarm("critical"),
    alarm("severe"),
    alarm("disconnected"),
    alarm("disconnect"),
    alarm("timed out"),
    alarm("dropped"),
    alarm("unreachable"),
    alarm("crit"),
    alarm("exceeded"),
    alarm("terminated"),
    alarm("unavailable"),
];

static CODES: &[Phrase] = &[
    errno("ERR_CONNECTION_REFUSED", Errno::ECONNREFUSED).in_(Phase::Connect).by(Op::Connect).last(),
    is("ERR_CONNECTION_RESET", Class::ResetOnRead).last(),
    is("ERR_CONNECTION_CLOSED", Class::EofUnexpected).last(),
    is("ERR_CONNECTION_ABORTED", Class::ConnectionAborted).last(),
    errno("ERR_CONNECTION_TIMED_OUT", Errno::ETIMEDOUT).in_(Phase::Connect).by(Op::Connect).last(),
    is("ERR_TIMED_OUT", Class::IoTimeout).last(),
    is("ERR_CONNECTION_FAILED", Class::Refused),
    is("ERR_NAME_NOT_RESOLVED", Class::DnsFailure).last(),
    is("ERR_NAME_RESOLUTION_FAILED", Class::DnsFailure).last(),
    is("ERR_DNS_TIMED_OUT", Class::DnsFailure).last(),
    errno("ERR_ADDRESS_UNREACHABLE", Errno::EHOSTUNREACH)
        .in_(Phase::Connect)
        .by(Op::Connect)
        .last(),
    is("ERR_INTERNET_DISCONNECTED", Class::Unreachable).last(),
    is("ERR_NETWORK_CHANGED", Class::ConnectionAborted).last(),
    is("ERR_NETWORK_IO_SUSPENDED", Class::ConnectionAborted).last(),
    is("ERR_EMPTY_RESPONSE", Class::EofUnexpected).last(),
    is("ERR_CONTENT_LENGTH_MISMATCH", Class::EofUnexpected).last(),
    is("ERR_INCOMPLETE_CHUNKED_ENCODING", Class::EofUnexpected).last(),
    is("ERR_SOCKET_NOT_CONNECTED", Class::LocalUseAfterClose).last(),
    is("ERR_ADDRESS_IN_USE", Class::EphemeralPortsExhausted).last(),
    is("ERR_NO_BUFFER_SPACE", Class::NoBufferSpace).last(),
    is("ERR_NETWORK_ACCESS_DENIED", Class::BlockedByPolicy).last(),
    is("ERR_BLOCKED_BY_CLIENT", Class::BlockedByPolicy).last(),
    is("ERR_BLOCKED_BY_ADMINISTRATOR", Class::BlockedByPolicy).last(),
    is("ERR_UNSAFE_PORT", Class::BlockedByPolicy).last(),
    is("ERR_DISALLOWED_URL_SCHEME", Class::BlockedByPolicy).last(),
    is("ERR_BLOCKED_BY_CSP", Class::BlockedByPolicy).last(),
    is("ERR_BLOCKED_BY_RESPONSE", Class::BlockedByPolicy).weighs(SURE),
    is("ERR_BLOCKED_BY_PRIVATE_NETWORK_ACCESS_CHECKS", Class::BlockedByPolicy).last(),
    is("ERR_ACCESS_DENIED", Class::BlockedByPolicy),
    is("ERR_PROXY_CONNECTION_FAILED", Class::Refused).last(),
    is("ERR_TUNNEL_CONNECTION_FAILED", Class::ProxyUpstreamFailure)
        .in_(Phase::Connect)
        .by(Op::Connect)
        .last(),
    is("ERR_INSUFFICIENT_RESOURCES", Class::BrowserLimit).last(),
    is("Insufficient resources", Class::BrowserLimit).last(),
    is("too many sockets", Class::BrowserLimit).weighs(SURE),
    is("too many WebSocket connections", Class::BrowserLimit),
    is("network.websocket.max-connections", Class::BrowserLimit).last(),
    is("ERR_WS_THROTTLE_QUEUE_TOO_LARGE", Class::BrowserLimit).last(),
    is("ERR_WS_UPGRADE", Class::WsBadHandshake),
    is("ERR_SSL_PROTOCOL_ERROR", Class::ProtocolMismatch).in_(Phase::Tls).last(),
    is("ERR_SSL_VERSION_OR_CIPHER_MISMATCH", Class::TlsAlert).last(),
    is("ERR_SSL_VERSION_INTERFERENCE", Class::TlsAlert).last(),
    is("ERR_BAD_SSL_CLIENT_AUTH_CERT", Class::TlsAlert).side(Side::Client).last(),
    is("ERR_SSL_CLIENT_AUTH_CERT_NEEDED", Class::TlsAlert).side(Side::Client).last(),
    is("ERR_CERT_*", Class::TlsCertInvalid).last(),
    is("ERR_SSL_UNRECOGNIZED_NAME_ALERT", Class::TlsAlert).last(),
    is("ERR_SSL_PINNED_KEY_NOT_IN_CERT_CHAIN", Class::TlsCertInvalid).last(),
    is("ERR_INVALID_HTTP_RESPONSE", Class::ProtocolMismatch).in_(Phase::Open).last(),
    is("ERR_HTTP2_PROTOCOL_ERROR", Class::ProtocolMismatch).in_(Phase::Open).weighs(SURE),
    is("ERR_QUIC_PROTOCOL_ERROR", Class::ProtocolMismatch).in_(Phase::Open).weighs(SURE),
    is("ERR_HTTP2_PING_FAILED", Class::KeepaliveTimeout).last(),
    is("ERR_HTTP2_SERVER_REFUSED_STREAM", Class::ServerConnLimit),
    is("ERR_INVALID_RESPONSE", Class::ProtocolMismatch).in_(Phase::Open),
    is("ERR_RESPONSE_HEADERS_TRUNCATED", Class::EofUnexpected),
    is("NS_ERROR_CONNECTION_REFUSED", Class::Refused).last(),
    is("NS_ERROR_NET_RESET", Class::ResetOnRead).last(),
    is("NS_ERROR_NET_TIMEOUT", Class::ConnectTimeout).last(),
    is("NS_ERROR_NET_INTERRUPT", Class::EofUnexpected).last(),
    is("NS_ERROR_NET_PARTIAL_TRANSFER", Class::EofUnexpected).last(),
    is("NS_ERROR_UNKNOWN_HOST", Class::DnsFailure).last(),
    is("NS_ERROR_OFFLINE", Class::Unreachable).last(),
    is("NS_ERROR_WEBSOCKET_CONNECTION_REFUSED", Class::WsBadHandshake).last().side(Side::Either),
    is("NS_ERROR_PORT_ACCESS_NOT_ALLOWED", Class::BlockedByPolicy).last(),
    is("NS_ERROR_DOM_BAD_URI", Class::BlockedByPolicy).weighs(SURE - 4),
    is("NS_ERROR_CONTENT_BLOCKED", Class::BlockedByPolicy).last(),
    is("NS_ERROR_NET_EMPTY_RESPONSE", Class::EofUnexpected).last(),
    is("PR_CONNECT_RESET_ERROR", Class::ResetOnRead).last(),
    is("PR_CONNECT_REFUSED_ERROR", Class::Refused).last(),
    is("PR_END_OF_FILE_ERROR", Class::TlsHandshakeEof).last(),
    is("PR_IO_TIMEOUT_ERROR", Class::IoTimeout).last(),
    is("SSL_ERROR_RX_MALFORMED*", Class::TlsAlert),
    is("blocked:mixed-content", Class::BlockedByPolicy).last(),
    is("Mixed Content", Class::BlockedByPolicy).last(),
    is("Content Security Policy", Class::BlockedByPolicy)
        .with(&["refused to connect", "violates", "blocked", "connect-src"])
        .last(),
    is("Content-Security-Policy", Class::BlockedByPolicy).with(&["blocked", "connect-src"]).last(),
    is(
        "An insecure WebSocket connection may not be initiated from a page loaded over \
                  HTTPS",
        Class::BlockedByPolicy,
    )
    .last(),
    is("The operation is insecure", Class::BlockedByPolicy).last(),
    is("CORS policy", Class::BlockedByPolicy)
        .with(&["blocked by cors policy"])
        .side(Side::Server)
        .last(),
    is("Cross-Origin Request Blocked", Class::BlockedByPolicy).side(Side::Server).last(),
    is("not allowed to run insecure content", Class::BlockedByPolicy).last(),
    is("Not allowed to use restricted network port", Class::BlockedByPolicy).last(),
    is("access control checks", Class::BlockedByPolicy).side(Side::Server),
    is("Origin is not allowed by Access-Control-Allow-Origin", Class::BlockedByPolicy)
        .side(Side::Server)
        .last(),
    is("TypeError: Failed to fetch", Class::Refused).weighs(WEAK),
    is("TypeError: NetworkError when attempting to fetch resource", Class::Refused).weighs(WEAK),
    is("TypeError: Load failed", Class::Refused).weighs(WEAK),
];

static WEBSOCKET: &[Phrase] = &[
    is("Error during WebSocket handshake: Unexpected response code:", Class::WsBadHandshake)
        .weighs(SURE + 1),
    is("Unexpected response code:", Class::WsBadHandshake).weighs(SURE - 1),
    is("Error during WebSocket handshake: net::ERR_CONNECTION_RESET", Class::ResetOnRead)
        .in_(Phase::Upgrade)
        .weighs(FINAL + 1),
    is("Error during WebSocket handshake: net::ERR_CONNECTION_CLOSED", Class::EofUnexpected)
        .in_(Phase::Upgrade)
        .weighs(FINAL + 1),
    is(
        "Error during WebSocket handshake: Incorrect 'Sec-WebSocket-Accept' header \
                  value",
        Class::WsHandshakeMalformed,
    )
    .last(),
    is("Error during WebSocket handshake: 'Upgrade' header", Class::WsHandshakeMalformed).last(),
    is("Error during WebSocket handshake: 'Connection' header", Class::WsHandshakeMalformed).last(),
    is("Incorrect 'Sec-WebSocket-Accept' header value", Class::WsHandshakeMalformed),
    is("'Sec-WebSocket-Accept' header is missing", Class::WsHandshakeMalformed),
    is("'Upgrade' header is missing", Class::WsHandshakeMalformed),
    is("'Connection' header is missing", Class::WsHandshakeMalformed),
    is(
        "Sent non-empty 'Sec-WebSocket-Protocol' header but no response was received",
        Class::WsHandshakeMalformed,
    )
    .weighs(FINAL),
    is(
        "'Sec-WebSocket-Protocol' header must not appear more than once",
        Class::WsHandshakeMalformed,
    ),
    is("Response must not include 'Sec-WebSocket-Protocol' header", Class::WsHandshakeMalformed),
    is("Invalid status line", Class::WsHandshakeMalformed).with(&["websocket"]).weighs(SURE + 3),
    is("WebSocket opening handshake timed out", Class::WsHandshakeTimeout).last(),
    is("WebSocket opening handshake was canceled", Class::LocalUseAfterClose).weighs(SURE),
    is("HTTP Authentication failed; no valid credentials available", Class::WsBadHandshake)
        .side(Side::Client)
        .last(),
    is("WebSocket is closed before the connection is established", Class::LocalUseAfterClose)
        .side(Side::Client)
        .last(),
    is("was interrupted while the page was loading", Class::LocalUseAfterClose)
        .side(Side::Client)
        .last(),
    is("Still in CONNECTING state", Class::LocalUseAfterClose).side(Side::Client),
    is(
        "An attempt was made to use an object that is not, or is no longer, usable",
        Class::LocalUseAfterClose,
    )
    .side(Side::Client),
    is("WebSocket connection to", Class::Refused).weighs(WEAK + 1).with(&["failed:"]).without(&[
        "close received",
        "received unexpected continuation",
        "invalid frame",
        "reserved bits",
        "opcode",
        "utf-8",
        "masked",
    ]),
    is("can't establish a connection to the server at", Class::Refused).weighs(WEAK + 3),
    is("Could not connect to the server", Class::Refused).weighs(WORDS - 3),
    is("WebSocket network error", Class::Refused).weighs(WEAK + 2),
    is("There was a bad response from the server", Class::WsBadHandshake).weighs(SURE - 1),
    is("Close received after close", Class::WsCloseError).weighs(WORDS - 2),
    is("The network connection was lost", Class::EofUnexpected),
    is("Connection closed before receiving a handshake response", Class::EofUnexpected)
        .in_(Phase::Upgrade)
        .by(Op::Read)
        .last(),
    protocol("One or more reserved bits are on", ProtocolError::Reserved).weighs(SURE + 3),
    protocol("Unrecognized frame opcode", ProtocolError::Opcode).weighs(SURE + 3),
    protocol("A server must not mask any frames that it sends to the client", ProtocolError::Mask)
        .weighs(SURE + 3),
    protocol("Could not decode a text frame as UTF-8", ProtocolError::Utf8).weighs(SURE + 3),
    protocol("Received unexpected continuation frame", ProtocolError::Continuation)
        .weighs(SURE + 3),
    protocol(
        "Received start of new message but previous message is unfinished",
        ProtocolError::Interleaved,
    )
    .weighs(SURE + 3),
    protocol("Received fragmented control frame", ProtocolError::ControlFragmented)
        .weighs(SURE + 3),
    protocol("Received control frame having too long payload", ProtocolError::ControlTooLong)
        .weighs(SURE + 3),
    protocol("Received a broken close frame", ProtocolError::BadClose).weighs(SURE + 3),
    protocol("Received an invalid close code", ProtocolError::BadClose),
    protocol("Invalid frame header", ProtocolError::Opcode).weighs(SURE + 3),
    protocol("Data frame received after close", ProtocolError::Opcode).weighs(SURE + 3),
    is("A message was too big", Class::MessageTooBig),
    is("Connection closed before receiving", Class::EofUnexpected).weighs(SURE - 1),
];

fn print(event: &Event) -> Option<String> {
    if event.op != Op::Connect {
        return None;
    }
    let code = match event.errno {
        Errno::ECONNREFUSED => "CONNECTION_REFUSED",
        Errno::EHOSTUNREACH => "ADDRESS_UNREACHABLE",
        Errno::ETIMEDOUT => "CONNECTION_TIMED_OUT",
        _ => return None,
    };
    Some(format!(
        "WebSocket connection to 'ws://{}/' failed: Error in connection establishment: \
         net::ERR_{code}",
        event.remote
    ))
}
