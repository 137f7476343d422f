//! What the command line asks for.

use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::task::spawn_blocking;

use crate::abilities::Abilities;
use crate::cli::{Arguments, Task};
use crate::controls::controls;
use crate::finding::Finding;
use crate::installation::Installation;
use crate::kills::kills;
use crate::order::ORDER;
use crate::report;
use crate::row::{Ended, Ending, Row, Running};
use crate::rows::ROWS;
use crate::run::Run;
use crate::seed::Seed;
use crate::soak::soak;

/// Says something to who runs this.
#[expect(clippy::print_stdout, reason = "the figures are for people")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Says which rows there are.
pub(crate) fn list() {
    for Row { number, name, does, .. } in all() {
        let number = if number > 0 { number.to_string() } else { String::new() };
        say(&format!("{number:>3}  {name:<20}  {does}"));
    }
}

/// Every row, and what ends a run of all of them.
fn all() -> impl Iterator<Item = Row> {
    ROWS.iter().copied().chain([ORDER])
}

/// Does it, and says whether all went well.
pub(crate) async fn carry_out(arguments: Arguments, scratch: PathBuf) -> anyhow::Result<bool> {
    let task = arguments.command.clone().unwrap_or(Task::All);
    let quick = match &task {
        Task::Quick => true,
        Task::Rows { quick, .. } => *quick,
        _ => false,
    };
    let seed = Seed(arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())));
    let program = match &arguments.service {
        Some(program) => program.clone(),
        None => env::current_exe()?.with_file_name("onrecord"),
    };
    let program = program
        .canonicalize()
        .with_context(|| format!("there is no service at {}", program.display()))?;
    say(&format!("seed {}, {}", seed.0, program.display()));
    let abilities = Abilities::of(&program).await?;
    let place = scratch.clone();
    let installation = spawn_blocking(move || Installation::find(&place)).await??;
    let run = Run::new(installation, scratch, seed, quick, program, abilities);
    let title = if quick { "Faults, the quick run" } else { "Faults" };
    match task {
        Task::All => run_rows(&run, all(), title, &arguments).await,
        Task::Quick => run_rows(&run, all().filter(|row| row.quick), title, &arguments).await,
        Task::Rows { names, .. } => run_rows(&run, chosen(&names)?, title, &arguments).await,
        Task::List => Ok(true),
        Task::Controls { names } => controls(&run, &names).await,
        Task::Kills { rounds, table } => {
            let (text, good) = kills(&run, rounds).await?;
            std::fs::write(&table, text)?;
            Ok(good)
        }
        Task::Soak { minutes } => {
            let soaking = single("soak", Box::pin(soak(run.clone(), minutes)));
            Ok(conclude(&run, &[soaking.await], "Faults, the soak", &arguments)?)
        }
        Task::Order => run_rows(&run, [ORDER], "Faults, the order", &arguments).await,
    }
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<Row>> {
    let find = |name: &String| {
        let known = |row: &Row| row.name == name || row.number.to_string() == *name;
        let rows: Vec<_> = all().filter(known).collect();
        ensure!(!rows.is_empty(), "there is no row {name}; `list` names them");
        Ok(rows)
    };
    let rows: anyhow::Result<Vec<_>> = names.iter().map(find).collect();
    Ok(rows?.concat())
}

async fn run_rows(
    run: &Run,
    rows: impl IntoIterator<Item = Row>,
    title: &str,
    arguments: &Arguments,
) -> anyhow::Result<bool> {
    say(&report::head());
    let mut all: Vec<Ended> = Vec::new();
    for row in rows {
        let ended = row.carry_out(run).await;
        say(&report::lines(&ended));
        all.push(ended);
    }
    conclude(run, &all, title, arguments)
}

/// Something that is no row of the matrix, told as one.
async fn single(name: &'static str, running: Running) -> Ended {
    let started = Instant::now();
    let finding = running.await.unwrap_or_else(|error| Finding {
        failures: vec![format!("{error:#}")],
        ..Finding::default()
    });
    let ended = Ended {
        number: 0,
        name,
        ending: Ending::Done(Box::new(finding)),
        took: started.elapsed(),
        logs: Vec::new(),
    };
    say(&report::head());
    say(&report::lines(&ended));
    ended
}

/// Writes the report, and says whether all went well.
fn conclude(run: &Run, all: &[Ended], title: &str, arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(path) = &arguments.report {
        std::fs::write(path, report::markdown(title, run.seed, all))?;
    }
    let failed = all.iter().filter(|ended| ended.ending.failed()).count();
    let skipped = all.iter().filter(|ended| matches!(ended.ending, Ending::Skipped(_))).count();
    let took: Duration = all.iter().map(|ended| ended.took).sum();
    say(&format!(
        "{} rows, {failed} failed, {skipped} skipped, seed {}, {}",
        all.len(),
        run.seed.0,
        report::seconds(took)
    ));
    let skips_count = env::var_os("CI").is_some_and(|ci| ci == "true") && !arguments.allow_skips;
    Ok(failed == 0 && (skipped == 0 || !skips_count))
}
