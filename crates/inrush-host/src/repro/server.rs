//! The server's side in its own process, so that it may run out of descriptors or be killed alone.
//! It is told the numbers of its turns, a line each, and answers a line each: what came back, and
//! where it listens.

use super::actor::Actor;
use crate::sys::code;
use inrush_core::errno::Errno;
use inrush_core::repro::script::{Call, Came, Turn};
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The other process.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// Closed, it ends.
    say: Option<ChildStdin>,
    hear: BufReader<ChildStdout>,
    /// Where it listens, once it does.
    pub(super) address: Option<SocketAddr>,
}

impl Server {
    /// Starts `inrush worker --side NAME`.
    pub(super) fn start(name: &str) -> Result<Self, Errno> {
        let program = std::env::current_exe().map_err(|error| code(&error))?;
        let mut command = Command::new(program);
        command.args(["worker", "--side", name, "--parent"]).arg(std::process::id().to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| code(&error))?;
        let say = child.stdin.take();
        let hear = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self { child, say, hear, address: None })
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it make this call.
    pub(super) fn carry_out(&mut self, number: usize, turn: &Turn) -> Came {
        let Some(say) = &mut self.say else { return Came::Unable(Errno::EPIPE) };
        let told = writeln!(say, "{number}").and_then(|()| say.flush());
        let mut line = String::new();
        let heard = told.and_then(|()| self.hear.read_line(&mut line));
        if turn.call == Call::Die {
            // Until it is collected its sockets may be open.
            let _ = self.child.wait();
            return Came::Done;
        }
        let answer = heard.ok().and_then(|_| read(&line));
        let Some((came, port)) = answer else { return Came::Unable(Errno::EPIPE) };
        if port > 0 {
            self.address = Some(SocketAddr::from(([127, 0, 0, 1], port)));
        }
        came
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends when nobody can ask any more; killing it may be forbidden to whom we are now.
        self.say = None;
        let _ = self.child.wait();
    }
}

/// The server's process: makes its calls of this script until nobody asks any more.
pub fn serve_side(script: &[Turn]) {
    let mut actor = Actor::default();
    let (mut ask, mut answer) = (io::stdin().lock(), io::stdout().lock());
    let mut line = String::new();
    while ask.read_line(&mut line).is_ok_and(|length| length > 0) {
        let turn = line.trim().parse().ok().and_then(|number: usize| script.get(number));
        let Some(turn) = turn else { return };
        let came = actor.carry_out(turn);
        let port = actor.server.map_or(0, |address| address.port());
        let (kind, value) = write(came);
        let said = writeln!(answer, "{kind} {value} {port}").and_then(|()| answer.flush());
        if said.is_err() {
            return;
        }
        line.clear();
    }
}

fn write(came: Came) -> (&'static str, u32) {
    match came {
        Came::Done => ("done", 0),
        Came::Bytes(n) => ("bytes", n),
        Came::Eof => ("eof", 0),
        Came::Errno(errno) => ("errno", errno.0.into()),
        Came::TimedOut => ("nothing", 0),
        Came::Found => ("found", 0),
        Came::NotFound { exhausted } => ("unknown", exhausted.into()),
        Came::Unable(errno) => ("unable", errno.0.into()),
    }
}

fn read(line: &str) -> Option<(Came, u16)> {
    let mut words = line.split_whitespace();
    let (kind, value, port) = (words.next()?, words.next()?, words.next()?);
    let value: u32 = value.parse().ok()?;
    let errno = Errno(u16::try_from(value).ok()?);
    let came = match kind {
        "done" => Came::Done,
        "bytes" => Came::Bytes(value),
        "eof" => Came::Eof,
        "errno" => Came::Errno(errno),
        "nothing" => Came::TimedOut,
        "found" => Came::Found,
        "unknown" => Came::NotFound { exhausted: value > 0 },
        "unable" => Came::Unable(errno),
        _ => return None,
    };
    Some((came, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        for came in [
            Came::Done,
            Came::Bytes(500),
            Came::Eof,
            Came::Errno(Errno::EPIPE),
            Came::TimedOut,
            Came::Found,
            Came::NotFound { exhausted: true },
            Came::NotFound { exhausted: false },
            Came::Unable(Errno::EPERM),
        ] {
            let (kind, value) = write(came);
            assert_eq!(read(&format!("{kind} {value} 8080\n")), Some((came, 8_080)));
        }
        for senseless in ["", "done", "done 0", "what 0 0", "done 0 70000"] {
            assert_eq!(read(senseless), None, "{senseless:?}");
        }
    }
}
