//! .NET and Mono: SocketException, HttpClient, ClientWebSocket, SslStream, Kestrel, SignalR.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[
    Grammar {
        runtime: Some(Runtime::Dotnet),
        phrases: &[MARKS, NET, WEBSOCKET],
        read: None,
        print: Some(print),
    },
    Grammar { runtime: Some(Runtime::Mono), phrases: &[MONO], read: None, print: None },
];

static MARKS: &[Phrase] = &[
    mark("System.Net*"),
    mark("SocketException (0x"),
    mark("SocketException ("),
    mark("HttpRequestException"),
    mark("Microsoft.AspNetCore*"),
    mark("at System."),
    mark("--->"),
    mark("System.Threading"),
    mark("--- End of inner exception stack trace"),
    mark("Unhandled exception. System"),
    mark("WebSocketException"),
    mark("SocketError"),
    mark("Kestrel"),
    mark("NativeErrorCode"),
    mark("SignalR"),
    mark("StackExchange.Redis"),
    mark("Npgsql"),
    mark("Microsoft.Data.SqlClient"),
    mark("System.AggregateException"),
    mark("System.TimeoutException"),
    doing("Unable to read data from the transport connection", Phase::Open, Op::Read),
    doing("Unable to write data to the transport connection", Phase::Open, Op::Write),
    doing("Socket.Connect", Phase::Connect, Op::Connect),
    doing("ConnectAsync", Phase::Connect, Op::Connect),
    doing("ConnectToTcpHostAsync", Phase::Connect, Op::Connect),
    doing("Socket.Accept", Phase::Accept, Op::Accept),
    doing("AcceptAsync", Phase::Accept, Op::Accept),
    doing("Socket.Receive", Phase::Open, Op::Read),
    doing("ReceiveAsync", Phase::Open, Op::Read),
    doing("Socket.Send", Phase::Open, Op::Write),
    doing("SendAsync", Phase::Open, Op::Write).weighs(1),
    doing("Socket.Bind", Phase::Bind, Op::Bind),
    doing("DoBind", Phase::Bind, Op::Bind),
    doing("Failed to bind to address", Phase::Bind, Op::Bind),
    doing("TcpListener.Start", Phase::Bind, Op::Bind),
    doing("Socket..ctor", Phase::Socket, Op::Socket),
    doing("CreateSocket", Phase::Socket, Op::Socket),
    doing("NetworkStream.Read", Phase::Open, Op::Read),
    doing("NetworkStream.Write", Phase::Open, Op::Write),
];

static NET: &[Phrase] = &[
    errno("SocketError.ConnectionRefused", Errno::ECONNREFUSED).weighs(NUMBER),
    errno("SocketError.ConnectionReset", Errno::ECONNRESET).weighs(NUMBER),
    errno("SocketError.TimedOut", Errno::ETIMEDOUT).weighs(NUMBER),
    errno("SocketError.HostUnreachable", Errno::EHOSTUNREACH).weighs(NUMBER),
    errno("SocketError.NetworkUnreachable", Errno::ENETUNREACH).weighs(NUMBER),
    errno("SocketError.AddressAlreadyInUse", Errno::EADDRINUSE).weighs(NUMBER),
    errno("SocketError.TooManyOpenSockets", Errno::EMFILE).weighs(NUMBER),
    errno("SocketError.NoBufferSpaceAvailable", Errno::ENOBUFS).weighs(NUMBER),
    errno("SocketError.ConnectionAborted", Errno::ECONNABORTED).weighs(NUMBER),
    is("SocketError.HostNotFound", Class::DnsFailure),
    is("SocketError.OperationAborted", Class::LocalUseAfterClose),
    errno("SocketErrorCode: ConnectionRefused", Errno::ECONNREFUSED),
    errno("SocketErrorCode: ConnectionReset", Errno::ECONNRESET),
    errno("ConnectionResetException", Errno::ECONNRESET).weighs(WORDS - 1),
    is("The remote name could not be resolved", Class::DnsFailure),
    is("Name or service not known", Class::DnsFailure),
    is("NameResolutionFailure", Class::DnsFailure),
    is("No such host is known", Class::DnsFailure),
    is("NameResolutionError", Class::DnsFailure),
    eof("The response ended prematurely"),
    eof("The server returned an invalid or unrecognized response").weighs(SURE - 1),
    eof("Received an unexpected EOF or 0 bytes from the transport stream").weighs(SURE - 1),
    eof("The underlying connection was closed: The connection was closed unexpectedly"),
    eof("A connection that was expected to be kept alive was closed by the server"),
    eof("the connection was closed unexpectedly"),
    eof("The request was aborted: The connection was closed unexpectedly"),
    eof("An error occurred on a receive").weighs(WORDS - 2),
    eof("An error occurred on a send").weighs(WORDS - 2),
    eof("Attempted to read past the end of the stream"),
    eof("Unable to read beyond the end of the stream"),
    eof("An error occurred while sending the request")
        .weighs(WEAK + 1)
        .without(&["see inner exception"]),
    eof("Unexpected end of request content").side(Side::Client),
    eof("The client reset the request stream").side(Side::Client),
    eof("The client has disconnected").side(Side::Client),
    eof("ResponseEnded"),
    is("Received an unexpected EOF or 0 bytes from the transport stream", Class::TlsHandshakeEof)
        .with(&["ssl", "authenticateas", "handshake"])
        .weighs(SURE + 1),
    is(
        "Authentication failed because the remote party has closed the transport stream",
        Class::TlsHandshakeEof,
    )
    .last(),
    is("Authentication failed because the remote party sent a TLS alert", Class::TlsAlert).last(),
    tls("The remote certificate is invalid", TlsError::Certificate(CertificateFault::Other)),
    tls("The remote certificate was rejected", TlsError::Certificate(CertificateFault::Other)),
    tls(
        "Could not establish trust relationship for the SSL/TLS secure channel",
        TlsError::Certificate(CertificateFault::UnknownIssuer),
    ),
    tls("RemoteCertificateNameMismatch", TlsError::Certificate(CertificateFault::WrongName)),
    tls("RemoteCertificateChainErrors", TlsError::Certificate(CertificateFault::UnknownIssuer)),
    tls("PartialChain", TlsError::Certificate(CertificateFault::UnknownIssuer)),
    tls("UntrustedRoot", TlsError::Certificate(CertificateFault::UnknownIssuer)),
    tls("TrustFailure", TlsError::Certificate(CertificateFault::UnknownIssuer)),
    tls("Could not create SSL/TLS secure channel", TlsError::Incompatible),
    tls(
        "The client and server cannot communicate, because they do not possess a \
                  common algorithm",
        TlsError::Incompatible,
    ),
    is("The SSL connection could not be established", Class::TlsAlert).weighs(WORDS - 10),
    is(
        "Cannot determine the frame size or a corrupted frame was received",
        Class::ProtocolMismatch,
    )
    .in_(Phase::Tls)
    .last(),
    is("The handshake failed due to an unexpected packet format", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .last(),
    is("The message received was unexpected or badly formatted", Class::ProtocolMismatch)
        .in_(Phase::Tls),
    is("SecureChannelFailure", Class::TlsAlert).weighs(WORDS),
    is("SSL Handshake failed with OpenSSL error", Class::TlsAlert).weighs(WORDS - 3),
    is("The server committed a protocol violation", Class::ProtocolMismatch).in_(Phase::Open),
    is("Received an invalid status line", Class::ProtocolMismatch).in_(Phase::Open),
    is("Received an HTTP/1.x response for an HTTP/2 request", Class::ProtocolMismatch)
        .in_(Phase::Open),
    is(
        "An HTTP/2 connection could not be established because the server did not \
                  complete the HTTP/2 handshake",
        Class::ProtocolMismatch,
    )
    .in_(Phase::Open),
    is("Received an invalid header line", Class::ProtocolMismatch).in_(Phase::Open),
    is("Invalid request line", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client),
    is("The request header contains an unrecognized", Class::ProtocolMismatch).in_(Phase::Open),
    late_in("The request was canceled due to the configured HttpClient.Timeout", Phase::Open),
    late_in("HttpClient.Timeout of", Phase::Open),
    late_in("A task was canceled", Phase::Open).weighs(WORDS - 3),
    late_in(
        "A connection could not be established within the configured ConnectTimeout",
        Phase::Connect,
    )
    .last(),
    late_in("The operation has timed out", Phase::Open).weighs(WORDS + 1),
    late_in("The operation was canceled", Phase::Open)
        .with(&["taskcanceledexception"])
        .weighs(WORDS - 4),
    late_in("The request was aborted: The operation has timed out", Phase::Open),
    late_in("The wait operation timed out", Phase::Open),
    late_in("Reading the request body timed out due to data arriving too slowly", Phase::Open)
        .side(Side::Client),
    late_in("System.TimeoutException", Phase::Open).weighs(WORDS - 2),
    late_in("Connection Timeout Expired", Phase::Connect),
    late_in(
        "Timeout expired. The timeout period elapsed prior to obtaining a connection \
                  from the pool",
        Phase::Connect,
    )
    .side(Side::Client),
    late_in("Timeout expired", Phase::Open).weighs(SURE - 4).with(&["sql"]),
    late_in("Exception while reading from stream", Phase::Open).with(&["timeout"]),
    late_in("Timeout performing", Phase::Open),
    late_in("Execution Timeout Expired", Phase::Open),
    is("Cannot access a disposed object", Class::LocalUseAfterClose).weighs(WORDS + 1),
    is("ObjectDisposedException", Class::LocalUseAfterClose).weighs(WORDS),
    is(
        "The operation has been aborted because of either a thread exit or an \
                  application request",
        Class::LocalUseAfterClose,
    ),
    is(
        "The I/O operation has been aborted because of either a thread exit",
        Class::LocalUseAfterClose,
    ),
    is("The operation is not allowed on non-connected sockets", Class::LocalUseAfterClose),
    is("Not listening. You must call the Start() method", Class::LocalUseAfterClose),
    is("This connection was closed", Class::LocalUseAfterClose).weighs(WORDS),
    is(
        "The ReadAsync method cannot be called when another read operation is pending",
        Class::ConcurrentMisuse,
    )
    .side(Side::Client),
    is("method cannot be called when another", Class::ConcurrentMisuse).side(Side::Client),
    is("NotSupportedException: The WriteAsync method cannot be called", Class::ConcurrentMisuse)
        .side(Side::Client),
    is("Request body too large", Class::MessageTooBig),
    is(
        "Cannot write more bytes to the buffer than the configured maximum buffer size",
        Class::MessageTooBig,
    ),
    is("The maximum message size of", Class::MessageTooBig),
    is("Kestrel: connection rejected", Class::ServerConnLimit),
    is(
        "rejected because the maximum number of concurrent connections has been reached",
        Class::ServerConnLimit,
    ),
    is("The server has timed out this connection", Class::KeepaliveTimeout),
    is("Server timeout", Class::KeepaliveTimeout)
        .with(&["elapsed without receiving a message"])
        .last(),
    is("elapsed without receiving a message from the server", Class::KeepaliveTimeout).last(),
    is("Connection terminated because client", Class::KeepaliveTimeout),
    late_in("Handshake was canceled", Phase::Upgrade),
    is("Failed to create CoreCLR", Class::NotAConnectionFailure),
    harmless("NullReferenceException"),
    harmless("Object reference not set to an instance"),
    harmless("FileLoadException"),
    harmless("InvalidCastException"),
    harmless("ArgumentNullException"),
    harmless("DirectoryNotFoundException"),
    harmless("IndexOutOfRangeException"),
    harmless("KeyNotFoundException"),
    harmless("UnauthorizedAccessException"),
    harmless("System.IO.FileNotFoundException"),
    harmless("OutOfMemoryException").weighs(WORDS - 6),
    harmless("UriFormatException"),
    harmless("FormatException"),
];

static WEBSOCKET: &[Phrase] = &[
    is("The server returned status code '", Class::WsBadHandshake).weighs(SURE + 1),
    is("Unable to connect to the remote server", Class::Refused).weighs(WEAK + 2),
    is("The 'Connection' header value", Class::WsHandshakeMalformed),
    is("The 'Upgrade' header value", Class::WsHandshakeMalformed),
    is("The 'Sec-WebSocket-Accept' header value", Class::WsHandshakeMalformed),
    is("header value ''", Class::WsHandshakeMalformed).with(&["websocket"]),
    is("The WebSocket client request requested", Class::WsHandshakeMalformed),
    is("protocol(s), but server is only accepting", Class::WsHandshakeMalformed),
    is(
        "The remote party closed the WebSocket connection without completing the close \
                  handshake",
        Class::WsCloseAbnormal,
    )
    .last(),
    is("ConnectionClosedPrematurely", Class::WsCloseAbnormal),
    is("The WebSocket is in an invalid state", Class::LocalUseAfterClose),
    is("The WebSocket has already been started", Class::LocalUseAfterClose),
    is("The WebSocket is not connected", Class::LocalUseAfterClose),
    is("Valid states are:", Class::LocalUseAfterClose).with(&["websocket"]),
    is("There is already one outstanding 'SendAsync' call", Class::ConcurrentMisuse)
        .last()
        .side(Side::Client),
    is("There is already one outstanding", Class::ConcurrentMisuse).last().side(Side::Client),
    is("The WebSocket didn't recieve a Pong frame", Class::KeepaliveTimeout).last(),
    is("The WebSocket didn't receive a Pong frame", Class::KeepaliveTimeout).last(),
    is("didn't receive a pong", Class::KeepaliveTimeout).last(),
    protocol("The WebSocket received a frame with an unknown opcode", ProtocolError::Opcode),
    protocol(
        "The WebSocket received a frame with one or more reserved bits set",
        ProtocolError::Reserved,
    ),
    protocol("The WebSocket server sent a masked frame", ProtocolError::Mask),
    protocol("The WebSocket client sent an unmasked frame", ProtocolError::Mask).side(Side::Client),
    protocol("The WebSocket received a continuation frame", ProtocolError::Continuation),
    protocol("The WebSocket received an invalid control message", ProtocolError::ControlTooLong),
    protocol("A WebSocket error occurred: invalid UTF", ProtocolError::Utf8),
    protocol(
        "The WebSocket received compressed frame when compression is not enabled",
        ProtocolError::Reserved,
    ),
    protocol("The WebSocket received a frame", ProtocolError::Opcode).weighs(SURE - 1),
    protocol("An exception caused the WebSocket to enter the Aborted state", ProtocolError::Opcode)
        .weighs(WEAK + 1),
];

static MONO: &[Phrase] = &[
    mark("System.Net.WebException: Error:"),
    mark("ConnectFailure ("),
    mark("Mono.*"),
    mark("(wrapper managed-to-native)"),
    mark("[0x00000]"),
    mark(
        "System.IO.IOException: Unable to read data from the transport connection: \
                  Connection reset by peer.",
    ),
    mark("Mono.Unity"),
    mark("MonoTlsStream"),
    mark("MonoBtls*"),
    errno("ConnectFailure", Errno::ECONNREFUSED).weighs(WORDS - 2),
    is("Error: NameResolutionFailure", Class::DnsFailure).weighs(SURE + 1),
    late_in("WebException: The operation has timed out", Phase::Open),
    late_in("Error: Timeout", Phase::Open).with(&["webexception"]),
    is("Error: TrustFailure", Class::TlsCertInvalid).last(),
    is("Error: SecureChannelFailure", Class::TlsAlert).weighs(SURE),
    eof("Error: ReceiveFailure").weighs(WORDS - 2),
    eof("Error: SendFailure").weighs(WORDS - 2),
    eof("Error: ServerProtocolViolation").weighs(WORDS - 2),
    is("UNITYTLS_X509VERIFY_*", Class::TlsCertInvalid),
    is("Ssl error:1000007d", Class::TlsCertInvalid),
];

fn print(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN {
        return None;
    }
    let (number, words) = (event.number()?, event.words()?);
    let frame = match event.op {
        Op::Socket => "System.Net.Sockets.Socket..ctor(AddressFamily addressFamily)",
        Op::Connect => "System.Net.Sockets.Socket.Connect(EndPoint remoteEP)",
        Op::Bind => "System.Net.Sockets.Socket.DoBind(EndPoint endPointSnapshot)",
        Op::Accept => "System.Net.Sockets.Socket.Accept()",
        Op::Read => "System.Net.Sockets.Socket.Receive(Byte[] buffer)",
        Op::Write => "System.Net.Sockets.Socket.Send(Byte[] buffer)",
        _ => return None,
    };
    Some(format!("System.Net.Sockets.SocketException ({number}): {words}\n   at {frame}"))
}
