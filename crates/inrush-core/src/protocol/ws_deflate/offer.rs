//! `Sec-WebSocket-Extensions` (RFC 6455 §9.1) as far as permessage-deflate goes: the offer, what a
//! server makes of it, and whether an answer belongs to it (RFC 7692 §7.1).

use crate::failure::ProtocolError;
use alloc::string::{String, ToString};
use core::fmt::{Display, Formatter, Result as Written};
use serde::{Deserialize, Serialize};

const NAME: &str = "permessage-deflate";
const SERVER_FORGETS: &str = "server_no_context_takeover";
const CLIENT_FORGETS: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";
/// The largest window of DEFLATE, 32 KiB, and what holds when nothing is said.
const MOST_BITS: u8 = 15;

/// The parameters of permessage-deflate, in an offer or in an answer to one.
// It travels as it is said: JSON has one null for a parameter that is not there and one without a
// value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Offer {
    /// The server starts each message with an empty window.
    pub server_no_context_takeover: bool,
    /// The client does.
    pub client_no_context_takeover: bool,
    /// Base-2 logarithm of the server's largest window, 8 to 15.
    pub server_max_window_bits: Option<u8>,
    /// The same of the client's; without a value it only says that the server may choose one.
    pub client_max_window_bits: Option<Option<u8>>,
}

/// What both sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The server's messages refer to those before them.
    pub server_takes_over: bool,
    /// The client's do.
    pub client_takes_over: bool,
    /// Base-2 logarithm of the server's window, 8 to 15.
    pub server_bits: u8,
    /// The same of the client's.
    pub client_bits: u8,
}

/// Why a list of parameters is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferError {
    /// No parameter of permessage-deflate.
    Unknown,
    /// Said twice.
    Twice,
    /// A value that it must not have, or none where it needs one.
    Value,
}

impl Offer {
    /// What browsers offer: the server may choose the client's window, and all else is open.
    pub const fn of_browsers() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: Some(None),
        }
    }

    /// Reads parameters with semicolons between them, without the extension's name; none at all is
    /// an offer, too.
    ///
    /// # Errors
    /// When a parameter is unknown, said twice, or has a wrong value (RFC 7692 §7.1).
    pub fn parse(parameters: &str) -> Result<Self, OfferError> {
        let mut offer = Self::default();
        if parameters.trim().is_empty() {
            return Ok(offer);
        }
        split(parameters, b';').try_for_each(|parameter| offer.take(parameter))?;
        Ok(offer)
    }

    fn take(&mut self, parameter: &str) -> Result<(), OfferError> {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
            None => (parameter.trim(), None),
        };
        let flag = |flag: &mut bool| match value {
            Some(_) => Err(OfferError::Value),
            None if core::mem::replace(flag, true) => Err(OfferError::Twice),
            None => Ok(()),
        };
        match name {
            SERVER_FORGETS => flag(&mut self.server_no_context_takeover),
            CLIENT_FORGETS => flag(&mut self.client_no_context_takeover),
            SERVER_BITS => {
                let bits = value.and_then(bits).ok_or(OfferError::Value)?;
                once(&mut self.server_max_window_bits, bits)
            }
            CLIENT_BITS => {
                let bits = value.map(|value| bits(value).ok_or(OfferError::Value)).transpose()?;
                once(&mut self.client_max_window_bits, bits)
            }
            _ => Err(OfferError::Unknown),
        }
    }

    /// What holds when the server gives this answer to our offer; `None` when it must not.
    fn agreed(&self, answer: &Self) -> Option<Agreed> {
        // Each wish that the server cannot take back (§7.1.1.1, §7.1.2.1).
        if self.server_no_context_takeover && !answer.server_no_context_takeover {
            return None;
        }
        let server_bits = match (self.server_max_window_bits, answer.server_max_window_bits) {
            (Some(wish), Some(bits)) if bits <= wish => bits,
            (Some(_), _) => return None,
            (None, bits) => bits.unwrap_or(MOST_BITS),
        };
        let client_bits = match (self.client_max_window_bits, answer.client_max_window_bits) {
            // Not asked, the server cannot choose; choosing, it says a number (§7.1.2.2).
            (None, Some(_)) | (_, Some(None)) => return None,
            (own, chosen) => {
                let own = own.flatten().unwrap_or(MOST_BITS);
                own.min(chosen.flatten().unwrap_or(MOST_BITS))
            }
        };
        Some(Agreed {
            server_takes_over: !answer.server_no_context_takeover,
            client_takes_over: !answer.client_no_context_takeover
                && !self.client_no_context_takeover,
            server_bits,
            client_bits,
        })
    }
}

impl From<Offer> for String {
    fn from(offer: Offer) -> Self {
        offer.to_string()
    }
}

impl TryFrom<String> for Offer {
    type Error = &'static str;

    fn try_from(said: String) -> Result<Self, Self::Error> {
        let parameters = said.strip_prefix(NAME).ok_or("another extension")?;
        Self::parse(parameters.trim_start_matches(';')).map_err(|_| "no such parameters")
    }
}

impl Display for Offer {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        f.write_str(NAME)?;
        if self.server_no_context_takeover {
            write!(f, "; {SERVER_FORGETS}")?;
        }
        if self.client_no_context_takeover {
            write!(f, "; {CLIENT_FORGETS}")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; {SERVER_BITS}={bits}")?;
        }
        match self.client_max_window_bits {
            None => Ok(()),
            Some(None) => write!(f, "; {CLIENT_BITS}"),
            Some(Some(bits)) => write!(f, "; {CLIENT_BITS}={bits}"),
        }
    }
}

impl Display for Agreed {
    /// The server's answer.
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        let chosen = |bits| (bits < MOST_BITS).then_some(bits);
        let answer = Offer {
            server_no_context_takeover: !self.server_takes_over,
            client_no_context_takeover: !self.client_takes_over,
            server_max_window_bits: chosen(self.server_bits),
            // What the client says of its own window needs no answer.
            client_max_window_bits: None,
        };
        answer.fmt(f)
    }
}

/// What a server that keeps no window agrees to: the first offer of this header that it
/// understands. Neither side takes a context over: then a connection costs nothing between two
/// messages. `None` when there is nothing to agree to.
pub fn accept(header: &str) -> Option<Agreed> {
    offers(header).find_map(|(name, parameters)| {
        let offer = Offer::parse(parameters?).ok().filter(|_| name == NAME)?;
        // An asked-for 15 has to be in the answer like any other wish; one less is as good.
        let server_bits = offer.server_max_window_bits.map_or(MOST_BITS, |bits| bits.min(14));
        let client_bits = offer.client_max_window_bits.flatten().unwrap_or(MOST_BITS);
        Some(Agreed {
            server_takes_over: false,
            client_takes_over: false,
            server_bits,
            client_bits,
        })
    })
}

/// What this answer to our offer says; each header of that name is one item of `headers`.
///
/// # Errors
/// `NotOffered` when it names another extension than the one that was offered, that one twice, or
/// parameters that do not belong to the offer (RFC 7692 §5.1).
pub fn answered<'a>(
    offer: Option<&Offer>,
    headers: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<Agreed>, ProtocolError> {
    let mut agreed = None;
    for header in headers {
        let header = core::str::from_utf8(header).map_err(|_| ProtocolError::NotOffered)?;
        for (name, parameters) in offers(header) {
            let answer = parameters.and_then(|parameters| Offer::parse(parameters).ok());
            let ours = offer.filter(|_| name == NAME).zip(answer);
            let belongs = ours.and_then(|(offer, answer)| offer.agreed(&answer));
            if belongs.is_none() || agreed.replace(belongs).is_some() {
                return Err(ProtocolError::NotOffered);
            }
        }
    }
    Ok(agreed.flatten())
}

/// The extensions of a header: each its name and its parameters, `None` when a semicolon is not
/// followed by one.
fn offers(header: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    split(header, b',').filter(|offer| !offer.trim().is_empty()).map(|offer| {
        match offer.split_once(';') {
            None => (offer.trim(), Some("")),
            Some((name, rest)) => (name.trim(), Some(rest).filter(|rest| !rest.trim().is_empty())),
        }
    })
}

/// Parts between separators that are not inside quotes (RFC 6455 §9.1).
fn split(list: &str, separator: u8) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    list.split(move |c: char| {
        let was_escaped = core::mem::take(&mut escaped);
        match c {
            '"' if !was_escaped => quoted = !quoted,
            '\\' if quoted && !was_escaped => escaped = true,
            _ => {}
        }
        !quoted && c == char::from(separator)
    })
}

/// A value without its quotes; what is in them has to be a token (RFC 6455 §9.1), so that an escape
/// is never needed and makes it none.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// 8 to 15, without a leading zero or a sign (§7.1.2).
fn bits(value: &str) -> Option<u8> {
    match value {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), OfferError> {
    if place.replace(value).is_some() { Err(OfferError::Twice) } else { Ok(()) }
}
