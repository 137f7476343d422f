//! Rows 30 and 31: models that fail while they predict, and files that are no model.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use rand::Rng;

use crate::finding::{Allowed, Finding};
use crate::ledger::Outcome;
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// The model that the service has built in.
const MODEL: &[u8] = include_bytes!("../../../weights/iris-mlp.safetensors");

/// Where the numbers of a model file begin: after eight bytes that say how long its header is, and the header.
fn numbers() -> anyhow::Result<usize> {
    let length =
        MODEL.first_chunk().map(|length| u64::from_le_bytes(*length)).context("no model")?;
    Ok(8 + usize::try_from(length)?)
}

/// The model with each of its numbers made by this from the old one.
fn with_numbers(number: impl Fn(usize, f32) -> f32) -> anyhow::Result<Vec<u8>> {
    let mut bytes = MODEL.to_vec();
    let start = numbers()?;
    for (place, bytes) in bytes[start..].chunks_exact_mut(4).enumerate() {
        let old = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        bytes.copy_from_slice(&number(place, old).to_le_bytes());
    }
    Ok(bytes)
}

fn write(run: &Run, name: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    let path = run.scratch.join(name);
    std::fs::write(&path, bytes)?;
    Ok(path)
}

/// Whether a service takes this file; it must end with an error either way: it is given no database, and may not begin one.
async fn takes(run: &Run, model: &Path) -> anyhow::Result<Result<(), String>> {
    let launch = run.launch().argument("--model").argument(model.display().to_string());
    let launch = launch.set("REQUIRE_DATABASE", "true").set("LISTEN", "127.0.0.1:0");
    let (status, said) = launch.run(Duration::from_secs(20)).await?;
    ensure!(status.code() == Some(1), "it ended with {status}: {said}");
    ensure!(!said.contains("panicked"), "it panicked: {said}");
    Ok(if said.contains("cannot be used") && said.contains("the model") {
        Err(said)
    } else {
        Ok(())
    })
}

/// Row 30: weights so large that predicting overflows for every row: 500, nothing on the record, and the service
/// lives. The file itself is in order, so it may also be refused at start.
pub(super) async fn failing(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let huge = with_numbers(|_, old| if old < 0.0 { -f32::MAX } else { f32::MAX })?;
    let path = write(&run, "huge.safetensors", &huge)?;
    if let Err(said) = takes(&run, &path).await? {
        finding.note(format!("refused at start: {}", said.chars().take(100).collect::<String>()));
        return Ok(finding);
    }
    let launch = run.launch().argument("--model").argument(path.display().to_string());
    let mut scene = Scene::set(&run, Setup { launch: Some(launch), ..Setup::default() }).await?;
    let mut failed = 0;
    let times = run.scaled(1_000, 100);
    for number in 0..times {
        let attempt = scene.client.ledger().attempt(if number % 4 == 0 { 5 } else { 1 }, None);
        let outcome = scene.client.send_to_broken(&attempt).await?;
        failed += usize::from(matches!(outcome, Outcome::Refused(500)));
        finding.require(!matches!(outcome, Outcome::Violation(..)), || format!("{outcome:?}"));
    }
    finding.note(format!("{failed} of {times} were told 500"));
    finding.require(failed > 0, || "no prediction failed".to_owned());
    finding.require(scene.service.exited()?.is_none(), || "the service has ended".to_owned());
    let live = scene.client.get("/health/live").await?.0;
    finding.require(live == 200, || format!("/health/live said {live}"));
    // With its own model it goes on with the same record.
    scene.service.stop().await?;
    scene.service.launch.arguments.clear();
    scene.restart_service().await?;
    scene.judge(None, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}

/// Row 31: files with NaN and infinity, cut files, flipped bits, headers that lie: refused with a message, or,
/// when a flipped bit leaves a model, taken; never a panic.
pub(super) async fn damaged(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("damaged models");
    for (name, value) in [("NaN", f32::NAN), ("infinity", f32::INFINITY)] {
        let place = random.random_range(0..(MODEL.len() - numbers()?) / 4);
        let bytes = with_numbers(|at, old| if at == place { value } else { old })?;
        let taken = takes(&run, &write(&run, "damaged", &bytes)?).await?;
        finding.require(taken.is_err(), || format!("a model with {name} was taken"));
    }
    let times = run.scaled(500, 40);
    let (mut cut, mut flipped, mut taken) = (0, 0, 0);
    for number in 0..times {
        let mut bytes = MODEL.to_vec();
        let must_fail = match number % 3 {
            0 => {
                bytes.truncate(random.random_range(0..bytes.len()));
                cut += 1;
                true
            }
            1 => {
                // The length of the header, and what the header says.
                let place = random.random_range(0..numbers()?);
                bytes[place] ^= 1 << random.random_range(0..8);
                flipped += 1;
                false
            }
            _ => {
                let place = random.random_range(0..bytes.len());
                bytes[place] ^= 1 << random.random_range(0..8);
                flipped += 1;
                false
            }
        };
        let accepted = takes(&run, &write(&run, "damaged", &bytes)?).await?.is_ok();
        taken += usize::from(accepted);
        finding.require(!(must_fail && accepted), || {
            format!("a file cut to {} bytes was taken", bytes.len())
        });
    }
    finding.note(format!(
        "{cut} cut, {flipped} with a flipped bit; {taken} of these are still models"
    ));
    Ok(finding)
}
