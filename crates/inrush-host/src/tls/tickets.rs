//! Sessions that may be gone on with. Connections of one worker share them, but only one that has
//! lived before may take one: a new connection of a load stands for another machine.

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tickets kept of one server, about 1 kB each: connections often come again in crowds.
const TICKETS: usize = 1024;

/// Keeps sessions and gives them out.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<BTreeMap<String, Of>>);

/// What is kept of one server: there are as many as a plan has targets.
#[derive(Debug, Default)]
struct Of {
    group: Option<NamedGroup>,
    /// TLS 1.2: may be used again and again.
    session: Option<Tls12ClientSessionValue>,
    /// TLS 1.3: each is used once (RFC 8446 appendix C.4).
    tickets: VecDeque<Tls13ClientSessionValue>,
}

impl Sessions {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Of>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, name: &ServerName<'_>, change: impl FnOnce(&mut Of)) {
        change(self.all().entry(name.to_str().into_owned()).or_default());
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.change(&name, |of| of.group = Some(group));
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.all().get(&*name.to_str())?.group
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.change(&name, |of| of.session = Some(value));
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.all().get(&*name.to_str())?.session.clone()
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.change(name, |of| of.session = None);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.change(&name, |of| {
            if of.tickets.len() == TICKETS {
                of.tickets.pop_front();
            }
            of.tickets.push_back(value);
        });
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.all().get_mut(&*name.to_str())?.tickets.pop_back()
    }
}

/// Puts sessions into a store and takes none.
#[derive(Debug)]
pub(super) struct StoreOnly(pub(super) Arc<Sessions>);

impl ClientSessionStore for StoreOnly {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(name, value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.0.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(name, value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
