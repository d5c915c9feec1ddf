//! What is printed: a line of a table for each figure, and the same as a line of JSON.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::machine;
use crate::meter::Cost;

/// From so much of the machine used by others on, the clock decides nothing.
const BUSY_SHARE: f64 = 0.1;

/// Where figures go.
pub(crate) struct Report {
    bench: &'static str,
    json: Option<File>,
}

/// One figure, or several that belong together.
#[must_use]
pub(crate) struct Row {
    case: String,
    text: String,
    json: Map<String, Value>,
    missed: Vec<String>,
    judged: bool,
    /// Whether it was judged by the clock.
    wall: bool,
    /// How much of the machine others used.
    elsewhere: f64,
}

impl Report {
    /// The report of one bench; lines of JSON are added to a file.
    pub(crate) fn new(bench: &'static str, json: Option<&Path>) -> Self {
        let open = |path| OpenOptions::new().append(true).create(true).open(path);
        let json = json.map(|path| open(path).expect("the file of the figures can be written"));
        Self { bench, json }
    }

    /// Prints a row.
    pub(crate) fn row(&mut self, row: Row) {
        let load = machine::load();
        let verdict = row.verdict();
        say(&format!("{:<11} {:<34} {}  (load {load}){verdict}", self.bench, row.case, row.text));
        if let Some(file) = &mut self.json {
            let mut line = json!({ "bench": self.bench, "case": row.case, "load": load });
            let fields = line.as_object_mut().expect("it was made as an object");
            fields.extend(row.json);
            if row.judged {
                fields.insert("missed".to_owned(), json!(row.missed));
            }
            writeln!(file, "{line}").expect("the file of the figures can be written");
        }
    }
}

impl Row {
    /// A row without figures.
    pub(crate) fn new(case: impl Into<String>) -> Self {
        let (text, json, missed) = (String::new(), Map::new(), Vec::new());
        Self { case: case.into(), text, json, missed, judged: false, wall: false, elsewhere: 0.0 }
    }

    fn verdict(&self) -> String {
        let mut verdict = match (self.judged, self.missed.is_empty()) {
            (false, _) => return String::new(),
            (true, true) => "  REACHED".to_owned(),
            (true, false) => format!("  MISSED: reach {}", self.missed.join(", ")),
        };
        if self.wall && self.elsewhere > BUSY_SHARE {
            verdict.push_str("  BY THE CLOCK OF A BUSY MACHINE");
        }
        verdict
    }

    /// Adds a figure.
    pub(crate) fn figure(mut self, name: &str, value: f64, unit: &str) -> Self {
        let digits = if value.abs() >= 1000.0 { 0 } else { 2 };
        let separator = if self.text.is_empty() { "" } else { " · " };
        let space = if unit.is_empty() { "" } else { " " };
        let _ = write!(self.text, "{separator}{name} {value:.digits$}{space}{unit}");
        self.json.insert(json_name(name, unit), json!((value * 1e3).round() / 1e3));
        self
    }

    /// Adds what work of so many operations cost: its rate, and CPU of the process for each of them.
    pub(crate) fn cost(self, ops: usize, cost: &Cost) -> Self {
        let micros = |usage: crate::meter::Usage| usage.cpu.as_secs_f64() * 1e6 / to_f64(ops);
        self.figure("ops", to_f64(ops), "")
            .figure("rate", rate(ops, cost), "/s")
            .figure("CPU", micros(cost.process), "µs")
            .figure("writer", micros(cost.writer), "µs")
            .figure("engine", micros(cost.engine), "µs")
            .figure("others", micros(cost.others), "µs")
            .elsewhere(cost)
    }

    /// Adds how much of the machine everything else used.
    pub(crate) fn elsewhere(mut self, cost: &Cost) -> Self {
        self.elsewhere = cost.elsewhere_share();
        let share = self.elsewhere * 100.0;
        self.figure("elsewhere", share, "%")
    }

    /// Notes that what was judged depends on the clock.
    pub(crate) fn by_the_clock(mut self) -> Self {
        self.wall = true;
        self
    }

    /// Notes that a figure is to be no more than a bound.
    pub(crate) fn at_most(mut self, what: &str, value: f64, bound: f64, unit: &str) -> Self {
        self.judge(value <= bound, format!("{what} ≤ {bound} {unit}"));
        self
    }

    /// Notes that a figure is to be no less than a bound.
    pub(crate) fn at_least(mut self, what: &str, value: f64, bound: f64, unit: &str) -> Self {
        self.judge(value >= bound, format!("{what} ≥ {bound} {unit}"));
        self
    }

    fn judge(&mut self, reached: bool, target: String) {
        self.judged = true;
        if !reached {
            self.missed.push(target);
        }
    }
}

fn json_name(name: &str, unit: &str) -> String {
    let name = if unit.is_empty() { name.to_owned() } else { format!("{name} {unit}") };
    name.replace("µs", "us").replace("/s", "per_s").replace(' ', "_").to_lowercase()
}

/// Operations per second.
pub(crate) fn rate(ops: usize, cost: &Cost) -> f64 {
    to_f64(ops) / cost.wall.as_secs_f64()
}

/// Microseconds of CPU of the process per operation.
pub(crate) fn cpu_micros(ops: usize, cost: &Cost) -> f64 {
    cost.process.cpu.as_secs_f64() * 1e6 / to_f64(ops)
}

/// The middle one of some figures.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// A count as a number to compute with.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) fn to_f64(count: usize) -> f64 {
    count as f64
}

/// As [`to_f64`], of bytes.
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
pub(crate) fn bytes_f64(bytes: u64) -> f64 {
    bytes as f64
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that has gone away is no reason to leave files behind.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
