//! The JSON summary of a run, and the sums that must hold in every one of them.

use crate::harness::Finished;
use serde_json::Value;
use std::collections::BTreeMap;

/// A run's document whose sums have been checked.
pub(crate) struct Report {
    pub(crate) json: Value,
    pub(crate) code: i32,
}

impl Report {
    /// Of a run that wrote its document to stdout.
    pub(crate) fn of(finished: &Finished) -> Self {
        let json = finished.json();
        assert_eq!(json["schema"], "inrush.run/1", "{finished:?}");
        Self::new(json, finished.code)
    }

    /// Of a document and the exit code of its process.
    pub(crate) fn new(json: Value, code: i32) -> Self {
        let report = Self { json, code };
        report.check();
        report
    }

    /// A number in `connections`.
    pub(crate) fn connections(&self, key: &str) -> u64 {
        self.number(&format!("/connections/{key}"))
    }

    /// A number in `messages`.
    pub(crate) fn messages(&self, key: &str) -> u64 {
        self.number(&format!("/messages/{key}"))
    }

    /// A number anywhere.
    pub(crate) fn number(&self, path: &str) -> u64 {
        let value = self.json.pointer(path);
        value.and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {value:?} in\n{self}"))
    }

    /// A number of seconds anywhere.
    pub(crate) fn seconds(&self, path: &str) -> f64 {
        let value = self.json.pointer(path);
        value.and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {value:?} in\n{self}"))
    }

    /// Every cause with its count; one cause has one card.
    pub(crate) fn causes(&self) -> BTreeMap<&str, u64> {
        tally(&self.json["diagnoses"], "cause")
    }

    /// Every class with its count; a class met in several operations has several rows.
    pub(crate) fn classes(&self) -> BTreeMap<&str, u64> {
        let mut classes = BTreeMap::new();
        for row in list(&self.json["failures"]["classes"]) {
            let class = row["class"].as_str().expect("a class is text");
            *classes.entry(class).or_default() += row["count"].as_u64().expect("a count");
        }
        classes
    }

    /// The card of a cause.
    pub(crate) fn card(&self, cause: &str) -> &Value {
        let found = list(&self.json["diagnoses"]).iter().find(|card| card["cause"] == cause);
        found.unwrap_or_else(|| panic!("no {cause} in\n{self}"))
    }

    /// These causes with these counts, and no others; a failure means exit 99.
    pub(crate) fn assert_causes(&self, expected: &[(&str, u64)]) {
        let expected: BTreeMap<_, _> = expected.iter().copied().collect();
        assert_eq!(self.causes(), expected, "\n{self}");
        assert_eq!(self.code, if expected.is_empty() { 0 } else { 99 }, "\n{self}");
    }

    /// This cause is known beyond doubt.
    pub(crate) fn assert_proven(&self, cause: &str) {
        assert_eq!(self.card(cause)["confidence"], "proven", "\n{self}");
    }

    /// So many connections were served from their first moment to our own close.
    pub(crate) fn assert_healthy(&self, count: u64) {
        for key in ["opened", "confirmed", "held", "finished"] {
            assert_eq!(self.connections(key), count, "{key} in\n{self}");
        }
        assert_eq!(self.connections("unconfirmed"), 0, "\n{self}");
        assert_eq!(self.connections("unfinished"), 0, "\n{self}");
    }

    fn check(&self) {
        let connections = |key| self.connections(key);
        let ended = ["finished", "failed", "unfinished", "unknown"].map(connections);
        assert_eq!(ended.iter().sum::<u64>(), connections("attempted"), "\n{self}");
        let failed = connections("failed");
        assert_eq!(self.number("/failures/count"), failed, "\n{self}");
        assert_eq!(self.classes().values().sum::<u64>(), failed, "\n{self}");
        assert_eq!(self.causes().values().sum::<u64>(), failed, "\n{self}");
        assert_eq!(connections("opened"), connections("confirmed") + connections("unconfirmed"));
        assert!(connections("opened") <= connections("connected"), "\n{self}");
        assert!(connections("peak") <= connections("opened"), "\n{self}");
        assert!(connections("held") <= connections("peak"), "\n{self}");
        // Workers are lost by dying, or by not being waited for.
        let may_be_lost = self.code == 1 || self.code >= 128;
        assert!(may_be_lost || connections("unknown") == 0, "\n{self}");
        let ended = ["received", "lost", "unfinished"].map(|key| self.messages(key));
        assert_eq!(ended.iter().sum::<u64>(), self.messages("sent"), "\n{self}");
        assert_eq!(self.json["verdict"]["exit_code"], self.code, "\n{self}");
        self.check_cards();
    }

    /// No card without its facts, and the classes below it are its own.
    fn check_cards(&self) {
        let mut classes = BTreeMap::new();
        for card in list(&self.json["diagnoses"]) {
            let below = card["classes"].as_object().expect("an object");
            for (class, count) in below {
                *classes.entry(class.as_str()).or_default() += count.as_u64().expect("a count");
            }
            let sum: u64 = below.values().filter_map(Value::as_u64).sum();
            assert_eq!(Some(sum), card["count"].as_u64(), "\n{self}");
            assert!(!list(&card["evidence"]).is_empty(), "no evidence: {card:#}");
            assert!(!list(&card["remedies"]).is_empty(), "no remedy: {card:#}");
            let series = list(&card["series"]).iter().filter_map(Value::as_u64);
            assert_eq!(series.sum::<u64>(), sum, "the series of {card:#}");
        }
        assert_eq!(classes, self.classes(), "\n{self}");
    }
}

/// What a failed assertion shows: everything but the long tables.
impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut json = self.json.clone();
        if let Some(document) = json.as_object_mut() {
            for key in ["series", "latency", "environment", "kernel", "client"] {
                document.remove(key);
            }
            let classes = document.get_mut("failures").and_then(|it| it["classes"].as_array_mut());
            for class in classes.into_iter().flatten() {
                if let Some(samples) = class["samples"].as_array_mut() {
                    samples.truncate(1);
                }
            }
        }
        write!(f, "exit {} {json:#}", self.code)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn tally<'a>(rows: &'a Value, name: &str) -> BTreeMap<&'a str, u64> {
    let mut tally = BTreeMap::new();
    for row in list(rows) {
        let (name, count) = (row[name].as_str().expect("text"), row["count"].as_u64());
        let twice = tally.insert(name, count.expect("a count"));
        assert_eq!(twice, None, "{name} has two cards");
    }
    tally
}
