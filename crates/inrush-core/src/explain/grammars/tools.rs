//! ssh, git and shells: what they add to the system's words.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[
    Grammar { runtime: Some(Runtime::Ssh), phrases: &[SSH], read: None, print: Some(print_ssh) },
    Grammar { runtime: Some(Runtime::Git), phrases: &[GIT], read: None, print: Some(print_git) },
    Grammar { runtime: Some(Runtime::Bash), phrases: &[SHELL], read: None, print: None },
];

static SSH: &[Phrase] = &[
    mark("ssh:"),
    mark("sshd["),
    mark("kex_exchange_identification"),
    mark("ssh_exchange_identification"),
    mark("scp:"),
    mark("packet_write_wait"),
    mark("client_loop:"),
    mark("rsync:"),
    mark("sftp"),
    mark("ssh_dispatch_run_fatal"),
    mark("banner exchange"),
    mark("port 22"),
    mark("Host key"),
    mark("debug1:"),
    doing("ssh: connect to host", Phase::Connect, Op::Connect),
    doing("kex_exchange_identification: read", Phase::Open, Op::Read),
    doing("client_loop: send disconnect", Phase::Open, Op::Write),
    doing("packet_write_wait", Phase::Open, Op::Write),
    doing("packet_write_poll", Phase::Open, Op::Write),
    doing("channel_setup_fwd_listener", Phase::Bind, Op::Bind),
    doing("cannot listen to port", Phase::Bind, Op::Bind),
    is("cannot listen to port", Class::AddressInUse).weighs(WORDS),
    is("remote port forwarding failed for listen port", Class::AddressInUse).weighs(WORDS),
    is("Could not resolve hostname", Class::DnsFailure),
    eof("Connection closed by remote host"),
    eof("kex_exchange_identification: Connection closed by remote host").weighs(SURE + 1),
    eof("Connection closed by"),
    eof("ssh_exchange_identification: Connection closed"),
    eof("Connection to").with(&["closed by remote host"]),
    errno("client_loop: send disconnect: Connection reset", Errno::ECONNRESET).by(Op::Write),
    errno("kex_exchange_identification: read: Connection reset", Errno::ECONNRESET).weighs(SURE),
    is("Timeout, server", Class::KeepaliveTimeout).with(&["not responding"]).last(),
    is("Timeout, client not responding", Class::KeepaliveTimeout).last().side(Side::Client),
    late_in("Connection timed out during banner exchange", Phase::Open).last(),
    late_in("Timeout before authentication", Phase::Open).side(Side::Client),
    is("beginning MaxStartups throttling", Class::ServerConnLimit).last(),
    is("drop connection #", Class::ServerConnLimit).with(&["maxstartups", "past"]).last(),
    is("Exceeded MaxStartups", Class::ServerConnLimit).last(),
    is("Not allowed at this time", Class::ServerConnLimit).weighs(SURE),
    is("channel 3: open failed: connect failed", Class::Refused).weighs(WORDS),
    is("open failed: connect failed", Class::Refused).weighs(WORDS - 3),
    is("Did not receive identification string from", Class::EofUnexpected).side(Side::Client),
    is("Bad protocol version identification", Class::ProtocolMismatch)
        .in_(Phase::Open)
        .side(Side::Client)
        .last(),
    is("invalid format", Class::ProtocolMismatch)
        .with(&["banner exchange"])
        .in_(Phase::Open)
        .side(Side::Client),
    is("Protocol mismatch.", Class::ProtocolMismatch).in_(Phase::Open),
    is("kex protocol error", Class::ProtocolMismatch).in_(Phase::Open),
    is("administratively prohibited", Class::BlockedByPolicy).side(Side::Server),
    harmless("Permission denied (publickey*"),
    harmless("Permission denied, please try again"),
    harmless("Host key verification failed"),
    harmless("REMOTE HOST IDENTIFICATION HAS CHANGED"),
    harmless("Too many authentication failures"),
    harmless("Accepted publickey"),
    harmless("Accepted password"),
    harmless("Failed password for"),
    harmless("Invalid user"),
    harmless("pam_unix"),
    harmless("Received disconnect from").weighs(WORDS - 4),
    harmless("Disconnected from user"),
    harmless("no matching host key type found"),
    harmless("no matching key exchange method found"),
    harmless("Load key"),
    harmless("session opened for user"),
    harmless("Server listening on").weighs(WORDS - 6),
];

static GIT: &[Phrase] = &[
    mark("fatal:"),
    mark("fatal: unable to access"),
    mark("RPC failed"),
    mark("git@"),
    mark("remote:"),
    mark("early EOF"),
    mark("fetch-pack"),
    mark("git:"),
    mark("the remote end hung up"),
    mark("repository"),
    mark("send-pack"),
    doing("unable to connect to", Phase::Connect, Op::Connect),
    eof("the remote end hung up unexpectedly").weighs(SURE - 4),
    eof("early EOF").weighs(SURE - 4),
    eof("fetch-pack: unexpected disconnect while reading sideband packet"),
    eof("unexpected disconnect while reading sideband packet"),
    is("unable to look up", Class::DnsFailure),
    eof("expected flush after ref listing").weighs(WORDS),
    is("send-pack: unexpected disconnect while reading sideband packet", Class::EofUnexpected),
    is("RPC failed; curl 56", Class::ResetOnRead).weighs(WORDS - 1),
    is("RPC failed; curl 55", Class::ResetOnWrite).weighs(WORDS - 1),
    is("RPC failed; curl 18", Class::EofUnexpected).weighs(SURE),
    is("RPC failed; curl 28", Class::IoTimeout).weighs(SURE),
    is("RPC failed; HTTP 413", Class::MessageTooBig).last(),
    is("RPC failed; HTTP 502", Class::ProxyUpstreamFailure).in_(Phase::Open).by(Op::Read).last(),
    is("RPC failed; HTTP 504", Class::ProxyUpstreamFailure).in_(Phase::Open).by(Op::Read).last(),
    harmless("not a git repository"),
    harmless("Repository not found"),
    harmless("repository '").with(&["not found"]),
    harmless("does not appear to be a git repository"),
    harmless("Authentication failed for"),
    harmless("merge conflict"),
    harmless("CONFLICT (content)"),
    harmless("did not match any file(s) known to git"),
    harmless("non-fast-forward"),
    harmless("failed to push some refs").weighs(WEAK + 1),
    harmless("refusing to merge unrelated histories"),
    harmless("Your local changes to the following files would be overwritten"),
    harmless("ambiguous argument"),
    harmless("could not read Username"),
    harmless("Author identity unknown"),
    harmless("src refspec"),
];

static SHELL: &[Phrase] = &[
    mark("bash:"),
    mark("sh:"),
    mark("zsh:"),
    mark("-bash:"),
    mark("/bin/sh:"),
    mark("ulimit:"),
    is("fork: retry: Resource temporarily unavailable", Class::ThreadLimit).last(),
    is("fork: Resource temporarily unavailable", Class::ThreadLimit).last(),
    is("fork: retry: No child processes", Class::ThreadLimit).last(),
    is("fork: Cannot allocate memory", Class::NotAConnectionFailure).last(),
    is("fork failed: resource temporarily unavailable", Class::ThreadLimit).last(),
    is("Cannot fork", Class::ThreadLimit).last(),
    is("fork() failed (11:", Class::ThreadLimit).last(),
    is("open files: cannot modify limit", Class::FdExhaustedProcess)
        .at(Printed::Local)
        .side(Side::Either),
    doing("/dev/tcp/", Phase::Connect, Op::Connect),
    harmless("command not found"),
    harmless("No such file or directory"),
    harmless("Is a directory"),
    harmless("Not a directory"),
    harmless("unbound variable"),
    harmless("bad substitution"),
    harmless("Text file busy"),
    harmless("Exec format error"),
    harmless("cannot execute binary file"),
    harmless("Argument list too long"),
    harmless("syntax error near unexpected token"),
    harmless("Read-only file system"),
    harmless("No space left on device"),
    harmless("Segmentation fault"),
    harmless("core dumped"),
    harmless("Killed").weighs(WEAK),
    harmless("File exists"),
    harmless("Directory not empty"),
    harmless("Disk quota exceeded"),
    harmless("Directory nonexistent"),
    harmless("unrecognized option"),
    harmless("invalid option"),
    harmless("event not found"),
    harmless("is not recognized as an internal or external command"),
    harmless("make: ***"),
    harmless("Inappropriate ioctl for device"),
    harmless("error while loading shared libraries"),
    harmless("write error: Broken pipe"),
    harmless("write error: broken pipe"),
    harmless("stdout: Broken pipe"),
    harmless("standard output: Broken pipe"),
    harmless("'standard output': Broken pipe"),
];

fn print_ssh(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN || event.system == System::Windows {
        return None;
    }
    let (words, remote) = (event.words()?, event.remote);
    Some(match event.op {
        Op::Connect => {
            format!("ssh: connect to host {} port {}: {words}", remote.ip(), remote.port())
        }
        Op::Read => format!("kex_exchange_identification: read: {words}"),
        Op::Write => format!("client_loop: send disconnect: {words}"),
        _ => return None,
    })
}

fn print_git(event: &Event) -> Option<String> {
    if event.errno == Errno::EAGAIN || event.op != Op::Connect || event.system == System::Windows {
        return None;
    }
    let (words, remote) = (event.words()?, event.remote);
    Some(format!("fatal: unable to connect to {}:\n{}: errno={words}", remote.ip(), remote.ip()))
}
