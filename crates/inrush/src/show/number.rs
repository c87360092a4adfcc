//! Numbers as people read them: `1,184`, `11.84%`, `8.1ms`, `00:09.0`. What is missing or no number
//! is `–`, so that no output ever says NaN.

use inrush_core::plan::{Rate, Schedule};
use inrush_core::time::Nanos;

/// What stands for a missing value.
pub(crate) const MISSING: &str = "–";

/// `1184` as `1,184`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count that may be missing.
pub(crate) fn count_or_missing(n: Option<u64>) -> String {
    n.map_or_else(|| MISSING.to_owned(), count)
}

/// `part` of `whole` as `11.84%`; missing when there is no whole.
pub(crate) fn percent_of(part: u64, whole: u64) -> String {
    percent((whole > 0).then(|| ratio(part, whole)))
}

/// A ratio as `11.84%`. What is not 0 never reads 0.00%, and what is not all never 100.00%.
pub(crate) fn percent(ratio: Option<f64>) -> String {
    match ratio.filter(|ratio| ratio.is_finite()) {
        None => MISSING.to_owned(),
        Some(r) if r > 0.0 && r < 0.000_05 => "<0.01%".to_owned(),
        Some(r) if r < 1.0 && r > 0.999_95 => ">99.99%".to_owned(),
        Some(r) => format!("{:.2}%", r * 100.0),
    }
}

/// Part of a whole as a number from 0 to 1; 0 without a whole.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

/// A count as a float.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
pub(crate) fn float(n: u64) -> f64 {
    n as f64
}

/// Seconds as `8.1ms`, at two or three digits, with `gap` before the unit.
pub(crate) fn seconds(seconds: Option<f64>, gap: &str) -> String {
    let Some(s) = seconds.filter(|s| s.is_finite() && *s >= 0.0) else { return MISSING.to_owned() };
    // Below a tenth of a millisecond the unit changes; the borders are where rounding would lie.
    let (value, unit) = match s {
        0.0 => (0.0, "ms"),
        s if s < 0.000_099_95 => (s * 1e6, "us"),
        s if s < 0.099_95 => (s * 1e3, "ms"),
        s if s < 0.999_5 => return format!("{:.0}{gap}ms", s * 1e3),
        s if s < 99.95 => (s, "s"),
        s => return clock(Nanos(nanos(s))),
    };
    format!("{value:.1}{gap}{unit}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked: >= 0; casts saturate"
)]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

/// A moment of the run as `00:09.0`.
pub(crate) fn moment(at: Nanos) -> String {
    format!("{}.{}", clock(at), at.as_millis() / 100 % 10)
}

/// A length of the run as `01:11`, `1:00:00` from an hour on.
pub(crate) fn clock(time: Nanos) -> String {
    let seconds = time.as_millis() / 1_000;
    let (h, m, s) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m:02}:{s:02}") }
}

/// A time as it is typed: `1m`, `1h30m`, `1.5s`, `250ms`.
pub(crate) fn time(time: Nanos) -> String {
    let units = [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000)];
    if time == Nanos::ZERO {
        return "0".to_owned();
    }
    if !time.0.is_multiple_of(1_000_000_000) {
        let fine = [("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1.0)];
        let (unit, scale) = fine
            .into_iter()
            .find(|(_, scale)| float(time.0) >= *scale)
            .expect("a nanosecond fits any time but 0");
        return format!("{}{unit}", float(time.0) / scale);
    }
    let (mut rest, mut out) = (time.0, String::new());
    for (unit, scale) in units {
        if rest >= scale {
            out.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    out
}

/// A count as it is typed: `1k`, `1.5k`, `10M`; others as they are.
pub(crate) fn short(n: u64) -> String {
    match n {
        _ if n >= 1_000_000 && n.is_multiple_of(100_000) => format!("{}M", float(n) / 1e6),
        _ if n >= 1_000 && n.is_multiple_of(100) => format!("{}k", float(n) / 1e3),
        _ => count(n),
    }
}

/// A rate as it is typed: `1k/s`, `1/30s`, `max`.
pub(crate) fn rate(rate: Rate) -> String {
    match rate {
        Rate::Max => "max".to_owned(),
        Rate::Every { count, per } => {
            let per = time(per);
            format!(
                "{}/{}",
                short(count),
                if per == "1s" || per == "1m" { &per[1..] } else { &per }
            )
        }
    }
}

/// When a connection sends, in words.
pub(crate) fn schedule(schedule: Schedule) -> String {
    match schedule {
        Schedule::Idle => "idle".to_owned(),
        Schedule::Closed => "messages as replies come".to_owned(),
        Schedule::Every(gap) => match per_second(gap) {
            Some(rate) if rate >= 1.0 && rate.fract() < 1e-9 => format!("{rate:.0} msg/s each"),
            _ => format!("1 msg/{} each", time(gap)),
        },
    }
}

/// How often something that comes each `gap` comes in a second.
pub(crate) fn per_second(gap: Nanos) -> Option<f64> {
    (gap.0 > 0).then(|| 1e9 / float(gap.0))
}

/// Bytes in SI units as `33.9 MB`.
pub(crate) fn bytes(n: u64) -> String {
    scaled(float(n), 1_000.0, ["B", "kB", "MB", "GB", "TB"])
}

/// Memory in binary units as `4.2 KiB`.
pub(crate) fn memory(n: u64) -> String {
    scaled(float(n), 1_024.0, ["B", "KiB", "MiB", "GiB", "TiB"])
}

fn scaled(mut value: f64, step: f64, units: [&str; 5]) -> String {
    let mut unit = 0;
    while value >= step - 0.05 && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    if unit == 0 {
        format!("{value:.0} {}", units[0])
    } else {
        format!("{value:.1} {}", units[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_the_mock_ups() {
        for (n, expected) in
            [(0, "0"), (999, "999"), (1_184, "1,184"), (u64::MAX, "18,446,744,073,709,551,615")]
        {
            assert_eq!(count(n), expected);
        }
        for (part, whole, expected) in [
            (1_184, 10_000, "11.84%"),
            (0, 10, "0.00%"),
            (10, 10, "100.00%"),
            (1, 1_000_000, "<0.01%"),
            (999_999, 1_000_000, ">99.99%"),
            (0, 0, "–"),
        ] {
            assert_eq!(percent_of(part, whole), expected);
        }
        assert_eq!(percent(Some(f64::NAN)), "–");
        for (n, expected) in
            [(64, "64 B"), (33_855_488, "33.9 MB"), (999_999, "1.0 MB"), (2_000, "2.0 kB")]
        {
            assert_eq!(bytes(n), expected);
        }
        assert_eq!(memory(4_300), "4.2 KiB");
    }

    #[test]
    fn times_read_as_in_the_mock_ups() {
        for (value, expected) in [
            (Some(0.0081), "8.1ms"),
            (Some(0.061), "61.0ms"),
            (Some(0.25), "250ms"),
            (Some(0.000_025), "25.0us"),
            (Some(30.1), "30.1s"),
            (Some(0.9999), "1.0s"),
            (Some(3_600.0), "1:00:00"),
            (Some(0.0), "0.0ms"),
            (Some(f64::INFINITY), "–"),
            (None, "–"),
        ] {
            assert_eq!(seconds(value, ""), expected);
        }
        assert_eq!(seconds(Some(0.0004), " "), "0.4 ms");
        assert_eq!(moment(Nanos::from_millis(9_020)), "00:09.0");
        assert_eq!(moment(Nanos::from_millis(69_850)), "01:09.8");
        assert_eq!(clock(Nanos::from_secs(71)), "01:11");
        assert_eq!(clock(Nanos::from_secs(3_671)), "1:01:11");
        for text in ["1m", "1h30m", "1.5s", "250ms", "100us", "0", "90ns"] {
            assert_eq!(time(inrush_core::units::time(text).unwrap()), text);
        }
        for text in ["1k/s", "500/s", "1/30s", "6/m", "max", "1.5M/s"] {
            assert_eq!(rate(inrush_core::units::rate(text).unwrap()), text);
        }
        assert_eq!(schedule(Schedule::Every(Nanos::from_millis(250))), "4 msg/s each");
        assert_eq!(schedule(Schedule::Every(Nanos::from_secs(10))), "1 msg/10s each");
    }
}
