//! What holds for the list: complete, sound, and one with the causes.

use super::*;
use crate::catalog::{self, Scenario as Shown};
use alloc::collections::BTreeSet;

/// CATALOGUE part 3.
const NAMES: &str = "accept-too-many-open-files accept-retrying socket-too-many-open-files \
    lookup-no-such-host write-broken-pipe write-after-own-close write-reset-then-broken-pipe \
    read-reset-after-response server-dies-after-response unexpected-eof-server-crash \
    handshake-deadline-client handshake-deadline-server connection-refused \
    use-of-closed-connection concurrent-write accept-queue-overflow ghost-connections \
    server-not-accepting server-not-answering server-not-reading ephemeral-ports packets-filtered \
    rejected-by-network conntrack-full peer-vanished middlebox-dropped-idle upgrade-rejected \
    not-a-websocket-server tls-certificate tls-negotiation abortive-close protocol-violation \
    message-over-limit close-1013 thread-limit server-connection-limit server-leaks-connections \
    scheme-mismatch name-does-not-exist no-route local-firewall syn-queue-overflow \
    server-lost-state middlebox-reset generator-overloaded proxy-upstream-failed";

#[test]
fn every_name_of_the_catalogue_is_in_the_list_and_no_other() {
    let wanted: BTreeSet<&str> = NAMES.split_whitespace().collect();
    let listed: BTreeSet<&str> = all().iter().map(|scenario| scenario.name).collect();
    assert_eq!(listed, wanted);
    assert_eq!(all().len(), wanted.len(), "each once");
}

#[test]
fn every_cause_has_a_scenario_or_says_why_not() {
    for scenario in all() {
        assert!(catalog::all().any(|cause| cause.id == scenario.cause), "{}", scenario.name);
        assert!(!scenario.says.ends_with('.'), "{}", scenario.name);
    }
    for cause in catalog::all() {
        match cause.scenario {
            Shown::Repro { name, .. } => {
                let shown = find(name).unwrap_or_else(|| panic!("{name} is not in the list"));
                assert_eq!(shown.cause, cause.id);
            }
            Shown::None { why } => {
                let on_demand = |one: &Scenario| !matches!(one.how, How::Missing(_));
                let shown = all().iter().any(|one| one.cause == cause.id && on_demand(one));
                assert!(!why.is_empty() && !shown, "{}", cause.id);
            }
        }
    }
}
