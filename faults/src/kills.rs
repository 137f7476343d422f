//! The table of kills: so many of the service, so many of PostgreSQL, in groups with a record of their own.

use std::fmt::Write;

use crate::checker::Verdict;
use crate::finding::Finding;
use crate::report::seconds;
use crate::rows::killing::{Victim, rounds};
use crate::run::Run;
use crate::tasks::say;

/// How many rounds share a record.
const GROUP: usize = 20;

/// The head of the table.
const HEAD: &str = "\
| victim | rounds | acknowledged | indeterminate, present | absent | lost | duplicated | spurious | wrong | ready after, at most |
|---|---|---|---|---|---|---|---|---|---|
";

/// Kills each of the two so often; the table, and whether nothing was lost, duplicated or wrong.
pub(crate) async fn kills(run: &Run, n: usize) -> anyhow::Result<(String, bool)> {
    let mut random = run.seed.stream("kills");
    let mut table = HEAD.to_owned();
    let mut misses = Vec::new();
    say(HEAD.lines().next().unwrap_or_default());
    for (name, victim) in [("service", Victim::Service), ("PostgreSQL", Victim::Postgres)] {
        let mut total = Finding::default();
        let mut done = 0;
        while done < n {
            let group = GROUP.min(n - done);
            let finding = rounds(run, victim, group, &mut random).await?;
            let line = line(name, &format!("{}–{}", done + 1, done + group), &finding);
            say(&line);
            for miss in finding.misses() {
                say(&format!("  ✗ {miss}"));
            }
            let _ = writeln!(table, "{line}");
            total.absorb(finding);
            done += group;
        }
        let _ = writeln!(table, "{}", line(&format!("**{name}**"), &format!("**{n}**"), &total));
        misses.extend(total.misses().cloned());
    }
    let failed = !misses.is_empty();
    let mut text = format!(
        "# Kills\n\n\
         What `just faults kills --rounds {n}` found, with the seed {}. In each round 32 clients are at work when `kill -9` comes, after\n\
         20 to 500 ms: to the service, in a third of the rounds with all of PostgreSQL; or to PostgreSQL, that is, in turns drawn by lot, to its postmaster, to one backend of the service,\n\
         or to all of its processes at once. Each group of rounds has a record of its own, which is held against the ledger after its\n\
         last round. Requests count in `acknowledged` and `indeterminate`, rows in the others; `ready` is the time from the start of the\n\
         service, or from the moment PostgreSQL accepted connections again, until all was well.\n\n\
         No loss in {n} kills bounds the rate of losses by 3/{n} = {:.1} % at 95 %.\n\n{table}",
        run.seed.0,
        300.0 / f64::from(u32::try_from(n.max(1)).unwrap_or(u32::MAX)),
    );
    if failed {
        text.push_str("\nWhat did not hold:\n\n");
        for miss in misses {
            let _ = writeln!(text, "- {miss}");
        }
    }
    Ok((text, !failed))
}

fn line(victim: &str, rounds: &str, finding: &Finding) -> String {
    let Verdict { acknowledged, present, absent, lost, duplicated, spurious, wrong, .. } =
        finding.verdict.clone().unwrap_or_default();
    let ready = finding.recovery.map_or_else(|| "-".to_owned(), seconds);
    format!(
        "| {victim} | {rounds} | {acknowledged} | {present} | {absent} | {lost} | {duplicated} | {spurious} | {wrong} | {ready} |"
    )
}
