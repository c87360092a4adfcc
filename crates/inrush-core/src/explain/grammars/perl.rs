//! Perl: IO::Socket, LWP, Mojolicious, AnyEvent, Net::*.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] =
    &[Grammar { runtime: Some(Runtime::Perl), phrases: &[SAYS], read: None, print: Some(print) }];

static SAYS: &[Phrase] = &[
    mark(".pl line"),
    mark(".pm line"),
    mark("IO::Socket*"),
    mark("LWP::*"),
    mark("Mojo::*"),
    mark("Net::SSLeay"),
    mark("AnyEvent"),
    mark("500 Can't connect"),
    mark("at - line"),
    mark("-e line"),
    mark("HTTP::Tiny"),
    mark("Mojolicious"),
    doing("500 Can't connect to", Phase::Connect, Op::Connect),
    doing("Can't connect to", Phase::Connect, Op::Connect),
    doing("IO::Socket::INET: connect:", Phase::Connect, Op::Connect),
    doing("IO::Socket::INET:", Phase::Connect, Op::Connect).weighs(1),
    doing("syswrite", Phase::Open, Op::Write),
    doing("sysread", Phase::Open, Op::Read),
    doing("print() on", Phase::Open, Op::Write),
    doing("Cannot accept", Phase::Accept, Op::Accept),
    doing("Could not accept", Phase::Accept, Op::Accept),
    doing("Can't create listen socket", Phase::Bind, Op::Bind),
    doing("Can't listen", Phase::Bind, Op::Bind),
    is("Bad hostname", Class::DnsFailure),
    is("Can't resolve", Class::DnsFailure),
    is("on closed filehandle", Class::LocalUseAfterClose)
        .with(&["sock", "conn", "client", "gen", "fh"]),
    is("on closed socket", Class::LocalUseAfterClose),
    is("print() on closed filehandle", Class::LocalUseAfterClose).weighs(WORDS),
    is("Not a GLOB reference", Class::NotAConnectionFailure),
    errno("IO::Socket::INET: connect: timeout", Errno::ETIMEDOUT).weighs(SURE),
    late_in("connect: timeout", Phase::Connect),
    late_in("500 read timeout", Phase::Open),
    late_in("read timeout", Phase::Open).with(&["lwp", "500", ".pm", ".pl"]),
    late_in("500 Can't connect", Phase::Connect).with(&["(timeout)"]),
    late_in("Inactivity timeout", Phase::Open),
    late_in("Connect timeout", Phase::Connect),
    late_in("Request timeout", Phase::Open).with(&["mojo"]),
    eof("500 Server closed connection without sending any data back"),
    eof("Server closed connection without sending any data back"),
    eof("500 Status read failed").weighs(WORDS - 1),
    eof("Premature connection close"),
    eof("Unexpected EOF"),
    eof("Unexpected end of stream"),
    eof("EOF when chunk header expected"),
    is("500 SSL negotiation failed", Class::TlsAlert).weighs(WORDS - 1),
    is("SSL connect attempt failed", Class::TlsAlert)
        .weighs(WORDS - 1)
        .without(&["certificate verify failed", "wrong version number"]),
    tls("hostname verification failed", TlsError::Certificate(CertificateFault::WrongName)),
    is("SSL connect accept failed because of handshake problems", Class::TlsAlert)
        .weighs(WORDS - 1),
    harmless("syntax error at"),
    harmless("Can't locate"),
    harmless("Use of uninitialized value"),
    harmless("Global symbol"),
    harmless("Illegal division by zero"),
    harmless("Undefined subroutine"),
    harmless("Can't open perl script"),
];

fn print(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN {
        return None;
    }
    let words = event.words()?;
    let remote = event.remote;
    Some(match event.op {
        Op::Socket => format!("Cannot create socket: {words} at a.pl line 4."),
        Op::Connect => format!("500 Can't connect to {remote} ({words})"),
        Op::Bind => format!("Cannot bind {}: {words} at a.pl line 4.", event.local),
        Op::Accept => format!("Cannot accept: {words} at srv.pl line 9."),
        Op::Read => format!("sysread failed: {words} at a.pl line 8."),
        Op::Write => format!("syswrite failed: {words} at a.pl line 9."),
        _ => return None,
    })
}
