//! What was measured: a table for people, whose columns are the measurements, or one line of JSON.

use std::io::Write;

use serde::Serialize;
use serde_json::Value;

use crate::cli::Common;
use crate::error::LoadError;
use crate::meter::{self, Meter};

/// The rows of one measurement: what is told, with its unit, and how much it is.
pub(crate) type Cells = Vec<(String, String)>;

/// A measurement.
pub(crate) trait Figures: Serialize {
    /// What people read of it.
    fn cells(&self) -> Cells;
}

/// What was measured, and where.
#[derive(Debug, Serialize)]
pub(crate) struct About {
    command: &'static str,
    server: String,
    backend: Option<&'static str>,
    http2: bool,
    pids: Vec<u32>,
    processes: Vec<String>,
    cores: u32,
    load_before: Option<f64>,
}

/// All measurements of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    about: About,
    measured: Vec<Measured>,
}

#[derive(Debug, Serialize)]
struct Measured {
    label: String,
    #[serde(flatten)]
    figures: Value,
    #[serde(skip)]
    cells: Cells,
}

impl About {
    /// A run of a command.
    pub(crate) fn new(command: &'static str, url: &str, flags: &Common, meter: &Meter) -> Self {
        Self {
            command,
            server: url.to_owned(),
            backend: flags.start.as_ref().map(|_| flags.backend.name()),
            http2: flags.http2,
            pids: meter.pids().collect(),
            processes: meter.names(),
            cores: meter::cores(),
            load_before: meter::load(),
        }
    }

    /// In one line.
    fn line(&self) -> String {
        let protocol = if self.http2 { "HTTP/2" } else { "HTTP/1.1" };
        let backend = self.backend.map(|backend| format!(", backend {backend}")).unwrap_or_default();
        let processes = match self.processes.as_slice() {
            [] => "no process known".to_owned(),
            names => names.join(" + "),
        };
        let load = self.load_before.map(|load| format!(", load {load} before")).unwrap_or_default();
        format!("{} {protocol} ({processes}{backend}); {} cores{load}", self.server, self.cores)
    }
}

impl Report {
    /// One without figures.
    pub(crate) fn new(about: About) -> Self {
        Self { about, measured: Vec::new() }
    }

    /// Adds a measurement.
    pub(crate) fn add(&mut self, label: impl Into<String>, figures: &impl Figures) -> Result<(), LoadError> {
        let value = serde_json::to_value(figures)?;
        self.measured.push(Measured { label: label.into(), figures: value, cells: figures.cells() });
        Ok(())
    }

    /// Writes it for people, or for programs.
    pub(crate) fn write(&self, json: bool, out: &mut impl Write) -> Result<(), LoadError> {
        let text = if json {
            serde_json::to_string(self)?
        } else {
            format!("{}\n{}", self.about.line(), self.table())
        };
        writeln!(out, "{}", text.trim_end()).map_err(LoadError::io("the report"))
    }

    fn table(&self) -> String {
        let Some(first) = self.measured.first() else { return String::new() };
        let mut rows = vec![vec![self.about.command.to_owned()]];
        rows.extend(first.cells.iter().map(|(name, _)| vec![name.clone()]));
        for measured in &self.measured {
            let values =
                std::iter::once(&measured.label).chain(measured.cells.iter().map(|(_, value)| value));
            for (row, value) in rows.iter_mut().zip(values) {
                row.push(value.clone());
            }
        }
        aligned(&rows)
    }
}

/// Columns under one another: the first to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let cell = |row: &Vec<String>, column| row.get(column).map_or(0, |cell: &String| cell.chars().count());
    let width = |column| rows.iter().map(|row| cell(row, column)).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padded = if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
            text.push_str(&padded);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Writes {
        writes: u64,
    }

    impl Figures for Writes {
        fn cells(&self) -> Cells {
            vec![("writes".to_owned(), self.writes.to_string())]
        }
    }

    fn report() -> Report {
        let about = About {
            command: "write",
            server: "http://a:1".to_owned(),
            backend: Some("memory"),
            http2: false,
            pids: vec![7],
            processes: vec!["watchkeep".to_owned()],
            cores: 2,
            load_before: Some(0.5),
        };
        let mut report = Report::new(about);
        report.add("1 writer", &Writes { writes: 5 }).unwrap();
        report.add("8 writers", &Writes { writes: 12_345 }).unwrap();
        report
    }

    #[test]
    fn people_read_a_column_for_each_measurement() {
        let mut out = Vec::new();
        report().write(false, &mut out).unwrap();
        let expected = "http://a:1 HTTP/1.1 (watchkeep, backend memory); 2 cores, load 0.5 before\n\
                        write   1 writer  8 writers\n\
                        writes         5      12345\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn programs_read_one_line_of_json() {
        let mut out = Vec::new();
        report().write(true, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["about"]["backend"], "memory");
        assert_eq!(json["measured"][1], serde_json::json!({"label": "8 writers", "writes": 12_345}));
    }
}
