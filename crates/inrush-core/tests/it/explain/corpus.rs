//! The labelled corpus beside the repository: how much of it is recognised. Without it the test
//! says so and holds nothing.

use inrush_core::explain::Explainer;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Shares of right answers: `(right, of)`.
#[derive(Debug, Default)]
struct Score {
    strict: (u32, u32),
    lenient: (u32, u32),
    phase: (u32, u32),
    side: (u32, u32),
    runtime: (u32, u32),
    alarms: u32,
}

fn count(share: &mut (u32, u32), right: bool) {
    share.0 += u32::from(right);
    share.1 += 1;
}

fn percent(share: (u32, u32)) -> f64 {
    100.0 * f64::from(share.0) / f64::from(share.1.max(1))
}

fn score(corpus: &str) -> Score {
    let explainer = Explainer::new();
    let mut score = Score::default();
    for line in corpus.lines() {
        let label: Value = serde_json::from_str(line).unwrap();
        let of = |key: &str| label[key].as_str().unwrap_or_default();
        let found = explainer.explain(of("text"), None);
        let class = found.class.map_or("not-a-connection-failure", |class| class.id());
        let runtime = found.said.runtime.map_or("", |runtime| runtime.id());
        let also = label["also_ok"].as_array().into_iter().flatten();
        let right = class == of("class");
        let wrong = !right
            || found.phase.name() != of("phase")
            || found.side.name() != of("side")
            || runtime != of("runtime");
        if wrong {
            println!(
                "{}: {class}/{}/{}/{runtime}, not {}/{}/{}/{}: {}",
                of("id"),
                found.phase.name(),
                found.side.name(),
                of("class"),
                of("phase"),
                of("side"),
                of("runtime"),
                of("text").escape_debug()
            );
        }
        count(&mut score.strict, right);
        count(&mut score.lenient, right || also.into_iter().any(|also| also == class));
        count(&mut score.phase, found.phase.name() == of("phase"));
        count(&mut score.side, found.side.name() == of("side"));
        count(&mut score.runtime, runtime == of("runtime"));
        if of("class") == "not-a-connection-failure" && !right {
            score.alarms += 1;
        }
    }
    score
}

#[test]
fn the_corpus_beside_the_repository_is_recognised() {
    let place =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/explain_dev.jsonl");
    let Ok(corpus) = fs::read_to_string(&place) else {
        println!("!! NOT TESTED: {} is not there", place.display());
        return;
    };
    let score = score(&corpus);
    println!("{score:?}");
    assert_eq!(score.alarms, 0, "false alarms");
    assert!(percent(score.strict) >= 92.0, "class {:?}", score.strict);
    assert!(percent(score.lenient) >= 97.0, "class or also right {:?}", score.lenient);
    assert!(percent(score.phase) >= 90.0, "phase {:?}", score.phase);
    assert!(percent(score.side) >= 85.0, "side {:?}", score.side);
    assert!(percent(score.runtime) >= 80.0, "runtime {:?}", score.runtime);
}
