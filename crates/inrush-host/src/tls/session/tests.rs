//! Two sessions of ours, and some of rustls's, with the wire between them.

use super::super::own::self_signed;
use super::*;
use inrush_core::failure::CertificateFault;
use inrush_core::plan::{TlsClient, Trust};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ServerConfig, ServerConnection, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ContentType, RootCertStore, SupportedProtocolVersion,
};

struct Pair {
    client: Session,
    server: Session,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
}

impl Pair {
    fn new(trust: impl Fn(&str) -> Trust, name: &str) -> Self {
        let own = self_signed(&["localhost".into()]).unwrap();
        let plan = TlsClient { trust: trust(&own.chain), identity: None };
        let client = Session::client(&Client::new(&plan, false).unwrap(), name, false).unwrap();
        let server = Session::server(&Server::new(&own, true).unwrap()).unwrap();
        Self { client, server, to_client: Vec::new(), to_server: Vec::new() }
    }

    /// Carries bytes to and fro in pieces of this size until nobody says anything.
    fn shake(&mut self, piece: usize) -> (Read, Read) {
        let (mut plain, mut client, mut server) = (Vec::new(), Read::default(), Read::default());
        self.client.read(&mut [], &mut plain, &mut self.to_server);
        let (mut at_server, mut at_client) = (Vec::new(), Vec::new());
        while !(self.to_server.is_empty() && self.to_client.is_empty()) {
            let n = self.to_server.len().min(piece);
            at_server.extend(self.to_server.drain(..n));
            let read = self.server.read(&mut at_server, &mut plain, &mut self.to_client);
            at_server.drain(..read.used);
            server = join(server, read);
            let n = self.to_client.len().min(piece);
            at_client.extend(self.to_client.drain(..n));
            let read = self.client.read(&mut at_client, &mut plain, &mut self.to_server);
            at_client.drain(..read.used);
            client = join(client, read);
        }
        assert!(plain.is_empty());
        (client, server)
    }
}

fn join(one: Read, two: Read) -> Read {
    Read {
        used: 0,
        secured: one.secured.or(two.secured),
        notified: one.notified || two.notified,
        failed: one.failed.or(two.failed),
    }
}

#[test]
fn hands_are_shaken_whatever_the_pieces_and_both_can_speak() {
    for piece in [1, 7, 100, 1 << 16] {
        let mut pair = Pair::new(|pem| Trust::Authorities(pem.into()), "localhost");
        let (client, server) = pair.shake(piece);
        assert_eq!((client.secured, client.failed), (Some(false), None), "{piece}");
        assert_eq!((server.secured, server.failed), (Some(false), None), "{piece}");
        let said: Vec<u8> = (0..40_000_u32).map(|i| i.to_le_bytes()[0]).collect();
        assert!(pair.client.write(&said, &mut [], &mut pair.to_server));
        pair.client.notify(&mut [], &mut pair.to_server);
        let mut heard = Vec::new();
        let read = pair.server.read(&mut pair.to_server, &mut heard, &mut pair.to_client);
        assert_eq!((heard, read.used), (said, pair.to_server.len()));
        assert!(read.notified && read.failed.is_none());
    }
}

#[test]
fn each_refusal_has_its_reason_and_the_server_is_told() {
    type Trusting = fn(&str) -> Trust;
    let check = |trust: Trusting, name: &str, fault: CertificateFault, alert: u8| {
        let (client, server) = Pair::new(trust, name).shake(1 << 16);
        let (error, words) = client.failed.unwrap();
        assert_eq!(error, TlsError::Certificate(fault));
        assert!(!words.is_empty());
        assert_eq!(server.failed.unwrap().0, TlsError::Alert(alert));
    };
    check(|_| Trust::System, "localhost", CertificateFault::SelfSigned, 46);
    check(|pem| Trust::Authorities(pem.into()), "example.com", CertificateFault::WrongName, 42);
    let (client, _) = Pair::new(|_| Trust::Anyone, "example.com").shake(1 << 16);
    assert_eq!(client.secured, Some(false));
}

#[test]
fn what_is_no_tls_is_known_at_once() {
    let mut pair = Pair::new(|_| Trust::Anyone, "localhost");
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    pair.client.read(&mut [], &mut plain, &mut out);
    let mut hello = out.clone();
    let mut answer = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    let read = pair.client.read(&mut answer, &mut plain, &mut out);
    let words = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    assert_eq!(read.failed, Some((TlsError::NotTls, words)));

    let mut pair = Pair::new(|_| Trust::Anyone, "localhost");
    pair.client.read(&mut [], &mut plain, &mut out);
    let read = pair.client.read(&mut hello, &mut plain, &mut out);
    assert_eq!(read.failed.unwrap().0, TlsError::Echoed);

    let mut request = b"GET / HTTP/1.1\r\n".to_vec();
    let read = pair.server.read(&mut request, &mut plain, &mut out);
    assert_eq!(read.failed.unwrap().0, TlsError::NotTls);
    assert!(plain.is_empty());
}

/// Our server in this version alone, as rustls knows it.
fn config(mutual: bool, version: &'static SupportedProtocolVersion) -> ServerConfig {
    let own = self_signed(&["localhost".into()]).unwrap();
    let (chain, key) = super::super::files::identity(&own).unwrap();
    let provider = super::super::provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(own.chain.as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match mutual {
        true => builder.with_client_cert_verifier(verifier.build().unwrap()),
        false => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.enable_secret_extraction = true;
    config
}

fn anyone() -> Client {
    Client::new(&TlsClient { trust: Trust::Anyone, identity: None }, false).unwrap()
}

/// Both of ours, in TLS 1.2.
fn old() -> Pair {
    let server = Session::server(&Server(Arc::new(config(false, &TLS12)))).unwrap();
    let client = Session::client(&anyone(), "localhost", false).unwrap();
    Pair { client, server, to_client: Vec::new(), to_server: Vec::new() }
}

fn records(session: &mut Session) -> &mut Records {
    let Session::Speaking(records) = session else { panic!("{session:?}") };
    records
}

/// All connections of a worker share what remembers that a certificate was asked for.
#[test]
fn what_one_server_asks_for_is_not_said_of_another() {
    for version in [&TLS12, &TLS13] {
        let ours = anyone();
        let mut client = Session::client(&ours, "localhost", false).unwrap();
        let mut server = ServerConnection::new(Arc::new(config(true, version))).unwrap();
        let (mut plain, mut out, mut failed) = (Vec::new(), Vec::new(), None);
        client.read(&mut [], &mut plain, &mut out);
        while !out.is_empty() {
            server.read_tls(&mut out.as_slice()).unwrap();
            out.clear();
            let _ = server.process_new_packets();
            let mut back = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut back).unwrap();
            }
            failed = failed.or(client.read(&mut back, &mut plain, &mut out).failed);
        }
        let error = failed.unwrap().0;
        let wanted = matches!(error, TlsError::CertificateWanted(_) | TlsError::Alert(116));
        assert!(wanted, "{version:?}: {error:?}");
        let mut other = Session::client(&ours, "localhost", false).unwrap();
        other.read(&mut [], &mut plain, &mut out);
        let mut alert = vec![0x15, 3, 3, 0, 2, 2, 40];
        let read = other.read(&mut alert, &mut plain, &mut out);
        assert_eq!(read.failed.unwrap().0, TlsError::Alert(40), "{version:?}");
    }
}

/// RFC 7301 §3.2: rustls has said its ServerHello when it finds that no protocol is common.
#[test]
fn an_alert_behind_a_server_hello_is_not_lost() {
    let own = self_signed(&["localhost".into()]).unwrap();
    let mut server = Session::server(&Server::new(&own, true).unwrap()).unwrap();
    let mut bare = Session::server(&Server::new(&own, false).unwrap()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(own.chain.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(super::super::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = "localhost".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let (mut hello, mut plain, mut out) = (Vec::new(), Vec::new(), Vec::new());
    client.write_tls(&mut hello).unwrap();
    let read = bare.read(&mut hello.clone(), &mut plain, &mut out);
    assert_eq!(read.failed, None, "who speaks no HTTP does not mind");
    out.clear();
    let read = server.read(&mut hello, &mut plain, &mut out);
    assert_eq!(read.failed.unwrap().0, TlsError::Incompatible);
    client.read_tls(&mut out.as_slice()).unwrap();
    let told = client.process_new_packets().unwrap_err().to_string();
    assert!(told.contains("NoApplicationProtocol"), "{told}");
}

#[test]
fn an_end_that_comes_with_the_end_of_the_hand_shake_comes_after_it() {
    let (mut pair, mut plain) = (old(), Vec::new());
    pair.client.read(&mut [], &mut plain, &mut pair.to_server);
    for _ in 0..2 {
        pair.server.read(&mut pair.to_server, &mut plain, &mut pair.to_client);
        pair.to_server.clear();
        if let Session::Speaking(records) = &mut pair.server {
            records.seal(ContentType::Alert, &[2, 80], &mut pair.to_client);
            break;
        }
        pair.client.read(&mut pair.to_client, &mut plain, &mut pair.to_server);
        pair.to_client.clear();
    }
    let read = pair.client.read(&mut pair.to_client, &mut plain, &mut pair.to_server);
    assert_eq!(read.secured, Some(false));
    assert_eq!(read.failed.unwrap().0, TlsError::Alert(80));
}

/// RFC 5246 §7.2.2: no_renegotiation is a warning, and a client may go on without.
#[test]
fn a_clients_wish_to_shake_hands_again_is_declined_once() {
    let (mut pair, mut plain) = (old(), Vec::new());
    pair.shake(1 << 16);
    let hello = [&[1, 0, 3, 0xe8][..], &[7; 1_000]].concat();
    for times in 1..4 {
        records(&mut pair.client).seal(ContentType::Handshake, &hello, &mut pair.to_server);
        let read = pair.server.read(&mut pair.to_server, &mut plain, &mut pair.to_client);
        pair.to_server.clear();
        assert_eq!((read.failed, pair.server.kept()), (None, 0));
        assert_eq!(pair.to_client.is_empty(), times > 1, "{times}");
        let read = pair.client.read(&mut pair.to_client, &mut plain, &mut pair.to_server);
        pair.to_client.clear();
        assert_eq!(read.failed, None, "a warning is no end");
    }
    assert!(pair.client.write(b"hello", &mut [], &mut pair.to_server));
    pair.server.read(&mut pair.to_server, &mut plain, &mut pair.to_client);
    assert_eq!(plain, b"hello");
}
