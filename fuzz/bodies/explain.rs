//! Pasted text: any bytes are answered, within bounds, and the same each time.

use inrush_core::explain::log::{Groups, Joiner, normal};
use inrush_core::explain::{Explainer, Runtime, TEXT_BYTES};
use inrush_core::failure::Class;
use std::sync::LazyLock;

static EXPLAINER: LazyLock<Explainer> = LazyLock::new(Explainer::new);

/// As one message, and as a log.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let found = EXPLAINER.explain(&text, None);
    let again = EXPLAINER.explain(&text, None);
    assert_eq!((found.said, found.class, found.side), (again.said, again.class, again.side));
    let known = found.class.is_some_and(|class| class != Class::NotAConnectionFailure);
    assert!(!found.what().is_empty());
    assert_eq!(found.remedy().is_some(), found.class.is_some());
    assert!(known || found.causes.is_empty());
    // Who printed it changes no class.
    let from = EXPLAINER.explain(&text, Some(Runtime::Go));
    assert_eq!(from.class, found.class);
    assert_eq!(from.said.runtime, Some(Runtime::Go));
    log(&text);
}

fn log(text: &str) {
    let (mut groups, mut joiner) = (Groups::default(), Joiner::default());
    let mut kept = 0;
    for line in text.lines() {
        // A second look finds nothing more to leave out of what was shown as one group.
        assert!(normal(line).len() <= 3 * line.len(), "{line:?}");
        if let Some(message) = joiner.push(line) {
            assert!(message.len() <= TEXT_BYTES);
            kept += message.len() + 1;
            groups.add(&EXPLAINER, &message, None);
        }
    }
    if let Some(message) = joiner.finish() {
        kept += message.len() + 1;
        groups.add(&EXPLAINER, &message, None);
    }
    assert!(kept <= text.len() + 1, "{kept} bytes of {}", text.len());
    let counted: u64 = groups.sorted().iter().map(|group| group.count).sum();
    assert!(counted + groups.harmless + groups.unknown <= text.lines().count() as u64);
}
