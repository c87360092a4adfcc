//! Lua: LuaSocket's few words, OpenResty's cosockets, lua-resty-websocket.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] =
    &[Grammar { runtime: Some(Runtime::Lua), phrases: &[SAYS], read: None, print: Some(print) }];

static SAYS: &[Phrase] = &[
    mark("nil\t"),
    mark(".lua:"),
    mark("lua tcp socket"),
    mark("lua entry thread"),
    mark("luasocket"),
    mark("lua:"),
    mark("lua5*"),
    mark("[lua]"),
    mark("stack traceback:"),
    mark("nil closed"),
    mark("lua coroutine"),
    mark("nil timeout"),
    mark("resty.websocket"),
    mark("luajit"),
    is("host or service not provided, or not known", Class::DnsFailure),
    is("host not found", Class::DnsFailure).weighs(WORDS),
    is("no resolver defined to resolve", Class::DnsFailure),
    eof("nil\tclosed"),
    eof("nil closed"),
    eof("failed to receive reply: closed"),
    eof("failed to receive: closed"),
    eof("receive: closed").weighs(WORDS),
    late_in("nil\ttimeout", Phase::Open),
    late_in("nil timeout", Phase::Open),
    errno("nil\tconnection refused", Errno::ECONNREFUSED),
    late_in("lua tcp socket connect timed out", Phase::Connect),
    late_in("lua tcp socket read timed out", Phase::Open),
    late_in("lua tcp socket send timed out", Phase::Open).by(Op::Write),
    late_in("lua tcp socket write timed out", Phase::Open).by(Op::Write),
    late_in("failed to connect: timeout", Phase::Connect),
    late_in("connect: timeout", Phase::Connect).weighs(WORDS),
    late_in("failed to receive: timeout", Phase::Open),
    late_in("failed to receive reply: timeout", Phase::Open),
    is("attempt to send data on a closed socket", Class::LocalUseAfterClose).side(Side::Client),
    is("attempt to receive data on a closed socket", Class::LocalUseAfterClose).side(Side::Client),
    is("socket busy reading", Class::ConcurrentMisuse).side(Side::Client),
    is("socket busy writing", Class::ConcurrentMisuse).side(Side::Client),
    is("socket busy connecting", Class::ConcurrentMisuse).side(Side::Client),
    is("bad request", Class::ConcurrentMisuse).with(&["lua", "cosocket"]).weighs(WORDS),
    is("too many waiting connect operations", Class::IoTimeout)
        .side(Side::Client)
        .at(Printed::Connect),
    is("bad \"upgrade\" response header", Class::WsHandshakeMalformed),
    is("bad \"sec-websocket-accept\" response header", Class::WsHandshakeMalformed),
    is("failed to do websocket handshake", Class::WsBadHandshake).weighs(WORDS),
    is("bad HTTP response status line", Class::WsBadHandshake).weighs(SURE - 1),
    is("exceeding max payload len", Class::MessageTooBig),
    protocol("bad masked frame", ProtocolError::Mask),
    protocol("bad RSV1, RSV2, or RSV3 bits", ProtocolError::Reserved),
    harmless("attempt to index a nil value"),
    harmless("attempt to call a nil value"),
    harmless("attempt to perform arithmetic on"),
    harmless("attempt to concatenate"),
    harmless("attempt to compare"),
    harmless("module '").with(&["not found:"]),
];

fn print(event: &Event) -> Option<String> {
    // LuaSocket has words for few errors; OpenResty prints the system's.
    if event.errno == Errno::EAGAIN || event.system == System::Windows {
        return None;
    }
    let words = event.words()?;
    Some(match event.op {
        Op::Socket => format!("a.lua:4: failed to create socket: {words}"),
        Op::Connect => format!("a.lua:4: failed to connect: {}", words.to_ascii_lowercase()),
        Op::Bind => format!("a.lua:4: bind failed: {}", words.to_ascii_lowercase()),
        Op::Accept => format!("a.lua:9: accept failed: {words}"),
        Op::Read => format!("a.lua:5: failed to receive: {}", words.to_ascii_lowercase()),
        Op::Write => format!("a.lua:5: failed to send: {}", words.to_ascii_lowercase()),
        _ => return None,
    })
}
