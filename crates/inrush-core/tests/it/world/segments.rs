//! What the kernel does by itself: segments that arrive, timers that fire, bytes that move.
//! Go-back-N stands for TCP's retransmissions, and a sender sees the receiver's window at once.

use super::kernel::{Event, Kernel, Kind, Segment};
use super::socket::{Owner, Sock, SockId, Tcp};
use inrush_core::errno::Errno;
use inrush_core::time::Nanos;
use std::net::SocketAddr;

/// Timers fire on the kernel's tick, all of one tick together (CONFIG_HZ=250).
const TICK: Nanos = Nanos::from_millis(4);
/// tcp_syn_linear_timeouts=4 and doubling after it (FAILURES 1b): seconds.
const SYN_GAPS: [u64; 10] = [1, 1, 1, 1, 1, 2, 4, 8, 16, 32];
/// tcp_synack_retries=5, doubling: seconds.
const SYNACK_GAPS: [u64; 5] = [1, 2, 4, 8, 16];
/// Retransmission of data, doubling (FAILURES 1c: rto 204 ms).
const RTO: Nanos = Nanos::from_millis(204);

impl Kernel {
    /// A segment has come to its address.
    pub(super) fn arrive(&mut self, segment: Segment) {
        let Segment { from, to, cookie, kind } = segment;
        if let Some(id) = self.table.get(&(to, from)).copied() {
            let now = self.now;
            let sock = &mut self.socks[id];
            if sock.cut_off {
                return;
            }
            sock.segs_in += 1;
            sock.heard = now;
            return self.arrive_at(id, kind);
        }
        match kind {
            Kind::Rst => {}
            Kind::Syn if self.filtered.contains(&to) => {}
            Kind::Syn if self.listeners.contains_key(&to) => self.syn(to, from),
            Kind::Ack(_) | Kind::Data { .. } if cookie && self.listeners.contains_key(&to) => {
                self.cookie_back(to, from, kind);
            }
            // FAILURES 4, 21c: nobody has such a socket.
            _ => self.answer(to, from, Kind::Rst),
        }
    }

    /// The listener is asked for a connection.
    fn syn(&mut self, at: SocketAddr, from: SocketAddr) {
        let listener = self.listeners.get_mut(&at).expect("it was looked up");
        // reqsk_queue_len() > backlog; sk_acceptq_is_full(): both queues hold one more than asked.
        let with_cookie = listener.half > listener.backlog;
        if listener.queue.len() > listener.backlog {
            // FAILURES 1b: dropped in silence.
            listener.drops += 1;
            self.counters.listen_overflows += 1;
            return;
        }
        if with_cookie && !self.cookies {
            // FAILURES 10c.
            listener.drops += 1;
            self.counters.req_queue_full_drops += 1;
            return;
        }
        if with_cookie {
            // FAILURES 1c: nothing is kept.
            self.counters.cookies_for_full_queue += 1;
            return self.answer(at, from, Kind::SynAck { cookie: true });
        }
        listener.half += 1;
        let mut sock = Sock::new(Owner::Queue, at, from, Tcp::SynRecv);
        sock.segs_in = 1;
        let id = self.add(sock);
        self.transmit(id, Kind::SynAck { cookie: false });
        self.arm(id);
    }

    /// The last ACK of a hand-shake that was kept nowhere. Without room it is dropped in silence,
    /// and the client has a ghost (FAILURES 1c: `tcp_abort_on_overflow` does not help).
    fn cookie_back(&mut self, at: SocketAddr, from: SocketAddr, kind: Kind) {
        if self.overflows(at) {
            return;
        }
        let mut sock = Sock::new(Owner::Queue, at, from, Tcp::Established);
        (sock.made, sock.segs_in) = (true, 1);
        let id = self.add(sock);
        let listener = self.listeners.get_mut(&at).expect("it was looked up");
        listener.queue.push_back(id);
        self.arrive_at(id, kind);
    }

    /// Whether the accept queue is full; then what came is dropped and counted.
    fn overflows(&mut self, at: SocketAddr) -> bool {
        let listener = self.listeners.get_mut(&at).expect("whoever asks has one");
        let full = listener.queue.len() > listener.backlog;
        listener.drops += u64::from(full);
        self.counters.listen_overflows += u64::from(full);
        full
    }

    fn arrive_at(&mut self, id: SockId, kind: Kind) {
        let state = self.socks[id].state;
        match (state, kind) {
            (_, Kind::Rst) => self.reset(id),
            (Tcp::SynSent, Kind::SynAck { cookie }) => {
                let sock = &mut self.socks[id];
                (sock.state, sock.made, sock.cookie) = (Tcp::Established, true, cookie);
                (sock.again_at, sock.tries) = (Nanos::MAX, 0);
                self.transmit(id, Kind::Ack(0));
                self.wake(id);
            }
            // Both ends are one socket: a port that connected to itself (tcp_rcv_synsent).
            (Tcp::SynSent, Kind::Syn) if self.socks[id].local == self.socks[id].remote => {
                let sock = &mut self.socks[id];
                (sock.state, sock.made, sock.again_at) = (Tcp::Established, true, Nanos::MAX);
                self.wake(id);
            }
            (Tcp::SynSent, _) => {}
            (Tcp::SynRecv, Kind::Syn) => self.transmit(id, Kind::SynAck { cookie: false }),
            (Tcp::SynRecv, kind @ (Kind::Ack(_) | Kind::Data { .. })) => {
                if self.admit(id) {
                    self.arrive_at(id, kind);
                }
            }
            // FAILURES 1d0: the server has not heard our ACK; it is challenged.
            (_, Kind::SynAck { .. }) => {
                let upto = self.socks[id].rcv_nxt;
                self.transmit(id, Kind::Ack(upto));
            }
            (_, Kind::Syn) => {}
            (_, Kind::Ack(upto)) => self.acknowledged(id, upto),
            (_, Kind::Data { seq, bytes, fin }) => self.data(id, seq, &bytes, fin),
        }
    }

    /// The last ACK of a hand-shake. Without room it stays half open (FAILURES 1d0), or is reset
    /// (1d1).
    fn admit(&mut self, id: SockId) -> bool {
        let at = self.socks[id].local;
        if self.overflows(at) {
            if self.abort_on_overflow {
                self.abort(id);
            }
            return false;
        }
        let listener = self.listeners.get_mut(&at).expect("half-open ones end with it");
        listener.half -= 1;
        listener.queue.push_back(id);
        let sock = &mut self.socks[id];
        (sock.state, sock.made) = (Tcp::Established, true);
        (sock.again_at, sock.tries) = (Nanos::MAX, 0);
        true
    }

    /// FAILURES §0.3: 111 in SYN-SENT, 32 when a FIN came first, else 104. What lies unread stays
    /// readable (§0.2).
    fn reset(&mut self, id: SockId) {
        let sock = &mut self.socks[id];
        sock.error = Some(match sock.state {
            Tcp::SynSent => Errno::ECONNREFUSED,
            Tcp::CloseWait => Errno::EPIPE,
            _ => Errno::ECONNRESET,
        });
        self.forget(id);
        self.wake(id);
    }

    /// Ends it with a RST.
    pub(super) fn abort(&mut self, id: SockId) {
        self.transmit(id, Kind::Rst);
        self.forget(id);
    }

    fn acknowledged(&mut self, id: SockId, upto: u64) {
        let sock = &mut self.socks[id];
        let end = sock.una + sock.snd.len() as u64;
        if upto > sock.una {
            let bytes = upto.min(end) - sock.una;
            sock.snd.drain(..usize::try_from(bytes).expect("it is below the buffer's size"));
            sock.una += bytes;
            sock.nxt = sock.nxt.max(sock.una);
            sock.unheard = None;
            (sock.tries, sock.again_at) = (0, Nanos::MAX);
        }
        if upto > end && sock.fin.1 && !sock.fin.2 {
            sock.fin.2 = true;
            match sock.state {
                Tcp::FinWait1 => sock.state = Tcp::FinWait2,
                Tcp::Closing => sock.state = Tcp::TimeWait,
                Tcp::LastAck => self.over(id),
                _ => {}
            }
        }
        let sock = &mut self.socks[id];
        if sock.starved && sock.state != Tcp::Close && sock.has_room() {
            sock.starved = false;
            self.wake(id);
        }
        self.pump(id);
        self.arm(id);
        self.leave_time_wait(id);
    }

    fn data(&mut self, id: SockId, seq: u64, bytes: &[u8], fin: bool) {
        let sock = &mut self.socks[id];
        let (end, known) = (seq + bytes.len() as u64, sock.rcv_nxt);
        if sock.owner == Owner::Nobody && end > known && !sock.fin_in {
            // FAILURES 7c: data after close().
            self.counters.aborts_on_data += 1;
            return self.abort(id);
        }
        // One that comes before its predecessor is sent again after it.
        if seq <= known && !sock.fin_in {
            let old = usize::try_from((known - seq).min(bytes.len() as u64)).expect("a length");
            sock.rcv.extend(&bytes[old..]);
            sock.rcv_nxt = known.max(end);
            let ends = fin && sock.rcv_nxt == end;
            if ends {
                sock.fin_in = true;
                sock.rcv_nxt += 1;
                sock.state = match sock.state {
                    Tcp::Established => Tcp::CloseWait,
                    Tcp::FinWait1 => Tcp::Closing,
                    Tcp::FinWait2 => Tcp::TimeWait,
                    other => other,
                };
            }
            if ends || old < bytes.len() {
                self.wake(id);
            }
        }
        let upto = self.socks[id].rcv_nxt;
        self.transmit(id, Kind::Ack(upto));
        self.leave_time_wait(id);
    }

    /// Time-wait only matters to ports, which are plenty here.
    fn leave_time_wait(&mut self, id: SockId) {
        let sock = &self.socks[id];
        if sock.state == Tcp::TimeWait && sock.owner == Owner::Nobody {
            self.forget(id);
        }
    }

    /// Both sides have ended. The program may not have noticed yet.
    fn over(&mut self, id: SockId) {
        self.forget(id);
        self.wake(id);
    }

    /// Bytes have been read: a sender that waits for room learns of it.
    pub(super) fn open_window(&mut self, id: SockId) {
        let sock = &self.socks[id];
        let peer = self.table.get(&(sock.remote, sock.local)).map(|peer| &self.socks[*peer]);
        let waits = peer.is_some_and(|peer| (peer.snd.len() as u64) > peer.nxt - peer.una);
        if waits && sock.state != Tcp::Close {
            let upto = sock.rcv_nxt;
            self.transmit(id, Kind::Ack(upto));
        }
    }

    /// Sends what the peer has room for, then our FIN.
    pub(super) fn pump(&mut self, id: SockId) {
        loop {
            let sock = &self.socks[id];
            if matches!(sock.state, Tcp::SynSent | Tcp::SynRecv | Tcp::Close) {
                return;
            }
            let peer = self.table.get(&(sock.remote, sock.local)).map(|peer| &self.socks[*peer]);
            let room = peer.map_or(65_160, |peer| {
                let coming = sock.nxt.saturating_sub(peer.rcv_nxt) as usize;
                peer.rcv_room.saturating_sub(peer.rcv.len() + coming)
            });
            let sent = usize::try_from(sock.nxt - sock.una).expect("it is below the buffer's size");
            let left = sock.snd.len() - sent;
            let most = self.chance.size(self.link.mss);
            let sock = &mut self.socks[id];
            let take = left.min(room).min(most);
            let fin = sock.fin.0 && !sock.fin.1 && take == left;
            if take == 0 && !fin {
                return;
            }
            let seq = sock.nxt;
            let bytes = sock.snd.range(sent..sent + take).copied().collect();
            sock.nxt += take as u64;
            sock.fin.1 |= fin;
            self.transmit(id, Kind::Data { seq, bytes, fin });
            self.arm(id);
        }
    }

    /// Sets the timer of whatever is not answered.
    pub(super) fn arm(&mut self, id: SockId) {
        let now = self.now;
        let sock = &mut self.socks[id];
        let gap = match sock.state {
            Tcp::SynSent => SYN_GAPS.get(sock.tries as usize).map(|s| Nanos::from_secs(*s)),
            Tcp::SynRecv => SYNACK_GAPS.get(sock.tries as usize).map(|s| Nanos::from_secs(*s)),
            _ if sock.in_flight() == 0 => return,
            _ => Some(RTO * (1 << sock.tries.min(9))),
        };
        if sock.again_at != Nanos::MAX {
            return;
        }
        let last = Nanos::from_secs(64);
        sock.again_at = now + gap.unwrap_or(last);
        self.set_timer(id);
    }

    fn set_timer(&mut self, id: SockId) {
        let sock = &mut self.socks[id];
        let at = Nanos(sock.again_at.0.div_ceil(TICK.0) * TICK.0);
        if sock.timer.is_none_or(|planned| planned > at) {
            sock.timer = Some(at);
            self.plan(at, Event::Timer(id));
        }
    }

    /// Nothing was answered in time, unless it was since.
    pub(super) fn fire(&mut self, id: SockId) {
        let now = self.now;
        let sock = &mut self.socks[id];
        if sock.timer != Some(now) {
            return;
        }
        sock.timer = None;
        if sock.state == Tcp::Close || sock.again_at == Nanos::MAX {
            return;
        }
        if sock.again_at > now {
            return self.set_timer(id);
        }
        sock.again_at = Nanos::MAX;
        sock.tries += 1;
        match sock.state {
            Tcp::SynSent if sock.tries as usize > SYN_GAPS.len() => {
                // FAILURES 10a.
                sock.error = Some(Errno::ETIMEDOUT);
                return self.over(id);
            }
            Tcp::SynSent => {
                sock.retrans += 1;
                self.counters.syn_retrans += 1;
                self.transmit(id, Kind::Syn);
            }
            // FAILURES 1e: the server gives up; whoever writes then is reset.
            Tcp::SynRecv if sock.tries as usize > SYNACK_GAPS.len() => return self.forget(id),
            Tcp::SynRecv => self.transmit(id, Kind::SynAck { cookie: false }),
            // FAILURES 13: the kernel's patience is at an end.
            _ if sock.is_given_up(now) => {
                sock.error = Some(Errno::ETIMEDOUT);
                return self.over(id);
            }
            _ => {
                sock.unheard = sock.unheard.or(Some(now));
                sock.retrans += 1;
                sock.nxt = sock.una;
                sock.fin.1 = false;
                self.pump(id);
            }
        }
        self.arm(id);
    }

    /// Sends a segment of this socket; those of one direction keep their order.
    pub(super) fn transmit(&mut self, id: SockId, kind: Kind) {
        let at = self.now + self.delay();
        let sock = &mut self.socks[id];
        sock.order = sock.order.max(at);
        let (at, from, to, cookie) = (sock.order, sock.local, sock.remote, sock.cookie);
        self.counters.out_rsts += u64::from(matches!(kind, Kind::Rst));
        self.plan(at, Event::Arrive(Segment { from, to, cookie, kind }));
    }

    /// A segment without a socket.
    fn answer(&mut self, from: SocketAddr, to: SocketAddr, kind: Kind) {
        let at = self.now + self.delay();
        self.counters.out_rsts += u64::from(matches!(kind, Kind::Rst));
        self.plan(at, Event::Arrive(Segment { from, to, cookie: false, kind }));
    }

    fn delay(&mut self) -> Nanos {
        let (low, high) = self.link.delay;
        Nanos(self.chance.between(low.0, high.0))
    }
}
