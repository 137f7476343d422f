//! Trains the model: `cargo run --release -p inference --example train` writes the files in `weights/`.
//!
//! The library embeds the model file, so one has to be there before the first training; an empty one will do.

#![expect(clippy::print_stdout, reason = "a program for the command line")]

mod artifacts;
mod classifier;
mod dataset;
mod evaluation;
mod model_card;
mod recipe;
mod split;

use std::fs;
use std::path::Path;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights");
    let csv = fs::read(weights.join("iris.csv")).context("cannot read the training data")?;
    let artifacts = artifacts::train(&csv)?;
    fs::write(weights.join("iris-mlp.safetensors"), &artifacts.model)?;
    fs::write(weights.join("golden.json"), &artifacts.golden)?;
    fs::write(weights.join("README.md"), &artifacts.card)?;
    let metrics = inference::Model::from_bytes(&artifacts.model)?.manifest().metrics.clone();
    println!("{metrics:#?}");
    Ok(())
}
