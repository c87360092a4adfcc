//! A TLS that hides nothing: a hello each way, then bytes pass as they are, and alerts are records
//! of RFC 8446. What the layer tells its swarm is what the real one tells.

use super::kernel::Kernel;
use super::process::Process;
use inrush_core::failure::TlsError;
use inrush_core::swarm::{ConnId, Input};

/// The first message of either side.
pub(crate) const HELLO: &[u8] = b"\x16\x03\x01\x00\x05hello";
/// The record of a fatal or of a warning alert, without its number.
const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02";
const CLOSE_NOTIFY: &[u8] = b"\x15\x03\x03\x00\x02\x01\x00";

/// Where a connection's TLS stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// It awaits the peer's hello, and answers it when it is the server.
    Shaking { server: bool },
    /// Hands are shaken.
    Secure,
}

/// A fatal alert, as it is on the wire.
pub(crate) fn alert(number: u8) -> Vec<u8> {
    [ALERT, &[number]].concat()
}

impl Process {
    /// Begins TLS on it.
    pub(super) fn secure(&mut self, kernel: &mut Kernel, id: ConnId, server: bool) {
        self.layers.insert(id.slot, Layer::Shaking { server });
        if !server && let Some(sock) = self.sock(id) {
            // A hello that cannot be sent is missed by the read that follows.
            let _ = kernel.send(sock, HELLO);
        }
    }

    /// What these bytes off the wire mean.
    pub(super) fn unwrap(&mut self, kernel: &mut Kernel, id: ConnId, wire: &[u8]) {
        let length = u32::try_from(wire.len()).expect("a read is short");
        self.role.handle(self.now(), id, Input::Wire(length), &mut self.orders);
        let mut rest = wire;
        if let Some(Layer::Shaking { server }) = self.layers.get(&id.slot).copied() {
            match wire.strip_prefix(HELLO) {
                Some(after) => {
                    self.layers.insert(id.slot, Layer::Secure);
                    if server && let Some(sock) = self.sock(id) {
                        let _ = kernel.send(sock, HELLO);
                    }
                    let secured = Input::Secured { resumed: false };
                    self.role.handle(self.now(), id, secured, &mut self.orders);
                    self.carry_out(kernel);
                    rest = after;
                }
                None if !wire.starts_with(ALERT) => {
                    let said = Input::Tls(TlsError::NotTls, wire);
                    return self.role.handle(self.now(), id, said, &mut self.orders);
                }
                None => {}
            }
        }
        let input = match rest {
            [] => return,
            _ if rest == CLOSE_NOTIFY => Input::Notified,
            _ => match rest.strip_prefix(ALERT) {
                Some(number) => Input::Tls(TlsError::Alert(number[0]), &[]),
                None => Input::Bytes(rest),
            },
        };
        self.role.handle(self.now(), id, input, &mut self.orders);
    }

    /// Says that this was all, before it is closed.
    pub(super) fn notify(&mut self, kernel: &mut Kernel, id: ConnId) {
        if self.layers.get(&id.slot) == Some(&Layer::Secure)
            && let Some(sock) = self.sock(id)
        {
            let _ = kernel.send(sock, CLOSE_NOTIFY);
        }
    }
}
