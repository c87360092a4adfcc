//! One connection's TLS: records in, plain bytes and records out. It owns no buffer. rustls shakes
//! hands; from then on only what is needed for records is kept.

use super::config::{Client, Server};
use super::reason;
use super::records::{Keys, Records};
use super::verifier::NothingToShow;
use inrush_core::failure::TlsError;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::UnbufferedConnectionCommon as Common;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{Error, HandshakeKind};
use std::fmt;
use std::sync::Arc;

/// Most bytes of a failure that are kept as its words.
pub(super) const WORDS: usize = 512;

/// One connection's TLS.
#[derive(Debug)]
pub(super) enum Session {
    /// Hands are being shaken, or were just now.
    Shaking(Box<Shaking>),
    /// Keys and ciphers alone are left.
    Speaking(Box<Records>),
    /// It has failed: what comes then means nothing.
    Dead,
}

/// rustls, from the first message on.
pub(super) struct Shaking {
    side: Side,
    secured: bool,
    /// Of a client without a certificate.
    nothing: Option<Arc<NothingToShow>>,
    /// A certificate was asked for, and there is none.
    wanted: bool,
    /// Whether tickets are worth keeping.
    resumes: bool,
    /// The peer's close_notify came.
    heard_all: bool,
    /// Ours was said.
    said_all: bool,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// What a read came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// Bytes of the input that are used up.
    pub(super) used: usize,
    /// Hands were shaken just now; true when a session of before went on.
    pub(super) secured: Option<bool>,
    /// The peer's close_notify came.
    pub(super) notified: bool,
    /// Why it is over, and the words to it.
    pub(super) failed: Option<(TlsError, Vec<u8>)>,
}

impl Session {
    pub(super) fn client(config: &Client, name: &str, resume: bool) -> Result<Self, Error> {
        let name =
            ServerName::try_from(name.to_owned()).map_err(|_| Error::General("no name".into()))?;
        let (resumes, nothing) = (config.resumes, Some(Arc::clone(&config.nothing)));
        let config = if resume { &config.again } else { &config.first };
        let side = Side::Client(UnbufferedClientConnection::new(config.clone(), name)?);
        Ok(Self::Shaking(Box::new(Shaking { nothing, resumes, ..Shaking::new(side) })))
    }

    pub(super) fn server(config: &Server) -> Result<Self, Error> {
        let side = Side::Server(UnbufferedServerConnection::new(config.0.clone())?);
        Ok(Self::Shaking(Box::new(Shaking::new(side))))
    }

    /// Takes in what came off the wire, together with what was left of the last time. Plain bytes
    /// are appended to `plain`, records to be sent to `out`.
    pub(super) fn read(&mut self, wire: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Read {
        let mut read = match self {
            Self::Shaking(shaking) if shaking.heard_all => {
                return Read { used: wire.len(), ..Read::default() };
            }
            Self::Shaking(shaking) => shaking.read(wire, plain, out),
            Self::Speaking(records) => records.read(wire, plain, out),
            Self::Dead => return Read { used: wire.len(), ..Read::default() },
        };
        if read.failed.is_some() {
            *self = Self::Dead;
        } else if let Self::Shaking(shaking) = self
            // What is left may be a record that rustls has begun to read.
            && (shaking.secured && !read.notified && read.used == wire.len())
        {
            match std::mem::replace(self, Self::Dead) {
                Self::Shaking(shaking) => match shaking.spoken() {
                    Some(records) => *self = Self::Speaking(Box::new(records)),
                    None => read.failed = Some((TlsError::Incompatible, Vec::new())),
                },
                other => *self = other,
            }
        }
        read
    }

    /// Encrypts `bytes` behind `out`. `wire` is what is left of the last read. False when it cannot
    /// speak (any more).
    pub(super) fn write(&mut self, bytes: &[u8], wire: &mut [u8], out: &mut Vec<u8>) -> bool {
        match self {
            Self::Shaking(shaking) => !shaking.said_all && shaking.speak(wire, out, Some(bytes)),
            Self::Speaking(records) => records.write(bytes, out),
            Self::Dead => false,
        }
    }

    /// Bytes of an unfinished message that are kept here.
    pub(super) fn kept(&self) -> usize {
        match self {
            Self::Speaking(records) => records.kept(),
            Self::Shaking(_) | Self::Dead => 0,
        }
    }

    /// Says that this was all.
    pub(super) fn notify(&mut self, wire: &mut [u8], out: &mut Vec<u8>) {
        match self {
            Self::Shaking(shaking) if shaking.secured => {
                if !std::mem::replace(&mut shaking.said_all, true) {
                    shaking.speak(wire, out, None);
                }
            }
            Self::Speaking(records) => records.notify(out),
            Self::Shaking(_) | Self::Dead => {}
        }
    }
}

impl Shaking {
    fn new(side: Side) -> Self {
        Self {
            side,
            secured: false,
            nothing: None,
            wanted: false,
            resumes: false,
            heard_all: false,
            said_all: false,
        }
    }

    fn read(&mut self, wire: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Read {
        let shaking = !self.secured;
        // All connections of a worker share it: only what happens from here on is about this one.
        if let Some(nothing) = &self.nothing {
            nothing.forget();
        }
        let mut drive = Drive { read: Read::default(), plain, out };
        match &mut self.side {
            Side::Client(conn) => {
                drive.all(conn, wire, shaking, Common::<ClientConnectionData>::process_tls_records);
            }
            Side::Server(conn) => {
                drive.all(conn, wire, shaking, Common::<ServerConnectionData>::process_tls_records);
            }
        }
        let mut read = drive.read;
        self.wanted |= self.nothing.as_ref().is_some_and(|nothing| nothing.was_asked());
        if let Some((error @ TlsError::Alert(_), _)) = &mut read.failed
            && let TlsError::Alert(alert) = *error
        {
            *error = reason::alert(alert, self.wanted);
        }
        if read.notified {
            self.heard_all = true;
            read.used = wire.len();
        }
        // Hands may have been shaken by the same bytes that end it.
        if shaking {
            read.secured = self.resumed();
            self.secured = read.secured.is_some();
        }
        read
    }

    fn speak(&mut self, wire: &mut [u8], out: &mut Vec<u8>, bytes: Option<&[u8]>) -> bool {
        match &mut self.side {
            Side::Client(conn) => {
                speak(conn, wire, out, bytes, Common::<ClientConnectionData>::process_tls_records)
            }
            Side::Server(conn) => {
                speak(conn, wire, out, bytes, Common::<ServerConnectionData>::process_tls_records)
            }
        }
    }

    /// Whether a session of before went on; `None` while hands are shaken.
    fn resumed(&self) -> Option<bool> {
        let (shaking, kind) = match &self.side {
            Side::Client(conn) => (conn.is_handshaking(), conn.handshake_kind()),
            Side::Server(conn) => (conn.is_handshaking(), conn.handshake_kind()),
        };
        (!shaking).then(|| kind == Some(HandshakeKind::Resumed))
    }

    /// What is needed from here on.
    fn spoken(self) -> Option<Records> {
        let (secrets, keys) = match self.side {
            Side::Client(conn) => {
                let (secrets, keys) = conn.dangerous_into_kernel_connection().ok()?;
                (secrets, Keys::Client(keys))
            }
            Side::Server(conn) => {
                let (secrets, keys) = conn.dangerous_into_kernel_connection().ok()?;
                (secrets, Keys::Server(keys))
            }
        };
        Records::new(secrets, keys, self.resumes, self.wanted)
    }
}

impl fmt::Debug for Shaking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shaking").field("secured", &self.secured).finish_non_exhaustive()
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

/// rustls's step for either side.
type Process<D> = for<'c, 'i> fn(&'c mut Common<D>, &'i mut [u8]) -> UnbufferedStatus<'c, 'i, D>;

struct Drive<'a> {
    read: Read,
    plain: &'a mut Vec<u8>,
    out: &'a mut Vec<u8>,
}

impl Drive<'_> {
    /// Goes on until more has to come off the wire.
    fn all<D>(&mut self, conn: &mut Common<D>, wire: &mut [u8], shaking: bool, step: Process<D>) {
        // Decryption happens in place, and words are wanted as they came.
        let first: Vec<u8> = wire.iter().take(if shaking { WORDS } else { 0 }).copied().collect();
        loop {
            let UnbufferedStatus { discard, state, .. } = step(conn, &mut wire[self.read.used..]);
            let more = match state {
                Ok(state) => self.one(state),
                Err(error) => {
                    self.read.used += discard;
                    self.alert(conn, &mut wire[self.read.used..], step);
                    let words = reason::words(&error, &first);
                    self.read.failed = Some((reason::reason(&error, &first, shaking), words));
                    self.read.used = wire.len();
                    return;
                }
            };
            self.read.used += discard;
            if !more {
                return;
            }
        }
    }

    /// After a failure the peer is told, behind what rustls had to say besides (a ServerHello). It
    /// is not asked on: it would read on in what it has refused.
    fn alert<D>(&mut self, conn: &mut Common<D>, wire: &mut [u8], step: Process<D>) {
        while conn.wants_write() {
            let Ok(ConnectionState::EncodeTlsData(data)) = step(conn, wire).state else { return };
            if !encode(data, self.out) {
                return;
            }
        }
    }

    fn one<D>(&mut self, state: ConnectionState<'_, '_, D>) -> bool {
        match state {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let Ok(record) = record else { return false };
                    self.plain.extend_from_slice(record.payload);
                    self.read.used += record.discard;
                }
                true
            }
            ConnectionState::EncodeTlsData(data) => encode(data, self.out),
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                true
            }
            ConnectionState::PeerClosed => {
                self.read.notified = true;
                true
            }
            _ => false,
        }
    }
}

fn speak<D>(
    conn: &mut Common<D>,
    wire: &mut [u8],
    out: &mut Vec<u8>,
    bytes: Option<&[u8]>,
    step: Process<D>,
) -> bool {
    loop {
        // What is left of the last read is no whole record: nothing of it is used up here.
        match step(conn, wire).state {
            Ok(ConnectionState::EncodeTlsData(data)) => {
                if !encode(data, out) {
                    return false;
                }
            }
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => {}
            Ok(ConnectionState::WriteTraffic(traffic)) => return append(traffic, out, bytes),
            _ => return false,
        }
    }
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, out: &mut Vec<u8>) -> bool {
    let from = out.len();
    let mut room = 512;
    loop {
        out.resize(from + room, 0);
        match data.encode(&mut out[from..]) {
            Ok(written) => {
                out.truncate(from + written);
                return true;
            }
            Err(EncodeError::InsufficientSize(size)) => room = size.required_size,
            Err(EncodeError::AlreadyEncoded) => {
                out.truncate(from);
                return false;
            }
        }
    }
}

fn append<D>(mut traffic: WriteTraffic<'_, D>, out: &mut Vec<u8>, bytes: Option<&[u8]>) -> bool {
    let from = out.len();
    let mut room = bytes.map_or(64, |bytes| bytes.len() + 64);
    loop {
        out.resize(from + room, 0);
        let written = match bytes {
            Some(bytes) => traffic.encrypt(bytes, &mut out[from..]),
            None => traffic.queue_close_notify(&mut out[from..]),
        };
        match written {
            Ok(written) => {
                out.truncate(from + written);
                return true;
            }
            Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
            Err(EncryptError::EncryptExhausted) => {
                out.truncate(from);
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests;
