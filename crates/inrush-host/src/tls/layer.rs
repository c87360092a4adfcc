//! The sessions of a worker by slot, with what little they share: one buffer for records to be
//! sent, one for plain bytes, and side maps for what is rare.

use super::config::{Client, Server};
use super::session::{Read, Session};
use inrush_core::failure::TlsError;
use std::collections::{BTreeMap, BTreeSet};

/// Beginnings of records and messages that a worker keeps in all, as much as a server keeps of
/// its peers besides: those who send half of one each must not eat its memory.
const LEFT_BYTES: usize = 256 << 20;
/// So many plain bytes become records before the socket is asked again,
const PART: usize = 64 << 10;
/// and so many when peers that do not listen make a worker owe more than [`MUCH`]: what lies here
/// is in nobody's budget.
const SMALL_PART: usize = 1 << 10;
const MUCH: usize = 16 << 20;

/// TLS of all connections of a worker.
#[derive(Debug)]
pub(crate) struct Layer {
    server: Option<Server>,
    /// How each target is spoken to, and the name to ask it for.
    clients: Vec<Option<(Client, String)>>,
    sessions: Vec<Option<Session>>,
    /// The beginning of a record whose end has not come, by slot.
    left: BTreeMap<u32, Vec<u8>>,
    left_bytes: usize,
    /// How many there may be.
    left_most: usize,
    /// Records that the socket did not take, by slot.
    owed: BTreeMap<u32, Vec<u8>>,
    owed_bytes: usize,
    /// Slots whose last byte is in a record, and was said not to be out.
    held_back: BTreeSet<u32>,
    /// Records to be sent; empty between two calls.
    pub(crate) out: Vec<u8>,
    plain: Vec<u8>,
}

/// What came of a read.
#[derive(Debug)]
pub(crate) struct Meaning {
    /// Hands were shaken just now; true when a session of before went on.
    pub(crate) secured: Option<bool>,
    /// What the peer said. Goes back with [`Layer::give_back`].
    pub(crate) plain: Vec<u8>,
    /// The peer has said all it will.
    pub(crate) notified: bool,
    /// Why it is over.
    pub(crate) failed: Option<(TlsError, Vec<u8>)>,
}

impl Layer {
    pub(crate) fn clients(clients: Vec<Option<(Client, String)>>) -> Self {
        Self { clients, ..Self::empty() }
    }

    pub(crate) fn servers(config: Server) -> Self {
        Self { server: Some(config), ..Self::empty() }
    }

    fn empty() -> Self {
        Self {
            server: None,
            clients: Vec::new(),
            sessions: Vec::new(),
            left: BTreeMap::new(),
            left_bytes: 0,
            left_most: LEFT_BYTES,
            owed: BTreeMap::new(),
            owed_bytes: 0,
            held_back: BTreeSet::new(),
            out: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// Begins a session; a client's first records are in `out` then. False when there is none to be
    /// had, which the plan's check has made impossible.
    pub(crate) fn begin(&mut self, slot: u32, target: u16, resume: bool) -> bool {
        let session = match (&self.server, self.clients.get(usize::from(target))) {
            (Some(config), _) => Session::server(config),
            (None, Some(Some((config, name)))) => Session::client(config, name, resume),
            (None, _) => return false,
        };
        let Ok(mut session) = session else { return false };
        session.read(&mut [], &mut self.plain, &mut self.out);
        let slot = slot as usize;
        if slot >= self.sessions.len() {
            self.sessions.resize_with(slot + 1, || None);
        }
        self.sessions[slot] = Some(session);
        true
    }

    /// Whether this connection speaks TLS.
    #[inline]
    pub(crate) fn has(&self, slot: u32) -> bool {
        self.sessions.get(slot as usize).is_some_and(Option::is_some)
    }

    /// Puts what is left of the last read at the front of `buffer`, and says how much that is. It
    /// is kept until [`Self::read`].
    pub(crate) fn put_left(&self, slot: u32, buffer: &mut [u8]) -> usize {
        let Some(left) = self.left.get(&slot) else { return 0 };
        buffer[..left.len()].copy_from_slice(left);
        left.len()
    }

    /// Takes in what is in the buffer; records to be sent are in `out` then. What is no whole
    /// record is kept, as long as `room` more bytes can come behind it.
    pub(crate) fn read(&mut self, slot: u32, wire: &mut [u8], room: usize) -> Meaning {
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let Some(Some(session)) = self.sessions.get_mut(slot as usize) else {
            return Meaning { secured: None, plain, notified: false, failed: None };
        };
        let kept = session.kept();
        let Read { used, secured, notified, mut failed } =
            session.read(wire, &mut plain, &mut self.out);
        self.left_bytes = self.left_bytes - kept + session.kept();
        let rest = &wire[used..];
        self.drop_left(slot);
        if self.left_bytes + rest.len() > self.left_most {
            failed = failed.or(Some((TlsError::NoRoom, Vec::new())));
        } else if rest.len() >= room {
            // A hand-shake message longer than any: RFC 8446 §4 allows 16 MiB, rustls 64 KiB.
            failed = failed.or(Some((TlsError::Violation, Vec::new())));
        } else if !rest.is_empty() {
            self.left_bytes += rest.len();
            self.left.insert(slot, rest.to_vec());
        }
        Meaning { secured, plain, notified, failed }
    }

    fn drop_left(&mut self, slot: u32) {
        if !self.left.is_empty()
            && let Some(left) = self.left.remove(&slot)
        {
            self.left_bytes -= left.len();
        }
    }

    /// The buffer of a [`Meaning`] comes back to be used again.
    pub(crate) fn give_back(&mut self, plain: Vec<u8>) {
        self.plain = plain;
    }

    /// Encrypts into `out`. False when the session cannot speak (any more): nothing is said of
    /// these bytes then, whatever is in `out`.
    pub(crate) fn write(&mut self, slot: u32, bytes: &[u8]) -> bool {
        let Some(Some(session)) = self.sessions.get_mut(slot as usize) else { return false };
        let left = self.left.get_mut(&slot).map_or(&mut [][..], Vec::as_mut_slice);
        session.write(bytes, left, &mut self.out)
    }

    /// Says in `out` that this was all, unless records of before are still owed.
    pub(crate) fn notify(&mut self, slot: u32) {
        if self.owes(slot) {
            return;
        }
        if let Some(Some(session)) = self.sessions.get_mut(slot as usize) {
            let left = self.left.get_mut(&slot).map_or(&mut [][..], Vec::as_mut_slice);
            session.notify(left, &mut self.out);
        }
    }

    /// Whether records wait for room in the socket.
    #[inline]
    pub(crate) fn owes(&self, slot: u32) -> bool {
        !self.owed.is_empty() && self.owed.contains_key(&slot)
    }

    /// The records that wait.
    pub(crate) fn owed(&self, slot: u32) -> &[u8] {
        self.owed.get(&slot).map_or(&[], Vec::as_slice)
    }

    /// The socket took so many of the records that wait.
    pub(crate) fn paid(&mut self, slot: u32, taken: usize) {
        if let Some(owed) = self.owed.get_mut(&slot) {
            let taken = taken.min(owed.len());
            owed.drain(..taken);
            self.owed_bytes -= taken;
            if owed.is_empty() {
                self.owed.remove(&slot);
            }
        }
    }

    /// The socket took so many of `out`; the rest waits behind what waits already.
    pub(crate) fn sent(&mut self, slot: u32, taken: usize) {
        let rest = &self.out[taken.min(self.out.len())..];
        if !rest.is_empty() {
            self.owed_bytes += rest.len();
            self.owed.entry(slot).or_default().extend_from_slice(rest);
        }
        self.out.clear();
        self.out.shrink_to(1 << 17);
    }

    /// How many plain bytes are encrypted at once now.
    pub(crate) fn part(&self) -> usize {
        if self.owed_bytes > MUCH { SMALL_PART } else { PART }
    }

    /// The last byte that was written comes again, and is in a record already.
    pub(crate) fn hold_back(&mut self, slot: u32) {
        self.held_back.insert(slot);
    }

    /// Whether the first byte of this write is in a record already.
    pub(crate) fn was_held_back(&mut self, slot: u32) -> bool {
        !self.held_back.is_empty() && self.held_back.remove(&slot)
    }

    /// Its socket is closed.
    pub(crate) fn end(&mut self, slot: u32) {
        if let Some(session) = self.sessions.get_mut(slot as usize) {
            self.left_bytes -= session.take().map_or(0, |session| session.kept());
        }
        self.drop_left(slot);
        if let Some(owed) = self.owed.remove(&slot) {
            self.owed_bytes -= owed.len();
        }
        self.held_back.remove(&slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::self_signed;
    use inrush_core::plan::{TlsClient, Trust};
    use rustls::ContentType;

    #[test]
    fn half_records_of_many_peers_are_kept_to_a_limit() {
        let own = self_signed(&["localhost".into()]).unwrap();
        let mut layer = Layer::servers(Server::new(&own, true).unwrap());
        layer.left_most = 4 << 20;
        // A record of 16 KiB that never ends.
        let mut wire = vec![0; 16_000];
        wire[..5].copy_from_slice(&[0x16, 3, 1, 0x40, 0]);
        let mut failed = 0;
        for slot in 0..500 {
            assert!(layer.begin(slot, u16::MAX, false));
            let meaning = layer.read(slot, &mut wire.clone(), 1 << 16);
            if let Some((why, _)) = meaning.failed {
                assert_eq!(why, TlsError::NoRoom, "a bound of ours, and no offence of the peer's");
                failed += 1;
            }
            layer.give_back(meaning.plain);
        }
        assert_eq!(500 - failed, layer.left_most / wire.len());
        (0..500).for_each(|slot| layer.end(slot));
        assert_eq!((layer.left_bytes, layer.left.len()), (0, 0));
    }

    /// RFC 7301: what is offered is what is spoken to this target.
    #[test]
    fn each_target_is_offered_what_is_spoken_to_it() {
        let plan = TlsClient { trust: Trust::Anyone, identity: None };
        let client = Client::new(&plan, true).unwrap();
        let target = |http| Some((client.of_target(http), "localhost".into()));
        let mut layer = Layer::clients(vec![target(true), None, target(false)]);
        for (index, expected) in [(0, true), (2, false)] {
            assert!(layer.begin(0, index, true));
            let offered = layer.out.windows(8).any(|part| part == b"http/1.1");
            assert_eq!(offered, expected, "{index}");
            layer.out.clear();
        }
        assert!(!layer.begin(0, 1, false) && !layer.begin(0, 3, false));
    }

    /// A ticket that never ends lies in nobody's records, and is counted all the same.
    #[test]
    fn unfinished_messages_are_kept_to_the_same_limit() {
        let own = self_signed(&["localhost".into()]).unwrap();
        let plan = TlsClient { trust: Trust::Anyone, identity: None };
        let client = Client::new(&plan, true).unwrap();
        let mut ours = Layer::clients(vec![Some((client, "localhost".into()))]);
        let mut theirs = Layer::servers(Server::new(&own, true).unwrap());
        assert!(ours.begin(0, 0, false) && theirs.begin(0, 0, false));
        while !(ours.out.is_empty() && theirs.out.is_empty()) {
            let mut wire = std::mem::take(&mut ours.out);
            assert!(theirs.read(0, &mut wire, 1 << 16).failed.is_none());
            let mut wire = std::mem::take(&mut theirs.out);
            assert!(ours.read(0, &mut wire, 1 << 16).failed.is_none());
        }
        assert_eq!(ours.left_bytes, 0);
        let Some(Some(Session::Speaking(records))) = theirs.sessions.first_mut() else { panic!() };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let ticket = [&[4, 0, 100, 0][..], &[7; 1_000]].concat();
        records.seal(ContentType::Handshake, &ticket, &mut first);
        records.seal(ContentType::Handshake, &[7; 1_000], &mut second);
        assert!(ours.read(0, &mut first, 1 << 16).failed.is_none());
        assert_eq!(ours.left_bytes, 1_004);
        ours.left_most = 2_000;
        let failed = ours.read(0, &mut second, 1 << 16).failed.map(|(why, _)| why);
        assert_eq!((ours.left_bytes, failed), (2_004, Some(TlsError::NoRoom)));
        ours.end(0);
        assert_eq!(ours.left_bytes, 0);
    }

    #[test]
    fn records_that_wait_are_counted_and_end_with_their_connection() {
        let own = self_signed(&["localhost".into()]).unwrap();
        let mut layer = Layer::servers(Server::new(&own, true).unwrap());
        for slot in 0..200 {
            assert!(layer.begin(slot, u16::MAX, false));
            layer.out.resize(100_000, 0);
            layer.sent(slot, 10_000);
            layer.paid(slot, 1_000);
            layer.hold_back(slot);
            assert!(layer.owes(slot) && layer.owed(slot).len() == 89_000);
        }
        assert_eq!((layer.owed_bytes, layer.part()), (200 * 89_000, SMALL_PART));
        layer.paid(0, usize::MAX);
        (0..200).for_each(|slot| layer.end(slot));
        assert_eq!((layer.owed_bytes, layer.part()), (0, PART));
        // The next connection of a slot begins from nothing.
        assert!(layer.begin(7, u16::MAX, false));
        assert!(!layer.owes(7) && !layer.was_held_back(7));
    }
}
