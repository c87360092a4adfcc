//! The records of a connection whose hands are shaken (RFC 8446 §5, RFC 5246 §6.2). rustls keeps
//! 4 kB of a connection that is idle; its keys and its ciphers, which is all that is needed from
//! then on, are 2 kB.

mod late;

use super::reason;
use super::session::{Read, WORDS};
use inrush_core::failure::TlsError;
use late::{Fate, Late};
use rustls::client::ClientConnectionData;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks,
    OutboundPlainMessage,
};
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{
    ConnectionTrafficSecrets as Secrets, ContentType, Error, ExtractedSecrets, ProtocolVersion,
    SupportedCipherSuite,
};

/// Type, version, length.
const HEADER: usize = 5;
/// Plain bytes of one record (RFC 8446 §5.1).
const FRAGMENT: usize = 1 << 14;
/// What a cipher may add, at most (RFC 5246 §6.2.3; RFC 8446 §5.2 allows 256).
const EXPANSION: usize = 2_048;
/// Longest ticket with all around it (RFC 8446 §4.6.1).
const TICKET: usize = 4 + 4 + 1 + 255 + 2 + 0xffff + 2 + 0xfffe;
/// Handshake types (RFC 8446 §4, RFC 5246 §7.4).
const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// An answer to a KeyUpdate that asks for none (RFC 8446 §4.6.3).
const KEY_UPDATED: [u8; 5] = [KEY_UPDATE, 0, 0, 1, 0];
/// Alerts (RFC 8446 §6).
const CLOSE_NOTIFY: [u8; 2] = [1, 0];
/// A warning (RFC 5246 §7.2.2).
const NO_RENEGOTIATION: [u8; 2] = [1, 100];
const UNEXPECTED_MESSAGE: u8 = 10;
const BAD_RECORD_MAC: u8 = 20;
const RECORD_OVERFLOW: u8 = 22;
const USER_CANCELED: u8 = 90;

/// Which side we are, and the secrets that later keys come from.
pub(super) enum Keys {
    Client(KernelConnection<ClientConnectionData>),
    Server(KernelConnection<ServerConnectionData>),
}

/// Both directions of one connection.
pub(super) struct Records {
    keys: Keys,
    suite: SupportedCipherSuite,
    encrypter: Box<dyn MessageEncrypter>,
    decrypter: Box<dyn MessageDecrypter>,
    sent: u64,
    received: u64,
    late: Late,
    /// The peer has asked us to renew our key. It is done before we speak next, so that one who
    /// asks a thousand times and does not listen is answered once (RFC 8446 §4.6.3).
    asked: bool,
    /// Whether tickets are worth keeping.
    resumes: bool,
    /// The peer asked for a certificate in its hand-shake, and we had none.
    wanted: bool,
    /// A wish to shake hands again was declined.
    declined: bool,
    /// The peer's close_notify came, and nothing means anything after it.
    heard_all: bool,
    /// Ours was said.
    said_all: bool,
}

/// Why no more is read: what to tell the peer (nothing when that is 0), and what it was.
struct Refused(u8, TlsError);

impl Records {
    /// `None` when the secrets are of no kind that we know.
    pub(super) fn new(
        secrets: ExtractedSecrets,
        keys: Keys,
        resumes: bool,
        wanted: bool,
    ) -> Option<Self> {
        let suite = match &keys {
            Keys::Client(keys) => keys.negotiated_cipher_suite(),
            Keys::Server(keys) => keys.negotiated_cipher_suite(),
        };
        let ((sent, tx), (received, rx)) = (secrets.tx, secrets.rx);
        let (encrypter, decrypter) = (encrypter(suite, tx)?, decrypter(suite, rx)?);
        Some(Self {
            keys,
            suite,
            encrypter,
            decrypter,
            sent,
            received,
            late: Late::default(),
            asked: false,
            resumes,
            wanted,
            declined: false,
            heard_all: false,
            said_all: false,
        })
    }

    /// Takes in what came off the wire; what is used up are whole records.
    pub(super) fn read(&mut self, wire: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Read {
        let mut read = Read::default();
        while !self.heard_all && read.used < wire.len() {
            let rest = &mut wire[read.used..];
            let one = match framed(rest) {
                _ if !reason::is_record(rest) => Err(Refused(UNEXPECTED_MESSAGE, TlsError::NotTls)),
                Some((length, _)) if length > FRAGMENT + EXPANSION => {
                    Err(Refused(RECORD_OVERFLOW, TlsError::Violation))
                }
                Some((length, true)) => {
                    read.used += HEADER + length;
                    self.one(&mut rest[..HEADER + length], plain, out)
                }
                _ => break,
            };
            match one {
                Ok(()) => {}
                Err(Refused(alert, why)) => {
                    let words = match why {
                        TlsError::NotTls => rest.iter().take(WORDS).copied().collect(),
                        _ => Vec::new(),
                    };
                    if alert != CLOSE_NOTIFY[1] {
                        self.seal(ContentType::Alert, &[2, alert], out);
                    }
                    read.failed = Some((why, words));
                    break;
                }
            }
            read.notified = self.heard_all;
        }
        if self.heard_all || read.failed.is_some() {
            // What comes after the end means nothing.
            read.used = wire.len();
        }
        read
    }

    /// One whole record.
    fn one(
        &mut self,
        record: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let violation = || Refused(UNEXPECTED_MESSAGE, TlsError::Violation);
        let outer = ContentType::from(record[0]);
        if self.is_tls13() && outer != ContentType::ApplicationData {
            return Err(violation());
        }
        let version = ProtocolVersion::TLSv1_2;
        let opaque = InboundOpaqueMessage::new(outer, version, &mut record[HEADER..]);
        let message = self
            .decrypter
            .decrypt(opaque, self.received)
            .map_err(|error| Refused(BAD_RECORD_MAC, reason::reason(&error, &[], false)))?;
        self.received += 1;
        match message.typ {
            ContentType::ApplicationData => plain.extend_from_slice(message.payload),
            ContentType::Alert => match *message.payload {
                [_, 0] => self.heard_all = true,
                [_, USER_CANCELED] => {}
                // Before TLS 1.3 a warning is no end (RFC 5246 §7.2.2).
                [1, _] if !self.is_tls13() => {}
                [_, alert] => return Err(Refused(0, reason::alert(alert, self.wanted))),
                _ => return Err(violation()),
            },
            ContentType::Handshake => {
                let mut rest: &[u8] = message.payload;
                let judge = self.judge();
                while let Some((kind, body)) =
                    self.late.next(&mut rest, judge).map_err(|late::Refusal| violation())?
                {
                    let last = rest.is_empty();
                    self.message_of(kind, &body, last, out).map_err(|_| violation())?;
                }
            }
            _ => return Err(violation()),
        }
        Ok(())
    }

    /// What may come after the hand-shake, and how long it may be.
    fn judge(&self) -> impl Fn(u8, usize) -> Fate + Copy + use<> {
        let (tls13, resumes) = (self.is_tls13(), self.resumes);
        let client = matches!(self.keys, Keys::Client(_));
        move |kind, length| match (kind, tls13, client) {
            (NEW_SESSION_TICKET, true, true) if length <= TICKET && resumes => Fate::Keep,
            (NEW_SESSION_TICKET, true, true) if length <= TICKET => Fate::Skip,
            (KEY_UPDATE, true, _) if length == 1 => Fate::Keep,
            // A wish to shake hands again, of a server or of a client.
            (HELLO_REQUEST, false, true) if length == 0 => Fate::Skip,
            (CLIENT_HELLO, false, false) => Fate::Skip,
            _ => Fate::Refuse,
        }
    }

    fn message_of(
        &mut self,
        kind: u8,
        body: &[u8],
        last: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match (kind, &mut self.keys) {
            (NEW_SESSION_TICKET, Keys::Client(keys)) if self.resumes => {
                keys.handle_new_session_ticket(body)
            }
            // The key changes with it: nothing may follow in the same record.
            (KEY_UPDATE, _) if last && matches!(body, [0 | 1]) => {
                self.asked |= body == [1];
                self.follow()
            }
            (KEY_UPDATE, _) => Err(refused()),
            // A server's wish may be left unanswered (RFC 5246 §7.4.1.1), a client awaits an
            // answer (§7.2.2); one is enough.
            (CLIENT_HELLO, _) => {
                if !std::mem::replace(&mut self.declined, true) {
                    self.seal(ContentType::Alert, &NO_RENEGOTIATION, out);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The peer has a new key.
    fn follow(&mut self) -> Result<(), Error> {
        let (received, secrets) = match &mut self.keys {
            Keys::Client(keys) => keys.update_rx_secret()?,
            Keys::Server(keys) => keys.update_rx_secret()?,
        };
        self.received = received;
        self.decrypter = decrypter(self.suite, secrets).ok_or(Error::EncryptError)?;
        Ok(())
    }

    /// A new key of ours, and the peer is told.
    fn renew(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.seal(ContentType::Handshake, &KEY_UPDATED, out);
        let (sent, secrets) = match &mut self.keys {
            Keys::Client(keys) => keys.update_tx_secret()?,
            Keys::Server(keys) => keys.update_tx_secret()?,
        };
        self.sent = sent;
        self.encrypter = encrypter(self.suite, secrets).ok_or(Error::EncryptError)?;
        self.asked = false;
        Ok(())
    }

    /// Encrypts behind `out`. False when no key may be used any more.
    pub(super) fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let limit = match self.suite {
            SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
            SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
        };
        if self.said_all || self.asked && self.renew(out).is_err() {
            return false;
        }
        for fragment in bytes.chunks(FRAGMENT) {
            // One record is kept for the last word.
            if self.sent + 1 >= limit && !(self.is_tls13() && self.renew(out).is_ok()) {
                return false;
            }
            if !self.seal(ContentType::ApplicationData, fragment, out) {
                return false;
            }
        }
        true
    }

    /// Says that this was all.
    pub(super) fn notify(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.said_all, true) {
            self.seal(ContentType::Alert, &CLOSE_NOTIFY, out);
        }
    }

    /// Bytes of an unfinished message that are kept.
    pub(super) fn kept(&self) -> usize {
        self.late.kept()
    }

    /// One record behind `out`.
    pub(super) fn seal(&mut self, typ: ContentType, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let payload = OutboundChunks::Single(bytes);
        let plain = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
        let Ok(record) = self.encrypter.encrypt(plain, self.sent) else { return false };
        self.sent += 1;
        out.extend_from_slice(&record.encode());
        true
    }

    fn is_tls13(&self) -> bool {
        self.suite.tls13().is_some()
    }
}

fn refused() -> Error {
    Error::General(String::new())
}

/// Length of the record that begins here, and whether it is all there; `None` without its header.
fn framed(wire: &[u8]) -> Option<(usize, bool)> {
    let [_, _, _, high, low, rest @ ..] = wire else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    Some((length, rest.len() >= length))
}

fn encrypter(suite: SupportedCipherSuite, secrets: Secrets) -> Option<Box<dyn MessageEncrypter>> {
    let (key, iv) = parts(secrets)?;
    Some(match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => {
            let fixed = suite.aead_alg.key_block_shape().fixed_iv_len;
            let (iv, explicit) = iv.as_ref().split_at(fixed);
            suite.aead_alg.encrypter(key, iv, explicit)
        }
    })
}

fn decrypter(suite: SupportedCipherSuite, secrets: Secrets) -> Option<Box<dyn MessageDecrypter>> {
    let (key, iv) = parts(secrets)?;
    Some(match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.decrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => {
            let fixed = suite.aead_alg.key_block_shape().fixed_iv_len;
            suite.aead_alg.decrypter(key, &iv.as_ref()[..fixed])
        }
    })
}

fn parts(secrets: Secrets) -> Option<(AeadKey, Iv)> {
    match secrets {
        Secrets::Aes128Gcm { key, iv }
        | Secrets::Aes256Gcm { key, iv }
        | Secrets::Chacha20Poly1305 { key, iv } => Some((key, iv)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
