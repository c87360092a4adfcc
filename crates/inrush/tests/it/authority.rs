//! An authority of the tests' own: certificates good and bad, and servers that show them.

use crate::servers::{Guest, Server};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ServerConfig, ServerConnection, WebPkiClientVerifier};
use rustls::{
    DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned, SupportedProtocolVersion,
};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A certificate authority whose files live as long as it does.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate (PEM).
    pub(crate) pem: String,
}

/// A certificate that it has signed, and the key.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("there is randomness");
        // Two authorities of one name would be taken for one with a bad signature.
        let name = format!("authority {:x?}", &key.public_key_raw()[1..9]);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).expect("the parameters are good").pem();
        let folder = tempfile::tempdir().expect("there is room");
        Self { folder, issuer: Issuer::new(params, key), pem }
    }

    /// Signs one for this name, valid until that year.
    pub(crate) fn sign(&self, name: &str, until: i32) -> Signed {
        let mut params = CertificateParams::new(vec![name.into()]).expect("it is a name");
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("there is randomness");
        let signed = params.signed_by(&key, &self.issuer).expect("the parameters are good");
        Signed { chain: signed.pem(), key: key.serialize_pem() }
    }

    /// A good one for this host.
    pub(crate) fn good(&self) -> Signed {
        self.sign("127.0.0.1", 2400)
    }

    /// Writes a text to a file of its folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the folder is ours");
        path
    }

    /// The file of its own certificate.
    pub(crate) fn cacert(&self) -> PathBuf {
        self.file("ca.pem", &self.pem)
    }

    /// Its roots, for a server that verifies clients.
    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("we wrote it");
        roots.add(own).expect("it is a certificate");
        roots
    }

    /// A server's side: shows this certificate, and asks for one of this authority if `mutual`.
    pub(crate) fn config(
        &self,
        signed: &Signed,
        mutual: bool,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("they are known");
        let builder = if mutual {
            let roots = Arc::new(self.roots());
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.expect("it has a root"))
        } else {
            builder.with_no_client_auth()
        };
        let chain = CertificateDer::from_pem_slice(signed.chain.as_bytes()).expect("we wrote it");
        let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).expect("we wrote it");
        let config = builder.with_single_cert(vec![chain], key);
        Arc::new(config.expect("they belong together"))
    }
}

/// A stream through TLS.
pub(crate) type Secure = StreamOwned<ServerConnection, TcpStream>;

/// A server that shakes hands so and then does this; who does not shake hands is left.
pub(crate) fn secure_server(
    config: Arc<ServerConfig>,
    each: impl Fn(usize, Secure) + Send + Sync + 'static,
) -> Server {
    Server::start(move |guest: Guest| {
        let index = guest.index;
        let Ok(conn) = ServerConnection::new(Arc::clone(&config)) else { return };
        let mut stream = StreamOwned::new(conn, guest.stream);
        while stream.conn.is_handshaking() {
            // An alert of ours goes out with the failure.
            if stream.conn.complete_io(&mut stream.sock).is_err() {
                return;
            }
        }
        each(index, stream);
    })
}

/// `--cacert FILE`, as words of a command line.
pub(crate) fn trusting(path: &Path) -> String {
    format!("--cacert {}", path.display())
}

/// A client that believes anybody, hands shaken.
pub(crate) fn trustful(stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("they are known")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trustful(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("it is a name");
    let conn = ClientConnection::new(Arc::new(config), name).expect("the name is good");
    StreamOwned::new(conn, stream)
}

#[derive(Debug)]
struct Trustful(Arc<CryptoProvider>);

impl ServerCertVerifier for Trustful {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
