//! The report: one aligned line for each row, and all of them as Markdown.

use std::fmt::Write;
use std::time::Duration;

use crate::finding::Finding;
use crate::row::{Ended, Ending};
use crate::seed::Seed;

/// The names of the columns, and how wide they are on a terminal.
const COLUMNS: [(&str, usize); 14] = [
    ("row", 3),
    ("name", 20),
    ("verdict", 7),
    ("acked", 7),
    ("lost", 4),
    ("dup", 4),
    ("spur", 4),
    ("wrong", 5),
    ("indet present/absent", 20),
    ("recovery", 8),
    ("p99 refusal", 11),
    ("longest", 7),
    ("took", 6),
    ("statuses; notes", 0),
];

/// The head of the table for a terminal.
pub(crate) fn head() -> String {
    aligned(&COLUMNS.map(|(name, _)| name.to_owned()))
}

/// A row's line for a terminal, with what did not hold below it.
pub(crate) fn lines(ended: &Ended) -> String {
    let mut text = aligned(&cells(ended));
    if let Ending::Done(finding) = &ended.ending {
        for miss in finding.misses() {
            let _ = write!(text, "\n      ✗ {miss}");
        }
    }
    for line in &ended.logs {
        let _ = write!(text, "\n      | {}", line.chars().take(360).collect::<String>());
    }
    text
}

/// All of it as Markdown.
pub(crate) fn markdown(title: &str, seed: Seed, all: &[Ended]) -> String {
    let mut text = format!(
        "# {title}\n\nSeed {}. `acked` counts requests, `lost` to `wrong` count rows.\n\n",
        seed.0
    );
    let names = COLUMNS.map(|(name, _)| name);
    let _ = writeln!(text, "| {} |\n|{}", names.join(" | "), "---|".repeat(names.len()));
    for ended in all {
        let _ =
            writeln!(text, "| {} |", cells(ended).map(|cell| cell.replace('|', "/")).join(" | "));
    }
    let failed = |ended: &&Ended| ended.ending.failed();
    for Ended { number, name, ending, .. } in all.iter().filter(failed) {
        let Ending::Done(finding) = ending else { continue };
        let _ = write!(text, "\n## Failed: {number} {name}\n\n");
        for miss in finding.misses() {
            let _ = writeln!(text, "- {miss}");
        }
    }
    text
}

fn aligned(cells: &[String; COLUMNS.len()]) -> String {
    let mut line = String::new();
    for (cell, (_, width)) in cells.iter().zip(COLUMNS) {
        let _ = write!(line, "{cell:<width$}  ");
    }
    line.trim_end().to_owned()
}

fn cells(ended: &Ended) -> [String; COLUMNS.len()] {
    let Ended { number, name, ending, took, .. } = ended;
    let mut cells = [const { String::new() }; COLUMNS.len()];
    cells[0] = if *number > 0 { number.to_string() } else { String::new() };
    (*name).clone_into(&mut cells[1]);
    cells[12] = seconds(*took);
    match ending {
        Ending::Skipped(why) => {
            "skipped".clone_into(&mut cells[2]);
            cells[13].clone_from(why);
        }
        Ending::Done(finding) => fill(&mut cells, finding),
    }
    cells
}

fn fill(cells: &mut [String; COLUMNS.len()], finding: &Finding) {
    if finding.is_good() { "ok" } else { "FAILED" }.clone_into(&mut cells[2]);
    if let Some(verdict) = &finding.verdict {
        let figures = [
            verdict.acknowledged,
            verdict.lost,
            verdict.duplicated,
            verdict.spurious,
            verdict.wrong,
        ];
        for (cell, figure) in cells[3..].iter_mut().zip(figures) {
            *cell = figure.to_string();
        }
        cells[8] = format!("{}/{}", verdict.present, verdict.absent);
    }
    let times = [finding.recovery, finding.refusal_p99, finding.longest];
    for (cell, time) in cells[9..].iter_mut().zip(times) {
        *cell = time.map_or_else(|| "-".to_owned(), seconds);
    }
    let statuses = finding.statuses.iter().map(|(status, count)| format!("{status}×{count}"));
    cells[13] = statuses.collect::<Vec<_>>().join(" ");
    for note in &finding.notes {
        let separator = if cells[13].is_empty() { "" } else { "; " };
        let _ = write!(cells[13], "{separator}{note}");
    }
}

/// A time, in seconds.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
