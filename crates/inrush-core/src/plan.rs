//! The question: what to do, and how it is cut into shards. A plan does nothing.

mod tls;

pub use tls::{Identity, TlsClient, Trust};

use crate::fault::Fault;
use crate::protocol::ws_deflate::Offer;
use crate::time::Nanos;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use serde::{Deserialize, Serialize};

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// A bare byte stream.
    Tcp,
    /// A WebSocket.
    Ws,
}

/// Where connections go. The name was resolved before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// As it was typed.
    pub url: String,
    /// Protocol.
    pub scheme: Scheme,
    /// Resolved address.
    pub address: SocketAddr,
    /// `Host` header: name and port as typed.
    pub host: String,
    /// Path and query; `/` when none.
    pub path: String,
    /// Spoken to through TLS: the name its certificate has to be for.
    pub tls: Option<String>,
}

/// How fast something is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rate {
    /// `count` per `per`, for the whole run.
    Every {
        /// How many.
        count: u64,
        /// In how long.
        per: Nanos,
    },
    /// As fast as the loop answers.
    Max,
}

/// When each connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Never.
    Idle,
    /// Open loop: one message each so long, whatever the replies do.
    Every(Nanos),
    /// Closed loop: the next message when the reply is in.
    Closed,
}

/// How an answer is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// The same bytes.
    Echo,
    /// Any one message.
    Reply,
    /// The peer speaks unasked; nothing is matched.
    Push,
    /// Nothing comes back.
    None,
    /// The peer speaks unasked and has each message back: what conformance suites ask of a client.
    Mirror,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// Generated text of this many bytes; tagged from 16 bytes on.
    Generated(u32),
    /// These bytes, always.
    #[serde(with = "crate::bytes")]
    Fixed(Vec<u8>),
}

/// Which WebSocket frames carry the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frame {
    /// Text frames.
    Text,
    /// Binary frames.
    Binary,
    /// Pings, of at most 125 bytes (RFC 6455 §5.5); their pongs are the replies.
    Ping,
}

/// How a connection that we end is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// In order: Close frame, then FIN.
    Fin,
    /// RST: leaves no TIME-WAIT here.
    Rst,
}

/// What becomes of a slot whose connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reconnect {
    /// It stays failed.
    Never,
    /// Another one is opened.
    Failed,
    /// Another one is opened, also after the peer's orderly close.
    Always,
}

/// Messages of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// When.
    pub schedule: Schedule,
    /// What.
    pub payload: Payload,
    /// What comes back.
    pub expect: Expect,
    /// In which frames, on a WebSocket.
    pub frame: Frame,
    /// Unanswered messages per connection.
    pub max_outstanding: u32,
    /// On each open WebSocket a keep-alive ping each so long, beside the messages.
    pub ping_every: Option<Nanos>,
}

/// How long we wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// For connect().
    pub connect: Nanos,
    /// For TLS and the upgrade together.
    pub handshake: Nanos,
    /// For a reply.
    pub reply: Nanos,
}

/// The whole question of a load run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Same plan and seed, same schedule, payloads and choice of sources.
    pub seed: u64,
    /// Round-robin by connection number.
    pub targets: Vec<Target>,
    /// Source addresses; empty = the kernel's choice.
    pub sources: Vec<IpAddr>,
    /// How many at once.
    pub connections: u32,
    /// How fast they are opened, all workers together.
    pub connect_rate: Rate,
    /// Hold time after the ramp.
    pub hold: Nanos,
    /// Hard stop of the whole run.
    pub max_time: Option<Nanos>,
    /// Churn: each connection lives between these two lengths.
    pub lifetime: Option<(Nanos, Nanos)>,
    /// What becomes of failed ones.
    pub reconnect: Reconnect,
    /// Messages.
    pub messages: Messages,
    /// Limits.
    pub timeouts: Timeouts,
    /// Extra headers of the upgrade request, in order (`Origin` included).
    pub headers: Vec<(String, String)>,
    /// Offered subprotocols.
    pub subprotocols: Vec<String>,
    /// Compression of messages (RFC 7692) is offered so.
    pub compress: Option<Offer>,
    /// Whom TLS trusts, and who we are to it.
    pub tls: TlsClient,
    /// TCP_NODELAY.
    pub nodelay: bool,
    /// SO_SNDBUF.
    pub sndbuf_bytes: Option<u32>,
    /// SO_RCVBUF.
    pub rcvbuf_bytes: Option<u32>,
    /// How we end connections.
    pub close: Ending,
    /// Precision of our sleeps.
    pub timer_slack: Nanos,
    /// At most so many opening at once with `Rate::Max`, all workers together.
    pub max_opening: u32,
}

/// One worker's part of a plan. Connection `k` of shard `i` of `n` is number `k * n + i` of the
/// run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part.
    pub index: u32,
    /// Of how many.
    pub of: u32,
    /// Its connections.
    pub connections: u32,
    /// The whole plan.
    pub plan: Plan,
}

impl Plan {
    /// Cuts the plan; the parts add up exactly and differ by at most one.
    pub fn shards(&self, count: u32) -> impl Iterator<Item = Shard> + '_ {
        let count = count.max(1);
        let (each, over) = (self.connections / count, self.connections % count);
        (0..count).map(move |index| Shard {
            index,
            of: count,
            connections: each + u32::from(index < over),
            plan: self.clone(),
        })
    }
}

impl Shard {
    /// Number in the whole run (from 0) of this shard's `slot`.
    pub fn number(&self, slot: u32) -> u64 {
        u64::from(slot) * u64::from(self.of) + u64::from(self.index)
    }
}

/// What a server does with what it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Sends it back.
    Echo,
    /// Reads and forgets it.
    Sink,
    /// Reads and forgets, and speaks on its own at `push_every`.
    Push,
}

/// Which protocols a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proto {
    /// Sniffed from the first bytes.
    Auto,
    /// Bytes only.
    Tcp,
    /// WebSocket only.
    Ws,
}

/// What a server does when accept() has no descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnEmfile {
    /// Waits 5 ms, doubling to 1 s, and tries again.
    Pause,
    /// Accepts with a spare descriptor and closes at once.
    Shed,
    /// Leaves its accept loop for good, as the notes' server did.
    Die,
}

/// One worker's part of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serve {
    /// Which worker, for the seed of its faults.
    pub index: u32,
    /// Same seed, same faults.
    pub seed: u64,
    /// Echo, sink or push.
    pub mode: Mode,
    /// Which protocols.
    pub proto: Proto,
    /// Speak TLS, as this server.
    pub tls: Option<Identity>,
    /// Said at accept.
    pub greeting: Vec<u8>,
    /// Push: one message each so long.
    pub push_every: Nanos,
    /// At most so many connections in this worker; 0 = no limit.
    pub max_connections: u32,
    /// How it misbehaves.
    pub faults: Vec<Fault>,
    /// What it does without descriptors.
    pub on_emfile: OnEmfile,
    /// Leave the listener when fewer than so many descriptors are left; 0 = go on to EMFILE.
    pub spare_descriptors: u32,
}

/// What a worker is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "there is one per worker, boxed in its message")]
pub enum Job {
    /// Storm.
    Load(Shard),
    /// Serve on the listening socket it inherited.
    Serve(Serve),
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::vec;

    /// A plan for tests: one WebSocket target, idle, 1 s of hold.
    pub(crate) fn plan(connections: u32) -> Plan {
        Plan {
            seed: 7,
            targets: vec![Target {
                url: "ws://127.0.0.1:8080/".into(),
                scheme: Scheme::Ws,
                address: ([127, 0, 0, 1], 8080).into(),
                host: "127.0.0.1:8080".into(),
                path: "/".into(),
                tls: None,
            }],
            sources: vec![],
            connections,
            connect_rate: Rate::Max,
            hold: Nanos::from_secs(1),
            max_time: None,
            lifetime: None,
            reconnect: Reconnect::Never,
            messages: Messages {
                schedule: Schedule::Idle,
                payload: Payload::Generated(64),
                expect: Expect::Echo,
                frame: Frame::Text,
                max_outstanding: 1024,
                ping_every: None,
            },
            timeouts: Timeouts {
                connect: Nanos::from_secs(10),
                handshake: Nanos::from_secs(60),
                reply: Nanos::from_secs(10),
            },
            headers: vec![],
            subprotocols: vec![],
            compress: None,
            tls: TlsClient::default(),
            nodelay: true,
            sndbuf_bytes: None,
            rcvbuf_bytes: None,
            close: Ending::Fin,
            timer_slack: Nanos::from_micros(100),
            max_opening: 512,
        }
    }

    #[test]
    fn shards_add_up_and_number_each_connection_once() {
        for (connections, count) in [(0, 3), (1, 3), (10, 3), (10_001, 7), (5, 1)] {
            let shards: Vec<_> = plan(connections).shards(count).collect();
            let mut numbers: Vec<u64> =
                shards.iter().flat_map(|s| (0..s.connections).map(|k| s.number(k))).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..u64::from(connections)).collect::<Vec<_>>());
        }
    }
}
