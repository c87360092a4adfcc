//! Ruby: `Errno::X: words - call(2)`, net/http, OpenSSL, faye and websocket-driver, puma, redis-rb.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[Grammar {
    runtime: Some(Runtime::Ruby),
    phrases: &[MARKS, SAYS],
    read: Some(read),
    print: Some(print),
}];

static MARKS: &[Phrase] = &[
    mark("Errno::E*"),
    mark(".rb:"),
    mark("Net::"),
    mark("SocketError"),
    mark("Faraday::"),
    mark("OpenSSL::SSL"),
    mark("from /usr/lib/ruby"),
    mark("EOFError"),
    mark("HTTParty"),
    mark("puma"),
    mark("Puma"),
    mark("Faye::"),
    mark("EventMachine"),
    mark("ActiveRecord"),
    mark("Redis::"),
    mark("Excon::"),
    mark("RestClient::"),
    mark("WebSocket::"),
    mark("ActionCable"),
    mark("Sidekiq"),
    mark("HTTP::ConnectionError"),
    mark("IOError: closed stream"),
    mark("RedisClient::"),
    mark("(SocketError)"),
    mark("(Errno::"),
    doing("accept(2)", Phase::Accept, Op::Accept),
    doing("connect(2)", Phase::Connect, Op::Connect),
    doing("bind(2)", Phase::Bind, Op::Bind),
    doing("socket(2)", Phase::Socket, Op::Socket),
    doing("recvfrom(2)", Phase::Open, Op::Read),
    doing("recv(2)", Phase::Open, Op::Read),
    doing("read(2)", Phase::Open, Op::Read),
    doing("sysread", Phase::Open, Op::Read),
    doing("sysread_nonblock", Phase::Open, Op::Read),
    doing("rbuf_fill", Phase::Open, Op::Read),
    doing("readpartial", Phase::Open, Op::Read),
    doing("send(2)", Phase::Open, Op::Write),
    doing("sendto(2)", Phase::Open, Op::Write),
    doing("write(2)", Phase::Open, Op::Write),
    doing("in `write'", Phase::Open, Op::Write),
    doing("syswrite", Phase::Open, Op::Write),
    doing("TCPServer", Phase::Bind, Op::Bind),
    doing("in 'IO#write'", Phase::Open, Op::Write),
    doing("gets", Phase::Open, Op::Read),
    doing("write0", Phase::Open, Op::Write),
    doing("in `initialize'", Phase::Connect, Op::Connect).weighs(1),
];

static SAYS: &[Phrase] = &[
    is("getaddrinfo: ", Class::DnsFailure),
    is("getaddrinfo(3)", Class::DnsFailure),
    is("Socket::ResolutionError", Class::DnsFailure),
    eof("EOFError").weighs(SURE - 5),
    eof("end of file reached"),
    eof("Net::HTTP::Persistent::Error").weighs(WORDS),
    eof("HTTP::ConnectionError: couldn't read response headers"),
    eof("ServerBrokeConnection"),
    late_in("Net::OpenTimeout", Phase::Connect),
    late_in("Net::ReadTimeout", Phase::Open),
    late_in("Net::WriteTimeout", Phase::Open).by(Op::Write),
    late_in("execution expired", Phase::Open)
        .weighs(WORDS)
        .without(&["net::opentimeout", "connectionfailed"]),
    late_in("Faraday::ConnectionFailed", Phase::Connect).with(&["execution expired"]),
    late_in("Faraday::TimeoutError", Phase::Open).weighs(WORDS + 1),
    late_in("Timed out connecting to Redis", Phase::Connect),
    late_in("Redis::TimeoutError", Phase::Open),
    late_in("RestClient::Exceptions::OpenTimeout", Phase::Connect),
    late_in("RestClient::Exceptions::ReadTimeout", Phase::Open),
    late_in("RedisClient::ConnectionError", Phase::Connect).with(&["timed out"]),
    late_in("ReadTimeoutError", Phase::Open),
    late_in("IO::TimeoutError", Phase::Open),
    late_in("Blocking operation timed out", Phase::Open),
    late_in("HTTP::ConnectTimeoutError", Phase::Connect).last(),
    late_in("HTTP::TimeoutError", Phase::Open),
    late_in("ActiveRecord::ConnectionTimeoutError", Phase::Connect).side(Side::Client),
    late_in("Mysql2::Error::TimeoutError", Phase::Open),
    late_in("user specified timeout", Phase::Connect),
    is("closed stream", Class::LocalUseAfterClose).with(&["ioerror"]),
    is("stream closed in another thread", Class::LocalUseAfterClose),
    is("not opened for writing", Class::NotAConnectionFailure),
    is("uninitialized stream", Class::LocalUseAfterClose),
    is("SSL session is not started yet", Class::LocalUseAfterClose),
    is("can't create Thread", Class::ThreadLimit),
    is("Net::HTTPBadResponse", Class::ProtocolMismatch).in_(Phase::Open),
    is("wrong status line", Class::ProtocolMismatch).in_(Phase::Open).weighs(SURE + 1),
    is("HTTP parse error, malformed request", Class::ProtocolMismatch)
        .in_(Phase::Open)
        .side(Side::Client),
    is("Puma::HttpParserError", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client),
    is("Are you trying to open an SSL connection to a non-SSL Puma", Class::ProtocolMismatch)
        .in_(Phase::Open)
        .side(Side::Client)
        .last(),
    is("WebSocket::Error::Handshake", Class::WsHandshakeMalformed),
    is("Error during WebSocket handshake", Class::WsHandshakeMalformed).weighs(SURE - 2),
    is("WebSocket::Error::Frame::TooLong", Class::MessageTooBig),
    is("WebSocket frame length too large", Class::MessageTooBig),
    protocol("WebSocket::Error::Frame", ProtocolError::Opcode).weighs(SURE - 1),
    protocol("One or more reserved bits are on", ProtocolError::Reserved),
    protocol("Unrecognized frame opcode", ProtocolError::Opcode),
    protocol("Received fragmented control frame", ProtocolError::ControlFragmented),
    protocol("Received unmasked frame but masking is required", ProtocolError::Mask)
        .side(Side::Client),
    protocol("Could not decode a text frame as UTF-8", ProtocolError::Utf8),
    harmless("NoMethodError"),
    harmless("NameError"),
    harmless("LoadError"),
    harmless("ArgumentError").weighs(WORDS - 6),
    harmless("undefined method"),
    harmless("undefined local variable"),
    harmless("Errno::ENOENT"),
    harmless("Errno::EEXIST"),
    harmless("Errno::EISDIR"),
    harmless("Errno::ENOSPC"),
    harmless("cannot load such file"),
    harmless("ZeroDivisionError"),
    harmless("URI::InvalidURIError"),
];

fn read(text: &Text, clues: &mut Vec<Clue>) {
    // net/http names the target before the resolver's words.
    let Some(at) = text.lower.find("failed to open tcp connection to localhost") else { return };
    if text.lower[at..].contains("(getaddrinfo") {
        let phrase = is("", Class::DnsFailureFdExhausted).last();
        clues.push(Clue { at, end: at + 6, phrase, runtime: Some(Runtime::Ruby) });
    }
}

fn print(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN || event.system == System::Windows {
        return None;
    }
    let (symbol, words) = (event.errno.symbol(), event.words()?);
    let remote = event.remote;
    Some(match event.op {
        Op::Socket => format!("Errno::{symbol}: {words} - socket(2)"),
        Op::Connect => {
            format!(
                "Errno::{symbol}: {words} - connect(2) for \"{}\" port {}",
                remote.ip(),
                remote.port()
            )
        }
        Op::Bind => format!(
            "Errno::{symbol}: {words} - bind(2) for \"{}\" port {}",
            event.local.ip(),
            event.local.port()
        ),
        Op::Accept => format!("Errno::{symbol}: {words} - accept(2)"),
        Op::Read => format!(
            "Errno::{symbol}: {words}\n\t/usr/lib/ruby/3.1.0/socket.rb:452:in \
                  `__read_nonblock'"
        ),
        Op::Write => format!("Errno::{symbol}: {words}\n\ta.rb:6:in `write'"),
        _ => return None,
    })
}
