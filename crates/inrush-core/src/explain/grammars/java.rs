//! Java and what runs on its machine: JDK sockets and NIO, java.net.http, Netty, OkHttp, Apache
//! HttpClient, Tomcat, Jetty, Undertow, Tyrus, JDBC.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[Grammar {
    runtime: Some(Runtime::Java),
    phrases: &[MARKS, NET, TLS, WEBSOCKET, OTHERS],
    read: None,
    print: Some(print),
}];

#[rustfmt::skip]
static MARKS: &[Phrase] = &[
    mark("java.net."), mark("java.io."), mark("java.nio."), mark("java.lang."), mark("javax.net.ssl"), mark("sun.nio.ch"), mark("java.base/"),
    mark("io.netty."), mark("okhttp3."), mark("org.apache."), mark(".java:"), mark("Caused by: java*"), mark("jdk.internal"), mark("org.eclipse.jetty"),
    mark("reactor.netty"), mark("java.util.concurrent"), mark("javax.websocket"), mark("jakarta.websocket"), mark("kotlin"), mark("scala."),
    mark("akka."), mark("org.springframework"), mark("[os,thread]"), mark("sun.security"), mark("io.vertx"), mark("io.lettuce"),
    mark("Exception in thread"), mark("AnnotatedConnectException"), mark("io.undertow"), mark("org.java_websocket"), mark("HikariPool"), mark("android.os"),
    alarm("Exception"), amid("java.net.Socket*", Doing::Net), amid("SocketChannelImpl", Doing::Net), amid("java.net.", Doing::Net),
    doing("ServerSocketChannelImpl.accept", Phase::Accept, Op::Accept), doing("SocketDispatcher.read", Phase::Open, Op::Read),
    doing("SocketDispatcher.write", Phase::Open, Op::Write), doing("SocketInputStream", Phase::Open, Op::Read), doing("SocketOutputStream", Phase::Open, Op::Write),
    doing("IOUtil.read", Phase::Open, Op::Read), doing("IOUtil.write", Phase::Open, Op::Write), doing("readIntoNativeBuffer", Phase::Open, Op::Read),
    doing("writeFromNativeBuffer", Phase::Open, Op::Write), doing("BindException", Phase::Bind, Op::Bind), doing("readAddress(..)", Phase::Open, Op::Read),
    doing("writeAddress(..)", Phase::Open, Op::Write), doing("finishConnect(..)", Phase::Connect, Op::Connect), doing("accept(..)", Phase::Accept, Op::Accept),
    doing("bind(..)", Phase::Bind, Op::Bind), doing("io.netty.channel.AbstractChannel$AnnotatedConnectException", Phase::Connect, Op::Connect),
    doing("syscall:read(..)", Phase::Open, Op::Read), doing("syscall:writev(..)", Phase::Open, Op::Write), doing("Net.connect", Phase::Connect, Op::Connect),
    doing("socketConnect", Phase::Connect, Op::Connect), doing("socketAccept", Phase::Accept, Op::Accept), doing("ServerSocket.accept", Phase::Accept, Op::Accept),
    doing("java.net.ConnectException", Phase::Connect, Op::Connect), doing("NoRouteToHostException", Phase::Connect, Op::Connect), doing("Net.accept", Phase::Accept, Op::Accept),
    doing("Net.bind", Phase::Bind, Op::Bind), doing("socketBind", Phase::Bind, Op::Bind), doing("socketWrite0", Phase::Open, Op::Write), doing("socketRead0", Phase::Open, Op::Read),
    doing("NioEndpoint$Acceptor", Phase::Accept, Op::Accept), doing("Acceptor.run", Phase::Accept, Op::Accept), doing("doReadBytes", Phase::Open, Op::Read), doing("doWrite", Phase::Open, Op::Write),
];

#[rustfmt::skip]
static NET: &[Phrase] = &[
    errno("java.net.ConnectException", Errno::ECONNREFUSED).with(&["closedchannelexception"]).weighs(SURE + 2),
    errno("ConnectException", Errno::ECONNREFUSED).weighs(WORDS - 5).without(&["timed out", "timeout", "permission denied", "unreachable", "no route", "assign requested"]),
    errno("HttpHostConnectException", Errno::ECONNREFUSED).weighs(WORDS - 5),
    errno("Connection reset", Errno::ECONNRESET).weighs(WORDS - 2).without(&["connection reset without closing", "connection reset by", "reset counter", "connection resets"]),
    is("Connection reset by peer: socket write error", Class::ResetOnWrite).last(), is("Connection reset (Write failed)", Class::ResetOnWrite).last(),
    is("Software caused connection abort: socket write error", Class::ConnectionAborted).last().by(Op::Write),
    is("Software caused connection abort: recv failed", Class::ConnectionAborted).last().by(Op::Read),
    is("Broken pipe (Write failed)", Class::BrokenPipe).last(), is("ClientAbortException", Class::BrokenPipe).weighs(WORDS - 1).side(Side::Client),
    is("StacklessClosedChannelException", Class::LocalUseAfterClose).weighs(SURE - 5),
    is("ClosedChannelException", Class::LocalUseAfterClose).weighs(SURE - 10), is("AsynchronousCloseException", Class::LocalUseAfterClose),
    is("ClosedByInterruptException", Class::LocalUseAfterClose), is("ClosedSelectorException", Class::LocalUseAfterClose),
    is("Socket closed", Class::LocalUseAfterClose).weighs(WORDS + 5).with(&["java", "socketexception"]), is("Socket is closed", Class::LocalUseAfterClose).weighs(WORDS + 5),
    is("Stream closed", Class::LocalUseAfterClose).with(&["socket", "java.io.ioexception", "http"]), is("Socket output is shutdown", Class::LocalUseAfterClose),
    is("Socket is not connected", Class::LocalUseAfterClose).with(&["java"]), is("NotYetConnectedException", Class::LocalUseAfterClose),
    is("Connection pool shut down", Class::LocalUseAfterClose), is("Client is stopped", Class::LocalUseAfterClose).with(&["mqtt"]),
    is("Socket input is already shutdown", Class::LocalUseAfterClose), is("already connected", Class::LocalUseAfterClose).with(&["socketexception", "alreadyconnectedexception"]),
    is("ReadPendingException", Class::ConcurrentMisuse), is("WritePendingException", Class::ConcurrentMisuse), is("AcceptPendingException", Class::ConcurrentMisuse),
    is("ConnectionPendingException", Class::ConcurrentMisuse),
    is("UnknownHostException", Class::DnsFailure), is("UnresolvedAddressException", Class::DnsFailure), is("failed to resolve", Class::DnsFailure),
    is("SearchDomainUnknownHostException", Class::DnsFailure), is("DnsNameResolverTimeoutException", Class::DnsFailure).last(), is("DnsResolveContext", Class::DnsFailure),
    is("Unable to resolve host", Class::DnsFailure), is("nameServerProvider", Class::DnsFailure),
    eof("Unexpected end of file from server"), eof("NoHttpResponseException"), eof("failed to respond").with(&["http", "org.apache"]),
    eof("HTTP/1.1 header parser received no bytes"), eof("EOF reached while reading"), eof("unexpected end of stream"), eof("Premature EOF"),
    eof("Premature end of chunk coded message body"), eof("Premature end of Content-Length delimited message body"), eof("ConnectionClosedException"),
    eof("PrematureCloseException"), eof("Connection prematurely closed"), eof("\\n not found: limit="), eof("Connection has been closed BEFORE response"),
    eof("Connection has been closed BEFORE send operation"), eof("Remote host closed connection").weighs(WORDS), eof("Connection closed by remote host").weighs(WORDS + 1),
    eof("ChannelClosedException"), eof("Connection was closed by remote peer"), eof("The target server failed to respond"), eof("closed by remote"),
    is("EOFException", Class::EofCleanClose).weighs(WORDS).side(Side::Server).without(&["unexpected", "websocket", "premature", "header parser", "eof reached"]),
    eof("EOFException").weighs(WORDS - 1),
    late_in("Connect timed out", Phase::Connect), late_in("connect timed out", Phase::Connect), late_in("HTTP connect timed out", Phase::Connect), late_in("ConnectTimeoutException", Phase::Connect),
    late_in("connection timed out:", Phase::Connect).with(&["netty", "java", "connecttimeout"]), late_in("HttpConnectTimeoutException", Phase::Connect),
    late_in("Connection timed out: connect", Phase::Connect), late_in("ConnectionPoolTimeoutException", Phase::Connect).side(Side::Client),
    late_in("Timeout waiting for connection from pool", Phase::Connect).side(Side::Client), late_in("PoolAcquireTimeoutException", Phase::Connect).side(Side::Client),
    late_in("Read timed out", Phase::Open), late_in("ReadTimeoutException", Phase::Open), late_in("WriteTimeoutException", Phase::Open).by(Op::Write),
    late_in("HttpTimeoutException", Phase::Open).weighs(SURE - 2), late_in("request timed out", Phase::Open).weighs(SURE - 2), late_in("Accept timed out", Phase::Open),
    late_in("SocketTimeoutException", Phase::Open).weighs(WORDS - 1).without(&["connect timed out", "failed to connect"]), late_in("failed to connect to", Phase::Connect).with(&["sockettimeoutexception"]),
    late_in("Did not observe any item or terminal signal within", Phase::Open), late_in("AsyncRequestTimeoutException", Phase::Open), late_in("Total timeout", Phase::Open).with(&["jetty"]),
    is("Idle timeout expired", Class::KeepaliveTimeout), is("Connection Idle Timeout", Class::KeepaliveTimeout), is("WebSocketTimeoutException", Class::KeepaliveTimeout),
    is("SslHandshakeTimeoutException", Class::TlsHandshakeTimeout).last(), is("handshake timed out after", Class::TlsHandshakeTimeout).with(&["ssl", "netty"]),
    is("unable to create native thread", Class::ThreadLimit), is("unable to create new native thread", Class::ThreadLimit), is("Failed to start thread", Class::ThreadLimit),
    is("pthread_create failed (EAGAIN)", Class::ThreadLimit), is("Cannot create GC thread. Out of system resources", Class::ThreadLimit),
    is("PortUnreachableException", Class::Refused), errno("NoRouteToHostException", Errno::EHOSTUNREACH).weighs(WORDS - 3).without(&["requested address"]),
    is("maximum buffer size", Class::MessageTooBig), is("TooLongFrameException", Class::MessageTooBig), is("DataBufferLimitException", Class::MessageTooBig), is("Exceeded limit on max bytes to buffer", Class::MessageTooBig),
    is("NotSslRecordException", Class::ProtocolMismatch).in_(Phase::Tls).weighs(SURE + 1), is("not an SSL/TLS record", Class::ProtocolMismatch).in_(Phase::Tls).weighs(SURE + 1),
    is("Unsupported or unrecognized SSL message", Class::ProtocolMismatch).in_(Phase::Tls).weighs(SURE + 1), is("Invalid Http response", Class::ProtocolMismatch).in_(Phase::Open), is("plaintext connection?", Class::ProtocolMismatch).in_(Phase::Tls).weighs(SURE + 1),
    is("Invalid status line", Class::ProtocolMismatch).in_(Phase::Open), is("Unexpected status line:", Class::ProtocolMismatch).in_(Phase::Open), is("The server failed to respond with a valid HTTP response", Class::ProtocolMismatch).in_(Phase::Open),
    is("Invalid character found in method name", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client), is("Error parsing HTTP request header", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client).weighs(SURE - 1),
    is("Illegal character 0x16", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client), is("CLEARTEXT communication", Class::BlockedByPolicy).last(),
    is("Http2Exception", Class::ProtocolMismatch).in_(Phase::Open).weighs(WORDS), is("First received frame was not SETTINGS", Class::ProtocolMismatch).in_(Phase::Open),
    harmless("NullPointerException"), harmless("ClassNotFoundException"), harmless("NoClassDefFoundError"), harmless("ClassCastException"), harmless("IllegalArgumentException").weighs(WORDS - 6),
    harmless("ArrayIndexOutOfBoundsException"), harmless("NumberFormatException"), harmless("StackOverflowError"), harmless("FileNotFoundException"), harmless("NoSuchFileException"),
    harmless("Java heap space"), harmless("GC overhead limit exceeded"), harmless("ConcurrentModificationException"), harmless("IndexOutOfBoundsException"), harmless("NoSuchMethodError"),
    harmless("UnsupportedOperationException").weighs(WORDS - 6), harmless("BeanCreationException").weighs(WEAK + 1), harmless("AccessDeniedException"), harmless("MalformedURLException"), harmless("JsonParseException"), harmless("SQLSyntaxErrorException"),
];

#[rustfmt::skip]
static TLS: &[Phrase] = &[
    tls("PKIX path building failed", TlsError::Certificate(CertificateFault::UnknownIssuer)), tls("unable to find valid certification path", TlsError::Certificate(CertificateFault::UnknownIssuer)),
    tls("PKIX path validation failed", TlsError::Certificate(CertificateFault::Other)), tls("CertificateExpiredException", TlsError::Certificate(CertificateFault::Expired)).weighs(SURE + 1), tls("CertificateNotYetValidException", TlsError::Certificate(CertificateFault::NotYetValid)),
    tls("No subject alternative names", TlsError::Certificate(CertificateFault::WrongName)), tls("No subject alternative DNS name matching", TlsError::Certificate(CertificateFault::WrongName)),
    tls("No name matching", TlsError::Certificate(CertificateFault::WrongName)).with(&["found"]), tls("SSLPeerUnverifiedException", TlsError::Certificate(CertificateFault::WrongName)), tls("Certificate for <", TlsError::Certificate(CertificateFault::WrongName)),
    tls("Trust anchor for certification path not found", TlsError::Certificate(CertificateFault::UnknownIssuer)), tls("CertificateException", TlsError::Certificate(CertificateFault::Other)).weighs(WORDS),
    tls("the trustAnchors parameter must be non-empty", TlsError::Certificate(CertificateFault::UnknownIssuer)), tls("Certificate pinning failure", TlsError::Certificate(CertificateFault::Other)), tls("ValidatorException", TlsError::Certificate(CertificateFault::Other)).weighs(WORDS),
    tls("Received fatal alert: handshake_failure", TlsError::Alert(40)), tls("Received fatal alert: protocol_version", TlsError::Alert(70)), tls("Received fatal alert: certificate_unknown", TlsError::Alert(46)), tls("Received fatal alert: bad_certificate", TlsError::Alert(42)),
    tls("Received fatal alert: unknown_ca", TlsError::Alert(48)), tls("Received fatal alert: certificate_expired", TlsError::Alert(45)), tls("Received fatal alert: internal_error", TlsError::Alert(80)), tls("Received fatal alert: unrecognized_name", TlsError::Alert(112)),
    tls("Received fatal alert: certificate_required", TlsError::Alert(116)).side(Side::Client), tls("handshake alert:  unrecognized_name", TlsError::Alert(112)), tls("Received fatal alert:", TlsError::Alert(80)).weighs(SURE - 2), tls("No appropriate protocol", TlsError::Incompatible), tls("no cipher suites in common", TlsError::Incompatible),
    tls("Client requested protocol", TlsError::Incompatible).side(Side::Client), tls("The server selected protocol version", TlsError::Incompatible), tls("Empty client certificate chain", TlsError::NoCertificate).side(Side::Client), tls("Empty server certificate chain", TlsError::Incompatible), tls("Insufficient buffer remaining for AEAD cipher fragment", TlsError::BadRecord),
    is("Remote host closed connection during handshake", Class::TlsHandshakeEof).last(), is("Remote host terminated the handshake", Class::TlsHandshakeEof).last(), is("Connection closed during TLS handshake", Class::TlsHandshakeEof).last(), is("Connection closed while SSL/TLS handshake was in progress", Class::TlsHandshakeEof).last(),
    is("SSL peer shut down incorrectly", Class::TlsHandshakeEof).with(&["handshake"]), eof("SSL peer shut down incorrectly"), eof("closing inbound before receiving peer's close_notify"),
];

#[rustfmt::skip]
static WEBSOCKET: &[Phrase] = &[
    is("WebSocketHandshakeException", Class::WsBadHandshake).weighs(WORDS + 5).side(Side::Either), is("Unexpected HTTP response status code", Class::WsBadHandshake).weighs(SURE - 1), is("Expected HTTP 101 response but was", Class::WsBadHandshake).weighs(SURE - 1), is("Invalid handshake response getStatus", Class::WsBadHandshake).weighs(SURE - 1),
    is("Invalid status code received:", Class::WsBadHandshake).weighs(SURE - 1), is("Response code was not 101", Class::WsBadHandshake).weighs(SURE - 1), is("The HTTP response from the server [", Class::WsBadHandshake).weighs(SURE - 1), is("Failed to upgrade to websocket: Unexpected HTTP Response Status Code", Class::WsBadHandshake).weighs(SURE - 1), is("UpgradeException", Class::WsBadHandshake).weighs(WORDS), is("Handshake error.", Class::WsBadHandshake).weighs(WORDS - 1).with(&["tyrus", "websocket", "deploymentexception"]).side(Side::Either),
    is("Response code was not 101: ", Class::WsBadHandshake).weighs(SURE - 1),
    is("Invalid Sec-WebSocket-Accept", Class::WsHandshakeMalformed).weighs(SURE + 1), is("Bad response field: Sec-WebSocket-Accept", Class::WsHandshakeMalformed), is("Bad response field: upgrade", Class::WsHandshakeMalformed), is("Bad response field", Class::WsHandshakeMalformed), is("Invalid challenge. Actual:", Class::WsHandshakeMalformed).weighs(SURE + 2), is("Invalid handshake response upgrade:", Class::WsHandshakeMalformed).weighs(SURE + 2), is("Invalid handshake response connection:", Class::WsHandshakeMalformed).weighs(SURE + 2), is("Invalid subprotocol. Actual:", Class::WsHandshakeMalformed).weighs(SURE + 2),
    is("Expected 'Connection' header value 'Upgrade' but was", Class::WsHandshakeMalformed), is("Expected 'Upgrade' header value 'websocket' but was", Class::WsHandshakeMalformed), is("Expected 'Sec-WebSocket-Accept' header value", Class::WsHandshakeMalformed), is("draft org.java_websocket", Class::WsHandshakeMalformed).with(&["refuses handshake"]), is("refuses handshake", Class::WsHandshakeMalformed), is("not a WebSocket handshake request", Class::WsHandshakeMalformed).side(Side::Client),
    late_in("WebSocket handshake timed out", Phase::Upgrade).last(), late_in("WebSocketClientHandshakeException: handshake timed out", Phase::Upgrade).last(), late_in("handshake timed out", Phase::Upgrade).with(&["websocket"]).without(&["ssl"]), late_in("Timed out waiting for handshake", Phase::Upgrade), late_in("Closed due to serverhandshake timed out", Phase::Upgrade),
    is("The remote endpoint was in state", Class::ConcurrentMisuse).side(Side::Either), is("Send pending", Class::ConcurrentMisuse).side(Side::Either), is("Blocking message pending", Class::ConcurrentMisuse).side(Side::Either), is("TEXT_FULL_WRITING", Class::ConcurrentMisuse).side(Side::Either), is("TEXT_PARTIAL_WRITING", Class::ConcurrentMisuse).side(Side::Either), is("BINARY_PARTIAL_WRITING", Class::ConcurrentMisuse).side(Side::Either), is("BINARY_FULL_WRITING", Class::ConcurrentMisuse).side(Side::Either), is("Another message is being sent", Class::ConcurrentMisuse).side(Side::Either),
    is("The WebSocket session has been closed and no method", Class::LocalUseAfterClose), is("Message will not be sent because the WebSocket session has been closed", Class::LocalUseAfterClose), is("WebsocketNotConnectedException", Class::LocalUseAfterClose), is("WebSocket session [", Class::LocalUseAfterClose).with(&["has been closed"]), is("Output closed", Class::LocalUseAfterClose).with(&["java.io.ioexception", "websocket"]), is("The connection has been closed.", Class::LocalUseAfterClose).with(&["session", "tyrus"]),
    is("The decoded text message was too big", Class::MessageTooBig), is("The decoded binary message was too big", Class::MessageTooBig), is("too big for the output buffer", Class::MessageTooBig), is("MessageTooLargeException", Class::MessageTooBig), is("Max frame length of", Class::MessageTooBig), is("Text message size [", Class::MessageTooBig), is("Binary message size [", Class::MessageTooBig), is("Message too large", Class::MessageTooBig).with(&["websocket", "jetty"]), is("Frame length", Class::MessageTooBig).with(&["exceeds"]), is("MessageTooBigException", Class::MessageTooBig),
    protocol("CorruptedWebSocketFrameException", ProtocolError::Opcode), protocol("received a frame that is not masked as expected", ProtocolError::Mask).side(Side::Client), protocol("RSV != 0 and no extension negotiated", ProtocolError::Reserved), protocol("bytes are not UTF-8", ProtocolError::Utf8), protocol("InvalidFrameException", ProtocolError::Opcode), protocol("bad rsv", ProtocolError::Reserved), protocol("Unknown opcode:", ProtocolError::Opcode).with(&["websocket", "okhttp", "protocolexception"]), protocol("Unexpected rsv*", ProtocolError::Reserved), protocol("Server-sent frames must not be masked", ProtocolError::Mask), protocol("Client-sent frames must be masked", ProtocolError::Mask).side(Side::Client), protocol("Control frame must be less than 125B", ProtocolError::ControlTooLong), protocol("Control frames must be final", ProtocolError::ControlFragmented), protocol("received continuation data frame outside fragmented message", ProtocolError::Continuation), protocol("used reserved opcode", ProtocolError::Opcode), protocol("The client frame set the reserved bits", ProtocolError::Reserved).side(Side::Client), protocol("Unexpected end of input: ByteBuffer", ProtocolError::Utf8),
    is("No pong received", Class::KeepaliveTimeout), is("sent ping but didn't receive pong within", Class::KeepaliveTimeout), is("The connection was closed because the other endpoint did not respond with a pong in time", Class::KeepaliveTimeout).last(), is("Ping timeout", Class::KeepaliveTimeout), is("Session closed due to idle timeout", Class::KeepaliveTimeout), is("The session timeout was exceeded", Class::KeepaliveTimeout),
];

#[rustfmt::skip]
static OTHERS: &[Phrase] = &[
    late_in("Connection is not available, request timed out after", Phase::Connect).side(Side::Client).last(), is("Communications link failure", Class::EofUnexpected).weighs(WORDS - 3),
    eof("The last packet successfully received from the server was").weighs(WORDS - 2), is("Data source rejected establishment of connection", Class::ServerConnLimit).last(), is("PSQLException: The connection attempt failed", Class::Refused).weighs(WORDS - 2), eof("An I/O error occurred while sending to the backend").weighs(WORDS - 2),
    late_in("RedisCommandTimeoutException", Phase::Open), late_in("Command timed out after", Phase::Open), errno("Unable to connect to", Errno::ECONNREFUSED).with(&["redisconnectionexception"]).weighs(WORDS - 8), late_in("Could not get a resource from the pool", Phase::Connect).weighs(WORDS - 8).side(Side::Client),
];

fn print(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN {
        return None;
    }
    let words = event.words()?;
    let (name, frame) = match event.op {
        Op::Socket => ("java.net.SocketException", "java.net.Socket.createImpl(Socket.java:533)"),
        Op::Connect => ("java.net.ConnectException", "sun.nio.ch.Net.pollConnect(Native Method)"),
        Op::Bind => ("java.net.BindException", "sun.nio.ch.Net.bind0(Native Method)"),
        Op::Accept => ("java.net.SocketException", "sun.nio.ch.NioSocketImpl.implAccept(NioSocketImpl.java:692)"),
        Op::Read => ("java.net.SocketException", "sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:328)"),
        Op::Write => ("java.net.SocketException", "sun.nio.ch.NioSocketImpl.implWrite(NioSocketImpl.java:413)"),
        _ => return None,
    };
    Some(format!("{name}: {words}\n\tat java.base/{frame}"))
}
