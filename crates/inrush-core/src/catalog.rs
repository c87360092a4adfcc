//! Every known cause of a failed connection, one file each, and the one function that asks them. A
//! row of failures, or a time bucket of it, goes to the first cause that takes it.

mod claim;
#[cfg(test)]
mod fixture;
mod seen;
mod texts;
mod words;

use texts::shows;
pub use texts::{Advice, ShowsUp, Texts, Where, advice, causes_of, of_class};

use crate::diagnosis::{Case, Culprit, Diagnosis};
use crate::failure::Class;
use crate::tally::Times;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use claim::{Claim, Pool};
use core::cmp::Reverse;

macro_rules! causes {
    ($($name:ident)*) => {
        $(mod $name;)*
        static CAUSES: &[&Cause] = &[$(&$name::CAUSE),*];
    };
}

// The order is part of the knowledge: what a fact proves is asked before what a symptom allows, and
// a cause may rely on everything above it having been refused.
causes! {
    client_out_of_descriptors
    host_out_of_descriptors
    client_out_of_ports
    client_thread_limit
    client_used_closed_connection
    name_does_not_exist
    tcp_memory_pressure
    rejected_by_network
    no_route
    server_leaks_connections
    server_out_of_descriptors
    server_process_gone
    nothing_listening
    syn_queue_overflow
    accept_queue_overflow
    conntrack_full
    local_firewall
    packets_filtered
    scheme_mismatch
    tls_certificate
    tls_negotiation
    proxy_upstream_failed
    server_connection_limit
    message_over_limit
    not_a_websocket_server
    server_rejected_upgrade
    two_writers_on_one_connection
    protocol_violation
    server_closed_with_reason
    server_handshake_deadline
    ghost_connections
    middlebox_dropped_idle
    server_not_reading
    client_handshake_deadline_too_short
    generator_overloaded
    server_not_accepting
    peer_vanished
    server_not_answering
    middlebox_reset
    server_lost_state
    server_closed_abortively
    server_closed_with_unread_data
    server_closed_without_reason
    unrecognised
}

/// One known cause: its wording, how it is recognised, what helps, how it is shown.
#[derive(Debug)]
pub struct Cause {
    /// Stable id (CATALOGUE part 2).
    pub id: &'static str,
    /// Who has to act.
    pub culprit: Culprit,
    /// What happened, one sentence.
    pub what: &'static str,
    /// What would look the same.
    pub unsure: Option<&'static str>,
    /// The same failure in other programs' words.
    pub same_as: &'static [&'static str],
    /// How it is made to happen.
    pub scenario: Scenario,
    /// What is told to somebody who has only a text.
    pub texts: Texts,
    recognise: fn(&Case<'_>, &mut Pool) -> Option<Claim>,
}

/// How a cause is made to happen on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// It can be reproduced.
    Repro {
        /// Stable name.
        name: &'static str,
        /// What happens, one sentence.
        says: &'static str,
        /// The class it shows up as.
        class: Class,
    },
    /// It cannot.
    None {
        /// Why not, one sentence.
        why: &'static str,
    },
}

/// Every cause, in the order in which they are asked.
pub fn all() -> impl Iterator<Item = &'static Cause> {
    CAUSES.iter().copied()
}

/// Why the connections of this case failed. Every one of them belongs to exactly one diagnosis. The
/// largest comes first; what failed on this side comes before what failed elsewhere later.
pub fn diagnose(case: &Case<'_>) -> Vec<Diagnosis> {
    let mut pool = Pool::of(case.tally);
    let mut diagnoses = Vec::new();
    for cause in all() {
        if let Some(claim) = (cause.recognise)(case, &mut pool) {
            diagnoses.push(diagnosis(case, cause, claim));
        }
    }
    ordered(diagnoses)
}

fn diagnosis(case: &Case<'_>, cause: &Cause, claim: Claim) -> Diagnosis {
    let mut classes = BTreeMap::new();
    let mut times = Times::default();
    for row in &claim.rows {
        *classes.entry(row.class(case.plan)).or_default() += row.count;
        times.merge(&row.times);
    }
    Diagnosis {
        cause: cause.id.into(),
        culprit: claim.culprit.unwrap_or(cause.culprit),
        confidence: claim.confidence,
        count: claim.count(),
        what: claim.what.unwrap_or_else(|| cause.what.into()),
        classes,
        seen_as: seen::lines(case.plan, &claim.rows),
        times,
        because: claim.because,
        alternatives: claim.alternatives.into_iter().map(str::to_owned).collect(),
        decide: claim.decide,
        remedy: claim.remedy,
        same_as: claim
            .same_as
            .unwrap_or_else(|| cause.same_as.iter().map(|text| String::from(*text)).collect()),
        unsure: cause.unsure.map(Into::into),
    }
}

fn ordered(mut diagnoses: Vec<Diagnosis>) -> Vec<Diagnosis> {
    // Stable, so that equal counts keep the order of the list.
    diagnoses.sort_by_key(|diagnosis| Reverse(diagnosis.count));
    let mut ordered: Vec<Diagnosis> = Vec::with_capacity(diagnoses.len());
    for diagnosis in diagnoses {
        let later = ordered.iter().position(|other| hides(&diagnosis, other));
        ordered.insert(later.unwrap_or(ordered.len()), diagnosis);
    }
    ordered
}

/// A failure of this side that began before one of another side.
fn hides(first: &Diagnosis, other: &Diagnosis) -> bool {
    let begin = |diagnosis: &Diagnosis| diagnosis.times.span().map(|(begin, _)| begin);
    let earlier = begin(first).zip(begin(other)).is_some_and(|(one, two)| one < two);
    first.culprit == Culprit::Client && other.culprit != Culprit::Client && earlier
}

#[cfg(test)]
mod tests;
