//! Values as people type them: counts, sizes, times, rates, ratios. One grammar for every flag and
//! every threshold. Decimal arithmetic is exact: `1.5k` is 1,500 and never 1,499.999.

use crate::plan::Rate;
use crate::time::Nanos;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

/// Why a value was not understood, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    /// What is wrong, lower-case, without a full stop.
    pub message: String,
    /// What to write; empty when there is nothing better to say.
    pub hint: String,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for UnitError {}

fn wrong<T>(message: impl ToString, hint: impl ToString) -> Result<T, UnitError> {
    Err(UnitError { message: message.to_string(), hint: hint.to_string() })
}

/// COUNT: `250`, `100_000`, `10k`, `1.5k`, `1M`; k = 1,000 and M = 1,000,000 in either case.
pub fn count(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = Decimal::split(text)?;
    let scale = match unit {
        "" => 1,
        "k" | "K" => 1_000,
        "m" | "M" => 1_000_000,
        "ki" | "Ki" | "mi" | "Mi" => {
            return wrong(
                "a count has no binary units",
                format!("write {0}k ({0},000)", number.whole),
            );
        }
        _ if unit.starts_with(',') => {
            return wrong("unexpected comma", "write 100_000 or 100k");
        }
        _ => return wrong(format!("unknown unit '{unit}'"), "write 250, 100_000, 10k or 1M"),
    };
    number.times(scale)
}

/// SIZE in bytes: `64`, `64B`, `2kB` (2,000), `2KiB` (2,048), `1MB`, `1MiB`. A bare `2k` is
/// refused: tools read it both ways.
pub fn size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = Decimal::split(text)?;
    let scale = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "KiB" | "kiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "k" | "K" | "m" | "M" | "g" | "G" => return ambiguous(&number, unit),
        _ => return wrong(format!("unknown unit '{unit}'"), "write 64B, 2kB, 2KiB, 1MB or 1MiB"),
    };
    number.times(scale)
}

fn ambiguous(number: &Decimal, unit: &str) -> Result<u64, UnitError> {
    let (si, binary, thousand, kibi) = match unit {
        "k" | "K" => ("kB", "KiB", 1_000, 1 << 10),
        "m" | "M" => ("MB", "MiB", 1_000_000, 1 << 20),
        _ => ("GB", "GiB", 1_000_000_000, 1 << 30),
    };
    let n = number;
    let hint = match (n.times(thousand), n.times(kibi)) {
        (Ok(few), Ok(more)) => format!("write {n}{si} ({few} bytes) or {n}{binary} ({more} bytes)"),
        _ => format!("write {n}{si} or {n}{binary}"),
    };
    wrong("ambiguous unit", hint)
}

/// TIME: `500ms`, `30s`, `5m`, `1h30m`, `1.5s`, `0`. Units fall from left to right.
pub fn time(text: &str) -> Result<Nanos, UnitError> {
    let (mut rest, mut sum, mut last) = (text, 0_u64, u64::MAX);
    if text == "0" {
        return Ok(Nanos::ZERO);
    }
    while !rest.is_empty() || text.is_empty() {
        let (number, after) = Decimal::split(rest)?;
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let unit = &after[..end];
        let scale = match unit {
            "" if end == after.len() => {
                return wrong("a time needs a unit", format!("did you mean {text}s?"));
            }
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => {
                return wrong(format!("unknown unit '{unit}'"), "write 500ms, 30s, 5m or 1h30m");
            }
        };
        if scale >= last {
            return wrong("units must fall from left to right", "write 1h30m");
        }
        last = scale;
        let part = number.times(scale)?;
        sum = sum.checked_add(part).ok_or_else(too_large)?;
        rest = &after[end..];
    }
    Ok(Nanos(sum))
}

/// RATE: `500/s`, `1k/s`, `6/m`, `1/30s`; a bare `1k` is `1k/s`; `max`. A count of 0 is returned as
/// it is: only some flags take it.
pub fn rate(text: &str) -> Result<Rate, UnitError> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    let (many, often) = text.split_once('/').unwrap_or((text, "s"));
    let number = match count(many) {
        Err(_) if many.contains('.') && Decimal::split(many).is_ok_and(|(_, u)| u.is_empty()) => {
            return wrong("a rate needs a whole number", "write 1/2s instead of 0.5/s");
        }
        other => other?,
    };
    let per = if often.starts_with(|c: char| c.is_ascii_digit()) {
        time(often)?
    } else if often.is_empty() {
        return wrong("a rate needs a time after the slash", format!("write {many}/s"));
    } else {
        time(&format!("1{often}"))?
    };
    if per == Nanos::ZERO {
        return wrong("a rate needs a time longer than 0", "write max for as fast as possible");
    }
    Ok(Rate::Every { count: number, per })
}

/// RATIO: `0.1%` or `0.001`, from 0 to 1.
pub fn ratio(text: &str) -> Result<f64, UnitError> {
    let (number, unit) = Decimal::split(text)?;
    let value: f64 = number.text().parse().map_err(|_| too_large())?;
    let value = match unit {
        "" => value,
        "%" => value / 100.0,
        _ => return wrong(format!("unknown unit '{unit}'"), "write 0.1% or 0.001"),
    };
    if value > 1.0 {
        return wrong("a ratio lies between 0 and 1", "write 5% or 0.05");
    }
    Ok(value)
}

/// An exact decimal number: `whole`.`fraction`.
#[derive(Clone, Debug)]
struct Decimal {
    whole: u64,
    fraction: String,
}

impl Decimal {
    /// The number at the front of a text, and what follows it.
    fn split(text: &str) -> Result<(Self, &str), UnitError> {
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let dangling =
            number.contains('.') && (fraction.is_empty() || fraction.contains(['.', '_']));
        let spaced = whole.starts_with('_') || whole.ends_with('_') || whole.contains("__");
        if whole.is_empty() || dangling || spaced || fraction.len() > 12 {
            return wrong(
                "not a number",
                if text.starts_with('-') { "it cannot be negative" } else { "" },
            );
        }
        let whole = whole.replace('_', "").parse().map_err(|_| too_large())?;
        Ok((Self { whole, fraction: fraction.trim_end_matches('0').into() }, unit))
    }

    /// The product, when it is whole.
    fn times(&self, scale: u64) -> Result<u64, UnitError> {
        let digits = u32::try_from(self.fraction.len()).unwrap_or(u32::MAX);
        let one = 10_u128.checked_pow(digits).ok_or_else(too_large)?;
        let fraction: u128 =
            if digits == 0 { 0 } else { self.fraction.parse().map_err(|_| too_large())? };
        let part = fraction * u128::from(scale);
        if !part.is_multiple_of(one) {
            return wrong("not a whole number", "");
        }
        let sum = u128::from(self.whole) * u128::from(scale) + part / one;
        u64::try_from(sum).map_err(|_| too_large())
    }

    fn text(&self) -> String {
        if self.fraction.is_empty() {
            self.whole.to_string()
        } else {
            format!("{}.{}", self.whole, self.fraction)
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

fn too_large() -> UnitError {
    UnitError { message: "too large".into(), hint: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T: fmt::Debug>(result: Result<T, UnitError>, hint: &str) {
        let error = result.unwrap_err();
        assert!(error.hint.contains(hint), "{error:?} does not say {hint:?}");
    }

    #[test]
    fn counts() {
        for (text, expected) in [
            ("250", 250),
            ("100_000", 100_000),
            ("10k", 10_000),
            ("10K", 10_000),
            ("1.5k", 1_500),
            ("1M", 1_000_000),
            ("0", 0),
        ] {
            assert_eq!(count(text), Ok(expected), "{text}");
        }
        refused(count("10ki"), "write 10k");
        refused(count("100,000"), "100_000");
        refused(count("-1"), "negative");
        for text in ["", "k", "1.5", "1__0", "_1", "1.", "1.2.3", "99999999999999999999", "9e9"] {
            assert!(count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("64", 64),
            ("64B", 64),
            ("2kB", 2_000),
            ("2KiB", 2_048),
            ("1MB", 1_000_000),
            ("1MiB", 1_048_576),
            ("1.5KiB", 1_536),
        ] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        refused(size("2k"), "write 2kB (2000 bytes) or 2KiB (2048 bytes)");
        refused(size("1M"), "write 1MB (1000000 bytes) or 1MiB (1048576 bytes)");
        refused(size("2kb"), "2kB");
    }

    #[test]
    fn times() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(time(text), Ok(Nanos::from_millis(millis)), "{text}");
        }
        assert_eq!(time("100us"), Ok(Nanos(100_000)));
        refused(time("30"), "did you mean 30s?");
        refused(time("1h30"), "did you mean 1h30s?");
        refused(time("30m1h"), "1h30m");
        refused(time("5 s"), "500ms");
        for text in ["", "s", "-1s", "1x", "9999999999h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        let every = |count, secs| Ok(Rate::Every { count, per: Nanos::from_secs(secs) });
        for (text, expected) in [
            ("500/s", every(500, 1)),
            ("1k/s", every(1_000, 1)),
            ("1k", every(1_000, 1)),
            ("6/m", every(6, 60)),
            ("1/30s", every(1, 30)),
            ("0", every(0, 1)),
            ("max", Ok(Rate::Max)),
        ] {
            assert_eq!(rate(text), expected, "{text}");
        }
        refused(rate("0.5/s"), "1/2s");
        refused(rate("1/"), "write 1/s");
        refused(rate("1/0s"), "max");
        assert!(rate("fast").is_err());
        assert!(rate("1/5").is_err());
    }

    #[test]
    fn ratios() {
        assert_eq!(ratio("0.1%"), Ok(0.001));
        assert_eq!(ratio("0.001"), Ok(0.001));
        assert_eq!(ratio("100%"), Ok(1.0));
        refused(ratio("5"), "5%");
        assert!(ratio("x").is_err());
    }
}
