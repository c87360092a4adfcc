//! nginx: `call() failed (N: words) while doing`, and whose side of it that is: "client" or
//! "upstream".

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] =
    &[Grammar { runtime: Some(Runtime::Nginx), phrases: &[SAYS], read: None, print: Some(print) }];

static SAYS: &[Phrase] = &[
    mark("nginx:"),
    mark("[emerg]"),
    mark("[crit]"),
    mark(", client:"),
    mark("nginx"),
    mark("while connecting to upstream"),
    mark("upstream:"),
    mark("#0:"),
    mark("worker process"),
    alarm("[emerg]"),
    alarm("[crit]"),
    alarm("[alert]"),
    amid("to upstream", Doing::Upstream),
    amid("from upstream", Doing::Upstream),
    amid("upstream timed out", Doing::Upstream),
    amid("while proxying upgraded connection", Doing::Upstream).weighs(1),
    amid("while reading upstream", Doing::Upstream),
    amid("to upstream,", Doing::Upstream),
    amid("SSL handshaking to upstream", Doing::Upstream),
    amid("while sending to client", Doing::Serving),
    amid("while waiting for request", Doing::Serving),
    amid("while reading client", Doing::Serving),
    amid("while keepalive", Doing::Serving),
    amid("accept4() failed", Doing::Serving),
    amid("while accepting new connection", Doing::Serving),
    amid("while SSL handshaking, client", Doing::Tls),
    doing("while sending to client", Phase::Open, Op::Write),
    doing("while accepting new connection on", Phase::Accept, Op::Accept),
    doing("while connecting to upstream", Phase::Connect, Op::Connect),
    doing("while reading response header from upstream", Phase::Open, Op::Read),
    doing("while sending request to upstream", Phase::Open, Op::Write),
    doing("while reading upstream", Phase::Open, Op::Read),
    is("upstream timed out", Class::ProxyUpstreamFailure)
        .with(&["while connecting to upstream"])
        .in_(Phase::Connect)
        .by(Op::Connect)
        .last(),
    is("upstream timed out", Class::ProxyUpstreamFailure)
        .with(&["while reading response header from upstream", "while reading upstream"])
        .in_(Phase::Open)
        .by(Op::Read)
        .last(),
    is("upstream timed out", Class::ProxyUpstreamFailure)
        .with(&["while sending request to upstream"])
        .in_(Phase::Open)
        .by(Op::Write)
        .last(),
    is("upstream prematurely closed connection", Class::ProxyUpstreamFailure)
        .in_(Phase::Open)
        .by(Op::Read)
        .last(),
    is("upstream prematurely closed connection", Class::ProxyUpstreamFailure)
        .in_(Phase::Open)
        .by(Op::Read)
        .weighs(SURE),
    is("no live upstreams", Class::ProxyUpstreamFailure).in_(Phase::Connect).last(),
    is("upstream sent invalid header", Class::ProxyUpstreamFailure)
        .in_(Phase::Open)
        .by(Op::Read)
        .last(),
    is("upstream sent no valid HTTP", Class::ProxyUpstreamFailure)
        .in_(Phase::Open)
        .by(Op::Read)
        .last(),
    is("upstream sent too big header", Class::ProxyUpstreamFailure)
        .in_(Phase::Open)
        .by(Op::Read)
        .last(),
    is("upstream server temporarily disabled", Class::ProxyUpstreamFailure).in_(Phase::Connect),
    is("could not be resolved", Class::DnsFailure).with(&["nginx", "#", "upstream"]),
    is("host not found in upstream", Class::DnsFailure).last(),
    is("host not found in resolver", Class::DnsFailure),
    is("peer closed connection in SSL handshake", Class::TlsHandshakeEof)
        .with(&["to upstream"])
        .side(Side::Server)
        .last(),
    is("worker_connections are not enough", Class::ServerConnLimit).last(),
    is("limiting connections by zone", Class::ServerConnLimit).last().side(Side::Server),
    is("limiting requests, excess", Class::ServerConnLimit).weighs(SURE),
    is("worker_connections exceed open file resource limit", Class::FdExhaustedProcess)
        .at(Printed::Local)
        .side(Side::Server),
    is("closed keepalive connection", Class::EofCleanClose).last().side(Side::Either),
    is("client closed connection while waiting for request", Class::EofCleanClose)
        .last()
        .side(Side::Either),
    is("client prematurely closed connection", Class::EofUnexpected).side(Side::Client),
    is("client closed prematurely connection", Class::EofUnexpected).side(Side::Client),
    is("client intended to send too large body", Class::MessageTooBig),
    is("client timed out", Class::IoTimeout).side(Side::Client),
    is("keepalive timeout", Class::KeepaliveTimeout).weighs(WORDS).with(&["timed out", "client"]),
    is("client sent invalid method while reading client request line", Class::ProtocolMismatch)
        .in_(Phase::Open)
        .side(Side::Client),
    is("client sent plain HTTP request to HTTPS port", Class::ProtocolMismatch)
        .in_(Phase::Tls)
        .side(Side::Client),
    is("client sent invalid request", Class::ProtocolMismatch)
        .in_(Phase::Open)
        .side(Side::Client)
        .weighs(WORDS),
    is("broken header: ", Class::ProtocolMismatch)
        .in_(Phase::Open)
        .side(Side::Client)
        .with(&["proxy protocol"]),
    harmless("unknown directive"),
    harmless("conf test is successful"),
    harmless("syntax is ok"),
    harmless("gracefully shutting down"),
    harmless("signal process started"),
    harmless("conflicting server name"),
    harmless("start worker process"),
    harmless("is forbidden (13: Permission denied)"),
    harmless("exited on signal 11"),
    harmless("directory index of"),
    harmless("access forbidden by rule"),
    harmless("(2: No such file or directory)"),
    harmless("invalid number of arguments in"),
    harmless("exited with code 0"),
    harmless("unexpected end of file, expecting"),
];

fn print(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN || event.system == System::Windows {
        return None;
    }
    let (number, words) = (event.number()?, event.words()?);
    let level = "2026/11/21 02:27:33 [error] 7668#7668: *1";
    let client = format!("client: {}, server: _", event.remote.ip());
    Some(match event.op {
        Op::Accept => {
            format!("2026/11/21 02:27:33 [crit] 7668#7668: accept4() failed ({number}: {words})")
        }
        Op::Bind => {
            format!("nginx: [emerg] bind() to {} failed ({number}: {words})", event.local)
        }
        Op::Read => format!(
            "{level} recv() failed ({number}: {words}) while reading client request line, \
                  {client}"
        ),
        Op::Write => {
            format!("{level} send() failed ({number}: {words}) while sending to client, {client}")
        }
        _ => return None,
    })
}
