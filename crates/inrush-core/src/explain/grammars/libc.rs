//! C programs and libraries: perror(3) lines, libcurl, libwebsockets, libuv, libevent, wget, nc,
//! socat, APR and ZeroMQ.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[
    Grammar { runtime: Some(Runtime::C), phrases: &[LIBRARIES], read: None, print: Some(print) },
    Grammar { runtime: Some(Runtime::Curl), phrases: &[CURL], read: Some(read_curl), print: None },
    Grammar { runtime: Some(Runtime::Wget), phrases: &[WGET], read: None, print: None },
    Grammar { runtime: Some(Runtime::Nc), phrases: &[NC], read: None, print: None },
    Grammar { runtime: Some(Runtime::Socat), phrases: &[SOCAT], read: None, print: None },
];

#[rustfmt::skip]
static LIBRARIES: &[Phrase] = &[
    mark("lws_*"), mark("libwebsockets"), mark("uv_*"), mark("bufferevent"), mark("perror"), mark("boost::"), mark("asio"), mark("zmq"), mark("Qt"), mark("QAbstractSocket"), mark("errno="), mark("websocketpp"), mark("uWebSockets"), mark("apr_*"), mark(".c:"), mark(".cpp:"), mark("terminate called after throwing"), mark("SIGPIPE"), mark("telnet:"), mark("asio.system"), mark("asio.misc"),
    is("lws_client_connect_via_info failed", Class::Refused).weighs(WORDS - 4), is("CLIENT_CONNECTION_ERROR: HS: ws upgrade response not 101", Class::WsBadHandshake), is("HS: ws upgrade unauthorized", Class::WsBadHandshake).side(Side::Client), is("HS: Accept wrong", Class::WsHandshakeMalformed), is("HS: ACCEPT missing", Class::WsHandshakeMalformed), is("HS: UPGRADE missing", Class::WsHandshakeMalformed), is("HS: CONNECTION missing", Class::WsHandshakeMalformed), late_in("CLIENT_CONNECTION_ERROR: Timed out waiting SSL", Phase::Tls).last(), late_in("Timed out waiting server reply", Phase::Upgrade), late_in("Timed out waiting for server", Phase::Upgrade), is("Timed out waiting SSL", Class::TlsHandshakeTimeout).last(), is("unable to connect", Class::Refused).with(&["lws", "client_connection_error"]).weighs(WORDS), is("conn fail: 111", Class::Refused), is("conn fail:", Class::Refused).weighs(WORDS - 2),
    eof("asio.misc:2"), eof("End of file").with(&["asio", "boost", "websocketpp", "recv", "read", "socket", "handle_*", "handle_read"]), is("Operation canceled", Class::LocalUseAfterClose).with(&["asio", "system:125", "system:89"]).weighs(WORDS), is("stream truncated", Class::EofUnexpected), is("The WebSocket handshake was declined by the remote peer", Class::WsBadHandshake).last(), is("The WebSocket stream was gracefully closed at both endpoints", Class::WsCloseNormal).last(), is("The WebSocket operation caused a dynamic buffer overflow", Class::MessageTooBig), is("The WebSocket message exceeded the locally configured limit", Class::MessageTooBig), protocol("The WebSocket frame contained a bad reserved bit", ProtocolError::Reserved), protocol("The WebSocket frame contained an illegal opcode", ProtocolError::Opcode), protocol("The WebSocket frame was masked but shouldn't be", ProtocolError::Mask), protocol("The WebSocket frame was not masked", ProtocolError::Mask), protocol("The WebSocket frame", ProtocolError::Opcode).weighs(SURE - 1), is("The WebSocket handshake was missing", Class::WsHandshakeMalformed), is("The WebSocket handshake Sec-WebSocket-Accept", Class::WsHandshakeMalformed), is("soft_mutex.hpp", Class::ConcurrentMisuse), is("Assertion `! m_ptr' failed", Class::ConcurrentMisuse), is("Invalid HTTP status.", Class::WsBadHandshake), is("The opening handshake timed out", Class::WsHandshakeTimeout).last(), is("The closing handshake timed out", Class::IoTimeout), late_in("Timer Expired", Phase::Upgrade).weighs(WORDS).with(&["websocket", "asio"]), is("TLS handshake timed out", Class::TlsHandshakeTimeout).last(), is("TLS Short Read", Class::EofUnexpected), is("asio.ssl.stream:1", Class::EofUnexpected),
    is("QAbstractSocket::ConnectionRefusedError", Class::Refused), is("QAbstractSocket::RemoteHostClosedError", Class::EofUnexpected), is("QAbstractSocket::HostNotFoundError", Class::DnsFailure), is("QAbstractSocket::SocketTimeoutError", Class::ConnectTimeout), is("QAbstractSocket::SocketAccessError", Class::BlockedByPolicy), is("QAbstractSocket::SslHandshakeFailedError", Class::TlsAlert), is("The remote host closed the connection", Class::EofUnexpected), is("QNetworkReply::RemoteHostClosedError", Class::EofUnexpected), is("Socket operation timed out", Class::IoTimeout),
    is("Program terminated with signal SIGPIPE", Class::BrokenPipe).last(), is("received signal SIGPIPE", Class::BrokenPipe).last(), is("killed by signal 13", Class::BrokenPipe), is("+++ killed by SIGPIPE", Class::BrokenPipe), is("Got event SIGPIPE", Class::BrokenPipe), eof("Connection closed by foreign host"), is("UV_EOF", Class::EofUnexpected), is("UV_ECANCELED", Class::LocalUseAfterClose), is("UV_ECONNRESET", Class::ResetOnRead), is("UV_EPIPE", Class::BrokenPipe), is("UV_ECONNREFUSED", Class::Refused), is("UV_EADDRINUSE", Class::AddressInUse), is("UV_EMFILE", Class::FdExhaustedProcess), is("UV_ETIMEDOUT", Class::ConnectTimeout), eof("unexpected end-of-file").weighs(WORDS), is("Too many open connections", Class::ServerConnLimit).weighs(WORDS),
    errno("errno -4078", Errno::ECONNREFUSED).weighs(NUMBER + 2), errno("errno: -4078", Errno::ECONNREFUSED).weighs(NUMBER + 2), errno("errno: -4077", Errno::ECONNRESET).weighs(NUMBER + 2), errno("errno: -4039", Errno::ETIMEDOUT).weighs(NUMBER + 2), errno("errno: -4091", Errno::EADDRINUSE).weighs(NUMBER + 2), errno("errno: -4090", Errno::EADDRNOTAVAIL).weighs(NUMBER + 2), errno("errno: -4047", Errno::EPIPE).weighs(NUMBER + 2), errno("errno: -4066", Errno::EMFILE).weighs(NUMBER + 2), errno("errno: -4079", Errno::ECONNABORTED).weighs(NUMBER + 2),
];

#[rustfmt::skip]
static CURL: &[Phrase] = &[
    mark("curl:"), mark("* Trying"), mark("* connect to"), mark("libcurl"), mark("cURL error"), mark("CURLE_*"), mark("curl ("), mark("curl_easy_perform"), mark("* Closing connection"),
    is("CURLE_COULDNT_CONNECT", Class::Refused).weighs(WORDS - 2), is("CURLE_COULDNT_RESOLVE_HOST", Class::DnsFailure), late_in("CURLE_OPERATION_TIMEDOUT", Phase::Open).weighs(WORDS), eof("CURLE_GOT_NOTHING"), is("CURLE_SSL_CONNECT_ERROR", Class::TlsAlert).weighs(WORDS), is("CURLE_PEER_FAILED_VERIFICATION", Class::TlsCertInvalid), is("CURLE_RECV_ERROR", Class::ResetOnRead).weighs(WEAK + 3), is("CURLE_SEND_ERROR", Class::ResetOnWrite).weighs(WEAK + 3),
    is("Could not resolve host", Class::DnsFailure), is("Could not resolve proxy", Class::DnsFailure), is("Couldn't resolve host", Class::DnsFailure), late_in("Resolving timed out after", Phase::Resolve), 
    is("Couldn't connect to server", Class::Refused).weighs(WORDS - 3), is("Could not connect to server", Class::Refused).weighs(WORDS - 3), is("Failed to connect to", Class::Refused).weighs(WORDS - 6).without(&["timed out", "timeout"]),
    eof("Empty reply from server"), eof("transfer closed with"), eof("Connection died, tried"), eof("end of response with"), eof("bytes remaining to read"), eof("transfer closed with outstanding read data remaining").weighs(SURE + 1), 
    late_in("Operation timed out after", Phase::Open).weighs(SURE + 1), late_in("Connection timed out after", Phase::Connect).last(), late_in("Connection timeout after", Phase::Connect).last(), late_in("Failed to connect to", Phase::Connect).with(&["timeout was reached", "connection timed out", "operation timed out"]), late_in("Timeout was reached", Phase::Open).weighs(WORDS + 1).without(&["failed to connect"]), late_in("SSL connection timeout", Phase::Tls).last(), is("Operation too slow. Less than", Class::IoTimeout), is("gnutls_handshake() failed: The TLS connection was non-properly terminated", Class::TlsHandshakeEof).last(), is("Recv failure: Connection was reset", Class::ResetOnRead), is("Send failure: Connection was reset", Class::ResetOnWrite), is("Send failure: Broken pipe", Class::BrokenPipe),
    doing("Recv failure", Phase::Open, Op::Read), doing("Send failure", Phase::Open, Op::Write), doing("OpenSSL SSL_read", Phase::Open, Op::Read), doing("OpenSSL SSL_write", Phase::Open, Op::Write), amid("OpenSSL SSL_connect", Doing::Tls), amid("in connection to", Doing::Tls), amid("curl: (35)", Doing::Tls), doing("Failed sending data to the peer", Phase::Open, Op::Write),
    is("Received HTTP/0.9 when not allowed", Class::ProtocolMismatch).in_(Phase::Open), is("Unsupported HTTP version in response", Class::ProtocolMismatch).in_(Phase::Open), is("Weird server reply", Class::ProtocolMismatch).in_(Phase::Open), is("Invalid status line", Class::ProtocolMismatch).in_(Phase::Open), is("Unsupported HTTP/1 subversion in response", Class::ProtocolMismatch).in_(Phase::Open),
    tls("SSL certificate problem: self", TlsError::Certificate(CertificateFault::SelfSigned)), tls("SSL certificate problem: certificate has expired", TlsError::Certificate(CertificateFault::Expired)), tls("SSL certificate problem", TlsError::Certificate(CertificateFault::UnknownIssuer)).weighs(SURE - 1), tls("no alternative certificate subject name matches", TlsError::Certificate(CertificateFault::WrongName)), tls("does not match target host name", TlsError::Certificate(CertificateFault::WrongName)), tls("server certificate verification failed", TlsError::Certificate(CertificateFault::Other)), is("SEC_E_UNTRUSTED_ROOT", Class::TlsCertInvalid), is("SEC_E_WRONG_PRINCIPAL", Class::TlsCertInvalid), is("SEC_E_CERT_EXPIRED", Class::TlsCertInvalid), is("CRYPT_E_NO_REVOCATION_CHECK", Class::TlsCertInvalid), is("CERT_TRUST_REVOCATION_STATUS_UNKNOWN", Class::TlsCertInvalid), is("SEC_E_INVALID_TOKEN", Class::ProtocolMismatch).in_(Phase::Tls), is("SEC_E_ILLEGAL_MESSAGE", Class::TlsAlert), is("SEC_E_UNSUPPORTED_FUNCTION", Class::TlsAlert), is("alert handshake failure", Class::TlsAlert).weighs(SURE - 2),
    is("Refused WebSockets upgrade", Class::WsBadHandshake), is("Maximum file size exceeded", Class::NotAConnectionFailure), harmless("curl: (3) URL"), harmless("curl: (23)"), harmless("curl: (2) no URL"), harmless("curl: option"), harmless("Failed writing body"), harmless("The requested URL returned error: 404"), is("The requested URL returned error: 502", Class::ProxyUpstreamFailure).at(Printed::Read), is("The requested URL returned error: 504", Class::ProxyUpstreamFailure).at(Printed::Read), is("(48) An unknown option", Class::NotAConnectionFailure),
];

#[rustfmt::skip]
static WGET: &[Phrase] = &[
    mark("wget:"), mark("--20*"), mark("Resolving "), mark("Giving up."), is("unable to resolve host address", Class::DnsFailure), is("bad address '", Class::DnsFailure), eof("No data received"), eof("Read error at byte").weighs(WORDS), eof("Connection closed at byte"), doing("Connecting to", Phase::Connect, Op::Connect), late_in("download timed out", Phase::Open), is("Unable to establish SSL connection", Class::TlsAlert).weighs(WORDS), tls("cannot verify", TlsError::Certificate(CertificateFault::UnknownIssuer)).with(&["certificate"]), tls("certificate common name", TlsError::Certificate(CertificateFault::WrongName)).with(&["doesn't match"]), tls("no certificate subject alternative name matches", TlsError::Certificate(CertificateFault::WrongName)), doing("can't connect to remote host", Phase::Connect, Op::Connect), eof("error getting response").weighs(WORDS - 3), doing("Read error", Phase::Open, Op::Read), harmless("ERROR 404: Not Found"), late_in("HTTP request sent, awaiting response... Read error (Connection timed out)", Phase::Open).last(), errno("HTTP request sent, awaiting response... Read error (Connection reset by peer)", Errno::ECONNRESET).weighs(SURE).in_(Phase::Open).by(Op::Read),
];

#[rustfmt::skip]
static NC: &[Phrase] = &[
    mark("nc:"), mark("Ncat:"), mark("(UNKNOWN) ["), mark("netcat:"), late_in("timed out: Operation now in progress", Phase::Connect).last(), doing("nc: connect to", Phase::Connect, Op::Connect), is("nc: getaddrinfo", Class::DnsFailure), late_in("Ncat: TIMEOUT", Phase::Connect), late_in("Ncat: Idle timeout expired", Phase::Open), is("Could not resolve hostname", Class::DnsFailure), is("forward host lookup failed", Class::DnsFailure), doing("(tcp) failed:", Phase::Connect, Op::Connect), doing("Ncat: Connection", Phase::Connect, Op::Connect).weighs(1), doing("Ncat: bind to", Phase::Bind, Op::Bind),
];

#[rustfmt::skip]
static SOCAT: &[Phrase] = &[
    mark("socat["), doing(" E connect(", Phase::Connect, Op::Connect), doing(" E bind(", Phase::Bind, Op::Bind), doing(" E read(", Phase::Open, Op::Read), doing(" E write(", Phase::Open, Op::Write), doing(" W read(", Phase::Open, Op::Read), doing(" E recv*", Phase::Open, Op::Read), doing(" E accept(", Phase::Accept, Op::Accept), doing(" E socket(", Phase::Socket, Op::Socket), is("SSL_connect()", Class::TlsAlert).weighs(WEAK + 1).with(&["socat"]), is("E getaddrinfo(", Class::DnsFailure), harmless(" N exiting with status 0"), harmless(" E unknown option"), harmless(" E unknown device/address"),
];

/// `curl: (7)` covers refusals, missing routes and EMFILE alike; other exit codes say enough where
/// words are missing (curl(1), EXIT CODES).
fn read_curl(text: &Text, clues: &mut Vec<Clue>) {
    for (needle, length) in [("curl: (", 7), ("curl error ", 11), ("libcurl error ", 14), ("curl (", 6)] {
        let Some(at) = text.lower.find(needle) else { continue };
        let digits = text.lower[at + length..].split(|c: char| !c.is_ascii_digit()).next();
        let phrase = match digits.and_then(|it| it.parse::<u8>().ok()) {
            Some(6) => is("", Class::DnsFailure),
            Some(7) => is("", Class::Refused),
            Some(28) => is("", Class::IoTimeout),
            Some(35) => is("", Class::TlsAlert),
            Some(51 | 60) => is("", Class::TlsCertInvalid),
            Some(52) => is("", Class::EofUnexpected),
            Some(55) => is("", Class::ResetOnWrite),
            Some(56) => is("", Class::ResetOnRead),
            _ => continue,
        };
        let phrase = phrase.weighs(WORDS - 6);
        clues.push(Clue { at, end: at + length, phrase, runtime: Some(Runtime::Curl) });
        return;
    }
}

fn print(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN {
        return None;
    }
    let (number, words) = (event.number()?, event.words()?);
    let call = match event.op {
        Op::Socket => "socket",
        Op::Connect => "connect",
        Op::Bind => "bind",
        Op::Accept => "accept",
        Op::Read => "recv",
        Op::Write => "send",
        _ => return None,
    };
    Some(format!("{call}() failed: {words} (errno={number})"))
}
