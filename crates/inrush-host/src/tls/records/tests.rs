//! Against rustls's own connections, which do all of it themselves.

use super::super::config::Client;
use super::super::own::self_signed;
use super::super::session::Session;
use super::*;
use inrush_core::plan::{TlsClient, Trust};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, ServerConnection};
use std::io::{Read as _, Write as _};
use std::sync::Arc;

/// One of ours and one of rustls's, with the wire between them.
struct Wire {
    ours: Session,
    theirs: ServerConnection,
    left: Vec<u8>,
    to_us: Vec<u8>,
    to_them: Vec<u8>,
    heard: Vec<u8>,
    told: Vec<u8>,
}

impl Wire {
    /// Hands are shaken with this one suite.
    fn shaken(suite: SupportedCipherSuite) -> Self {
        let own = self_signed(&["localhost".into()]).unwrap();
        let plan = TlsClient { trust: Trust::Anyone, identity: None };
        let config = Client::new(&plan, true).unwrap();
        let ours = Session::client(&config, "localhost", false).unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let provider = Arc::new(CryptoProvider { cipher_suites: vec![suite], ..provider });
        let chain = vec![CertificateDer::from_pem_slice(own.chain.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let theirs = ServerConnection::new(Arc::new(config)).unwrap();
        let (left, heard, told) = (Vec::new(), Vec::new(), Vec::new());
        let mut wire =
            Self { ours, theirs, left, to_us: Vec::new(), to_them: Vec::new(), heard, told };
        wire.carry(usize::MAX);
        assert!(!wire.theirs.is_handshaking());
        assert!(matches!(wire.ours, Session::Speaking(_)), "{suite:?}: {:?}", wire.ours);
        wire
    }

    /// Carries all there is, to us in pieces.
    fn carry(&mut self, piece: usize) -> Read {
        let mut all = self.ours.read(&mut [], &mut self.heard, &mut self.to_them);
        loop {
            while !self.to_them.is_empty() {
                let n = self.theirs.read_tls(&mut self.to_them.as_slice()).unwrap();
                self.to_them.drain(..n);
                let new = self.theirs.process_new_packets().unwrap().plaintext_bytes_to_read();
                let from = self.told.len();
                self.told.resize(from + new, 0);
                self.theirs.reader().read_exact(&mut self.told[from..]).unwrap();
            }
            while self.theirs.wants_write() {
                self.theirs.write_tls(&mut self.to_us).unwrap();
            }
            if self.to_us.is_empty() {
                return all;
            }
            let n = self.to_us.len().min(piece);
            self.left.extend(self.to_us.drain(..n));
            let read = self.ours.read(&mut self.left, &mut self.heard, &mut self.to_them);
            self.left.drain(..read.used);
            all.notified |= read.notified;
            all.failed = all.failed.or(read.failed);
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        assert!(self.ours.write(bytes, &mut [], &mut self.to_them));
        self.carry(usize::MAX);
        assert!(std::mem::take(&mut self.told) == bytes);
    }

    fn hear(&mut self, bytes: &[u8], piece: usize) {
        self.heard.clear();
        for part in bytes.chunks(10_000) {
            self.theirs.writer().write_all(part).unwrap();
            self.carry(piece);
        }
        assert!(self.heard == bytes);
    }
}

fn suites() -> Vec<SupportedCipherSuite> {
    rustls::crypto::ring::ALL_CIPHER_SUITES
        .iter()
        .copied()
        // The certificate of the test has an elliptic curve's key.
        .filter(|suite| !format!("{:?}", suite.suite()).contains("_RSA_"))
        .collect()
}

#[test]
fn every_suite_is_spoken_in_both_directions() {
    let said: Vec<u8> = (0..70_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    assert_eq!(suites().len(), 6, "three of each version");
    for suite in suites() {
        let mut wire = Wire::shaken(suite);
        wire.say(b"hello");
        wire.say(&said);
        wire.hear(&said, 4_000);
        wire.hear(b"byte by byte", 1);
        wire.theirs.send_close_notify();
        let read = wire.carry(3);
        assert!(read.notified && read.failed.is_none(), "{suite:?}");
    }
}

/// RFC 8446 §4.6.3: the peer renews its key, and asks us to renew ours.
#[test]
fn keys_are_renewed_when_the_peer_asks() {
    for suite in suites().into_iter().filter(|suite| suite.tls13().is_some()) {
        let mut wire = Wire::shaken(suite);
        for _ in 0..3 {
            wire.theirs.refresh_traffic_keys().unwrap();
            wire.hear(b"with a new key", usize::MAX);
            wire.say(b"and with one of ours");
        }
    }
}

/// One that asks and does not listen costs nothing, and breaks nothing.
#[test]
fn a_thousand_wishes_for_a_new_key_are_answered_once() {
    let suite = suites().into_iter().find(|suite| suite.tls13().is_some()).unwrap();
    let mut wire = Wire::shaken(suite);
    for _ in 0..1_000 {
        wire.theirs.refresh_traffic_keys().unwrap();
    }
    wire.theirs.writer().write_all(b"hello").unwrap();
    while wire.theirs.wants_write() {
        wire.theirs.write_tls(&mut wire.to_us).unwrap();
    }
    let mut out = Vec::new();
    let read = wire.ours.read(&mut wire.to_us, &mut wire.heard, &mut out);
    wire.to_us.clear();
    assert!(read.failed.is_none() && out.is_empty() && wire.heard == b"hello");
    assert!(wire.ours.write(b"x", &mut [], &mut out));
    assert_eq!(lengths(&out).len(), 2, "the answer, then what was to be said");
    wire.to_them = out;
    wire.carry(usize::MAX);
    assert_eq!(wire.told, b"x");
}

#[test]
fn our_key_is_renewed_before_it_wears_out() {
    let suite = suites().into_iter().find(|suite| suite.tls13().is_some()).unwrap();
    let mut wire = Wire::shaken(suite);
    let Session::Speaking(records) = &mut wire.ours else { panic!("{:?}", wire.ours) };
    records.renew(&mut wire.to_them).unwrap();
    wire.say(b"rustls has followed");
}

/// RFC 9325 §4.4: AES-GCM encrypts 2^24 records with one key. The next one is not said, unless
/// there is a next key.
#[test]
fn a_worn_out_key_says_nothing_more() {
    for suite in suites() {
        let limit = match suite {
            SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
            SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
        };
        if limit == u64::MAX {
            continue;
        }
        let mut wire = Wire::shaken(suite);
        let Session::Speaking(records) = &mut wire.ours else { panic!("{:?}", wire.ours) };
        let mut out = Vec::new();
        records.sent = limit - 2;
        assert!(records.write(b"the last but one", &mut out));
        assert_eq!((records.sent, lengths(&out).len()), (limit - 1, 1));
        out.clear();
        let said = records.write(b"one more", &mut out);
        if records.is_tls13() {
            assert!(said && records.sent == 1);
            assert_eq!(
                lengths(&out),
                [KEY_UPDATED.len() + 17, 8 + 17],
                "a new key, then the bytes"
            );
        } else {
            assert!(!said && out.is_empty() && records.sent == limit - 1);
            records.notify(&mut out);
            assert_eq!(lengths(&out).len(), 1, "a last word is kept");
        }
    }
}

/// Lengths of the records.
fn lengths(mut wire: &[u8]) -> Vec<usize> {
    let mut all = Vec::new();
    while let Some((length, whole)) = framed(wire) {
        assert!(whole);
        all.push(length);
        wire = &wire[HEADER + length..];
    }
    all
}

#[test]
fn what_is_changed_or_not_allowed_ends_it() {
    for suite in suites() {
        let mut wire = Wire::shaken(suite);
        wire.theirs.writer().write_all(b"hello").unwrap();
        wire.theirs.write_tls(&mut wire.to_us).unwrap();
        *wire.to_us.last_mut().unwrap() ^= 1;
        let mut out = Vec::new();
        let read = wire.ours.read(&mut wire.to_us, &mut wire.heard, &mut out);
        assert_eq!(read.failed.map(|f| f.0), Some(TlsError::BadRecord), "{suite:?}");
        assert_eq!((read.used, wire.heard.len()), (wire.to_us.len(), 0));
        wire.theirs.read_tls(&mut out.as_slice()).unwrap();
        let told = wire.theirs.process_new_packets().unwrap_err();
        assert!(told.to_string().contains("BadRecordMac"), "the peer is told: {told}");
        assert!(!wire.ours.write(b"x", &mut [], &mut out), "nothing is said after the end");

        let check = |came: &[u8], why, words: &[u8], alert: &str| {
            let (mut wire, mut out) = (Wire::shaken(suite), Vec::new());
            let read = wire.ours.read(&mut came.to_vec(), &mut wire.heard, &mut out);
            assert_eq!(read.failed, Some((why, words.to_vec())), "{suite:?}");
            wire.theirs.read_tls(&mut out.as_slice()).unwrap();
            let told = wire.theirs.process_new_packets().unwrap_err().to_string();
            assert!(told.contains(alert), "{told}");
        };
        let long = [0x17, 3, 3, 0xff, 0xff];
        check(&long, TlsError::Violation, b"", "RecordOverflow");
        // Somebody writes past TLS: known by its first bytes.
        let plain = b"HTTP/1.1 502 Bad Gateway\r\n\r\n";
        check(plain, TlsError::NotTls, plain, "UnexpectedMessage");
        check(b"H", TlsError::NotTls, b"H", "UnexpectedMessage");
    }
}

/// RFC 8446 §6.1: whatever follows a close_notify is ignored, and one is said.
#[test]
fn nothing_is_heard_or_said_after_the_end() {
    for suite in suites() {
        let mut wire = Wire::shaken(suite);
        wire.theirs.writer().write_all(b"last words").unwrap();
        wire.theirs.send_close_notify();
        while wire.theirs.wants_write() {
            wire.theirs.write_tls(&mut wire.to_us).unwrap();
        }
        wire.to_us.extend(b"\x17\x03\x03\x00\x02ab");
        let mut out = Vec::new();
        let read = wire.ours.read(&mut wire.to_us, &mut wire.heard, &mut out);
        assert!(read.notified && read.failed.is_none() && read.used == wire.to_us.len());
        let read = wire.ours.read(&mut b"more".to_vec(), &mut wire.heard, &mut out);
        assert_eq!(read, Read { used: 4, ..Read::default() });
        assert_eq!(wire.heard, b"last words");
        wire.ours.notify(&mut [], &mut out);
        wire.ours.notify(&mut [], &mut out);
        assert_eq!(lengths(&out).len(), 1, "{suite:?}");
        assert!(!wire.ours.write(b"x", &mut [], &mut out));
    }
}
