//! The grammar of a threshold: `NAME[{label="v",…}].STAT OP VALUE`. Every refusal says where and
//! what to write instead, because a promise that was misread is worse than none.

use super::{ConnectionStat, Label, MessageStat, Metric, Op, Stat, Threshold, Which};
use crate::catalog;
use crate::failure::{Class, Phase};
use crate::units::{self, UnitError};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

/// Why an expression is no threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdError {
    /// Byte offset in the expression.
    pub at: usize,
    /// What is wrong, lower-case, without a full stop.
    pub message: String,
    /// What to write; empty when there is nothing better to say.
    pub hint: String,
}

impl fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at character {}", self.message, self.at + 1)
    }
}

impl core::error::Error for ThresholdError {}

type Parsed<T> = Result<T, ThresholdError>;

const NAMES: &str = "known: failures, connections, resolve, connect, tls, upgrade, setup, \
                     rtt, messages, lag, duration";
const OPS: &str = "write one of < <= > >= ==";

impl Threshold {
    /// Reads an expression.
    pub fn parse(text: &str) -> Parsed<Self> {
        let mut cursor = Cursor { text, at: 0 };
        cursor.spaces();
        let name_at = cursor.at;
        let name = cursor.word();
        let labels = cursor.labels(name)?;
        let stat_at = cursor.at;
        let stat = cursor.take('.').then(|| cursor.stat());
        let metric = metric(name, name_at, stat, stat_at)?;
        cursor.spaces();
        let op = cursor.op()?;
        cursor.spaces();
        let value = text[cursor.at..].trim_end();
        let limit = metric.limit(value).map_err(|error| ThresholdError {
            at: cursor.at,
            message: format!("'{value}': {}", error.message),
            hint: error.hint,
        })?;
        Ok(Self { expression: text.trim().to_string(), metric, labels, op, limit })
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression)
    }
}

impl core::str::FromStr for Threshold {
    type Err = ThresholdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

fn wrong<T>(at: usize, message: impl ToString, hint: impl ToString) -> Parsed<T> {
    Err(ThresholdError { at, message: message.to_string(), hint: hint.to_string() })
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn span(&mut self, inside: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn word(&mut self) -> &'a str {
        self.span(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    }

    fn stat(&mut self) -> &'a str {
        self.span(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    }

    fn op(&mut self) -> Parsed<Op> {
        let at = self.at;
        match self.span(|c| "<>=!".contains(c)) {
            "<" => Ok(Op::Below),
            "<=" => Ok(Op::AtMost),
            ">" => Ok(Op::Above),
            ">=" => Ok(Op::AtLeast),
            "==" => Ok(Op::Equal),
            "=" => wrong(at, "'=' is no comparison", "write =="),
            "" => wrong(at, "a comparison is missing", OPS),
            other => wrong(at, format!("'{other}' is no comparison"), OPS),
        }
    }

    fn labels(&mut self, name: &str) -> Parsed<BTreeMap<Label, String>> {
        let (mut labels, begin) = (BTreeMap::new(), self.at);
        if !self.take('{') {
            return Ok(labels);
        }
        if name != "failures" {
            return wrong(begin, format!("'{name}' has no labels"), "only failures have labels");
        }
        loop {
            self.spaces();
            let at = self.at;
            let label = label(self.word(), at)?;
            self.spaces();
            if !(self.take('=') && {
                self.spaces();
                self.take('"')
            }) {
                return wrong(
                    self.at,
                    "a label is written label=\"value\"",
                    "failures{class=\"refused\"}.count",
                );
            }
            let at = self.at;
            let value = self.span(|c| c != '"');
            if !self.take('"') {
                return wrong(at, "the quotation mark is not closed", "");
            }
            known_value(label, value, at)?;
            if labels.insert(label, value.to_string()).is_some() {
                return wrong(at, format!("label '{}' is there twice", label.name()), "");
            }
            self.spaces();
            if self.take('}') {
                break;
            }
            if !self.take(',') {
                return wrong(self.at, "the brace is not closed", "");
            }
        }
        // A diagnosis knows its classes and not their phases: the pair has no number.
        let diagnosed = labels.contains_key(&Label::Cause) || labels.contains_key(&Label::Culprit);
        if diagnosed && labels.contains_key(&Label::Phase) {
            return wrong(
                begin,
                "phase cannot be combined with cause or culprit",
                "use two thresholds",
            );
        }
        Ok(labels)
    }
}

fn label(name: &str, at: usize) -> Parsed<Label> {
    let all = [Label::Cause, Label::Culprit, Label::Class, Label::Phase];
    match all.into_iter().find(|label| label.name() == name) {
        Some(label) => Ok(label),
        None => wrong(at, format!("unknown label '{name}'"), "known: cause, culprit, class, phase"),
    }
}

/// A misspelt value would be counted 0 times and pass for ever.
fn known_value(label: Label, value: &str, at: usize) -> Parsed<()> {
    const PHASES: [Phase; 8] = [
        Phase::Resolve,
        Phase::Socket,
        Phase::Bind,
        Phase::Connect,
        Phase::Tls,
        Phase::Upgrade,
        Phase::Open,
        Phase::Close,
    ];
    let (known, hint) = match label {
        Label::Cause => {
            (catalog::all().any(|cause| cause.id == value), "write a cause's id: nothing-listening")
        }
        Label::Culprit => (
            ["client", "server", "network", "unknown"].contains(&value),
            "known: client, server, network, unknown",
        ),
        Label::Class => (
            Class::ALL.iter().any(|class| class.id() == value),
            "write a class's id: refused, reset-on-read, fd-exhausted-process",
        ),
        Label::Phase => (
            PHASES.into_iter().any(|phase| phase.name() == value),
            "known: resolve, socket, bind, connect, tls, upgrade, open, close",
        ),
    };
    if known { Ok(()) } else { wrong(at, format!("unknown {} '{value}'", label.name()), hint) }
}

fn metric(name: &str, name_at: usize, stat: Option<&str>, stat_at: usize) -> Parsed<Metric> {
    const STATS: &str = "min, mean, p50, p90, p99, p99.9, max";
    let known = match name {
        "failures" => "count, ratio",
        "connections" => "opened, confirmed, unconfirmed, held, peak",
        "messages" => "sent, received, lost, late, duplicated, corrupted",
        "resolve" | "connect" | "tls" | "upgrade" | "setup" | "rtt" => STATS,
        "lag" => "p99",
        "duration" if stat.is_none() => return Ok(Metric::Duration),
        "duration" => return wrong(stat_at, "duration has no statistic", "write: duration < 2m"),
        "" => return wrong(name_at, "a metric is missing", NAMES),
        _ => return wrong(name_at, format!("unknown metric '{name}'"), NAMES),
    };
    let Some(stat) = stat else {
        let first = known.split(',').next().unwrap_or_default();
        return wrong(
            stat_at,
            format!("'{name}' needs a statistic"),
            format!("write {name}.{first}"),
        );
    };
    let metric = match (name, stat) {
        ("failures", "count") => Some(Metric::FailureCount),
        ("failures", "ratio") => Some(Metric::FailureRatio),
        ("connections", _) => ConnectionStat::named(stat).map(Metric::Connections),
        ("messages", _) => MessageStat::named(stat).map(Metric::Messages),
        ("lag", "p99") => Some(Metric::Latency(Which::Lag, Stat::Quantile(990))),
        _ => Which::named(name)
            .zip(Stat::named(stat))
            .map(|(which, stat)| Metric::Latency(which, stat)),
    };
    match metric.filter(|_| known.split(", ").any(|one| one == stat)) {
        Some(metric) => Ok(metric),
        None => {
            let message = format!("'{name}' has no statistic '{stat}'");
            wrong(stat_at, message, format!("known: {known}"))
        }
    }
}

/// A closed list of names in both directions.
macro_rules! names {
    ($kind:ident: $($name:literal = $value:expr,)*) => {
        impl $kind {
            fn named(name: &str) -> Option<Self> {
                match name { $($name => Some($value),)* _ => None }
            }

            pub(super) fn name(self) -> &'static str {
                [$(($name, $value),)*]
                    .into_iter()
                    .find_map(|(name, value)| (value == self).then_some(name))
                    .expect("the list is complete")
            }
        }
    };
}

names! { ConnectionStat:
    "opened" = Self::Opened,
    "confirmed" = Self::Confirmed,
    "unconfirmed" = Self::Unconfirmed,
    "held" = Self::Held,
    "peak" = Self::Peak,
}

names! { MessageStat:
    "sent" = Self::Sent,
    "received" = Self::Received,
    "lost" = Self::Lost,
    "late" = Self::Late,
    "duplicated" = Self::Duplicated,
    "corrupted" = Self::Corrupted,
}

names! { Which:
    "resolve" = Self::Resolve,
    "connect" = Self::Connect,
    "tls" = Self::Tls,
    "upgrade" = Self::Upgrade,
    "setup" = Self::Setup,
    "rtt" = Self::Rtt,
    "lag" = Self::Lag,
}

names! { Stat:
    "min" = Self::Min,
    "mean" = Self::Mean,
    "p50" = Self::Quantile(500),
    "p90" = Self::Quantile(900),
    "p99" = Self::Quantile(990),
    "p99.9" = Self::Quantile(999),
    "max" = Self::Max,
}

impl Label {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Culprit => "culprit",
            Self::Class => "class",
            Self::Phase => "phase",
        }
    }
}

impl Op {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
        }
    }
}

impl Metric {
    pub(super) fn name(self) -> String {
        match self {
            Self::FailureCount => "failures.count".into(),
            Self::FailureRatio => "failures.ratio".into(),
            Self::Connections(stat) => format!("connections.{}", stat.name()),
            Self::Messages(stat) => format!("messages.{}", stat.name()),
            Self::Latency(which, stat) => format!("{}.{}", which.name(), stat.name()),
            Self::Duration => "duration".into(),
        }
    }

    /// The value in this metric's unit: seconds, ratio or count.
    fn limit(self, value: &str) -> Result<f64, UnitError> {
        match self {
            Self::FailureRatio => units::ratio(value),
            Self::Latency(..) | Self::Duration => units::time(value).map(|time| time.as_secs_f64()),
            Self::FailureCount | Self::Connections(_) | Self::Messages(_) => {
                units::count(value).map(super::float)
            }
        }
    }
}
