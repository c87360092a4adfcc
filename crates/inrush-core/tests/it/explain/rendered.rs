//! Each grammar prints a failure and reads it back: random operation, addresses and errors of three
//! systems give the same signature again.

use crate::cases;
use inrush_core::errno::Errno;
use inrush_core::explain::numbers::{self, System};
use inrush_core::explain::{Event, Explainer, Runtime, in_words_of};
use inrush_core::failure::{Op, Outcome, Phase, classify};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;

static EXPLAINER: LazyLock<Explainer> = LazyLock::new(Explainer::new);

const OPS: [Op; 6] = [Op::Socket, Op::Bind, Op::Connect, Op::Accept, Op::Read, Op::Write];

/// Which errors an operation can give at all (socket(2), bind(2), connect(2), accept(2), recv(2),
/// send(2)).
fn can_give(op: Op, errno: Errno) -> bool {
    let resets = [Errno::ECONNRESET, Errno::ETIMEDOUT, Errno::ECONNABORTED, Errno::EHOSTUNREACH];
    match op {
        Op::Socket => [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS].contains(&errno),
        Op::Bind => [Errno::EADDRINUSE, Errno::EADDRNOTAVAIL, Errno::EACCES].contains(&errno),
        Op::Accept => {
            [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ECONNABORTED].contains(&errno)
        }
        Op::Connect => [
            Errno::ECONNREFUSED,
            Errno::ECONNRESET,
            Errno::ETIMEDOUT,
            Errno::EHOSTUNREACH,
            Errno::ENETUNREACH,
            Errno::EADDRNOTAVAIL,
            Errno::EACCES,
        ]
        .contains(&errno),
        Op::Read => resets.contains(&errno),
        Op::Write => resets.contains(&errno) || [Errno::EPIPE, Errno::ENOBUFS].contains(&errno),
        _ => false,
    }
}

fn phase(op: Op) -> Phase {
    match op {
        Op::Socket => Phase::Socket,
        Op::Bind => Phase::Bind,
        Op::Connect => Phase::Connect,
        Op::Accept => Phase::Accept,
        _ => Phase::Open,
    }
}

fn address(port: std::ops::Range<u16>) -> impl Strategy<Value = SocketAddr> {
    let v4 = any::<[u8; 4]>().prop_map(IpAddr::from);
    let v6 = any::<[u8; 16]>().prop_map(|bytes| IpAddr::from(Ipv6Addr::from(bytes)));
    (prop_oneof![v4, v6], port).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn event() -> impl Strategy<Value = Event> {
    let errnos: Vec<Errno> = numbers::known().collect();
    let op = proptest::sample::select(OPS.to_vec());
    let errno = proptest::sample::select(errnos);
    let system = proptest::sample::select(System::ALL.to_vec());
    let all = (op, errno, system, address(32_768..60_999), address(1..10_000));
    all.prop_filter("the call can give it", |(op, errno, ..)| can_give(*op, *errno))
        .prop_map(|(op, errno, system, local, remote)| Event { op, errno, system, local, remote })
}

fn comes_back(runtime: Runtime, event: &Event) -> Result<bool, TestCaseError> {
    let Some(line) = in_words_of(runtime, event) else { return Ok(false) };
    let found = EXPLAINER.explain(&line, None);
    let (phase, outcome) = (phase(event.op), Outcome::Errno(event.errno));
    let wanted = inrush_core::failure::Signature { phase, op: event.op, outcome };
    prop_assert_eq!(found.said.signature(), Some(wanted), "{}: {}", runtime.id(), line);
    prop_assert_eq!(found.class, Some(classify(wanted, true, false)), "{}", line);
    Ok(true)
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn what_a_grammar_prints_it_reads(event in event()) {
        for runtime in Runtime::ALL {
            comes_back(*runtime, &event)?;
        }
    }
}

/// Each operation, error and system once, so that no combination is left to chance.
#[test]
fn every_error_of_every_system_comes_back() {
    let local = "10.0.0.9:40000".parse().unwrap();
    let remote = "10.0.0.5:8080".parse().unwrap();
    let (mut wrong, mut right) = (Vec::new(), 0);
    for (op, system) in OPS.iter().flat_map(|op| System::ALL.map(|system| (*op, system))) {
        for errno in numbers::known().filter(|errno| can_give(op, *errno)) {
            let event = Event { op, errno, system, local, remote };
            for runtime in Runtime::ALL {
                match comes_back(*runtime, &event) {
                    Ok(printed) => right += u32::from(printed),
                    Err(why) => wrong.push(why.to_string()),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(right > 900, "{right}");
}

/// So that no grammar passes by printing nothing.
#[test]
fn these_runtimes_print_something() {
    let local = "127.0.0.1:40000".parse().unwrap();
    let remote = "127.0.0.1:80".parse().unwrap();
    for runtime in [
        Runtime::Go,
        Runtime::Node,
        Runtime::Java,
        Runtime::Python,
        Runtime::Rust,
        Runtime::Ruby,
        Runtime::Php,
        Runtime::Perl,
        Runtime::Dotnet,
        Runtime::Erlang,
        Runtime::Lua,
        Runtime::Swift,
        Runtime::Dart,
        Runtime::C,
        Runtime::Nginx,
        Runtime::Browser,
        Runtime::Grpc,
        Runtime::Ssh,
        Runtime::Git,
    ] {
        let prints = |op: &Op| {
            numbers::known().filter(|errno| can_give(*op, *errno)).any(|errno| {
                let event = Event { op: *op, errno, system: System::Linux, local, remote };
                in_words_of(runtime, &event).is_some()
            })
        };
        assert!(OPS.iter().any(prints), "{}", runtime.id());
    }
}
