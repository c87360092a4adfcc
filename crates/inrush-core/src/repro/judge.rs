//! What a played script shows, found as a run finds it: its failures through `classify`, its tally
//! and the facts through the catalogue.

use super::play::Played;
use crate::catalog;
use crate::diagnosis::{Case, Diagnosis};
use crate::evidence::Facts;
use crate::failure::{Class, classify};
use crate::plan::{
    Ending, Expect, Frame, Messages, Payload, Plan, Rate, Reconnect, Schedule, Scheme, Target,
    Timeouts, TlsClient,
};
use crate::time::Nanos;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The class of the first failure.
    pub class: Option<Class>,
    /// Why, the largest first.
    pub diagnoses: Vec<Diagnosis>,
}

/// Finds it. `server` is where the script's server listened.
pub fn judge(played: &Played, facts: &Facts, server: SocketAddr) -> Found {
    let connections = u32::try_from(played.attempted).unwrap_or(u32::MAX).max(1);
    let plan = plan(server, connections);
    let diagnoses = catalog::diagnose(&Case {
        plan: &plan,
        tally: &played.tally,
        facts,
        attempted: played.attempted,
        opened: played.opened,
        connect_p99_ns: 0,
        connect_p50_ns: 0,
        upgrade_p99_ns: 0,
        processes: 1,
    });
    let first = played.seen.first();
    let heard = |row: &&crate::tally::Row| Some(&row.key.signature) == first && row.key.heard;
    let heard = played.tally.rows.iter().find(heard).is_some();
    Found { class: first.map(|signature| classify(*signature, heard, false)), diagnoses }
}

/// The run whose remedies fit: bare streams that send now and then.
fn plan(server: SocketAddr, connections: u32) -> Plan {
    let target = Target {
        url: alloc::format!("tcp://{server}"),
        scheme: Scheme::Tcp,
        address: server,
        host: server.to_string(),
        path: "/".into(),
        tls: None,
    };
    Plan {
        seed: 1,
        targets: vec![target],
        sources: Vec::new(),
        connections,
        connect_rate: Rate::Max,
        hold: Nanos::from_secs(1),
        max_time: None,
        lifetime: None,
        reconnect: Reconnect::Never,
        messages: Messages {
            schedule: Schedule::Every(Nanos::from_secs(1)),
            payload: Payload::Generated(64),
            expect: Expect::Echo,
            frame: Frame::Binary,
            max_outstanding: 1_024,
            ping_every: None,
        },
        timeouts: Timeouts {
            connect: Nanos::from_secs(10),
            handshake: Nanos::from_secs(60),
            reply: Nanos::from_secs(10),
        },
        headers: Vec::new(),
        subprotocols: Vec::new(),
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
