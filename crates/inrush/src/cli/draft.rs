//! A run that is fully read and checked; only the addresses behind its names are missing.

use crate::cli::CliError;
use crate::cli::run::{
    CountOrAuto, EvidenceArg, ExpectArg, FrameArg, Preflight, RunArgs, SchemeArg, Sink,
};
use crate::cli::source;
use crate::cli::target::TargetSpec;
use crate::cli::units::MESSAGE_LIMIT;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inrush_core::plan::{Messages, Payload, Plan, Scheme, Target, Timeouts, TlsClient, Trust};
use inrush_core::threshold::{self, Threshold};
use std::collections::BTreeSet;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Most connections that may be opening at once with `-r max`, all workers together.
const MAX_OPENING: u32 = 512;
/// The same through TLS: its hand-shakes cost both sides a hundred times the CPU of a connect, and
/// more of them at once would only wait for each other, 10 kB each.
const MAX_OPENING_TLS: u32 = 64;
/// Longest body of a control frame (RFC 6455 §5.5).
const PING_BYTES: usize = 125;
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 8_192;

/// Everything about a run but its addresses.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// As typed; empty with the built-in server.
    pub(crate) targets: Vec<TargetSpec>,
    /// Where each target is looked up: name and port after `--connect-to`.
    pub(crate) connect: Vec<(String, u16)>,
    /// No target was named: storm our own server so.
    pub(crate) built_in: Option<SchemeArg>,
    /// Asked for in the hand-shake of TLS instead of the target's host.
    pub(crate) sni: Option<String>,
    /// Source addresses; empty = the kernel's choice.
    pub(crate) sources: Vec<IpAddr>,
    /// Which addresses of a name may be used.
    pub(crate) family: Family,
    /// Event loops in all; `None` = the cores this process may use.
    pub(crate) threads: Option<u32>,
    /// Worker processes.
    pub(crate) processes: CountOrAuto,
    /// Descriptor limit of our own workers, when it was named.
    pub(crate) nofile: Option<u32>,
    /// With the defaults that hold.
    pub(crate) thresholds: Vec<Threshold>,
    /// Stop when one is lost.
    pub(crate) abort_on_fail: bool,
    /// When limits stop the run.
    pub(crate) preflight: Preflight,
    /// Which facts are read.
    pub(crate) evidence: EvidenceArg,
    /// Server processes on this host.
    pub(crate) server_pids: Vec<u32>,
    /// The JSON summary.
    pub(crate) json: Option<Sink>,
    /// The JSON lines.
    pub(crate) ndjson: Option<Sink>,
    /// Show and open nothing.
    pub(crate) dry_run: bool,
    /// The plan without targets and sources.
    plan: Plan,
}

/// IPv4, IPv6, or what answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// What answers the probe.
    Any,
    /// `-4`.
    V4,
    /// `-6`.
    V6,
}

impl Family {
    /// Whether an address may be used.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

impl Draft {
    /// Planned connections.
    pub(crate) fn connections(&self) -> u32 {
        self.plan.connections
    }

    /// Whether a document goes to stdout, so that no other text may.
    pub(crate) fn owns_stdout(&self) -> bool {
        [&self.json, &self.ndjson].into_iter().any(|sink| *sink == Some(Sink::Stdout))
    }

    /// The plan: `addresses` has one per target, in their order. With the built-in server, each
    /// address becomes a target.
    pub(crate) fn into_plan(self, addresses: Vec<SocketAddr>, sources: Vec<IpAddr>) -> Plan {
        let targets = match self.built_in {
            Some(scheme) => {
                addresses.into_iter().map(|address| own_target(scheme, address)).collect()
            }
            None => {
                let all = self.targets.into_iter().zip(addresses);
                all.map(|(spec, address)| named_target(spec, address, self.sni.as_ref())).collect()
            }
        };
        let mut plan = Plan { targets, sources, ..self.plan };
        // A `Host` header of the user's replaces the one we would send.
        if let Some(at) =
            plan.headers.iter().position(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            let (_, host) = plan.headers.remove(at);
            plan.targets.iter_mut().for_each(|target| target.host.clone_from(&host));
        }
        plan
    }
}

fn own_target(kind: SchemeArg, address: SocketAddr) -> Target {
    let url = match kind {
        SchemeArg::Ws => format!("ws://{address}/"),
        SchemeArg::Wss => format!("wss://{address}/"),
        SchemeArg::Tcp => format!("tcp://{address}"),
        SchemeArg::Tls => format!("tls://{address}"),
    };
    let (host, path, scheme) = (address.to_string(), "/".into(), kind.scheme());
    Target { url, scheme, address, host, path, tls: kind.tls().then(|| "localhost".into()) }
}

fn named_target(spec: TargetSpec, address: SocketAddr, sni: Option<&String>) -> Target {
    let TargetSpec { url, scheme, tls, host, host_header, path, .. } = spec;
    let tls = tls.then(|| sni.cloned().unwrap_or(host));
    Target { url, scheme, address, host: host_header, path, tls }
}

impl RunArgs {
    /// Everything read and checked; no name is resolved, nothing is opened but `--message-file`.
    pub(crate) fn resolve_free(&self) -> Result<Draft, CliError> {
        let family = match (self.ipv4, self.ipv6) {
            (true, true) => {
                return Err(CliError::usage(
                    "-4 and -6 exclude each other",
                    "leave one of them out",
                ));
            }
            (true, false) => Family::V4,
            (false, true) => Family::V6,
            (false, false) => Family::Any,
        };
        if let (Some(json), Some(ndjson)) = (&self.output.json, &self.output.ndjson)
            && json == ndjson
        {
            let place = match json {
                Sink::Stdout => "stdout".to_owned(),
                Sink::File(path) => format!("'{}'", path.display()),
            };
            let message = format!("--json and --ndjson both write to {place}");
            return Err(CliError::usage(message, "name another file for one"));
        }
        let processes = match (self.own.nofile, self.own.processes) {
            (Some(_), CountOrAuto::Exactly(n)) if n > 1 => {
                let message = "--nofile means --processes 1: it exists to show the failure";
                return Err(CliError::usage(message, "leave one of them out"));
            }
            (Some(_), _) => CountOrAuto::Exactly(1),
            (None, processes) => processes,
        };
        let built_in = self.targets.is_empty().then(|| self.scheme.unwrap_or(SchemeArg::Ws));
        Ok(Draft {
            connect: self.targets.iter().map(|spec| self.connect_address(spec)).collect(),
            targets: self.targets.clone(),
            built_in,
            sni: self.tls.sni.clone(),
            sources: self.sources(family)?,
            family,
            threads: self.own.threads,
            processes,
            nofile: self.own.nofile,
            thresholds: threshold::resolve(
                self.judging.threshold.clone(),
                self.judging.no_thresholds,
            ),
            abort_on_fail: self.judging.abort_on_fail,
            preflight: self.judging.preflight,
            evidence: self.judging.evidence,
            server_pids: self.judging.server_pid.clone(),
            json: self.output.json.clone(),
            ndjson: self.output.ndjson.clone(),
            dry_run: self.output.dry_run,
            plan: self.plan(built_in)?,
        })
    }

    fn plan(&self, built_in: Option<SchemeArg>) -> Result<Plan, CliError> {
        let scheme = |spec: &TargetSpec| spec.scheme;
        let own = built_in.map(SchemeArg::scheme);
        let tls = self.targets.iter().any(|spec| spec.tls) || built_in.is_some_and(SchemeArg::tls);
        let ws = self.targets.iter().map(scheme).chain(own).any(|s| s == Scheme::Ws);
        let all_ws = self.targets.iter().map(scheme).chain(own).all(|s| s == Scheme::Ws);
        let payload = self.payload(ws)?;
        self.check_pings(ws, all_ws, payload.len())?;
        Ok(Plan {
            seed: self.own.seed.unwrap_or_else(|| fastrand::u32(..).into()),
            targets: Vec::new(),
            sources: Vec::new(),
            connections: self.connections,
            connect_rate: self.connect_rate,
            hold: self.duration,
            max_time: self.max_time,
            lifetime: self.lifetime,
            reconnect: self.reconnect.into(),
            messages: Messages {
                schedule: self.message_rate,
                payload,
                expect: self.expect.into(),
                frame: self.frame.into(),
                max_outstanding: self.max_outstanding,
                ping_every: self.ping_interval,
            },
            timeouts: Timeouts {
                connect: self.connect_timeout,
                handshake: self.handshake_timeout,
                reply: self.reply_timeout,
            },
            headers: self.headers(ws)?,
            subprotocols: self.subprotocols()?,
            compress: self.compress,
            tls: self.tls_client(built_in)?,
            nodelay: self.nodelay,
            sndbuf_bytes: self.sndbuf,
            rcvbuf_bytes: self.rcvbuf,
            close: self.close.into(),
            timer_slack: self.own.timer_slack,
            max_opening: if tls { MAX_OPENING_TLS } else { MAX_OPENING },
        })
    }

    fn tls_client(&self, built_in: Option<SchemeArg>) -> Result<TlsClient, CliError> {
        if let Some(flag) = self.tls.given()
            && !self.targets.iter().any(|spec| spec.tls)
        {
            let message = format!("{flag} needs a wss:// or tls:// target");
            return Err(CliError::usage(message, "leave it out, or write wss://"));
        }
        let hosts = self.targets.iter().filter(|spec| spec.tls).map(|spec| &spec.host);
        let asked: Vec<_> = match &self.tls.sni {
            Some(name) => vec![name],
            None => hosts.collect(),
        };
        if let Some(name) = asked.into_iter().find(|name| !inrush_host::tls::is_name(name)) {
            let message = format!("'{}' is no name for TLS to ask for", name.escape_default());
            return Err(CliError::usage(message, "--sni NAME, such as example.com"));
        }
        // Our own server has a certificate of its own making.
        if built_in.is_some() {
            return Ok(TlsClient { trust: Trust::Anyone, identity: None });
        }
        self.tls.read(self.targets.iter().any(|spec| spec.tls))
    }

    fn connect_address(&self, spec: &TargetSpec) -> (String, u16) {
        let mut rules = self.connect_to.iter();
        rules
            .find_map(|rule| rule.apply(&spec.host, spec.port))
            .unwrap_or_else(|| (spec.host.clone(), spec.port))
    }

    fn sources(&self, family: Family) -> Result<Vec<IpAddr>, CliError> {
        let all = self.source_ip.iter().flat_map(|range| range.addresses());
        let (mut seen, mut sources) = (BTreeSet::new(), Vec::new());
        for address in all {
            if !family.allows(address) {
                let message =
                    format!("--source-ip {address} is of the family that -4 or -6 excludes");
                return Err(CliError::usage(message, "leave one of them out"));
            }
            if seen.insert(address) {
                sources.push(address);
            }
            if sources.len() > source::LIMIT {
                let message = "more than 65,536 source addresses";
                return Err(CliError::usage(message, "write smaller ranges"));
            }
        }
        Ok(sources)
    }

    fn payload(&self, ws: bool) -> Result<Payload, CliError> {
        let bytes = match (&self.message, &self.message_file) {
            (Some(text), _) => text.clone().into_bytes(),
            (_, Some(path)) => read_message(path)?,
            _ => return Ok(Payload::Generated(self.message_size)),
        };
        if bytes.is_empty() {
            return Err(CliError::usage(
                "the message is empty",
                "write -m 0 for an idle connection",
            ));
        }
        if ws && self.frame == FrameArg::Text && std::str::from_utf8(&bytes).is_err() {
            let message = "the message is no UTF-8, which a text frame must be";
            return Err(CliError::usage(message, "--frame binary"));
        }
        Ok(Payload::Fixed(bytes))
    }

    /// Pings are for WebSockets, small, and answered by pongs alone (RFC 6455 §5.5).
    fn check_pings(&self, ws: bool, all_ws: bool, size: usize) -> Result<(), CliError> {
        if self.ping_interval.is_some() && !ws {
            let message = "--ping-interval needs a ws:// target";
            return Err(CliError::usage(message, "leave it out, or write ws://"));
        }
        if self.frame != FrameArg::Ping {
            return Ok(());
        }
        if !all_ws {
            let message = "--frame ping needs ws:// targets alone";
            return Err(CliError::usage(message, "leave it out, or write ws://"));
        }
        if size > PING_BYTES {
            let message = format!("a ping carries at most {PING_BYTES} bytes, not {size}");
            return Err(CliError::usage(message, "-s 125B, or --frame binary"));
        }
        if !matches!(self.expect, ExpectArg::Echo | ExpectArg::None) {
            let message = "--frame ping is answered by pongs, which are echoes";
            return Err(CliError::usage(message, "--expect echo, or --expect none"));
        }
        Ok(())
    }

    fn headers(&self, ws: bool) -> Result<Vec<(String, String)>, CliError> {
        let mut headers = Vec::new();
        for text in &self.header {
            headers.push(header(text)?);
        }
        if let Some(origin) = &self.origin {
            headers.push(header(&format!("Origin: {origin}"))?);
        }
        if let Some(userinfo) = self.userinfo()? {
            if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
                let message = "both the target and a header say who is connecting";
                return Err(CliError::usage(message, "leave one of them out"));
            }
            headers.push(("Authorization".into(), format!("Basic {}", STANDARD.encode(userinfo))));
        }
        let none = headers.is_empty() && self.subprotocol.is_empty() && self.compress.is_none();
        if !(ws || none) {
            let message = "headers, subprotocols and --compress need a ws:// target";
            return Err(CliError::usage(message, "leave them out, or write ws://"));
        }
        if headers.len() > HEADERS {
            return Err(CliError::usage("more than 64 headers", ""));
        }
        Ok(headers)
    }

    /// Headers belong to the whole plan, so that all targets must name the same user.
    fn userinfo(&self) -> Result<Option<Vec<u8>>, CliError> {
        let users: BTreeSet<_> = self.targets.iter().map(|spec| &spec.userinfo).collect();
        if users.len() > 1 {
            let message = "the targets name different users";
            return Err(CliError::usage(message, "use one user, or one run each"));
        }
        Ok(users.into_iter().next().and_then(Option::as_deref).map(percent_decoded))
    }

    fn subprotocols(&self) -> Result<Vec<String>, CliError> {
        match self.subprotocol.iter().find(|name| !is_token(name)) {
            Some(name) => {
                let message = format!("'{}' is no subprotocol name", name.escape_default());
                Err(CliError::usage(message, "write one name; repeat the flag for more"))
            }
            None => Ok(self.subprotocol.clone()),
        }
    }
}

fn read_message(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let limit = MESSAGE_LIMIT + 1;
    let read = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    match read {
        Err(error) => {
            let message = format!("cannot read '{}': {error}", path.display());
            Err(CliError::usage(message, "--message-file FILE sends the whole file as one message"))
        }
        Ok(length) if length as u64 > MESSAGE_LIMIT => {
            Err(CliError::usage(format!("'{}' is longer than 16 MiB", path.display()), ""))
        }
        Ok(_) => Ok(bytes),
    }
}

/// A header that cannot break the request it is put into.
fn header(text: &str) -> Result<(String, String), CliError> {
    const OURS: [&str; 7] = [
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
    ];
    // The value may be a secret and is never repeated.
    let refuse = |name: &str, what: &str, help: &str| {
        Err(CliError::usage(format!("header '{}' {what}", name.escape_default()), help))
    };
    let Some((name, value)) = text.split_once(':') else {
        return Err(CliError::usage("a header needs a colon", "write -H 'Name: value'"));
    };
    let value = value.trim();
    let lower = name.to_ascii_lowercase();
    if !is_token(name) {
        return refuse(name, "is no header name", "write -H 'Name: value'");
    }
    if OURS.contains(&lower.as_str()) {
        let protocol = lower == "sec-websocket-protocol";
        let help = if protocol { "--subprotocol NAME" } else { "leave it out" };
        return refuse(name, "is written by inrush itself", help);
    }
    if text.len() > HEADER_BYTES {
        return refuse(name, "is longer than 8 KiB", "");
    }
    if value.bytes().any(|byte| byte != b'\t' && (byte < b' ' || byte == 0x7f)) {
        return refuse(name, "has a control character in its value", "");
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

/// RFC 3986 section 2.1; what is no escape stays as it is.
fn percent_decoded(text: &str) -> Vec<u8> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let escape = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
