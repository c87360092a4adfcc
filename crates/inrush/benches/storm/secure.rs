//! The yardstick of TLS: the least that rustls can do on epoll. As many at once as the product has;
//! each shakes hands with a new session, says close_notify and closes.

use crate::child::Result;
use crate::reference::{Done, Task};
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::fs::File;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Instant;

/// As many as `inrush run -r max` has opening at once through TLS.
const AT_ONCE: usize = 64;
const STUCK: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

struct Conn {
    file: File,
    tls: ClientConnection,
    connected: bool,
}

/// Opens all, then closes all.
pub(crate) fn run(task: &Task) -> Result<Done> {
    let config = config()?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| format!("epoll: {e}"))?;
    let mut conns: Vec<Conn> = Vec::with_capacity(task.connections);
    let mut events = Vec::with_capacity(AT_ONCE);
    let (begin, mut secured) = (Instant::now(), 0);
    while secured < task.connections {
        while conns.len() - secured < AT_ONCE && conns.len() < task.connections {
            let conn = connect(task, &epoll, conns.len(), &config)?;
            conns.push(conn);
        }
        events.clear();
        let room = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&epoll, room, Some(&STUCK)) {
            Ok(0) => return Err("no event for 30 s".into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(format!("epoll_wait: {e}")),
        }
        for event in &events {
            let id = usize::try_from(event.data.u64()).expect("it was an index");
            secured += usize::from(turn(&mut conns[id], event.flags).map_err(|e| bad(id, &e))?);
        }
    }
    let open_seconds = begin.elapsed().as_secs_f64();
    for mut conn in conns {
        conn.tls.send_close_notify();
        let _ = conn.tls.write_tls(&mut conn.file);
    }
    Ok(Done { open_seconds, echoes: 0 })
}

fn connect(task: &Task, epoll: &OwnedFd, id: usize, config: &Arc<ClientConfig>) -> Result<Conn> {
    let fd = open(task, id).map_err(|e| format!("connect: {e}"))?;
    use epoll::EventFlags as F;
    let data = epoll::EventData::new_u64(id as u64);
    epoll::add(epoll, &fd, data, F::IN | F::OUT | F::RDHUP | F::ET)
        .map_err(|e| format!("epoll: {e}"))?;
    let name = ServerName::try_from("localhost").map_err(|e| bad(id, &e))?;
    let tls = ClientConnection::new(Arc::clone(config), name).map_err(|e| bad(id, &e))?;
    Ok(Conn { file: fd.into(), tls, connected: false })
}

fn open(task: &Task, id: usize) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    net::sockopt::set_tcp_nodelay(&fd, true)?;
    let source = task.sources[id % task.sources.len()];
    setsockopt(&fd, IpBindAddressNoPort, &true).map_err(|e| Errno::from_raw_os_error(e as i32))?;
    net::bind(&fd, &SocketAddrV4::new(source, 0))?;
    match net::connect(&fd, &task.to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(e) => Err(e),
    }
}

/// Serves what came. True when hands were shaken just now.
fn turn(conn: &mut Conn, flags: epoll::EventFlags) -> std::io::Result<bool> {
    use epoll::EventFlags as F;
    let shaking = conn.tls.is_handshaking();
    if flags.contains(F::OUT) && !conn.connected {
        conn.connected = true;
        conn.tls.write_tls(&mut conn.file)?;
    }
    if flags.intersects(F::IN | F::RDHUP | F::HUP | F::ERR) {
        match conn.tls.read_tls(&mut conn.file) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {
                conn.tls.process_new_packets().map_err(std::io::Error::other)?;
                while conn.tls.wants_write() {
                    conn.tls.write_tls(&mut conn.file)?;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
    Ok(shaking && !conn.tls.is_handshaking())
}

fn bad(id: usize, error: &dyn std::fmt::Display) -> String {
    format!("connection {id}: {error}")
}

fn config() -> Result<Arc<ClientConfig>> {
    // The same suite as the product offers first, or the yardstick would pay for AES-256.
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        let name = format!("{:?}", suite.suite());
        !(name.contains("AES_128_GCM_SHA256"))
    });
    let provider = Arc::new(provider);
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS: {e}"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// As `--insecure`: the signature is verified, the certificate is not.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
