//! What `inrush explain` answers: cards and lists for people, lines and documents for programs.

use crate::show::{escape, number};
use inrush_core::catalog::{self, Cause, Scenario};
use inrush_core::explain::Explained;
use inrush_core::explain::log::{Group, Groups};
use inrush_core::failure::Class;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write;

/// Of an answer in lines.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a Value,
    recognised: bool,
    runtime: Option<&'static str>,
    class: Option<&'static str>,
    phase: &'static str,
    side: &'static str,
    code: Option<u16>,
    causes: Vec<Ranked>,
    what: &'static str,
    remedy: Option<String>,
}

#[derive(Serialize)]
struct Ranked {
    cause: &'static str,
    confidence: &'static str,
}

/// One answer of `--jsonl`, with its line feed.
pub(crate) fn line(id: &Value, found: &Explained) -> String {
    let mut text = serde_json::to_string(&answer(id, found)).expect("its keys are strings");
    text.push('\n');
    text
}

fn answer<'a>(id: &'a Value, found: &Explained) -> Line<'a> {
    let causes = found.causes.iter();
    Line {
        id,
        recognised: found.class.is_some(),
        runtime: found.said.runtime.map(|runtime| runtime.id()),
        class: found.class.map(|class| class.id()),
        phase: found.phase.name(),
        side: found.side.name(),
        code: found.said.code,
        causes: causes
            .map(|(cause, sure)| Ranked { cause: cause.id, confidence: sure.name() })
            .collect(),
        what: found.what(),
        remedy: remedy(found),
    }
}

fn remedy(found: &Explained) -> Option<String> {
    let remedy = found.remedy()?;
    Some(match found.command() {
        Some(command) => format!("{remedy}: {command}"),
        None => remedy.into(),
    })
}

/// One message, for people.
pub(crate) fn card(found: &Explained) -> String {
    let Some(class) = found.class else {
        return "not recognised\n  more      inrush explain --list shows what is known\n".into();
    };
    let mut out = class.id().to_owned();
    if let Some(runtime) = found.said.runtime {
        let _ = write!(out, " · said by {}", runtime.name());
    }
    if let Some(code) = found.said.code {
        let _ = write!(out, " · code {code}");
    }
    let _ = writeln!(out, " · phase {}", found.phase.name());
    let mut row = |name: &str, text: &str| row(&mut out, name, text);
    row("means", class.meaning());
    let causes: Vec<_> = found
        .causes
        .iter()
        .map(|(cause, confidence)| format!("{} ({})", cause.id, confidence.name()))
        .collect();
    row("cause", &causes.join(", "));
    row("what", found.what());
    row("who", found.side.name());
    if let Some((cause, _)) = found.causes.first() {
        row("decide", cause.texts.decide);
    }
    row("remedy", found.remedy().unwrap_or_default());
    row("", found.command().unwrap_or_default());
    if let Some((cause, _)) = found.causes.first() {
        row("not it", cause.unsure.unwrap_or_default());
        row("more", &format!("inrush explain --cause {}", cause.id));
    }
    out
}

fn row(out: &mut String, name: &str, text: &str) {
    if !text.is_empty() {
        let _ = writeln!(out, "  {name:<9} {}", escape::text(text));
    }
}

/// A log, for people.
pub(crate) fn groups(groups: &Groups) -> String {
    let sorted = groups.sorted();
    let mut out = String::new();
    let widest = sorted.iter().filter_map(|it| it.explained.class).map(|it| it.id().len()).max();
    let width = widest.unwrap_or(0).max(16);
    for group in &sorted {
        let class = group.explained.class.map_or("", |class| class.id());
        let text = if group.text.is_empty() { "(other lines)" } else { &group.text };
        let count = number::count(group.count);
        let _ = writeln!(out, "{count:>9}  {class:<width$}  {}", escape::text(text));
    }
    if groups.harmless > 0 {
        let count = number::count(groups.harmless);
        let _ = writeln!(out, "{count:>9}  {:<width$}", "(no failure of a connection)");
    }
    if let Some(first) = &groups.first_unknown {
        let count = number::count(groups.unknown);
        let first = escape::text(first);
        let _ = writeln!(out, "{count:>9}  {:<width$}  first: \"{first}\"", "(not recognised)");
    }
    match sorted.first().and_then(|group| group.explained.class) {
        Some(class) => {
            let _ = writeln!(out, "details: inrush explain --class {}", class.id());
        }
        None if out.is_empty() => out.push_str("nothing to explain: stdin was empty\n"),
        None => {}
    }
    out
}

/// Every class and cause, one line each.
pub(crate) fn list() -> String {
    let mut out = String::from("CLASSES what was seen\n");
    for class in Class::ALL {
        let _ = writeln!(out, "  {:<28} {}", class.id(), class.meaning());
    }
    out.push_str("\nCAUSES why it happens\n");
    for cause in catalog::all() {
        let _ =
            writeln!(out, "  {:<36} {:<8} {}", cause.id, cause.culprit.name(), cause.texts.what);
    }
    out.push_str("\ninrush explain --class ID and --cause ID tell all about one\n");
    out
}

/// All about a class.
pub(crate) fn class(class: Class) -> String {
    let mut out = format!("{}\n", class.id());
    row(&mut out, "means", class.meaning());
    for (at, (cause, confidence)) in catalog::of_class(class).into_iter().enumerate() {
        let name = if at == 0 { "causes" } else { "" };
        let text = format!("{} ({}): {}", cause.id, confidence.name(), cause.texts.what);
        row(&mut out, name, &text);
        row(&mut out, "", &format!("  decide  {}", cause.texts.decide));
    }
    if let Some(advice) = catalog::advice(class) {
        row(&mut out, "what", advice.what);
        row(&mut out, "remedy", advice.remedy);
    }
    out
}

/// All about a cause.
pub(crate) fn cause(cause: &Cause) -> String {
    let mut out = format!("{} · {}\n", cause.id, cause.culprit.name());
    row(&mut out, "what", cause.texts.what);
    let classes: Vec<_> = cause.texts.shows_up.iter().map(|shows| shows.class.id()).collect();
    row(&mut out, "seen as", &classes.join(", "));
    row(&mut out, "decide", cause.texts.decide);
    row(&mut out, "remedy", cause.texts.remedy);
    row(&mut out, "", cause.texts.command);
    row(&mut out, "not it", cause.unsure.unwrap_or_default());
    for (at, words) in cause.same_as.iter().enumerate() {
        row(&mut out, if at == 0 { "said as" } else { "" }, words);
    }
    match cause.scenario {
        Scenario::Repro { name, says, .. } => row(&mut out, "scenario", &format!("{name}: {says}")),
        Scenario::None { why } => row(&mut out, "scenario", &format!("none: {why}")),
    }
    out
}

fn written(kind: &str, value: Value) -> String {
    let mut document = json!({ "schema": "inrush.explain/1" });
    document[kind] = value;
    format!("{document:#}\n")
}

/// One message as a document.
pub(crate) fn document(text: &str, found: &Explained) -> String {
    let mut value = json!(answer(&Value::Null, found));
    value["text"] = text.into();
    written("explained", value)
}

/// A log as a document.
pub(crate) fn groups_document(groups: &Groups) -> String {
    let one = |group: &&Group| {
        let mut value = json!(answer(&Value::Null, &group.explained));
        value["count"] = group.count.into();
        value["text"] = group.text.as_str().into();
        value
    };
    let log = json!({
        "groups": groups.sorted().iter().map(one).collect::<Vec<_>>(),
        "harmless": groups.harmless,
        "unknown": groups.unknown,
        "first_unknown": groups.first_unknown,
    });
    written("log", log)
}

/// The lists as a document.
pub(crate) fn list_document() -> String {
    let classes: Vec<_> = Class::ALL.iter().map(|class| class_value(*class)).collect();
    let causes: Vec<_> = catalog::all().map(cause_value).collect();
    written("list", json!({ "classes": classes, "causes": causes }))
}

/// A class as a document.
pub(crate) fn class_document(class: Class) -> String {
    written("class", class_value(class))
}

/// A cause as a document.
pub(crate) fn cause_document(cause: &Cause) -> String {
    written("cause", cause_value(cause))
}

fn class_value(class: Class) -> Value {
    let causes = catalog::of_class(class).into_iter();
    let causes: Vec<_> =
        causes.map(|(cause, sure)| Ranked { cause: cause.id, confidence: sure.name() }).collect();
    let advice = catalog::advice(class);
    json!({
        "class": class.id(),
        "means": class.meaning(),
        "causes": causes,
        "what": advice.map(|advice| advice.what),
        "remedy": advice.map(|advice| advice.remedy),
    })
}

fn cause_value(cause: &Cause) -> Value {
    let classes: Vec<_> = cause.texts.shows_up.iter().map(|shows| shows.class.id()).collect();
    json!({
        "cause": cause.id,
        "culprit": cause.culprit.name(),
        "what": cause.texts.what,
        "classes": classes,
        "decide": cause.texts.decide,
        "remedy": cause.texts.remedy,
        "command": cause.texts.command,
        "unsure": cause.unsure,
        "same_as": cause.same_as,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use inrush_core::explain::Explainer;

    #[test]
    fn a_line_has_exactly_its_keys_in_order() {
        let found = Explainer::new().explain("websocket: close 1013 (try again later)", None);
        let text = line(&json!(7), &found);
        let keys: Vec<_> = text.split('"').filter(|part| KEYS.contains(part)).collect();
        assert_eq!(keys[..9], KEYS[..9], "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.as_object().map(|object| object.len()), Some(KEYS.len()));
        assert_eq!((&value["id"], &value["code"]), (&json!(7), &json!(1013)));
        assert_eq!(value["causes"][0]["cause"], "server-connection-limit");
        let nothing = Explainer::new().explain("the sky is blue", None);
        let value: Value = serde_json::from_str(&line(&Value::Null, &nothing)).unwrap();
        assert_eq!((&value["recognised"], &value["phase"]), (&json!(false), &json!("local")));
        assert_eq!((&value["class"], &value["remedy"]), (&Value::Null, &Value::Null));
    }

    const KEYS: [&str; 10] = [
        "id",
        "recognised",
        "runtime",
        "class",
        "phase",
        "side",
        "code",
        "causes",
        "what",
        "remedy",
    ];

    #[test]
    fn a_card_tells_cause_decision_and_remedy() {
        let text = "dial tcp: lookup localhost: no such host";
        let card = card(&Explainer::new().explain(text, None));
        assert!(card.starts_with("dns-failure-fd-exhausted · said by Go · phase dns\n"), "{card}");
        let cause = "client-out-of-descriptors (likely), name-does-not-exist (possible)";
        for part in [cause, "decide    ls /proc/PID/fd", "remedy ", "who       client"] {
            assert!(card.contains(part), "{part}: {card}");
        }
    }

    #[test]
    fn lists_have_everything_and_every_card_is_told() {
        let list = list();
        for known in Class::ALL {
            assert!(list.contains(known.id()));
            assert!(class(*known).contains("means"), "{}", known.id());
        }
        for known in catalog::all() {
            assert!(list.contains(known.id) && cause(known).contains("scenario"), "{}", known.id);
        }
    }
}
