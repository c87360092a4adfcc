//! Words for what a program was doing when an error met it: calls, their English names, and what
//! belongs to no connection.

use super::phrase::{Doing, Phrase, amid, doing};
use crate::failure::{Op, Phase};

const fn connect(text: &'static str) -> Phrase {
    doing(text, Phase::Connect, Op::Connect)
}

const fn accept(text: &'static str) -> Phrase {
    doing(text, Phase::Accept, Op::Accept)
}

const fn socket(text: &'static str) -> Phrase {
    doing(text, Phase::Socket, Op::Socket)
}

const fn bind(text: &'static str) -> Phrase {
    doing(text, Phase::Bind, Op::Bind)
}

const fn lookup(text: &'static str) -> Phrase {
    doing(text, Phase::Resolve, Op::Lookup)
}

const fn read(text: &'static str) -> Phrase {
    doing(text, Phase::Open, Op::Read)
}

const fn write(text: &'static str) -> Phrase {
    doing(text, Phase::Open, Op::Write)
}

/// Words for operations.
#[rustfmt::skip]
pub(super) static WORDS: &[Phrase] = &[
    connect("connect"), connect("connecting"), connect("dial"), connect("dialing"), connect("dialling"),
    connect("connectex"), connect("connection to"), connect("connect to"), connect("establish"),
    connect("establishing"), connect("new connection"), connect("connect()"), connect("tcpconnect"),
    connect("connect_timeout"), connect("could not connect"), connect("finishconnect"), connect("connect0"),
    connect("connect call"), connect("open connection"), connect("connect_tcp"), connect("connect_async"),
    connect("pollconnect"), connect("implconnect"), connect("tcpconnectwrap.afterconnect"),
    connect("create_connection"), connect("failed to open tcp connection"), connect("getsockopt"),
    accept("accept"), accept("accept4"), accept("accepting"), accept("accept()"), accept("acceptex"),
    accept("accepts"), accept("accept0"), accept("implaccept"), accept("acceptconnection"),
    accept("incoming connection"), accept("acceptor"), accept("accept_nonblock"), accept("accept_error"),
    socket("socket()"), socket("socket:"), socket("create socket"), socket("creating socket"),
    socket("createsocket"), socket("createimpl"), socket("new socket"), socket("open socket"), socket("socket0"),
    socket("wsasocket"), socket("socket("), socket("socket.socket"), socket("opensocket"),
    socket("opening socket"), socket("creating a socket"), socket("create a socket"),
    bind("bind"), bind("binding"), bind("bind()"), bind("listen"), bind("bind0"), bind("bind on"),
    bind("listening socket"), bind("setuplistenhandle"), bind("cannot listen"), bind("eaddrinuse"),
    lookup("lookup"), lookup("getaddrinfo"), lookup("gethostbyname"), lookup("resolve"), lookup("resolving"),
    lookup("could not resolve"), lookup("name resolution"), lookup("querya"), lookup("dns lookup"),
    lookup("address information"), lookup("dial udp"), lookup("getaddrinfow"),
    read("read"), read("reading"), read("recv"), read("recv()"), read("recvfrom"), read("recvmsg"),
    read("receive"), read("receiving"), read("readv"), read("wsarecv"), read("receiving data"),
    read("read0"), read("implread"), read("socketread"), read("read_nonblock"), read("__read_nonblock"),
    read("sock_recv"), read("recv_into"), read("readline"), read("onstreamread"), read("receive data"),
    read("readfully"), read("readmessage"), read("nextreader"), read("unable to read data"), read("poll_read"),
    read("readloop"), read("read_message"), read("readint"), read("waiting for"), read("response"),
    write("write"), write("writing"), write("send"), write("send()"), write("sendto"), write("sendmsg"),
    write("sending"), write("writev"), write("wsasend"), write("write0"), write("implwrite"), write("writev0"),
    write("socketwrite"), write("flush"), write("sendall"), write("sending data"), write("send_data"),
    write("writemessage"), write("fwrite()"), write("socket_write"), write("socket_send"), write("write()"),
    write("afterwritedispatched"), write("onwritecomplete"), write("writegeneric"), write("write_nonblock"),
    write("poll_write"), write("unable to write data"), write("sendfile"), write("write_message"),
    write("socket.send"), write("send data"), write("could not send"), write("sendmessage"), write("syswrite"),
    amid("tls handshake", Doing::Tls), amid("ssl handshake", Doing::Tls), amid("ssl handshaking", Doing::Tls),
    amid("ssl_do_handshake", Doing::Tls), amid("ssl_connect", Doing::Tls), amid("ssl_accept", Doing::Tls),
    amid("do_handshake", Doing::Tls), amid("ssl connection", Doing::Tls), amid("tls_handshake", Doing::Tls),
    amid("starttls", Doing::Tls), amid("sslsocketimpl", Doing::Tls), amid("sslhandshakeexception", Doing::Tls),
    amid("ssl negotiation", Doing::Tls), amid("tls negotiation", Doing::Tls), amid("startHandshake", Doing::Tls),
    amid("authenticateasclient", Doing::Tls), amid("authenticateasserver", Doing::Tls), amid("tls connect", Doing::Tls),
    amid("opening handshake", Doing::Upgrade), amid("websocket handshake", Doing::Upgrade),
    amid("ws handshake", Doing::Upgrade), amid("websocket upgrade", Doing::Upgrade),
    amid("upgrade request", Doing::Upgrade), amid("handshake response", Doing::Upgrade),
    amid("opening handshake failed", Doing::Upgrade), amid("websocket opening", Doing::Upgrade),
    amid("create_connection", Doing::Net),
    amid("socket", Doing::Net), amid("tcp", Doing::Net), amid("http", Doing::Net), amid("https", Doing::Net),
    amid("ws", Doing::Net), amid("wss", Doing::Net), amid("websocket", Doing::Net), amid("host", Doing::Net),
    amid("server", Doing::Net), amid("port", Doing::Net), amid("sock", Doing::Net), amid("peer", Doing::Net),
    amid("upstream", Doing::Net), amid("connection", Doing::Net), amid("network", Doing::Net), amid("udp", Doing::Net),
    amid("open '", Doing::File), amid("open \"", Doing::File), amid("open /", Doing::File), amid("fopen", Doing::File),
    amid("stat /", Doing::File), amid("stat '", Doing::File), amid("mkdir", Doing::File), amid("unlink", Doing::File),
    amid("scandir", Doing::File), amid("watch '", Doing::File), amid("inotify", Doing::File), amid("opendir", Doing::File),
    amid("rename", Doing::File), amid("open file", Doing::File), amid("opening file", Doing::File), amid("copyfile", Doing::File),
    amid("fileinputstream", Doing::File), amid("fileoutputstream", Doing::File), amid("filenotfoundexception", Doing::File),
    amid("readfile", Doing::File), amid("lstat", Doing::File), amid("chmod", Doing::File), amid("chown", Doing::File),
    amid("dup2", Doing::File), amid("failed to open file", Doing::File), amid("directory", Doing::File),
    amid("log file", Doing::File), amid("shared library", Doing::File), amid("shared libraries", Doing::File),
    amid("shared object", Doing::File), amid("kqueue", Doing::File), amid("filewatcher", Doing::File), amid("rb_sysopen", Doing::File),
    amid("open failed", Doing::File), amid("fork/exec", Doing::File), amid("pidfile", Doing::File), amid("watching", Doing::File),
    amid("stdout", Doing::File), amid("<stdout>", Doing::File), amid("standard output", Doing::File),
    amid("fork", Doing::Spawn), amid("pthread_create", Doing::Spawn), amid("clone", Doing::Spawn), amid("spawn", Doing::Spawn),
    amid("spawn thread", Doing::Spawn), amid("new os thread", Doing::Spawn), amid("create thread", Doing::Spawn),
    amid("new thread", Doing::Spawn), amid("start thread", Doing::Spawn), amid("native thread", Doing::Spawn),
    amid("creating thread", Doing::Spawn), amid("thread creation", Doing::Spawn), amid("uv_thread_create", Doing::Spawn),
    amid("launch thread", Doing::Spawn), amid("std::thread", Doing::Spawn),
];
