//! What was measured against what was promised: medians, spreads, verdicts.

use std::fmt::Write as _;

/// What a median has to keep.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// Not more.
    AtMost(f64),
    /// Not less.
    AtLeast(f64),
    /// Both.
    Within(f64, f64),
    /// It is an error of the measurement when it does not hold.
    Checked,
}

/// One promise and its measurements, one value per run.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The name for `-- NAME`.
    pub(crate) name: &'static str,
    /// What was measured.
    pub(crate) what: String,
    /// Unit of the measurements.
    pub(crate) unit: &'static str,
    /// The product's.
    pub(crate) ours: Vec<f64>,
    /// The reference's, run by run beside ours; empty when it has none.
    pub(crate) theirs: Vec<f64>,
    /// Whether the bounds are about ours / theirs instead of ours.
    pub(crate) by_ratio: bool,
    /// What must hold.
    pub(crate) must: Bound,
    /// What we aim at.
    pub(crate) aim: Option<Bound>,
    /// Why there is nothing to judge.
    pub(crate) error: Option<String>,
}

/// What became of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The aim is reached.
    Aim,
    /// The must is kept.
    Held,
    /// The must is missed.
    Missed,
    /// It could not be measured.
    NotMeasured,
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Within(least, most) => least <= value && value <= most,
            Self::Checked => true,
        }
    }

    fn show(self, unit: &str) -> String {
        match self {
            Self::AtMost(most) => format!("<= {}", number(most, unit)),
            Self::AtLeast(least) => format!(">= {}", number(least, unit)),
            Self::Within(least, most) => {
                format!("{}-{}", number(least, unit), number(most, unit))
            }
            Self::Checked => "as named".into(),
        }
    }
}

impl Row {
    /// A row that could not be measured.
    pub(crate) fn failed(name: &'static str, error: String) -> Self {
        Self {
            name,
            what: name.into(),
            unit: "",
            ours: Vec::new(),
            theirs: Vec::new(),
            by_ratio: false,
            must: Bound::AtMost(0.0),
            aim: None,
            error: Some(error),
        }
    }

    /// Ours / theirs, run by run.
    fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect()
    }

    /// What became of it.
    pub(crate) fn outcome(&self) -> Outcome {
        let judged = if self.by_ratio { self.ratios() } else { self.ours.clone() };
        match median(&judged).filter(|v| v.is_finite() && self.error.is_none()) {
            None => Outcome::NotMeasured,
            Some(value) if !self.must.holds(value) => Outcome::Missed,
            Some(value) if self.aim.is_none_or(|aim| aim.holds(value)) => Outcome::Aim,
            Some(_) => Outcome::Held,
        }
    }

    fn cells(&self) -> [String; 7] {
        let unit = if self.by_ratio { "" } else { self.unit };
        let outcome = match (self.outcome(), self.aim) {
            (Outcome::NotMeasured, _) => "NOT MEASURED",
            (Outcome::Missed, _) => "MISSED",
            (Outcome::Aim, Some(_)) => "aim reached",
            (Outcome::Held | Outcome::Aim, _) => "must held",
        };
        if self.error.is_some() {
            let none = || "–".to_owned();
            return [self.what.clone(), none(), none(), none(), none(), none(), outcome.into()];
        }
        [
            self.what.clone(),
            spread(&self.ours, self.unit),
            spread(&self.theirs, self.unit),
            spread(&self.ratios(), ""),
            self.must.show(unit),
            self.aim.map_or("–".into(), |aim| aim.show(unit)),
            outcome.into(),
        ]
    }
}

/// The table, and below it why a row has no numbers.
pub(crate) fn render(rows: &[Row]) -> String {
    let head = ["what", "inrush", "reference", "ratio", "must", "aim", "verdict"];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| lines.iter().map(|l| l[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut out = String::new();
    for line in &lines {
        let padded = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    for (row, error) in rows.iter().filter_map(|row| Some((row, row.error.as_ref()?))) {
        let _ = writeln!(out, "{}: {error}", row.name);
    }
    out
}

/// The value in the middle; `None` without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[middle - 1], upper) })
}

/// Median and, in brackets, lowest and highest.
fn spread(values: &[f64], unit: &str) -> String {
    let Some(middle) = median(values) else { return "–".into() };
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let [lowest, highest] = [lowest, highest].map(|v| digits(v, unit));
    format!("{} ({lowest}-{highest})", number(middle, unit))
}

fn number(value: f64, unit: &str) -> String {
    if unit.is_empty() { digits(value, unit) } else { format!("{} {unit}", digits(value, unit)) }
}

fn digits(value: f64, unit: &str) -> String {
    match unit {
        "" => format!("{value:.2}"),
        "/s" | "B" => format!("{value:.0}"),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}
