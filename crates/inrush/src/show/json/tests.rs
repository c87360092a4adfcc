//! The document is complete, adds up, and says nothing that was not measured.

use super::*;
use crate::show::fixture;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use serde_json::Value;

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn sum(list: &Value, key: &str) -> u64 {
    list.as_array().unwrap().iter().map(|one| count(&one[key])).sum()
}

#[test]
fn all_sums_add_up_in_every_report() {
    for (name, report) in fixture::all() {
        let json = value(&report);
        let connections = &json["connections"];
        let ended =
            ["finished", "failed", "unfinished", "unknown"].map(|key| count(&connections[key]));
        assert_eq!(ended.iter().sum::<u64>(), count(&connections["attempted"]), "{name}");
        let failed = count(&json["failures"]["count"]);
        assert_eq!(failed, count(&connections["failed"]), "{name}");
        assert_eq!(sum(&json["failures"]["classes"], "count"), failed, "{name}");
        assert_eq!(sum(&json["diagnoses"], "count"), failed, "{name}");
        let messages = &json["messages"];
        let ended = ["received", "lost", "unfinished"].map(|key| count(&messages[key]));
        assert_eq!(ended.iter().sum::<u64>(), count(&messages["sent"]), "{name}");
    }
}

#[test]
fn keys_come_in_the_promised_order_and_none_is_missing() {
    for (name, report) in fixture::all() {
        let text = text(&report);
        let tops: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("  \"")?.split_once('"'))
            .map(|(key, _)| key)
            .collect();
        let expected = "schema version run plan verdict connections diagnoses failures latency \
                        messages client kernel series processes agents environment";
        assert_eq!(tops, expected.split_whitespace().collect::<Vec<_>>(), "{name}");
        let json: Value = serde_json::from_str(&text).unwrap();
        for key in [
            "connect",
            "resolve",
            "tls",
            "upgrade",
            "setup",
            "rtt",
            "handshake_limits",
            "rtt_corrected",
        ] {
            assert!(json["latency"].get(key).is_some(), "{name} {key}");
        }
        assert!(json["run"].get("name").is_some_and(Value::is_null));
        assert!(json["plan"].get("scenario").is_some_and(Value::is_null));
        assert!(json["connections"].get("plateau").is_some_and(Value::is_null));
        assert!(!text.contains("NaN") && !text.contains("inf,"), "{name}");
    }
}

#[test]
fn each_name_is_one_sample_of_the_resolver() {
    let looked_up = [2, 40].map(Nanos::from_millis).to_vec();
    let json = value(&Report { resolve: looked_up, ..fixture::empty() });
    let resolve = &json["latency"]["resolve"];
    assert_eq!(resolve["count"], 2, "{resolve:#}");
    for (key, expected) in [("min_seconds", 0.002), ("max_seconds", 0.04)] {
        let seconds = resolve[key].as_f64().unwrap();
        assert!((seconds / expected - 1.0).abs() < 0.01, "{resolve:#}");
    }
}

#[test]
fn an_empty_run_has_nulls_where_nothing_was_measured() {
    let json = value(&fixture::empty());
    for path in [
        "/latency/connect",
        "/latency/rtt",
        "/latency/handshake_limits",
        "/failures/ratio",
        "/client/lag",
        "/client/cpu_ratio_mean",
        "/connections/connect_rate/achieved_per_second",
        "/verdict/thresholds/0/observed",
    ] {
        assert_eq!(json.pointer(path), Some(&Value::Null), "{path}");
    }
    assert_eq!(json["plan"]["message_rate_per_second"], 0);
    assert_eq!(json["run"]["stopped_by"], "signal");
}

#[test]
fn the_failing_run_reads_as_designed() {
    let json = value(&fixture::failing());
    assert_eq!(json["schema"], "inrush.run/1");
    assert_eq!(json["run"]["started_at"], "2026-11-21T02:10:00.000Z");
    assert_eq!(json["run"]["command"][6], "Authorization: ***");
    assert_eq!(json["plan"]["connect_rate_per_second"], 1_000);
    assert_eq!(json["plan"]["message_rate_per_second"], 1);
    assert_eq!(json["verdict"]["passed"], false);
    assert_eq!(json["kernel"]["deltas"]["Tcp_RetransSegs"], 12);
    assert_eq!(json["kernel"]["unavailable"][0]["reason"], "not root");
    let classes = json["failures"]["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 4, "rows that differ by what was looked up are one class");
    let first = &classes[0];
    assert_eq!(
        (&first["class"], &first["errno"]),
        (&"fd-exhausted-process".into(), &"EMFILE".into())
    );
    assert_eq!((count(&first["count"]), count(&first["errno_number"])), (980, 24));
    assert_eq!(first["samples"].as_array().unwrap().len(), 8);
    assert_eq!(first["samples"][0]["tcp_info"], Value::Null);
    assert_eq!(first["samples"][0]["last_words"], "bye\\x1b[2J");
    let reset = classes.iter().find(|class| class["class"] == "reset-on-read").unwrap();
    assert_eq!(reset["samples"][0]["tcp_info"]["rtt_seconds"], 0.000_25);
    assert_eq!(reset["samples"][0]["local"], "10.0.0.1:40000");
    let evidence = &json["diagnoses"][0]["evidence"];
    assert_eq!(evidence[0]["before"], "9040");
    assert_eq!(evidence[1]["source"], Value::Null);
    for diagnosis in json["diagnoses"].as_array().unwrap() {
        let series = diagnosis["series"].as_array().unwrap();
        assert_eq!(series.len(), json["series"]["t"].as_array().unwrap().len());
        assert_eq!(series.iter().map(count).sum::<u64>(), count(&diagnosis["count"]));
    }
}

#[test]
fn the_histogram_comes_back_whole() {
    let report = fixture::failing();
    let json = value(&report);
    let text = json["latency"]["rtt"]["hdr"].as_str().unwrap();
    assert!(text.starts_with("HISTFAAA"));
    let blob = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
    let back: Histogram<u64> = Deserializer::new().deserialize(&mut &blob[..]).unwrap();
    assert_eq!(&back, report.totals.latencies.rtt.histogram().unwrap());
    let percentiles = json["latency"]["rtt"]["percentiles"].as_array().unwrap();
    let ps: Vec<_> = percentiles.iter().map(|one| one["p"].to_string()).collect();
    assert_eq!(ps, ["50", "90", "99", "99.9"]);
}
