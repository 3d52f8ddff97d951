//! Quantiles, medians, and how a figure is printed.

use std::time::Duration;

use serde_json::{Value, json};

/// Latencies of one run, in microseconds.
#[derive(Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Notes one.
    pub fn add(&mut self, latency: Duration) {
        self.0
            .push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The latency this share of all does not exceed, in milliseconds; nothing without any.
    pub fn quantile(&mut self, share: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let place = ((last as f64) * share).round() as usize;
        let (_, value, _) = self.0.select_nth_unstable(place);
        Some(f64::from(*value) / 1_000.0)
    }
}

/// The middle one; nothing without any.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Bound {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// Only to be known.
    None,
}

/// One line of JSON for a figure, beside a peer's if there is one.
pub fn print(figure: &str, unit: &str, ours: f64, peer: Option<(&str, f64)>, bound: Bound) {
    let (limit, ok) = match bound {
        Bound::AtLeast(limit) => (json!(round(limit)), ours >= limit),
        Bound::AtMost(limit) => (json!(round(limit)), ours <= limit),
        Bound::None => (Value::Null, true),
    };
    let line = json!({
        "figure": figure,
        "ours": round(ours),
        "unit": unit,
        "peer": peer.map(|(name, _)| name),
        "theirs": peer.map(|(_, value)| round(value)),
        "ratio": peer.map(|(_, value)| round(ours / value)),
        "bound": limit,
        "ok": ok,
    });
    println!("{line}");
}

fn round(value: f64) -> f64 {
    let digits = if value.abs() < 100.0 { 100.0 } else { 1.0 };
    (value * digits).round() / digits
}
