//! The value grammar of flags (the numbers are `inrush_core::units`): listen addresses, payload
//! limits, rates as schedules.

use inrush_core::plan::{Rate, Schedule};
use inrush_core::protocol::ws_deflate::{Offer, OfferError};
use inrush_core::time::Nanos;
use inrush_core::units::{self, UnitError};
use std::net::{Ipv4Addr, SocketAddr};

/// Longest message, generated or given.
pub(crate) const MESSAGE_LIMIT: u64 = 16 << 20;

/// A refusal.
pub(crate) fn wrong<T>(
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Result<T, UnitError> {
    Err(UnitError { message: message.into(), hint: hint.into() })
}

/// COUNT of at least 1 that a plan can hold.
pub(crate) fn positive(text: &str) -> Result<u32, UnitError> {
    match u32::try_from(units::count(text)?) {
        Ok(0) => wrong("it must be at least 1", ""),
        Ok(count) => Ok(count),
        Err(_) => wrong("too large", "write at most 4_294_967_295"),
    }
}

/// COUNT that a plan can hold; 0 is one.
pub(crate) fn count(text: &str) -> Result<u32, UnitError> {
    u32::try_from(units::count(text)?).or_else(|_| wrong("too large", ""))
}

/// A seed: it travels through JSON, whose integers are exact up to 2^53.
pub(crate) fn seed(text: &str) -> Result<u64, UnitError> {
    match units::count(text)? {
        seed if seed <= 1 << 53 => Ok(seed),
        _ => wrong("too large", "write at most 9007199254740992"),
    }
}

/// SIZE of a message.
pub(crate) fn message_size(text: &str) -> Result<u32, UnitError> {
    match units::size(text)? {
        0 => wrong("a message has at least 1 byte", ""),
        size if size > MESSAGE_LIMIT => wrong("too large", "write at most 16MiB"),
        size => u32::try_from(size).or_else(|_| wrong("too large", "write at most 16MiB")),
    }
}

/// Parameters of permessage-deflate, with commas or semicolons between; `on`: as browsers offer it.
pub(crate) fn deflate_offer(text: &str) -> Result<Offer, UnitError> {
    if text == "on" {
        return Ok(Offer::of_browsers());
    }
    Offer::parse(&text.replace(',', ";")).or_else(|error| match error {
        OfferError::Unknown => wrong(
            "no such parameter of permessage-deflate",
            "RFC 7692 section 7.1 knows {server,client}_no_context_takeover and \
             {server,client}_max_window_bits",
        ),
        OfferError::Twice => wrong("a parameter is there twice", "leave one of them out"),
        OfferError::Value => wrong(
            "a parameter with a wrong value, or without one",
            "window bits are 8 to 15; other parameters have no value",
        ),
    })
}

/// SIZE of a socket buffer, as setsockopt() takes it.
pub(crate) fn buffer_size(text: &str) -> Result<u32, UnitError> {
    match units::size(text)? {
        0 => wrong("a buffer has at least 1 byte", "leave the flag out for the kernel's choice"),
        size => match i32::try_from(size) {
            Ok(size) => Ok(size.unsigned_abs()),
            Err(_) => wrong("too large", "write at most 2_147_483_647"),
        },
    }
}

/// TIME, 0 included.
pub(crate) fn time(text: &str) -> Result<Nanos, UnitError> {
    units::time(text)
}

/// TIME longer than 0.
pub(crate) fn some_time(text: &str) -> Result<Nanos, UnitError> {
    match units::time(text)? {
        Nanos::ZERO => wrong("it must be longer than 0", ""),
        time => Ok(time),
    }
}

/// How often something is done: a loop looks no more often than each millisecond.
pub(crate) fn interval(text: &str) -> Result<Nanos, UnitError> {
    match units::time(text)? {
        time if time < Nanos::from_millis(1) => wrong("it must be 1ms or longer", ""),
        time => Ok(time),
    }
}

/// TIME or TIME..TIME, both longer than 0.
pub(crate) fn time_range(text: &str) -> Result<(Nanos, Nanos), UnitError> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (some_time(from)?, some_time(to)?);
    if from > to {
        return wrong("the first time is the longer one", "write 20s..40s");
    }
    Ok((from, to))
}

/// RATE at which connections are opened.
pub(crate) fn connect_rate(text: &str) -> Result<Rate, UnitError> {
    match units::rate(text)? {
        Rate::Every { count: 0, .. } => {
            wrong("nothing would be opened", "write max for as fast as possible")
        }
        rate => Ok(rate),
    }
}

/// RATE of one connection's messages: 0 is idle, max the closed loop.
pub(crate) fn schedule(text: &str) -> Result<Schedule, UnitError> {
    match units::rate(text)? {
        Rate::Max => Ok(Schedule::Closed),
        Rate::Every { count: 0, .. } => Ok(Schedule::Idle),
        Rate::Every { count, per } => match Nanos(per.0 / count) {
            Nanos::ZERO => wrong("more than one message a nanosecond", "write max"),
            gap => Ok(Schedule::Every(gap)),
        },
    }
}

/// ADDR to listen on: `:8080`, `127.0.0.1:8080`, `[::1]:8080`.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, UnitError> {
    if let Some(port) = text.strip_prefix(':') {
        return match port.parse() {
            Ok(port) => Ok((Ipv4Addr::UNSPECIFIED, port).into()),
            Err(_) => wrong(format!("'{port}' is no port"), "write :8080"),
        };
    }
    match text.parse() {
        Ok(address) => Ok(address),
        Err(_) if text.parse::<u16>().is_ok() => wrong("not an address", format!("write :{text}")),
        Err(_) => wrong("not an address", "write :8080, 127.0.0.1:8080 or [::1]:8080"),
    }
}

/// N or `auto`.
pub(crate) fn number_or_auto(text: &str) -> Result<Option<u32>, UnitError> {
    match text {
        "auto" => Ok(None),
        _ => match positive(text) {
            Ok(n) if n <= 1_024 => Ok(Some(n)),
            Ok(_) => wrong("too many", "write at most 1024"),
            Err(_) => wrong("not a number", "write 4 or auto"),
        },
    }
}

/// `on` or `off`.
pub(crate) fn on_off(text: &str) -> Result<bool, UnitError> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => wrong("neither on nor off", "write on or off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        for (text, expected) in [
            (":8080", "0.0.0.0:8080"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(listen_address(text).unwrap().to_string(), expected);
        }
        assert_eq!(listen_address("8080").unwrap_err().hint, "write :8080");
        for text in ["", ":", ":99999", "::1:8080", "localhost:80", "1.2.3.4"] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn schedules() {
        for (text, expected) in [
            ("0", Schedule::Idle),
            ("max", Schedule::Closed),
            ("1/10s", Schedule::Every(Nanos::from_secs(10))),
            ("4/s", Schedule::Every(Nanos::from_millis(250))),
        ] {
            assert_eq!(schedule(text), Ok(expected), "{text}");
        }
        assert!(schedule("2M/us").is_err());
        assert!(connect_rate("0").unwrap_err().hint.contains("max"));
    }

    #[test]
    fn limits_hold() {
        assert!(positive("0").is_err());
        assert!(positive("5_000M").is_err());
        assert!(message_size("17MiB").is_err());
        assert!(message_size("0").is_err());
        assert_eq!(message_size("16MiB"), Ok(16 << 20));
        assert!(buffer_size("3GB").is_err());
        assert!(seed("99_999_999_999M").is_err());
        assert_eq!(number_or_auto("auto"), Ok(None));
        assert_eq!(number_or_auto("4"), Ok(Some(4)));
        assert!(number_or_auto("0").is_err());
        let lifetime = (Nanos::from_secs(20), Nanos::from_secs(40));
        assert_eq!(time_range("20s..40s"), Ok(lifetime));
        assert!(time_range("40s..20s").is_err());
        assert!(time_range("0").is_err());
    }
}
