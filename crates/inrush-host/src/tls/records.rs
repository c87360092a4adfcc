//! The records of a connection whose hands are shaken (RFC 8446 §5, RFC 5246 §6.2). rustls keeps
//! 4 kB of a connection that is idle; its keys and its ciphers, which is all that is needed from
//! then on, are 2 kB.

use super::reason;
use super::session::Read;
use inrush_core::failure::TlsError;
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
/// Longest message after the hand-shake: a ticket is at most 64 KiB.
const MESSAGE: usize = 1 << 17;
/// Handshake types (RFC 8446 §4).
const HELLO_REQUEST: u8 = 0;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// An answer to a KeyUpdate that asks for none (RFC 8446 §4.6.3).
const KEY_UPDATED: [u8; 5] = [KEY_UPDATE, 0, 0, 1, 0];
/// Alerts (RFC 8446 §6).
const CLOSE_NOTIFY: [u8; 2] = [1, 0];
const UNEXPECTED_MESSAGE: u8 = 10;
const BAD_RECORD_MAC: u8 = 20;
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
    /// A message after the hand-shake whose end has not come; most never have one.
    message: Vec<u8>,
    /// The peer has asked us to renew our key. It is done before we speak next, so that one who
    /// asks a thousand times and does not listen is answered once (RFC 8446 §4.6.3).
    asked: bool,
    /// Whether tickets are worth keeping.
    resumes: bool,
}

/// Why no more is read: what to tell the peer, and what it was.
struct Refused(u8, TlsError);

impl Records {
    /// `None` when the secrets are of no kind that we know.
    pub(super) fn new(secrets: ExtractedSecrets, keys: Keys, resumes: bool) -> Option<Self> {
        let suite = match &keys {
            Keys::Client(keys) => keys.negotiated_cipher_suite(),
            Keys::Server(keys) => keys.negotiated_cipher_suite(),
        };
        let ((sent, tx), (received, rx)) = (secrets.tx, secrets.rx);
        let (encrypter, decrypter) = (encrypter(suite, tx)?, decrypter(suite, rx)?);
        let (message, asked) = (Vec::new(), false);
        Some(Self { keys, suite, encrypter, decrypter, sent, received, message, asked, resumes })
    }

    /// Takes in what came off the wire; what is used up are whole records.
    pub(super) fn read(&mut self, wire: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Read {
        let mut read = Read::default();
        while let Some((length, whole)) = framed(&wire[read.used..]) {
            let refused = match length {
                _ if length > FRAGMENT + EXPANSION => {
                    Err(Refused(UNEXPECTED_MESSAGE, TlsError::Violation))
                }
                _ if !whole => break,
                _ => {
                    let record = &mut wire[read.used..read.used + HEADER + length];
                    read.used += record.len();
                    self.one(record, plain)
                }
            };
            match refused {
                Ok(true) => {}
                Ok(false) => {
                    read.notified = true;
                    break;
                }
                Err(Refused(alert, why)) => {
                    if !matches!(why, TlsError::Alert(_)) {
                        self.seal(ContentType::Alert, &[2, alert], out);
                    }
                    read.failed = Some((why, Vec::new()));
                    break;
                }
            }
        }
        if read.notified || read.failed.is_some() {
            // What comes after the end means nothing.
            read.used = wire.len();
        }
        read
    }

    /// One whole record. False when it was the last one.
    fn one(&mut self, record: &mut [u8], plain: &mut Vec<u8>) -> Result<bool, Refused> {
        let outer = ContentType::from(record[0]);
        if self.is_tls13() && outer != ContentType::ApplicationData {
            return Err(Refused(UNEXPECTED_MESSAGE, TlsError::Violation));
        }
        let version = ProtocolVersion::TLSv1_2;
        let opaque = InboundOpaqueMessage::new(outer, version, &mut record[HEADER..]);
        let message = self
            .decrypter
            .decrypt(opaque, self.received)
            .map_err(|error| Refused(BAD_RECORD_MAC, reason::reason(&error, &[], false)))?;
        self.received += 1;
        match message.typ {
            ContentType::ApplicationData => {
                plain.extend_from_slice(message.payload);
                Ok(true)
            }
            ContentType::Alert => match *message.payload {
                [_, 0] => Ok(false),
                [_, USER_CANCELED] => Ok(true),
                // Before TLS 1.3 a warning is no end (RFC 5246 §7.2.2).
                [1, _] if !self.is_tls13() => Ok(true),
                [_, alert] => Err(Refused(0, TlsError::Alert(alert))),
                _ => Err(Refused(UNEXPECTED_MESSAGE, TlsError::Violation)),
            },
            ContentType::Handshake => {
                self.message.extend_from_slice(message.payload);
                self.messages().map_err(|_| Refused(UNEXPECTED_MESSAGE, TlsError::Violation))?;
                Ok(true)
            }
            _ => Err(Refused(UNEXPECTED_MESSAGE, TlsError::Violation)),
        }
    }

    /// What may still come of the hand-shake's messages, as far as it is there.
    fn messages(&mut self) -> Result<(), Error> {
        let message = std::mem::take(&mut self.message);
        let mut rest = message.as_slice();
        while let [kind, a, b, c, body @ ..] = rest {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if length > MESSAGE {
                return Err(refused());
            }
            let Some((body, after)) = body.split_at_checked(length) else { break };
            rest = after;
            self.message_of(*kind, body, rest.is_empty())?;
        }
        self.message = rest.to_vec();
        Ok(())
    }

    fn message_of(&mut self, kind: u8, body: &[u8], last: bool) -> Result<(), Error> {
        match (kind, self.is_tls13(), &mut self.keys) {
            (NEW_SESSION_TICKET, true, Keys::Client(keys)) => match self.resumes {
                true => keys.handle_new_session_ticket(body),
                false => Ok(()),
            },
            // The key changes with it: nothing may follow in the same record.
            (KEY_UPDATE, true, _) if last && matches!(body, [0 | 1]) => {
                self.asked |= body == [1];
                self.follow()
            }
            // A wish to shake hands again may be left unanswered (RFC 5246 §7.4.1.1).
            (HELLO_REQUEST, false, Keys::Client(_)) if body.is_empty() => Ok(()),
            _ => Err(refused()),
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
        if self.asked && self.renew(out).is_err() {
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
        self.seal(ContentType::Alert, &CLOSE_NOTIFY, out);
    }

    fn seal(&mut self, typ: ContentType, bytes: &[u8], out: &mut Vec<u8>) -> bool {
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
