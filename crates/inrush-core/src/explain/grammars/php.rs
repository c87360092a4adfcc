//! PHP: streams and sockets (`call(): words`), Guzzle, Swoole, ReactPHP, Ratchet,
//! Workerman.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[Grammar {
    runtime: Some(Runtime::Php),
    phrases: &[MARKS, SAYS],
    read: Some(read),
    print: Some(print),
}];

static MARKS: &[Phrase] = &[
    mark("PHP Warning"),
    mark("PHP Fatal error"),
    mark("PHP Notice"),
    mark(".php"),
    mark("fsockopen()"),
    mark("stream_socket_*"),
    mark("socket_connect()"),
    mark("fwrite()"),
    mark("fread()"),
    mark("GuzzleHttp"),
    mark("Swoole"),
    mark("swoole"),
    mark("Workerman"),
    mark("SQLSTATE["),
    mark("Predis"),
    mark("php-fpm"),
    mark("React\\Socket"),
    mark("Ratchet"),
    mark("file_get_contents("),
    mark("mysqli"),
    mark("Symfony\\"),
    mark("RedisException"),
    mark("WARNING: [pool"),
    doing("fsockopen()", Phase::Connect, Op::Connect),
    doing("pfsockopen()", Phase::Connect, Op::Connect),
    doing("stream_socket_client()", Phase::Connect, Op::Connect),
    doing("socket_connect()", Phase::Connect, Op::Connect),
    doing("unable to connect", Phase::Connect, Op::Connect),
    doing("Unable to connect to", Phase::Connect, Op::Connect),
    doing("failed to open stream", Phase::Connect, Op::Connect),
    doing("stream_socket_server()", Phase::Bind, Op::Bind),
    doing("socket_bind()", Phase::Bind, Op::Bind),
    doing("socket_accept()", Phase::Accept, Op::Accept),
    doing("stream_socket_accept()", Phase::Accept, Op::Accept),
    doing("socket_create()", Phase::Socket, Op::Socket),
    doing("fwrite()", Phase::Open, Op::Write),
    doing("fputs()", Phase::Open, Op::Write),
    doing("socket_write()", Phase::Open, Op::Write),
    doing("socket_send()", Phase::Open, Op::Write),
    doing("fread()", Phase::Open, Op::Read),
    doing("fgets()", Phase::Open, Op::Read),
    doing("socket_read()", Phase::Open, Op::Read),
    doing("socket_recv()", Phase::Open, Op::Read),
    doing("Send of", Phase::Open, Op::Write),
    doing("file_get_contents(http*", Phase::Connect, Op::Connect),
    amid("stream_socket_*", Doing::Net),
    amid("failed to open stream: No such file", Doing::File),
];

static SAYS: &[Phrase] = &[
    errno("SOCKET_ECONNREFUSED", Errno::ECONNREFUSED).weighs(NUMBER),
    errno("SOCKET_ECONNRESET", Errno::ECONNRESET).weighs(NUMBER),
    errno("SOCKET_ETIMEDOUT", Errno::ETIMEDOUT).weighs(NUMBER),
    errno("SOCKET_EPIPE", Errno::EPIPE).weighs(NUMBER),
    is("php_network_getaddresses", Class::DnsFailure),
    is("getaddrinfo for", Class::DnsFailure),
    is("DNS query for", Class::DnsFailure).with(&["failed"]),
    is("DNS Lookup resolve failed", Class::DnsFailure),
    is("swoole_clientDNS", Class::DnsFailure),
    eof("errno=0 Success"),
    eof("MySQL server has gone away"),
    eof("read error on connection to").weighs(SURE - 2),
    eof("HTTP request failed!").weighs(WORDS - 5).without(&["http/1.", "refused", "timed out"]),
    eof("Connection lost.").weighs(WORDS - 5),
    eof("socket error on read socket"),
    is("Error while reading line from the server", Class::EofUnexpected),
    late_in("cURL error 28", Phase::Open).weighs(WORDS),
    late_in("stream_socket_accept(): accept failed: Connection timed out", Phase::Accept),
    is("Maximum execution time of", Class::NotAConnectionFailure),
    late_in("Idle timeout reached", Phase::Open),
    is("server reached pm.max_children setting", Class::ServerConnLimit),
    is("server reached max_children setting", Class::ServerConnLimit),
    late_in("Operation timed out", Phase::Open).with(&["swoole"]),
    late_in("read timeout", Phase::Open).with(&["php", "redis"]).weighs(WORDS),
    is("supplied resource is not a valid stream resource", Class::LocalUseAfterClose),
    is("supplied resource is not a valid Socket resource", Class::LocalUseAfterClose),
    is("Socket has already been closed", Class::LocalUseAfterClose),
    is("Argument #1 ($socket) has already been closed", Class::LocalUseAfterClose),
    is("the connection[fd=", Class::LocalUseAfterClose).with(&["does not exists", "is closed"]),
    is("session#", Class::LocalUseAfterClose).with(&["does not exist"]),
    is("is not connected to server", Class::LocalUseAfterClose).with(&["swoole"]),
    is("has already been bound to another coroutine", Class::ConcurrentMisuse).side(Side::Client),
    is("You must not perform more than", Class::NotAConnectionFailure),
    is("SSL: Handshake timed out", Class::TlsHandshakeTimeout).last(),
    is("Failed to enable crypto", Class::TlsAlert).weighs(WORDS - 5),
    is("SSL operation failed with code", Class::TlsAlert).weighs(WORDS - 4),
    tls("Peer certificate CN=", TlsError::Certificate(CertificateFault::WrongName)),
    errno("SSL: Connection reset by peer", Errno::ECONNRESET).weighs(WORDS + 1),
    errno("SSL: Broken pipe", Errno::EPIPE).weighs(WORDS + 1),
    harmless("Undefined variable"),
    harmless("Undefined index"),
    harmless("Undefined array key"),
    harmless("Call to undefined function"),
    harmless("Call to a member function"),
    harmless("PHP Parse error"),
    harmless("Allowed memory size of"),
    harmless("failed to open stream: No such file or directory"),
    harmless("Failed opening required"),
    harmless("Cannot modify header information"),
    harmless("Class \"").with(&["not found"]),
    harmless("Division by zero"),
];

/// `(Unknown error)` with errno 0 covers refusals, missing routes and EMFILE alike.
fn read(text: &Text, clues: &mut Vec<Clue>) {
    let Some(at) = text.lower.find("(unknown error)") else { return };
    if text.lower.contains("unable to connect to") {
        let phrase = is("", Class::FdExhaustedProcess).at(Printed::Connect).side(Side::Client);
        clues.push(Clue { at, end: at + 15, phrase, runtime: Some(Runtime::Php) });
    }
}

fn print(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN {
        return None;
    }
    let (number, words) = (event.number()?, event.words()?);
    let remote = event.remote;
    Some(match event.op {
        Op::Socket => format!(
            "PHP Warning:  socket_create(): Unable to create socket [{number}]: {words} in \
                  /srv/a.php on line 2"
        ),
        Op::Connect => format!(
            "PHP Warning:  fsockopen(): Unable to connect to {remote} ({words}) in \
                  /srv/a.php on line 2"
        ),
        Op::Bind => format!(
            "PHP Warning:  socket_bind(): Unable to bind address [{number}]: {words} in \
                  /srv/a.php on line 2"
        ),
        Op::Accept => format!(
            "PHP Warning:  socket_accept(): unable to accept incoming connection \
                  [{number}]: {words} in /srv/a.php on line 2"
        ),
        Op::Read => format!(
            "PHP Warning:  socket_read(): unable to read from socket [{number}]: {words} \
                  in /srv/a.php on line 3"
        ),
        Op::Write => format!(
            "PHP Warning:  socket_write(): unable to write to socket [{number}]: {words} \
                  in /srv/a.php on line 8"
        ),
        _ => return None,
    })
}
