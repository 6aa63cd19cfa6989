//! What stands for many measurements: the one in the middle, and the latencies
//! that few exceed.

use std::time::Duration;

use serde_json::{Value, json};

/// The one in the middle; `None` of none.
pub(crate) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// Latencies that half, 1 % and one in a thousand exceed, microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Percentiles {
    pub(crate) fn of(mut latencies: Vec<Duration>) -> Option<Self> {
        latencies.sort();
        let last = latencies.len().checked_sub(1)?;
        let at = |thousandths: usize| latencies[last * thousandths / 1000].as_secs_f64() * 1e6;
        Some(Self {
            p50: at(500),
            p99: at(990),
            p999: at(999),
        })
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "p50_us": self.p50, "p99_us": self.p99, "p999_us": self.p999 })
    }
}

/// A figure in a table, or a dash where there is none.
pub(crate) fn cell(figure: Option<f64>, decimals: usize) -> String {
    figure.map_or("–".to_owned(), |figure| format!("{figure:.decimals$}"))
}
