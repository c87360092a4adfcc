//! Streams of frames as tungstenite understands them: same messages, same end, or a stated reason.

use super::heads::Pipe;
use inrush_core::failure::ProtocolError;
use inrush_core::protocol::ws_frame::{Decoder, Event, Role, Utf8, apply_mask, close_code, opcode};
use tungstenite::protocol::{Role as TheirRole, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};
use websocket_sans_io::{WebsocketFrameDecoder, WebsocketFrameEvent};

/// tungstenite reserves the memory of a frame when it has read its head, so it is given a limit.
const LIMIT: usize = 1 << 17;

/// A message or a control frame, whole and unmasked.
type Whole = (u8, Vec<u8>);

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With the bytes.
    Open,
    /// With a Close frame.
    Closed(u16),
    /// It broke a rule in the frame of this number, from 0.
    Broken(ProtocolError, usize),
}

/// How it ended for tungstenite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theirs {
    Open,
    Closed(u16),
    Broken,
    OverLimit,
}

/// Why we say something else than tungstenite: all the reasons that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// We say it at the byte that shows it, tungstenite when it has the frame as a whole
    /// (RFC 6455 §10.7: invalid data may be refused at any time).
    Sooner,
    /// A length that is not in its shortest form, or has its highest bit set (§5.2): tungstenite
    /// does not look. In a control frame every long form is one (§5.5).
    Length,
    /// A frame over its limit; we leave limits to who reads the messages (§10.4).
    Limit,
    /// 1014 is in the registry (§11.7), and tungstenite does not know it.
    BadGateway,
    /// A code that must not be sent (§7.4): tungstenite gives out a Close frame with 1002 instead.
    CloseCode,
}

/// Both understand the stream in the same way, or differ for one of the reasons.
pub fn agree(role: Role, wire: &[u8], sizes: &[usize]) -> Option<Differs> {
    let (messages, end) = ours(role, wire);
    let (their_messages, their_end) = theirs(role, wire, sizes);
    let same = messages == their_messages;
    let differs = match (end, their_end) {
        (End::Open, Theirs::Open) | (End::Broken(..), Theirs::Broken) if same => return None,
        (End::Closed(ours), Theirs::Closed(theirs)) if same && ours == theirs => return None,
        (End::Broken(ProtocolError::Length | ProtocolError::ControlTooLong, _), _)
            if their_messages.starts_with(&messages) =>
        {
            Differs::Length
        }
        (End::Broken(_, frame), Theirs::Open) if same && frame >= whole_frames(wire) => {
            Differs::Sooner
        }
        (End::Open | End::Broken(..), Theirs::OverLimit) if same => Differs::Limit,
        (End::Closed(1014), Theirs::Closed(1002)) if same => Differs::BadGateway,
        (End::Broken(ProtocolError::BadClose, _), Theirs::Closed(1002)) if same => {
            Differs::CloseCode
        }
        _ => panic!(
            "{role:?} {wire:02x?}\n ours: {end:?} {messages:02x?}\n theirs: {their_end:?} \
            {their_messages:02x?}"
        ),
    };
    Some(differs)
}

/// With what a reader of messages does beside: text is UTF-8, a Close frame is the end.
fn ours(role: Role, mut wire: &[u8]) -> (Vec<Whole>, End) {
    let (mut decoder, mut wholes, mut frame) = (Decoder::default(), vec![], 0);
    let (mut data, mut control, mut utf8) = (vec![], vec![], Utf8::default());
    loop {
        let event = match decoder.next(role, &mut wire) {
            Ok(Some(event)) => event,
            Ok(None) => return (wholes, End::Open),
            Err(error) => {
                let long_form = wire[0] & 0x7f > 125;
                assert!(error != ProtocolError::ControlTooLong || long_form);
                return (wholes, End::Broken(error, frame));
            }
        };
        match event {
            Event::Data { text, bytes, end, mask, offset, .. } => {
                let from = data.len();
                data.extend_from_slice(bytes);
                apply_mask(&mut data[from..], mask, offset);
                if text && (!utf8.feed(&data[from..]) || end && !utf8.done()) {
                    return (wholes, End::Broken(ProtocolError::Utf8, frame));
                }
                if end {
                    let op = if text { opcode::TEXT } else { opcode::BINARY };
                    wholes.push((op, std::mem::take(&mut data)));
                    utf8 = Utf8::default();
                }
            }
            Event::Control { op, bytes, end, mask, offset } => {
                let from = control.len();
                control.extend_from_slice(bytes);
                apply_mask(&mut control[from..], mask, offset);
                if end && op == opcode::CLOSE {
                    return match close_code(&control) {
                        Ok(code) => (wholes, End::Closed(code)),
                        Err(error) => (wholes, End::Broken(error, frame)),
                    };
                }
                if end {
                    wholes.push((op, std::mem::take(&mut control)));
                }
            }
        }
        frame += usize::from(!decoder.mid_frame());
    }
}

fn theirs(role: Role, wire: &[u8], sizes: &[usize]) -> (Vec<Whole>, Theirs) {
    let role = match role {
        Role::Client => TheirRole::Client,
        Role::Server => TheirRole::Server,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(64)
        .max_message_size(None)
        .max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Pipe::new(wire, sizes), role, Some(config));
    let mut wholes = vec![];
    let end = loop {
        match socket.read() {
            Ok(Message::Text(text)) => wholes.push((opcode::TEXT, text.as_bytes().to_vec())),
            Ok(Message::Binary(bytes)) => wholes.push((opcode::BINARY, bytes.to_vec())),
            Ok(Message::Ping(bytes)) => wholes.push((opcode::PING, bytes.to_vec())),
            Ok(Message::Pong(bytes)) => wholes.push((opcode::PONG, bytes.to_vec())),
            Ok(Message::Close(None)) => break Theirs::Closed(1005),
            Ok(Message::Close(Some(frame))) => break Theirs::Closed(frame.code.into()),
            Ok(Message::Frame(_)) => panic!("it is never given out by read()"),
            Err(Error::Capacity(_)) => break Theirs::OverLimit,
            Err(Error::Protocol(error)) => {
                use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake as Ended;
                break if error == Ended { Theirs::Open } else { Theirs::Broken };
            }
            Err(Error::Utf8(_)) => break Theirs::Broken,
            Err(other) => panic!("{other:?}"),
        }
    };
    (wholes, end)
}

/// Frames that are there to their last byte, as websocket-sans-io counts them.
fn whole_frames(wire: &[u8]) -> usize {
    let (mut decoder, mut frames) = (WebsocketFrameDecoder::new(), 0);
    let mut bytes = wire.to_vec();
    for piece in bytes.chunks_mut(1) {
        let mut left = piece;
        loop {
            let got = decoder.add_data(left).expect("any bytes are frames to it");
            frames += usize::from(matches!(got.event, Some(WebsocketFrameEvent::End { .. })));
            if got.event.is_none() && got.consumed_bytes == 0 {
                break;
            }
            left = &mut left[got.consumed_bytes..];
        }
    }
    frames
}
