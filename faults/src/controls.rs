//! Negative controls: services broken on purpose, on each of which the harness must fail.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::finding::{Allowed, Finding};
use crate::nemesis::Fault;
use crate::row::Running;
use crate::run::Run;
use crate::scene::{Scene, Setup};
use crate::tasks::say;

/// A way to break the service, and what must show it.
struct Control {
    /// The name of its patch, too.
    name: &'static str,
    /// What the harness must find.
    expected: &'static str,
    found: fn(&Finding) -> bool,
    run: fn(Run) -> Running,
}

const CONTROLS: &[Control] = &[
    Control {
        name: "synchronous-commit-off",
        expected: "lost > 0",
        found: |finding| finding.verdict.as_ref().is_some_and(|verdict| verdict.lost > 0),
        run: |run| Box::pin(postgres_dies(run)),
    },
    Control {
        name: "answer-before-commit",
        expected: "lost > 0",
        found: |finding| finding.verdict.as_ref().is_some_and(|verdict| verdict.lost > 0),
        run: |run| Box::pin(service_dies(run)),
    },
    Control {
        name: "no-conflict-rule",
        expected: "duplicated > 0, or recorded though refused",
        found: |finding| {
            finding
                .verdict
                .as_ref()
                .is_some_and(|verdict| verdict.duplicated + verdict.refused_present > 0)
        },
        run: |run| Box::pin(answers_are_lost(run)),
    },
];

/// Builds each, runs the harness against it, and says whether it failed on all of them, as expected.
pub(crate) async fn controls(run: &Run, names: &[String]) -> anyhow::Result<bool> {
    for name in names {
        ensure!(CONTROLS.iter().any(|control| control.name == name), "there is no control {name}");
    }
    let mut all_caught = true;
    for control in CONTROLS {
        if !names.is_empty() && !names.iter().any(|name| name == control.name) {
            continue;
        }
        let name = control.name;
        say(&format!("{name}: building"));
        let program = spawn_blocking(|| build(name)).await??;
        let broken = run.of_program(program);
        let finding = (control.run)(broken.clone()).await?;
        drop(broken.take_logs());
        let caught = (control.found)(&finding) && !finding.failures.is_empty();
        all_caught &= caught;
        let verdict = finding.verdict.as_ref().map(ToString::to_string).unwrap_or_default();
        let word = if caught { "caught" } else { "NOT CAUGHT" };
        say(&format!("{name}: {word}; expected {}; found {verdict}", control.expected));
        if !caught {
            finding.misses().take(5).for_each(|miss| say(&format!("  {miss}")));
        }
    }
    Ok(all_caught)
}

/// All processes of PostgreSQL are killed at once, and with them what it had not yet handed to the system.
async fn postgres_dies(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut scene = Scene::set(&run, Setup::default()).await?;
    let work = scene.work(32);
    for _ in 0..5 {
        work.load.acknowledged(100).await?;
        sleep(Duration::from_millis(130)).await;
        scene.postgres.kill_all().await?;
        scene.postgres.start().await?;
        scene.well(&work.load).await?;
    }
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}

async fn service_dies(run: Run) -> anyhow::Result<Finding> {
    let mut random = run.seed.stream("control");
    crate::rows::killing::rounds(&run, crate::rows::killing::Victim::Service, 10, &mut random).await
}

async fn answers_are_lost(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("control");
    let mut scene = Scene::set(&run, Setup { proxied: true, ..Setup::default() }).await?;
    let work = scene.work(16);
    work.load.acknowledged(50).await?;
    let struck = Fault::AnswersLost(3).strike(&mut scene, &mut random).await?;
    sleep(Duration::from_secs(4)).await;
    struck.heal(&mut scene).await?;
    scene.well(&work.load).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}

/// Builds the committed tree with the patch of this name, in a folder and a target directory of their own.
fn build(name: &str) -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let present = env::current_exe()?.parent().context("no target")?.to_owned();
    let place = root.join("target/controls");
    let (tree, target) = (place.join("tree"), place.join("target"));
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    fs::create_dir_all(&tree)?;
    // `-m`: every file is new, or cargo would take the last control's build for this one's.
    shell("git -C \"$1\" archive HEAD | tar -x -m -C \"$2\"", &[root, &tree], &place)?;
    let patch = root.join("faults/controls").join(name).with_extension("patch");
    shell("cd \"$1\" && git apply -p1 \"$2\"", &[&tree, &patch], &place)?;
    // The dependencies as they are built already; only what lies in the tree has another path and is built anew.
    if !target.exists() {
        fs::create_dir_all(target.join("debug"))?;
        for part in [".fingerprint", "build", "deps"] {
            let (from, to) = (present.join(part), target.join("debug").join(part));
            shell("cp -a \"$1\" \"$2\"", &[&from, &to], &place)?;
        }
    }
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let script =
        format!("cd \"$1\" && CARGO_TARGET_DIR=\"$2\" '{cargo}' build --offline --quiet -p api");
    shell(&script, &[&tree, &target], &place)?;
    let program = place.join(name);
    fs::copy(target.join("debug/onrecord"), &program)?;
    Ok(program)
}

/// Runs a script; git takes the place for no part of the repository around it.
fn shell(script: &str, arguments: &[&Path], place: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", script, "bash"]).args(arguments);
    command.env("GIT_CEILING_DIRECTORIES", place);
    let done = command.output()?;
    ensure!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
