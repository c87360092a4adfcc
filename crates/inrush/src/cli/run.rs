//! The flags of `inrush run`. Each has an environment twin `INRUSH_<FLAG>`; the flag wins.

use crate::cli::source::SourceRange;
use crate::cli::target::{ConnectTo, TargetSpec};
use crate::cli::tls::TlsArgs;
use crate::cli::units;
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use inrush_core::plan::{Ending, Expect, Frame, Rate, Reconnect, Schedule, Scheme};
use inrush_core::protocol::ws_deflate::Offer;
use inrush_core::threshold::Threshold;
use inrush_core::time::Nanos;
use std::path::PathBuf;

const AFTER: &str = "\
Examples:
  # 10,000 idle WebSockets for a minute
  inrush run ws://127.0.0.1:8080/ws -c 10k -d 1m
  # 50,000 TCP connections, each sending 64 bytes every 10 s, with a report
  inrush run tcp://10.0.0.5:9000 -c 50k -r 2k/s -m 1/10s --json run.json
  # in CI: at most 0.1 % may fail, p99 round trip below 50 ms
  inrush run ws://127.0.0.1:8080/ws -c 1k -m 1/s --threshold 'failures.ratio < 0.1%' \\
             --threshold 'rtt.p99 < 50ms'

Exit codes: 0 thresholds held, 1 could not finish, 2 usage, 3 host cannot do it,
            99 threshold failed, 130 interrupted";

/// Everything `inrush run` takes.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER, max_term_width = 96)]
pub(crate) struct RunArgs {
    /// tcp://host:port, ws://host[:port]/path, through TLS as tls:// and wss://; host:port means
    /// tcp; none: the built-in server
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<TargetSpec>,
    /// How the built-in server is stormed when no TARGET is given [default: ws]
    #[arg(long, value_name = "SCHEME", conflicts_with = "targets", hide_short_help = true)]
    #[arg(env = "INRUSH_SCHEME", hide_env_values = true)]
    pub(crate) scheme: Option<SchemeArg>,

    /// Connections to open (10k, 1M)
    #[arg(short, long, value_name = "COUNT", default_value = "100", value_parser = units::positive)]
    #[arg(help_heading = "Load", env = "INRUSH_CONNECTIONS", hide_env_values = true)]
    pub(crate) connections: u32,
    /// New connections per second (500/s, max)
    #[arg(short = 'r', long, value_name = "RATE", default_value = "1k/s")]
    #[arg(value_parser = units::connect_rate)]
    #[arg(help_heading = "Load", env = "INRUSH_CONNECT_RATE", hide_env_values = true)]
    pub(crate) connect_rate: Rate,
    /// Hold time after ramp-up (30s, 1h30m); ramp-up lasts connections / connect-rate
    #[arg(short, long, value_name = "TIME", default_value = "30s", value_parser = units::time)]
    #[arg(help_heading = "Load", env = "INRUSH_DURATION", hide_env_values = true)]
    pub(crate) duration: Nanos,
    /// Stop the whole run after TIME, whatever its state
    #[arg(long, value_name = "TIME", value_parser = units::some_time)]
    #[arg(help_heading = "Load", env = "INRUSH_MAX_TIME", hide_env_values = true)]
    pub(crate) max_time: Option<Nanos>,
    /// Close each connection after TIME and open another (20s..40s)
    #[arg(long, value_name = "TIME[..TIME]", value_parser = units::time_range)]
    #[arg(help_heading = "Load", env = "INRUSH_LIFETIME", hide_env_values = true)]
    #[arg(hide_short_help = true)]
    pub(crate) lifetime: Option<(Nanos, Nanos)>,
    /// Whether another connection is opened in place of one that failed
    #[arg(long, value_name = "WHEN", value_enum, default_value = "never", hide_short_help = true)]
    #[arg(help_heading = "Load", env = "INRUSH_RECONNECT", hide_env_values = true)]
    pub(crate) reconnect: ReconnectArg,

    /// Messages per second PER CONNECTION (1/10s); 0 = idle, max = when the reply is in
    #[arg(short, long, value_name = "RATE", default_value = "0", value_parser = units::schedule)]
    #[arg(help_heading = "Messages", env = "INRUSH_MESSAGE_RATE", hide_env_values = true)]
    pub(crate) message_rate: Schedule,
    /// Size of generated messages (64B, 2KiB)
    #[arg(short = 's', long, value_name = "SIZE", default_value = "64B")]
    #[arg(value_parser = units::message_size, conflicts_with_all = ["message", "message_file"])]
    #[arg(help_heading = "Messages", env = "INRUSH_MESSAGE_SIZE", hide_env_values = true)]
    pub(crate) message_size: u32,
    /// Send TEXT instead
    #[arg(long, value_name = "TEXT", conflicts_with = "message_file", allow_hyphen_values = true)]
    #[arg(help_heading = "Messages", env = "INRUSH_MESSAGE", hide_env_values = true)]
    pub(crate) message: Option<String>,
    /// Send the whole FILE as one message
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    #[arg(help_heading = "Messages", env = "INRUSH_MESSAGE_FILE", hide_env_values = true)]
    pub(crate) message_file: Option<PathBuf>,
    /// How an answer is recognised
    #[arg(long, value_name = "WHAT", value_enum, default_value = "echo")]
    #[arg(help_heading = "Messages", env = "INRUSH_EXPECT", hide_env_values = true)]
    pub(crate) expect: ExpectArg,
    /// Kind of WebSocket frames; ping: of at most 125 bytes, answered by their pongs
    #[arg(long, value_name = "KIND", value_enum, default_value = "text", hide_short_help = true)]
    #[arg(help_heading = "Messages", env = "INRUSH_FRAME", hide_env_values = true)]
    pub(crate) frame: FrameArg,
    /// Unanswered messages per connection
    #[arg(long, value_name = "N", default_value = "1024", value_parser = units::positive)]
    #[arg(help_heading = "Messages", env = "INRUSH_MAX_OUTSTANDING", hide_env_values = true)]
    #[arg(hide_short_help = true)]
    pub(crate) max_outstanding: u32,

    /// Limit for the TCP connect
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::some_time)]
    #[arg(help_heading = "Time-outs", env = "INRUSH_CONNECT_TIMEOUT", hide_env_values = true)]
    pub(crate) connect_timeout: Nanos,
    /// Limit for TLS and the WebSocket upgrade
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::some_time)]
    #[arg(help_heading = "Time-outs", env = "INRUSH_HANDSHAKE_TIMEOUT", hide_env_values = true)]
    pub(crate) handshake_timeout: Nanos,
    /// A reply later than this is late; one that never comes is lost
    ///
    /// A connection that has said nothing for so long while replies were due has failed.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::some_time)]
    #[arg(help_heading = "Time-outs", env = "INRUSH_REPLY_TIMEOUT", hide_env_values = true)]
    pub(crate) reply_timeout: Nanos,

    /// Add a header to the upgrade request; may be repeated
    #[arg(short = 'H', long, value_name = "'K: V'")]
    #[arg(help_heading = "WebSocket", env = "INRUSH_HEADER", hide_env_values = true)]
    pub(crate) header: Vec<String>,
    /// Offer a subprotocol; may be repeated
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    #[arg(help_heading = "WebSocket", env = "INRUSH_SUBPROTOCOL", hide_env_values = true)]
    pub(crate) subprotocol: Vec<String>,
    /// Offer compression as browsers do, or with these parameters of permessage-deflate
    ///
    /// Where the server agrees, messages go and are understood compressed. Each connection then
    /// keeps what later messages may refer to: at most 32 KiB of what the server says and 4 KiB of
    /// what we say. --compress=server_no_context_takeover,client_no_context_takeover keeps nothing.
    /// A message of more than 16 MiB is refused, compressed or not.
    #[arg(long, value_name = "PARAMS", value_parser = units::deflate_offer)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    #[arg(hide_short_help = true)]
    #[arg(help_heading = "WebSocket", env = "INRUSH_COMPRESS", hide_env_values = true)]
    pub(crate) compress: Option<Offer>,
    /// Origin header of the upgrade request
    #[arg(long, value_name = "URL", hide_short_help = true)]
    #[arg(help_heading = "WebSocket", env = "INRUSH_ORIGIN", hide_env_values = true)]
    pub(crate) origin: Option<String>,

    /// Ping each open connection that often, beside the messages
    ///
    /// The first comes after a seeded share of TIME. A connection that says nothing for the reply
    /// time-out while a pong is due has failed.
    #[arg(long, value_name = "TIME", value_parser = units::interval, hide_short_help = true)]
    #[arg(help_heading = "WebSocket", env = "INRUSH_PING_INTERVAL", hide_env_values = true)]
    pub(crate) ping_interval: Option<Nanos>,

    #[command(flatten)]
    pub(crate) tls: TlsArgs,

    /// Connect from these addresses in turn; may be repeated. Each adds a range of local ports
    #[arg(long, value_name = "IP[-IP]|CIDR", hide_short_help = true)]
    #[arg(help_heading = "Network", env = "INRUSH_SOURCE_IP", hide_env_values = true)]
    pub(crate) source_ip: Vec<SourceRange>,
    /// Use IPv4 addresses only
    #[arg(short = '4', long, value_parser = BoolishValueParser::new())]
    #[arg(help_heading = "Network", env = "INRUSH_IPV4", hide_env_values = true)]
    #[arg(hide_short_help = true)]
    pub(crate) ipv4: bool,
    /// Use IPv6 addresses only
    #[arg(short = '6', long, value_parser = BoolishValueParser::new(), hide_short_help = true)]
    #[arg(help_heading = "Network", env = "INRUSH_IPV6", hide_env_values = true)]
    pub(crate) ipv6: bool,
    /// Connect to H2:P2 where H1:P1 was asked for; empty parts fit all
    #[arg(long, value_name = "H1:P1:H2:P2", hide_short_help = true)]
    #[arg(help_heading = "Network", env = "INRUSH_CONNECT_TO", hide_env_values = true)]
    pub(crate) connect_to: Vec<ConnectTo>,
    /// TCP_NODELAY: on or off
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = units::on_off)]
    #[arg(help_heading = "Network", env = "INRUSH_NODELAY", hide_env_values = true)]
    #[arg(hide_short_help = true, action = clap::ArgAction::Set)]
    pub(crate) nodelay: bool,
    /// Send buffer of each socket [default: the kernel's]
    #[arg(long, value_name = "SIZE", value_parser = units::buffer_size, hide_short_help = true)]
    #[arg(help_heading = "Network", env = "INRUSH_SNDBUF", hide_env_values = true)]
    pub(crate) sndbuf: Option<u32>,
    /// Receive buffer of each socket [default: the kernel's]
    #[arg(long, value_name = "SIZE", value_parser = units::buffer_size, hide_short_help = true)]
    #[arg(help_heading = "Network", env = "INRUSH_RCVBUF", hide_env_values = true)]
    pub(crate) rcvbuf: Option<u32>,
    /// How we end connections; rst leaves no TIME-WAIT here
    #[arg(long, value_name = "HOW", value_enum, default_value = "fin", hide_short_help = true)]
    #[arg(help_heading = "Network", env = "INRUSH_CLOSE", hide_env_values = true)]
    pub(crate) close: CloseArg,

    #[command(flatten)]
    pub(crate) own: OwnArgs,
    #[command(flatten)]
    pub(crate) judging: JudgingArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What the load may use of this host.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "This host")]
pub(crate) struct OwnArgs {
    /// Event loops, shared by all processes [default: the cores this process may use]
    #[arg(short, long, value_name = "N", value_parser = units::positive, hide_short_help = true)]
    #[arg(env = "INRUSH_THREADS", hide_env_values = true)]
    pub(crate) threads: Option<u32>,
    /// Worker processes (N, auto); auto = as many as the descriptor limit asks for
    #[arg(long, value_name = "N|auto", default_value = "auto", hide_short_help = true)]
    #[arg(env = "INRUSH_PROCESSES", hide_env_values = true)]
    pub(crate) processes: CountOrAuto,
    /// Descriptor limit of our own workers; means --processes 1
    #[arg(long, value_name = "N", value_parser = units::positive, hide_short_help = true)]
    #[arg(env = "INRUSH_NOFILE", hide_env_values = true)]
    pub(crate) nofile: Option<u32>,
    /// Same plan and seed: same schedule, payloads, choice of sources [default: random, printed]
    #[arg(long, value_name = "N", value_parser = units::seed, hide_short_help = true)]
    #[arg(env = "INRUSH_SEED", hide_env_values = true)]
    pub(crate) seed: Option<u64>,
    /// Precision of sends against CPU spent on wake-ups
    #[arg(long, value_name = "TIME", default_value = "100us", value_parser = units::time)]
    #[arg(env = "INRUSH_TIMER_SLACK", hide_env_values = true, hide_short_help = true)]
    pub(crate) timer_slack: Nanos,
}

/// How the run is judged.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Judging")]
pub(crate) struct JudgingArgs {
    /// Exit 99 unless EXPR holds; may be repeated [default: no failure, no lost or corrupted
    /// message]
    #[arg(long, value_name = "EXPR", env = "INRUSH_THRESHOLD", hide_env_values = true)]
    pub(crate) threshold: Vec<Threshold>,
    /// Judge nothing: exit 0 whatever fails
    #[arg(long, value_parser = BoolishValueParser::new(), hide_short_help = true)]
    #[arg(env = "INRUSH_NO_THRESHOLDS", hide_env_values = true)]
    pub(crate) no_thresholds: bool,
    /// Stop as soon as a threshold is lost
    #[arg(long, value_parser = BoolishValueParser::new())]
    #[arg(env = "INRUSH_ABORT_ON_FAIL", hide_env_values = true)]
    pub(crate) abort_on_fail: bool,
    /// Check this host's limits first
    #[arg(long, value_name = "WHEN", value_enum, default_value = "stop")]
    #[arg(env = "INRUSH_PREFLIGHT", hide_env_values = true)]
    pub(crate) preflight: Preflight,
    /// Which kernel counters to read; auto = all that the privileges allow
    #[arg(long, value_name = "WHICH", value_enum, default_value = "auto", hide_short_help = true)]
    #[arg(env = "INRUSH_EVIDENCE", hide_env_values = true)]
    pub(crate) evidence: EvidenceArg,
    /// Server on this host: watch its descriptors and queues; may be repeated
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(env = "INRUSH_SERVER_PID", hide_env_values = true)]
    pub(crate) server_pid: Vec<u32>,
}

/// Where results go.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Summary as JSON ("-" = stdout)
    #[arg(long, value_name = "FILE", env = "INRUSH_JSON", hide_env_values = true)]
    pub(crate) json: Option<Sink>,
    /// One JSON object per second and failure ("-" = stdout)
    #[arg(long, value_name = "FILE", env = "INRUSH_NDJSON", hide_env_values = true)]
    pub(crate) ndjson: Option<Sink>,
    /// Show the plan and the preflight, open nothing
    #[arg(short = 'n', long, value_parser = BoolishValueParser::new())]
    #[arg(env = "INRUSH_DRY_RUN", hide_env_values = true)]
    pub(crate) dry_run: bool,
}

/// A number, or what fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CountOrAuto {
    /// What fits.
    Auto,
    /// So many.
    Exactly(u32),
}

impl std::str::FromStr for CountOrAuto {
    type Err = inrush_core::units::UnitError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(units::number_or_auto(text)?.map_or(Self::Auto, Self::Exactly))
    }
}

/// Where one document goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// `-`.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl From<String> for Sink {
    fn from(text: String) -> Self {
        if text == "-" { Self::Stdout } else { Self::File(text.into()) }
    }
}

/// When this host's limits stop the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preflight {
    /// They refuse an impossible plan.
    Stop,
    /// They are told, and the run begins.
    Warn,
    /// They are not looked at.
    Off,
}

/// Which facts are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EvidenceArg {
    /// All that can be read.
    Auto,
    /// None.
    Off,
}

/// `--scheme`: how the built-in server is stormed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemeArg {
    Ws,
    Wss,
    Tcp,
    Tls,
}

impl SchemeArg {
    /// What is spoken.
    pub(crate) fn scheme(self) -> Scheme {
        match self {
            Self::Ws | Self::Wss => Scheme::Ws,
            Self::Tcp | Self::Tls => Scheme::Tcp,
        }
    }

    /// Through TLS.
    pub(crate) fn tls(self) -> bool {
        matches!(self, Self::Wss | Self::Tls)
    }
}

/// A value of a flag that is a value of the plan.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident => $plan:ident { $($(#[$attribute:meta])* $value:ident),* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
        pub(crate) enum $name { $($(#[$attribute])* $value),* }

        impl From<$name> for $plan {
            fn from(value: $name) -> Self {
                match value { $($name::$value => Self::$value),* }
            }
        }
    };
}

pub(crate) use mirror;

mirror!(/** `--expect`. */ ExpectArg => Expect {
    Echo, Reply, Push, None,
    /// Sends each message back: what conformance suites ask of a client, and no user of a load.
    #[value(hide = true)]
    Mirror
});
mirror!(/** `--frame`. */ FrameArg => Frame { Text, Binary, Ping });
mirror!(/** `--close`. */ CloseArg => Ending { Fin, Rst });
mirror!(/** `--reconnect`. */ ReconnectArg => Reconnect { Never, Failed, Always });
