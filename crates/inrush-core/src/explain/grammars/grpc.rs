//! gRPC: status codes with the transport's words inside, in all its languages.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] =
    &[Grammar { runtime: Some(Runtime::Grpc), phrases: &[SAYS], read: None, print: Some(print) }];

static SAYS: &[Phrase] = &[
    mark("grpc"),
    mark("rpc error: code"),
    mark("StatusRuntimeException"),
    mark("DEADLINE_EXCEEDED"),
    mark("UNAVAILABLE:"),
    mark("desc = "),
    mark("io.grpc"),
    mark("grpc._channel"),
    mark("StatusCode.UNAVAILABLE"),
    mark("StatusCode.DEADLINE_EXCEEDED"),
    mark("tonic::transport"),
    mark("14 UNAVAILABLE"),
    mark("4 DEADLINE_EXCEEDED"),
    mark("RpcException"),
    mark("code = Unavailable"),
    mark("_InactiveRpcError"),
    mark("GRPC::Unavailable"),
    mark("Status(StatusCode="),
    mark("AioRpcError"),
    mark("GRPC::DeadlineExceeded"),
    late_in("DEADLINE_EXCEEDED", Phase::Open),
    late_in("DeadlineExceeded", Phase::Open),
    late_in("code = DeadlineExceeded", Phase::Open).weighs(SURE + 1),
    late_in("Deadline Exceeded", Phase::Open).weighs(SURE - 5),
    late_in("Deadline exceeded after", Phase::Open),
    is("Timeout expired", Class::IoTimeout).with(&["grpc-status: 4"]),
    doing("transport: Error while dialing", Phase::Connect, Op::Connect),
    doing("failed to connect to all addresses", Phase::Connect, Op::Connect),
    doing("No connection established", Phase::Connect, Op::Connect),
    doing("transport: error while dialing", Phase::Connect, Op::Connect),
    doing("Failed to connect to remote host", Phase::Connect, Op::Connect),
    is("failed to connect to all addresses", Class::Refused).weighs(WORDS - 8),
    is("No connection established", Class::Refused).weighs(WORDS - 8),
    is("Failed to pick subchannel", Class::Refused).weighs(WORDS - 9),
    is("Connect Failed", Class::Refused).weighs(WORDS - 9),
    is("io exception", Class::EofUnexpected).weighs(WEAK).with(&["unavailable"]),
    is("all SubConns are in TransientFailure", Class::Refused).weighs(WORDS - 8),
    is("latest connection error:", Class::Refused).weighs(WEAK),
    is("Failed to connect to remote host", Class::Refused).weighs(WORDS - 8),
    is("Name resolution failure", Class::DnsFailure).weighs(SURE),
    is("DNS resolution failed", Class::DnsFailure).weighs(SURE + 1),
    is("name resolver error", Class::DnsFailure),
    is("produced zero addresses", Class::DnsFailure).weighs(SURE + 1),
    is("C-ares status is not ARES_SUCCESS", Class::DnsFailure).weighs(SURE + 1),
    is("Unable to resolve host", Class::DnsFailure).weighs(SURE + 1),
    is("Domain name not found", Class::DnsFailure).weighs(SURE + 1),
    is("transport is closing", Class::EofUnexpected),
    is("the connection is draining", Class::EofUnexpected),
    is("Socket closed", Class::EofUnexpected).with(&["unavailable", "grpc"]).weighs(SURE + 1),
    is("error reading from server: EOF", Class::EofUnexpected).weighs(SURE + 1),
    is("Connection dropped", Class::EofUnexpected).weighs(SURE - 2),
    is(
        "closing transport due to: connection error: desc = \"error reading from \
                  server: EOF\"",
        Class::EofUnexpected,
    )
    .last(),
    is("Network closed for unknown reason", Class::EofUnexpected),
    is("End of stream or IOException", Class::EofUnexpected),
    is("Received Goaway", Class::EofUnexpected).weighs(SURE - 5),
    is("HTTP/2 error code: NO_ERROR", Class::EofUnexpected).weighs(SURE - 4),
    is("Abrupt GOAWAY closed sent stream", Class::EofUnexpected),
    is("Received RST_STREAM with code", Class::ResetOnRead).weighs(SURE - 3),
    is("RST_STREAM with error code", Class::ResetOnRead).weighs(SURE - 3),
    is("stream terminated by RST_STREAM with error code", Class::ResetOnRead).weighs(SURE - 2),
    is("too_many_pings", Class::KeepaliveTimeout).last().side(Side::Client),
    is("ENHANCE_YOUR_CALM", Class::KeepaliveTimeout).weighs(FINAL).side(Side::Client),
    is("Keepalive failed", Class::KeepaliveTimeout).last(),
    is("keepalive watchdog timeout", Class::KeepaliveTimeout).last(),
    is("keepalive ping failed to receive ACK within timeout", Class::KeepaliveTimeout).last(),
    is("Keep alive timeout", Class::KeepaliveTimeout),
    is("the client connection is closing", Class::LocalUseAfterClose).side(Side::Client),
    is("Channel closed!", Class::LocalUseAfterClose).side(Side::Client),
    is("Cannot invoke RPC on closed channel", Class::LocalUseAfterClose).side(Side::Client),
    is("Channel shutdown invoked", Class::LocalUseAfterClose).side(Side::Client),
    is("Channel has been shut down", Class::LocalUseAfterClose).side(Side::Client),
    is("UsageError: Channel is closed", Class::LocalUseAfterClose).side(Side::Client),
    is("received message larger than max", Class::MessageTooBig).last(),
    is("Received message larger than max", Class::MessageTooBig).last(),
    is("gRPC message exceeds maximum size", Class::MessageTooBig).last(),
    is("Sent message larger than max", Class::MessageTooBig).last(),
    is("trying to send message larger than max", Class::MessageTooBig).last(),
    is("message length too large: found", Class::MessageTooBig).last(),
    is("error reading server preface", Class::ProtocolMismatch)
        .in_(Phase::Open)
        .weighs(SURE - 2)
        .without(&["eof", "reset", "timeout"]),
    is("http2: frame too large", Class::ProtocolMismatch).in_(Phase::Open).last(),
    is("Trying to connect an http1.x server", Class::ProtocolMismatch).in_(Phase::Open).last(),
    is("received unexpected content-type", Class::ProtocolMismatch).in_(Phase::Open),
    is("unexpected HTTP status code received from server: 502", Class::ProxyUpstreamFailure)
        .in_(Phase::Open)
        .by(Op::Read)
        .last(),
    is("unexpected HTTP status code received from server: 503", Class::ProxyUpstreamFailure)
        .in_(Phase::Open)
        .by(Op::Read)
        .last(),
    is("unexpected HTTP status code received from server: 504", Class::ProxyUpstreamFailure)
        .in_(Phase::Open)
        .by(Op::Read)
        .last(),
    amid("transport: authentication handshake failed", Doing::Tls),
    is("authentication handshake failed: EOF", Class::TlsHandshakeEof).last(),
    is("authentication handshake failed: context deadline exceeded", Class::TlsHandshakeTimeout)
        .last(),
    is("authentication handshake failed: tls: first record", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .last(),
    is("Handshake read failed", Class::TlsHandshakeEof),
    is("Ssl handshake failed: SSL_ERROR_SSL", Class::TlsAlert).weighs(WORDS + 1),
    is("SSL_ERROR_SSL", Class::TlsAlert).weighs(WORDS - 2),
    is("MAX_CONCURRENT_STREAMS", Class::ServerConnLimit).weighs(WORDS),
    harmless("code = NotFound"),
    harmless("code = Unauthenticated"),
    harmless("code = PermissionDenied"),
    harmless("code = InvalidArgument"),
    harmless("code = Unimplemented"),
    harmless("code = AlreadyExists"),
    harmless("code = Canceled"),
    harmless("UNIMPLEMENTED:"),
    harmless("PERMISSION_DENIED"),
    harmless("UNAUTHENTICATED"),
    harmless("code = Internal").weighs(WEAK + 1),
    harmless("INVALID_ARGUMENT"),
    harmless("1 CANCELLED"),
];

fn print(event: &Event) -> Option<String> {
    let words = event.words()?.to_ascii_lowercase();
    if event.op != Op::Connect || event.errno == Errno::EAGAIN || event.system == System::Windows {
        return None;
    }
    Some(format!(
        "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while \
         dialing: dial tcp {}: connect: {words}\"",
        event.remote
    ))
}
