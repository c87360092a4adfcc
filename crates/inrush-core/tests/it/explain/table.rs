//! Texts of the field, as their programs print them, with class and phase: written from the source
//! of those programs, not from the corpus.

use inrush_core::explain::Explainer;

#[test]
fn texts_of_the_field_are_recognised() {
    let table = include_str!("table.txt");
    let explainer = Explainer::new();
    let (mut wrong, mut texts) = (Vec::new(), 0);
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (labels, text) = line.split_once(" | ").expect("labels | text");
        let text = text.replace("\\n", "\n").replace("\\t", "\t");
        let mut labels = labels.split_whitespace();
        let classes = labels.next().unwrap_or_default();
        let phase = labels.next();
        let side = labels.next();
        let found = explainer.explain(&text, None);
        let class = found.class.map_or("unknown", |class| class.id());
        texts += 1;
        let right = classes.split('/').any(|wanted| wanted == class)
            && phase.is_none_or(|phase| phase == "*" || phase == found.phase.name())
            && side.is_none_or(|side| side == found.side.name());
        if !right {
            let (at, who) = (found.phase.name(), found.side.name());
            wrong.push(format!("{class} {at} {who}, not {line}"));
        }
    }
    assert!(texts > 200, "{texts}");
    assert!(wrong.is_empty(), "{} of {texts}:\n{}", wrong.len(), wrong.join("\n"));
}
