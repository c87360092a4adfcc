//! Hands of ours against rustls's own connections, over a real socket.

use super::*;
use crate::link::{Link, pair};
use crate::tls::{self, Layer, self_signed};
use inrush_core::plan::{Identity, Job, Mode, OnEmfile, Proto, Serve, TlsClient, Trust};
use inrush_core::snapshot::Snapshot;
use inrush_core::swarm::{Command, Order, Orders, Step};
use inrush_core::time::Nanos;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{SideData, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const ID: ConnId = ConnId { slot: 3, generation: 1 };

/// A connection whose other side says hello when it is told, and reads when it is told again.
struct Meeting {
    hands: Hands,
    go: Sender<()>,
    peer: JoinHandle<std::io::Result<Vec<u8>>>,
}

impl Meeting {
    fn new(we_serve: bool) -> Self {
        let own = self_signed(&["localhost".into()]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        let serve = Serve {
            index: 0,
            seed: 7,
            mode: Mode::Echo,
            proto: Proto::Tcp,
            tls: None,
            greeting: Vec::new(),
            push_every: Nanos::ZERO,
            max_connections: 0,
            faults: Vec::new(),
            on_emfile: OnEmfile::Pause,
            spare_descriptors: 0,
        };
        let link = Link::new(pair().unwrap().0);
        let mut hands = Hands::new(&Job::Serve(serve), &link, None).unwrap();
        hands.tls = Some(match we_serve {
            true => Layer::servers(tls::Server::new(&own, true).unwrap()),
            false => {
                let plan = TlsClient { trust: Trust::Anyone, identity: None };
                let client = tls::Client::new(&plan, false).unwrap();
                Layer::clients(vec![Some((client, "localhost".into()))])
            }
        });
        hands.admit(ID, ours.into()).unwrap();
        let (go, told) = channel();
        let peer = std::thread::spawn(move || match we_serve {
            true => listen(StreamOwned::new(client_of(&own), theirs), &told),
            false => listen(StreamOwned::new(server_of(&own), theirs), &told),
        });
        assert!(hands.secure(ID, 0, false).unwrap());
        Self { hands, go, peer }
    }

    fn shaken(we_serve: bool) -> Self {
        let mut meeting = Self::new(we_serve);
        meeting.shake();
        meeting
    }

    fn shake(&mut self) {
        let mut buffer = vec![0; 64 << 10];
        let mut secured = false;
        while !secured {
            let left = self.hands.tls.as_ref().unwrap().put_left(ID.slot, &mut buffer);
            match self.hands.recv(ID, &mut buffer[left..]).unwrap() {
                Ok(n) => {
                    let tls = self.hands.tls.as_mut().unwrap();
                    let meaning = tls.read(ID.slot, &mut buffer[..left + n], 64 << 10);
                    assert!(meaning.failed.is_none(), "{meaning:?}");
                    secured = meaning.secured.is_some();
                    self.hands.say(ID).unwrap();
                }
                Err(Errno::EAGAIN) => std::thread::sleep(Duration::from_millis(1)),
                Err(errno) => panic!("{errno:?}"),
            }
        }
    }
}

fn listen<C, S>(
    mut stream: StreamOwned<C, TcpStream>,
    go: &Receiver<()>,
) -> std::io::Result<Vec<u8>>
where
    C: DerefMut + Deref<Target = rustls::ConnectionCommon<S>>,
    S: SideData,
{
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    go.recv().expect("it is told");
    stream.write_all(b"hello")?;
    go.recv().expect("it is told again");
    let mut heard = Vec::new();
    // An end without close_notify is an error.
    stream.read_to_end(&mut heard)?;
    Ok(heard)
}

fn client_of(own: &Identity) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(own.chain.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(tls_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

fn server_of(own: &Identity) -> ServerConnection {
    let chain = vec![CertificateDer::from_pem_slice(own.chain.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(tls_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

fn tls_provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// 2^24 records of TLS 1.2 later: the swarm is told, and nothing is claimed to be written.
#[test]
fn bytes_that_no_key_may_encrypt_are_not_said_to_be_out() {
    let Meeting { mut hands, go, peer } = Meeting::shaken(true);
    let tls = hands.tls.as_mut().unwrap();
    tls.end(ID.slot);
    assert!(tls.begin(ID.slot, 0, false), "one that cannot speak yet, as one that cannot any more");
    assert_eq!(hands.send(ID, b"hello"), Ok(0));
    assert!(hands.was_worn_out() && !hands.was_worn_out(), "told once");
    assert!(hands.tls.as_ref().unwrap().out.is_empty(), "nothing is left for another connection");
    hands.close(ID, Close::Rst);
    go.send(()).and_then(|()| go.send(())).unwrap();
    assert!(peer.join().unwrap().is_err());
}

/// What is said to be out is out: whoever ends it then cuts nothing off.
#[test]
fn what_a_slow_reader_does_not_take_is_not_said_to_be_out() {
    let said: Vec<u8> = (0..12_000_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    for we_serve in [true, false] {
        let Meeting { mut hands, go, peer } = Meeting::shaken(we_serve);
        let mut out = hands.send(ID, &said).unwrap();
        let owed = hands.tls.as_ref().unwrap().owed(ID.slot).len();
        assert!(out < said.len() && owed > 0, "{out} of {}, {owed} owed", said.len());
        assert!(owed < 70_000, "{owed} bytes lie in nobody's budget");
        assert_eq!(hands.send(ID, &said[out..]), Ok(0), "records come first");
        go.send(()).and_then(|()| go.send(())).unwrap();
        while out < said.len() {
            hands.pay(ID).unwrap();
            // In parts of any size, of which the last is the byte that was held back.
            let part = &said[out..said.len().min(out + 300_000)];
            out += hands.send(ID, part).unwrap();
            std::thread::yield_now();
        }
        assert!(!hands.owes(ID), "all is out");
        hands.close(ID, Close::Fin);
        assert!(peer.join().unwrap().unwrap() == said, "every byte, and the notice of the end");
    }
}

/// Writes down what it is told, and answers each word.
#[derive(Default)]
struct Scribe {
    told: Vec<String>,
    heard: Vec<u8>,
}

impl Role for Scribe {
    fn poll(&mut self, _: Nanos, _: &mut Orders) -> Step {
        Step::Again
    }

    fn handle(&mut self, _: Nanos, id: ConnId, input: Input<'_>, orders: &mut Orders) {
        self.told.push(format!("{input:?}"));
        if let Input::Bytes(bytes) = input {
            self.heard.extend_from_slice(bytes);
            orders.write(id, |out| out.extend_from_slice(b"an answer"));
        }
    }

    fn wants_room(&self, _: ConnId) -> bool {
        false
    }

    fn command(&mut self, _: Nanos, _: Command, _: &mut Orders) {}

    fn emit(&mut self, _: Nanos, _: bool, _: &mut Vec<u8>, _: &mut dyn FnMut(&mut Snapshot)) {}
}

fn looped(hands: Hands) -> Loop<Scribe> {
    Loop::new(Scribe::default(), hands, Link::new(pair().unwrap().0), 0)
}

/// A batch that reads a little goes on with its own bytes.
#[test]
fn what_a_read_inside_a_batch_leads_to_comes_after_the_batch() {
    let Meeting { hands, go, peer } = Meeting::shaken(true);
    let mut own = looped(hands);
    go.send(()).unwrap();
    let mut expected = Vec::new();
    while own.swarm.heard.is_empty() {
        own.orders.push(Order::Read(ID, 1_000));
        own.orders.write(ID, |out| out.extend_from_slice(b"of the batch; "));
        expected.extend(b"of the batch; ");
        own.carry_out();
        std::thread::sleep(Duration::from_millis(1));
    }
    expected.extend(b"an answer");
    own.hands.close(ID, Close::Fin);
    go.send(()).unwrap();
    let heard = peer.join().unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(&expected));
}

/// A peer without our Finished has not shaken hands, whatever rustls thinks.
#[test]
fn hands_are_not_shaken_when_the_last_message_cannot_be_said() {
    let Meeting { hands, go, peer } = Meeting::new(false);
    let mut own = looped(hands);
    socket::shutdown_write(own.hands.socket(ID).unwrap().as_fd());
    for _ in 0..2_000 {
        own.read_secure(ID, false);
        if own.swarm.told.iter().any(|told| told.starts_with("Failed")) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let told = &own.swarm.told;
    assert!(told.iter().all(|told| !told.starts_with("Secured")), "{told:?}");
    assert!(told.last().unwrap().starts_with("Failed(Write"), "{told:?}");
    drop((own, go));
    assert!(peer.join().unwrap().is_err());
}
