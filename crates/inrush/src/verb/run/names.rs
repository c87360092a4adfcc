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
    /// One per target.
    pub(super) addresses: Vec<SocketAddr>,
    /// How long it took; `None` when all targets were addresses.
    pub(super) took: Option<Nanos>,
    /// Probe connects.
    pub(super) probes: u64,
    /// Which address of a name with several is used.
    pub(super) said: Vec<String>,
}

pub(super) fn resolve(draft: &Draft) -> Result<Named, Problem> {
    let mut named = Named::default();
    for (host, port) in &draft.connect {
        let (v4, v6) = (draft.family == Family::V4, draft.family == Family::V6);
        let found = lookup(host, *port, v4, v6).map_err(|error| unresolved(host, &error))?;
        if !found.took.is_zero() {
            let took = Nanos(u64::try_from(found.took.as_nanos()).unwrap_or(u64::MAX));
            named.took = Some(named.took.unwrap_or_default() + took);
        }
        let (address, probes) = if draft.dry_run {
            (found.addresses[0], 0)
        } else {
            answering(&found.addresses, PROBE)
        };
        if probes > 0 {
            named
                .said
                .push(format!("{host} is {address}: the address that answers a probe is used"));
        }
        named.addresses.push(address);
        named.probes += probes;
    }
    Ok(named)
}

fn unresolved(host: &str, error: &Unresolved) -> Problem {
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
