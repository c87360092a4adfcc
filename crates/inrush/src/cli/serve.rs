//! The flags of `inrush serve`, and the grammar of its faults: `KIND[:ARGUMENT][@SELECT]`.

use crate::cli::CliError;
use crate::cli::run::{CountOrAuto, Sink, mirror};
use crate::cli::tls;
use crate::cli::units::{self, wrong};
use clap::Args;
use inrush_core::fault::{Fault, Kind, Select};
use inrush_core::plan::{Identity, Mode, OnEmfile, Proto, Rate};
use inrush_core::time::Nanos;
use inrush_core::units::{self as numbers, UnitError};
use std::net::SocketAddr;
use std::path::PathBuf;

const AFTER: &str = "\
Faults (SELECT: RATIO, every:N, first:N, after:N; default all), e.g. rst-after-accept@5%:
  close-after-accept, rst-after-accept, close-after:TIME, close-after-first-write, leak,
  rst-on-first-byte, close-on-first-byte, garbage-upgrade, drop-reply, delay-reply:TIME,
  duplicate-reply, corrupt-reply, interleave-frames (a frame inside another, as two writers make
  them; WebSockets only), pause:TIME/TIME, slow-accept:RATE, close-mid-write, rst-mid-write,
  stall-accept, stall-tls, stall-upgrade[:TIME], reject-upgrade:STATUS, half-frame, bad-opcode,
  refuse-tls, message-limit:BYTES, close-code:N, slow-read, die-after:COUNT|TIME (1m is a
  minute, 1M a million), fd-limit:COUNT

Examples:
  # every hundredth WebSocket is never answered
  inrush serve :8080 --fault stall-upgrade@every:100
  # a server that gives up when its descriptors are gone
  inrush serve 127.0.0.1:8888 --fault fd-limit:1000 --on-emfile die";

/// Everything `inrush serve` takes.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER, max_term_width = 96)]
pub(crate) struct ServeArgs {
    /// Where to listen (:8080, 127.0.0.1:8080, [::1]:8080)
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:8080")]
    #[arg(value_parser = units::listen_address)]
    pub(crate) address: SocketAddr,
    /// What is done with what is heard
    #[arg(long, value_name = "MODE", value_enum, default_value = "echo")]
    pub(crate) mode: ModeArg,
    /// Which protocols; auto tells them apart by the first bytes
    #[arg(long, value_name = "PROTO", value_enum, default_value = "auto")]
    pub(crate) proto: ProtoArg,
    /// Say TEXT at accept
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) greeting: Option<String>,
    /// Worker processes (N, auto)
    #[arg(long, value_name = "N|auto", default_value = "auto")]
    pub(crate) processes: CountOrAuto,
    /// Event loops [default: the cores this process may use]
    #[arg(long, value_name = "N", value_parser = units::positive)]
    pub(crate) threads: Option<u32>,
    /// Messages per second and connection in mode push
    #[arg(long, value_name = "RATE", default_value = "1/s", value_parser = units::connect_rate)]
    pub(crate) push_rate: Rate,
    /// Length of the accept queue
    #[arg(long, value_name = "N", default_value = "4096")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) backlog: u32,
    /// Connections open at once, in all
    #[arg(long, value_name = "COUNT", value_parser = units::positive)]
    pub(crate) max_connections: Option<u32>,
    /// Speak TLS with the certificate in FILE, its chain behind it (PEM)
    #[arg(long, value_name = "FILE", conflicts_with = "tls_self_signed")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key to it (PEM) [default: in the file of --tls-cert]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Speak TLS with a new certificate that nobody trusts: clients need --insecure
    #[arg(long)]
    pub(crate) tls_self_signed: bool,
    /// Misbehave; may be repeated
    #[arg(long = "fault", value_name = "FAULT[@SELECT]", value_parser = fault)]
    pub(crate) faults: Vec<Fault>,
    /// Without descriptors: pause accepting, accept and close with a spare one, or leave the accept
    /// loop for good
    #[arg(long, value_name = "HOW", value_enum, default_value = "pause")]
    pub(crate) on_emfile: OnEmfileArg,
    /// The same faults hit the same connections [default: random, printed]
    #[arg(long, value_name = "N", value_parser = units::seed)]
    pub(crate) seed: Option<u64>,
    /// What was served, as JSON ("-" = stdout)
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<Sink>,
}

/// A server that is fully read and checked.
#[derive(Clone, Debug)]
pub(crate) struct ServeDraft {
    /// Where to listen.
    pub(crate) address: SocketAddr,
    /// Echo, sink or push.
    pub(crate) mode: Mode,
    /// Which protocols.
    pub(crate) proto: Proto,
    /// Said at accept.
    pub(crate) greeting: Vec<u8>,
    /// Worker processes.
    pub(crate) processes: CountOrAuto,
    /// Event loops in all; `None` = the cores this process may use.
    pub(crate) threads: Option<u32>,
    /// One pushed message each so long; zero is as fast as the socket takes them.
    pub(crate) push_every: Nanos,
    /// Length of the accept queue.
    pub(crate) backlog: u32,
    /// At most so many in all; `None` = no limit.
    pub(crate) max_connections: Option<u32>,
    /// Speak TLS, as this server.
    pub(crate) tls: Option<Identity>,
    /// How it misbehaves.
    pub(crate) faults: Vec<Fault>,
    /// What it does without descriptors.
    pub(crate) on_emfile: OnEmfile,
    /// As typed, or drawn.
    pub(crate) seed: u64,
    /// Where the summary goes.
    pub(crate) json: Option<Sink>,
}

impl ServeArgs {
    /// Everything read and checked; nothing listens yet.
    pub(crate) fn resolve(&self) -> Result<ServeDraft, CliError> {
        // A fault that counts, or that is about the process, needs one loop that sees everything.
        let alone = self.faults.iter().any(|fault| fault.kind.wants_one_loop(fault.select));
        let many = matches!(self.processes, CountOrAuto::Exactly(n) if n > 1)
            || self.threads.is_some_and(|n| n > 1);
        if alone && many {
            let message = "a fault that counts connections, or ends the process, needs one loop";
            return Err(CliError::usage(message, "leave out --processes and --threads"));
        }
        let push_every = match self.push_rate {
            Rate::Every { count, per } => Nanos(per.0 / count.max(1)),
            Rate::Max => Nanos::ZERO,
        };
        Ok(ServeDraft {
            address: self.address,
            mode: self.mode.into(),
            proto: self.proto.into(),
            greeting: self.greeting.clone().unwrap_or_default().into_bytes(),
            processes: if alone { CountOrAuto::Exactly(1) } else { self.processes },
            threads: if alone { Some(1) } else { self.threads },
            push_every,
            backlog: self.backlog,
            max_connections: self.max_connections,
            tls: self.tls()?,
            faults: self.faults.clone(),
            on_emfile: self.on_emfile.into(),
            seed: self.seed.unwrap_or_else(|| fastrand::u32(..).into()),
            json: self.json.clone(),
        })
    }

    fn tls(&self) -> Result<Option<Identity>, CliError> {
        let tls = match &self.tls_cert {
            Some(cert) => Some(tls::identity(cert, self.tls_key.as_ref().unwrap_or(cert))?),
            None if self.tls_self_signed => Some(self.own_identity()?),
            None => None,
        };
        let stalls = self.faults.iter().any(|fault| fault.kind == Kind::StallTls);
        if stalls && tls.is_none() {
            return Err(CliError::usage("--fault stall-tls needs TLS", "add --tls-self-signed"));
        }
        Ok(tls)
    }

    fn own_identity(&self) -> Result<Identity, CliError> {
        let mut names = vec!["localhost".into(), "127.0.0.1".into(), "::1".into()];
        let address = self.address.ip();
        if !address.is_unspecified() && !names.contains(&address.to_string()) {
            names.push(address.to_string());
        }
        inrush_host::tls::self_signed(&names)
            .map_err(|why| CliError::usage(format!("--tls-self-signed: {why}"), "--tls-cert FILE"))
    }
}

/// Names without an argument.
const PLAIN: [(&str, Kind); 19] = [
    ("close-after-accept", Kind::CloseAfterAccept),
    ("rst-after-accept", Kind::RstAfterAccept),
    ("close-after-first-write", Kind::CloseAfterFirstWrite),
    ("leak", Kind::Leak),
    ("rst-on-first-byte", Kind::RstOnFirstByte),
    ("close-on-first-byte", Kind::CloseOnFirstByte),
    ("garbage-upgrade", Kind::GarbageUpgrade),
    ("drop-reply", Kind::DropReply),
    ("duplicate-reply", Kind::DuplicateReply),
    ("corrupt-reply", Kind::CorruptReply),
    ("interleave-frames", Kind::InterleaveFrames),
    ("close-mid-write", Kind::CloseMidWrite),
    ("rst-mid-write", Kind::RstMidWrite),
    ("stall-accept", Kind::StallAccept),
    ("stall-tls", Kind::StallTls),
    ("half-frame", Kind::HalfFrame),
    ("refuse-tls", Kind::RefuseTls),
    ("bad-opcode", Kind::BadOpcode),
    ("slow-read", Kind::SlowRead),
];

/// Names with one, and its form.
const ARGUED: [(&str, &str); 10] = [
    ("close-after", "TIME"),
    ("delay-reply", "TIME"),
    ("pause", "TIME/TIME"),
    ("slow-accept", "RATE"),
    ("stall-upgrade", "TIME"),
    ("reject-upgrade", "STATUS"),
    ("close-code", "N"),
    ("die-after", "COUNT|TIME"),
    ("fd-limit", "COUNT"),
    ("message-limit", "BYTES"),
];

/// FAULT[@SELECT].
pub(crate) fn fault(text: &str) -> Result<Fault, UnitError> {
    let (what, whom) = text.split_once('@').unwrap_or((text, "all"));
    Ok(Fault { kind: kind(what)?, select: select(whom)? })
}

fn kind(text: &str) -> Result<Kind, UnitError> {
    let (name, argument) = match text.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (text, None),
    };
    if let Some((_, kind)) = PLAIN.iter().find(|(plain, _)| *plain == name) {
        return match argument {
            None => Ok(*kind),
            Some(_) => wrong(format!("'{name}' takes no argument"), format!("write {name}")),
        };
    }
    let Some((_, form)) = ARGUED.iter().find(|(argued, _)| *argued == name) else {
        let known = PLAIN.iter().map(|(name, _)| (*name).to_owned());
        let argued = ARGUED.iter().map(|(name, form)| format!("{name}:{form}"));
        let known: Vec<_> = known.chain(argued).collect();
        return wrong(format!("unknown fault '{name}'"), format!("known: {}", known.join(", ")));
    };
    match argument {
        Some(argument) => argued(name, argument),
        None if name == "stall-upgrade" => Ok(Kind::StallUpgrade(Nanos::MAX)),
        None => wrong(format!("'{name}' needs an argument"), format!("write {name}:{form}")),
    }
}

fn argued(name: &str, argument: &str) -> Result<Kind, UnitError> {
    match name {
        "close-after" => Ok(Kind::CloseAfter(units::time(argument)?)),
        "delay-reply" => Ok(Kind::DelayReply(units::some_time(argument)?)),
        "stall-upgrade" => Ok(Kind::StallUpgrade(units::some_time(argument)?)),
        "message-limit" => Ok(Kind::MessageLimit(units::positive(argument)?)),
        "fd-limit" => Ok(Kind::FdLimit(units::positive(argument)?)),
        "pause" => match argument.split_once('/') {
            Some((length, every)) => {
                let (length, every) = (units::some_time(length)?, units::some_time(every)?);
                if length >= every {
                    return wrong("it would never go on", "write pause:2s/10s");
                }
                Ok(Kind::Pause(length, every))
            }
            None => wrong("'pause' needs two times", "write pause:2s/10s"),
        },
        "slow-accept" => match units::connect_rate(argument)? {
            Rate::Every { count, per } => Ok(Kind::SlowAccept(Nanos(per.0 / count))),
            Rate::Max => wrong("'max' is not slow", "write slow-accept:10/s"),
        },
        "reject-upgrade" => match argument.parse() {
            Ok(status @ 200..=599) => Ok(Kind::RejectUpgrade(status)),
            _ => wrong(format!("'{argument}' is no HTTP status"), "write reject-upgrade:503"),
        },
        "close-code" => match argument.parse() {
            Ok(code @ 1_000..=4_999) => Ok(Kind::CloseCode(code)),
            _ => wrong(format!("'{argument}' is no close code"), "write close-code:1013"),
        },
        // `1m` is a minute and `1M` a million: what ends in a unit of time is a time.
        "die-after" if argument.ends_with(['s', 'm', 'h', 'd']) => {
            Ok(Kind::DieAfterTime(units::some_time(argument)?))
        }
        _ => Ok(Kind::DieAfterCount(units::positive(argument)?)),
    }
}

fn select(text: &str) -> Result<Select, UnitError> {
    const FORM: &str = "write 5%, every:100, first:10, after:1000 or all";
    match text.split_once(':') {
        None if text == "all" => Ok(Select::All),
        None => match numbers::ratio(text) {
            Ok(ratio) => Ok(Select::Ratio(millionths(ratio))),
            Err(error) => wrong(format!("'@{text}': {}", error.message), FORM),
        },
        Some(("every", n)) => Ok(Select::Every(units::positive(n)?)),
        Some(("first", n)) => Ok(Select::First(units::positive(n)?)),
        Some(("after", n)) => Ok(Select::After(units::count(n)?)),
        Some((name, _)) => wrong(format!("unknown selection '{name}'"), FORM),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000,000")]
fn millionths(ratio: f64) -> u32 {
    (ratio * 1e6).round() as u32
}

mirror!(/** `--mode`. */ ModeArg => Mode { Echo, Sink, Push });
mirror!(/** `--proto`. */ ProtoArg => Proto { Auto, Tcp, Ws });
mirror!(/** `--on-emfile`. */ OnEmfileArg => OnEmfile { Pause, Shed, Die });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_that_are_read() {
        let secs = Nanos::from_secs;
        for (text, kind, select) in [
            ("leak", Kind::Leak, Select::All),
            ("rst-after-accept@5%", Kind::RstAfterAccept, Select::Ratio(50_000)),
            ("interleave-frames@every:50", Kind::InterleaveFrames, Select::Every(50)),
            ("drop-reply@0.001", Kind::DropReply, Select::Ratio(1_000)),
            ("stall-upgrade@every:100", Kind::StallUpgrade(Nanos::MAX), Select::Every(100)),
            ("stall-upgrade:2s@first:3", Kind::StallUpgrade(secs(2)), Select::First(3)),
            ("close-after:10s@after:1k", Kind::CloseAfter(secs(10)), Select::After(1_000)),
            ("pause:2s/10s", Kind::Pause(secs(2), secs(10)), Select::All),
            ("slow-accept:10/s", Kind::SlowAccept(Nanos::from_millis(100)), Select::All),
            ("reject-upgrade:503", Kind::RejectUpgrade(503), Select::All),
            ("close-code:1013", Kind::CloseCode(1_013), Select::All),
            ("die-after:1m", Kind::DieAfterTime(secs(60)), Select::All),
            ("die-after:1M", Kind::DieAfterCount(1_000_000), Select::All),
            ("fd-limit:1k", Kind::FdLimit(1_000), Select::All),
            ("message-limit:1k", Kind::MessageLimit(1_000), Select::All),
            ("refuse-tls@first:3", Kind::RefuseTls, Select::First(3)),
        ] {
            assert_eq!(fault(text), Ok(Fault { kind, select }), "{text}");
        }
    }

    #[test]
    fn faults_that_are_refused() {
        for (text, hint) in [
            ("interleave", "interleave-frames"),
            ("leak:5", "write leak"),
            ("close-after", "write close-after:TIME"),
            ("close-after:5", "did you mean 5s?"),
            ("pause:2s", "pause:2s/10s"),
            ("pause:10s/2s", "pause:2s/10s"),
            ("reject-upgrade:101", "reject-upgrade:503"),
            ("close-code:70000", "close-code:1013"),
            ("slow-accept:max", "slow-accept:10/s"),
            ("leak@5", "every:100"),
            ("leak@some:5", "every:100"),
        ] {
            let error = fault(text).unwrap_err();
            assert!(error.hint.contains(hint), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_counting_fault_has_one_loop() {
        let resolve = |line: &str| {
            let words = format!("inrush serve {line}");
            match crate::cli::parse(words.split_whitespace().map(Into::into)) {
                Ok(crate::cli::Cli { verb: crate::cli::Verb::Serve(serve), .. }) => serve.resolve(),
                other => panic!("{line}: {other:?}"),
            }
        };
        let draft = resolve(":0 --fault leak@every:3").unwrap();
        assert_eq!((draft.processes, draft.threads), (CountOrAuto::Exactly(1), Some(1)));
        assert!(resolve("--fault leak@every:3 --threads 2").is_err());
        let draft = resolve("--push-rate 4/s --mode push").unwrap();
        assert_eq!((draft.push_every, draft.threads), (Nanos::from_millis(250), None));
        assert_eq!(draft.address.to_string(), "127.0.0.1:8080");
    }
}
