//! What the catalogue tells somebody who has only a text: which causes it may have, what decides
//! between them, what to type.

use super::{Cause, all};
use crate::diagnosis::Confidence;
use crate::explain::{Printed, Side};
use crate::failure::Class;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// A cause for those who have only a text.
#[derive(Debug)]
pub struct Texts {
    /// What happened, one sentence.
    pub what: &'static str,
    /// What decides whether it was this: a command to type, and where.
    pub decide: &'static str,
    /// What helps.
    pub remedy: &'static str,
    /// What to type for it.
    pub command: &'static str,
    /// What it is seen as.
    pub shows_up: &'static [ShowsUp],
}

/// One thing a cause is seen as.
#[derive(Clone, Copy, Debug)]
pub struct ShowsUp {
    /// The class.
    pub class: Class,
    /// Where.
    pub place: Where,
    /// How sure it then is.
    pub confidence: Confidence,
}

/// Where a class was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Wherever.
    Anywhere,
    /// Where this side has most likely to act.
    Side(Side),
    /// In this phase.
    Phase(Printed),
    /// With one of these HTTP statuses or codes of a Close frame.
    Code(&'static [u16]),
}

pub(super) const fn shows(class: Class, place: Where, confidence: Confidence) -> ShowsUp {
    ShowsUp { class, place, confidence }
}

impl Where {
    fn fits(self, phase: Printed, side: Side, code: Option<u16>) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Side(wanted) => wanted == side,
            Self::Phase(wanted) => wanted == phase,
            Self::Code(wanted) => code.is_some_and(|code| wanted.contains(&code)),
        }
    }
}

/// The causes that a text of this class may have, the likeliest first; what is said of the very
/// place or code comes before what is said of the class.
pub fn causes_of(
    class: Class,
    phase: Printed,
    side: Side,
    code: Option<u16>,
) -> Vec<(&'static Cause, Confidence)> {
    let fits = |shows: &&ShowsUp| shows.class == class && shows.place.fits(phase, side, code);
    ranked(fits)
}

/// The causes of a class wherever it was met.
pub fn of_class(class: Class) -> Vec<(&'static Cause, Confidence)> {
    ranked(|shows| shows.class == class)
}

fn ranked(fits: impl Fn(&&ShowsUp) -> bool) -> Vec<(&'static Cause, Confidence)> {
    let mut found: Vec<(&Cause, Confidence, bool)> = all()
        .filter_map(|cause| {
            let shows = cause.texts.shows_up.iter().filter(&fits);
            let best = shows.max_by_key(|it| (it.confidence, it.place != Where::Anywhere))?;
            Some((cause, best.confidence, best.place != Where::Anywhere))
        })
        .collect();
    // Stable, so that equals keep the catalogue's order.
    found.sort_by_key(|(_, confidence, named)| Reverse((*confidence, *named)));
    found.into_iter().map(|(cause, confidence, _)| (cause, confidence)).collect()
}

/// What is told of a class by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What happened, one sentence.
    pub what: &'static str,
    /// What helps, with what to type for it.
    pub remedy: &'static str,
}

/// What is told of a class that no cause of the catalogue stands behind: it is its own cause.
pub fn advice(class: Class) -> Option<Advice> {
    let (what, remedy) = match class {
        Class::AddressInUse => (
            "Another socket has this address and port already",
            "stop who has it, or take another port: ss -ltnp 'sport = :PORT'",
        ),
        Class::AddressNotLocal => (
            "This host has no such address: a program can only bind to its own",
            "bind to 0.0.0.0 or to one of: ip -br address",
        ),
        Class::ConnectionAborted => (
            "This host's own stack, a virus scanner or the peer ended the connection before it was \
             used",
            "accept again after ECONNABORTED; for connections in use: nstat -az | grep -i abort",
        ),
        Class::NeighbourTableFull => (
            "The kernel's table of neighbours (ARP, NDP) is full: new hosts on the link cannot be \
             reached",
            "enlarge it: sysctl net.ipv4.neigh.default.gc_thresh3=8192",
        ),
        Class::BrowserLimit => (
            "The browser opens no more connections: it allows 255 WebSockets in all (Chrome), 200 \
             (Firefox)",
            "share one connection between tabs, or load from a program: inrush run ws://HOST/ -c 1k",
        ),
        Class::NotAConnectionFailure => (
            "This is no failure of a connection",
            "look for the first error before it: journalctl -u SERVICE -n 100",
        ),
        _ => return None,
    };
    Some(Advice { what, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_cause_or_advice_of_its_own() {
        for class in Class::ALL {
            let causes = !of_class(*class).is_empty();
            assert!(causes != advice(*class).is_some(), "{}", class.id());
        }
    }

    #[test]
    fn every_cause_can_be_told_to_somebody_with_a_text() {
        for cause in all().filter(|cause| cause.id != "unrecognised") {
            let texts = &cause.texts;
            assert!(!texts.shows_up.is_empty(), "{}", cause.id);
            for text in [texts.what, texts.decide, texts.remedy, texts.command] {
                assert!(!text.is_empty(), "{}: {text}", cause.id);
            }
        }
    }

    #[test]
    fn the_likeliest_comes_first_and_the_place_counts() {
        let check = |class, phase, side, code, expected: &str| {
            let causes = causes_of(class, phase, side, code);
            assert_eq!(causes.first().map(|(cause, _)| cause.id), Some(expected), "{causes:?}");
        };
        let (read, server) = (Printed::Read, Side::Server);
        check(Class::Refused, Printed::Connect, server, None, "nothing-listening");
        check(
            Class::FdExhaustedProcess,
            Printed::Accept,
            server,
            None,
            "server-out-of-descriptors",
        );
        let client = Side::Client;
        check(
            Class::FdExhaustedProcess,
            Printed::Socket,
            client,
            None,
            "client-out-of-descriptors",
        );
        check(Class::IoTimeout, Printed::Write, server, None, "server-not-reading");
        check(Class::IoTimeout, read, server, None, "server-not-answering");
        check(Class::WsBadHandshake, Printed::Upgrade, server, Some(502), "proxy-upstream-failed");
        check(Class::WsCloseError, Printed::Close, server, Some(1013), "server-connection-limit");
        check(Class::WsCloseError, Printed::Close, server, Some(1011), "server-closed-with-reason");
    }
}
