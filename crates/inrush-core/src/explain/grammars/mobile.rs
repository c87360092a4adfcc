//! Swift (URLSession, Network.framework, SwiftNIO), Dart and Flutter; their numbers are macOS' or
//! the host's.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[
    Grammar {
        runtime: Some(Runtime::Swift),
        phrases: &[SWIFT],
        read: None,
        print: Some(print_swift),
    },
    Grammar { runtime: Some(Runtime::Dart), phrases: &[DART], read: None, print: Some(print_dart) },
];

static SWIFT: &[Phrase] = &[
    mark("NSURLErrorDomain"),
    mark("NSPOSIXErrorDomain"),
    mark("kCFErrorDomainCFNetwork"),
    mark("Starscream"),
    mark("NWError"),
    mark("nw_*"),
    mark("URLError"),
    mark("NIOConnectionError"),
    mark("POSIXErrorCode"),
    mark("Task <"),
    mark("SwiftNIO"),
    mark("NIOCore."),
    doing("nw_socket_connect", Phase::Connect, Op::Connect),
    doing("nw_read_request_report", Phase::Open, Op::Read),
    doing("nw_flow_add_write_request", Phase::Open, Op::Write),
    doing("nw_socket_handle_socket_event", Phase::Open, Op::Read).weighs(1),
    doing("nw_endpoint_flow_failed", Phase::Connect, Op::Connect),
    is("Code=-1003", Class::DnsFailure),
    is("A server with the specified hostname could not be found", Class::DnsFailure),
    is("Code=-1006", Class::DnsFailure),
    is("Code=-1004", Class::Refused),
    is("Could not connect to the server", Class::Refused).weighs(WORDS - 3),
    late_in("Code=-1001", Phase::Open),
    late_in("The request timed out", Phase::Open).weighs(WORDS),
    eof("Code=-1005"),
    eof("The network connection was lost"),
    is("Code=-1009", Class::Unreachable),
    is("The Internet connection appears to be offline", Class::Unreachable),
    is("Code=-1011", Class::WsBadHandshake),
    is("There was a bad response from the server", Class::WsBadHandshake).weighs(SURE - 1),
    is("Code=-1022", Class::BlockedByPolicy),
    is("App Transport Security policy requires", Class::BlockedByPolicy).last(),
    tls("Code=-1200", TlsError::Alert(40)).weighs(SURE - 1),
    is(
        "An SSL error has occurred and a secure connection to the server cannot be made",
        Class::TlsAlert,
    )
    .weighs(SURE - 2),
    tls("Code=-1202", TlsError::Certificate(CertificateFault::Other)),
    tls(
        "The certificate for this server is invalid",
        TlsError::Certificate(CertificateFault::Other),
    ),
    tls("Code=-1201", TlsError::Certificate(CertificateFault::Expired)),
    tls("Code=-1203", TlsError::Certificate(CertificateFault::UnknownIssuer)),
    tls("errSSLXCertChainInvalid", TlsError::Certificate(CertificateFault::UnknownIssuer)),
    tls("-9807", TlsError::Certificate(CertificateFault::UnknownIssuer)).with(&[
        "ssl",
        "nsurl",
        "cfnetwork",
        "osstatus",
    ]),
    tls("-9806", TlsError::Alert(40)).with(&["ssl", "nsurl", "cfnetwork"]).weighs(SURE - 3),
    tls("-9814", TlsError::Certificate(CertificateFault::Expired)).with(&["ssl", "nsurl"]),
    is("Bad file descriptor", Class::LocalUseAfterClose).with(&["nsposixerrordomain"]),
    is("Operation canceled", Class::LocalUseAfterClose)
        .with(&["nsposixerrordomain", "posixerrorcode"]),
];

static DART: &[Phrase] = &[
    mark("SocketException:"),
    mark("OS Error:"),
    mark("package:"),
    mark("_Socket*"),
    mark("WebSocketChannelException"),
    mark("HandshakeException"),
    mark("HttpException:"),
    mark("ClientException with SocketException"),
    mark("DioException"),
    mark("DioError"),
    mark("dart:"),
    mark("flutter"),
    doing("SocketException: Connection failed", Phase::Connect, Op::Connect),
    doing("Connection failed", Phase::Connect, Op::Connect),
    doing("Failed to create server socket", Phase::Bind, Op::Bind),
    doing("SocketException: Write failed", Phase::Open, Op::Write),
    doing("SocketException: Read failed", Phase::Open, Op::Read),
    doing("_NativeSocket.startConnect", Phase::Connect, Op::Connect),
    doing("SocketException: Accept failed", Phase::Accept, Op::Accept),
    doing("SocketException: Failed to create socket", Phase::Socket, Op::Socket),
    is("Failed host lookup", Class::DnsFailure).last(),
    eof("Connection closed before full header was received"),
    eof("Connection closed while receiving data"),
    late_in("SocketException: Connection timed out", Phase::Connect).with(&["host:"]),
    late_in("HTTP connection timed out after", Phase::Connect),
    late_in("[connection timeout]", Phase::Connect),
    late_in("[receive timeout]", Phase::Open),
    late_in("[send timeout]", Phase::Open).by(Op::Write),
    late_in("TimeoutException after", Phase::Open),
    late_in("Future not completed", Phase::Open).weighs(WORDS),
    is("was not upgraded to websocket", Class::WsBadHandshake),
    is("StreamSink is closed", Class::LocalUseAfterClose),
    is("Cannot add event after closing", Class::LocalUseAfterClose),
    is("Bad state: Cannot add", Class::LocalUseAfterClose),
    is("SocketException: Socket has been closed", Class::LocalUseAfterClose),
    is("StreamSink is bound to a stream", Class::ConcurrentMisuse).side(Side::Client),
    is("Connection terminated during handshake", Class::TlsHandshakeEof).last(),
    tls(
        "CERTIFICATE_VERIFY_FAILED: self signed certificate",
        TlsError::Certificate(CertificateFault::SelfSigned),
    )
    .weighs(SURE + 2),
    tls("WRONG_VERSION_NUMBER(tls_record.cc", TlsError::NotTls).weighs(SURE + 2),
    harmless("FormatException"),
    harmless("Null check operator used on a null value"),
    harmless("RangeError (index)"),
    harmless("NoSuchMethodError"),
];

fn print_swift(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN {
        return None;
    }
    let event = Event { system: System::Macos, ..*event };
    let (number, words) = (event.number()?, event.words()?);
    let call = match event.op {
        Op::Connect => format!("connect({}) failed", event.remote),
        Op::Bind => "bind(descriptor:ptr:bytes:)".into(),
        Op::Accept => "accept(descriptor:addr:len:)".into(),
        Op::Read => "read(descriptor:pointer:size:)".into(),
        Op::Write => "write(descriptor:pointer:size:)".into(),
        Op::Socket => "socket(domain:type:protocol:)".into(),
        _ => return None,
    };
    Some(format!("Swift/ErrorType.swift:200: Fatal error: {call}: {words} (errno: {number})"))
}

fn print_dart(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN {
        return None;
    }
    let (number, words) = (event.number()?, event.words()?);
    let what = match event.op {
        Op::Connect => "Connection failed",
        Op::Bind => "Failed to create server socket",
        Op::Accept => "Accept failed",
        Op::Read => "Read failed",
        Op::Write => "Write failed",
        Op::Socket => "Failed to create socket",
        _ => return None,
    };
    let remote = event.remote;
    Some(format!(
        "SocketException: {what} (OS Error: {words}, errno = {number}), address = {}, \
                  port = {}",
        remote.ip(),
        remote.port()
    ))
}
