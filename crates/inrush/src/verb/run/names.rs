//! Names to addresses, before descriptors are spent. What cannot be resolved ends here, with the
//! card of its cause.

use crate::cli::draft::{Draft, Family};
use crate::exit;
use crate::show::error::Problem;
use inrush_core::time::Nanos;
use inrush_host::resolve::{Unresolved, answering, lookup};
use std::net::SocketAddr;
use std::time::Duration;

/// Each address of a name with several is given so long to answer one probe connect.
const PROBE: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Per target: its host and its addresses, at least one.
    found: Vec<(String, Vec<SocketAddr>)>,
    /// How long each look-up took; addresses need none.
    pub(super) took: Vec<Nanos>,
}

/// One address per target.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// In the order of the targets.
    pub(super) addresses: Vec<SocketAddr>,
    /// Probe connects.
    pub(super) probes: u64,
    /// Which address of a name with several is used.
    pub(super) said: Vec<String>,
}

pub(super) fn resolve(draft: &Draft) -> Result<Named, Problem> {
    let mut named = Named::default();
    for (host, port) in &draft.connect {
        let (v4, v6) = (draft.family == Family::V4, draft.family == Family::V6);
        let found = lookup(host, *port, v4, v6).map_err(|error| unresolved(host, v4, &error))?;
        if !found.took.is_zero() {
            named.took.push(Nanos(u64::try_from(found.took.as_nanos()).unwrap_or(u64::MAX)));
        }
        named.found.push((host.clone(), found.addresses));
    }
    Ok(named)
}

impl Named {
    /// The resolver's first address of each target: nothing is opened to find out more.
    pub(super) fn first(&self) -> Vec<SocketAddr> {
        self.found.iter().map(|(_, addresses)| addresses[0]).collect()
    }

    /// Of a name with several addresses, the one that answers.
    pub(super) fn probe(&self) -> Chosen {
        let mut chosen = Chosen::default();
        for (host, addresses) in &self.found {
            let first = addresses[0];
            if addresses.len() == 1 {
                chosen.addresses.push(first);
                continue;
            }
            let (answering, probes) = answering(addresses, PROBE);
            chosen.probes += probes;
            chosen.addresses.push(answering.unwrap_or(first));
            chosen.said.push(match answering {
                Some(address) => {
                    format!("{host} is {address}: the address that answers a probe is used")
                }
                None => format!(
                    "none of the {} addresses of {host} answered a probe: {first} is used",
                    addresses.len()
                ),
            });
        }
        chosen
    }
}

fn unresolved(host: &str, v4: bool, error: &Unresolved) -> Problem {
    if error.other_family {
        let (flag, other) = if v4 { ("-4", "-6") } else { ("-6", "-4") };
        return Problem {
            code: "usage",
            exit_code: exit::USAGE,
            message: format!("{flag} excludes '{host}'"),
            why: vec![error.text.clone()],
            help: vec![format!("leave {flag} out, or write {other}")],
        };
    }
    let (cause, help) = if error.out_of_descriptors {
        (
            "client-out-of-descriptors: this process has no free file descriptor, and resolvers \
             then blame the name",
            vec!["ulimit -n 20000        in this shell, before inrush".to_owned()],
        )
    } else {
        (
            "name-does-not-exist: the system's resolver has no address for it",
            vec![
                format!("getent hosts {host}        asks the same resolver"),
                "--connect-to HOST:PORT:ADDRESS:PORT        goes around it".to_owned(),
            ],
        )
    };
    Problem {
        code: "resolve",
        exit_code: exit::USAGE,
        message: format!("cannot resolve '{host}'"),
        why: vec![error.text.clone(), cause.to_owned()],
        help,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn what_is_said_of_the_probes_is_what_they_saw() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        // Addresses of 127/8 that no other test uses: connects to them are refused.
        let [closed, other] = [9, 10].map(|last| SocketAddr::from(([127, 77, 1, last], 9)));
        let check = |addresses: &[SocketAddr], expected, probes, said: &[String]| {
            let found = vec![("name".to_owned(), addresses.to_vec())];
            let chosen = Named { found, took: vec![] }.probe();
            assert_eq!((chosen.addresses, chosen.probes), (vec![expected], probes));
            assert_eq!(chosen.said, said);
        };
        let answered = format!("name is {open}: the address that answers a probe is used");
        check(&[closed, open], open, 2, &[answered]);
        let none = format!("none of the 2 addresses of name answered a probe: {closed} is used");
        check(&[closed, other], closed, 2, &[none]);
        check(&[closed], closed, 0, &[]);
    }
}
