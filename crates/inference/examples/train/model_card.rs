//! The model card: what people have to know about the model, in Markdown.

use std::fmt::Write;

use domain::{Class, FEATURES};
use inference::Manifest;

use crate::dataset::sha256;
use crate::evaluation::{Confusion, Evaluation};
use crate::recipe::{HELD_OUT_ONE_IN, LEARNING_RATE, N_FOLDS, N_STEPS, WEIGHT_DECAY};

/// The card of this model, whose file is `model`.
pub(crate) fn write(
    manifest: &Manifest,
    evaluation: &Evaluation,
    model: &[u8],
) -> anyhow::Result<String> {
    let mut card = String::new();
    about(&mut card, manifest, model)?;
    training(&mut card, manifest, evaluation)?;
    metrics(&mut card, manifest, evaluation)?;
    card.push_str(LIMITS);
    Ok(card)
}

fn about(card: &mut String, manifest: &Manifest, model: &[u8]) -> anyhow::Result<()> {
    let sha256 = sha256(model);
    let Manifest { name, version, .. } = manifest;
    writeln!(card, "# The model: {name} {version}\n")?;
    writeln!(
        card,
        "Four measurements of an iris in, one of three species out: a multilayer perceptron."
    )?;
    writeln!(
        card,
        "All files here except `iris.csv` are written by one command and not by hand:\n"
    )?;
    writeln!(card, "```sh\ncargo run --release -p inference --example train\n```\n")?;
    writeln!(card, "| file | what it is |\n|---|---|")?;
    writeln!(card, "| `iris-mlp.safetensors` | the weights, and the manifest in its metadata |")?;
    writeln!(
        card,
        "| `golden.json` | every row of the data with the class and the probabilities of candle's plain forward pass |"
    )?;
    writeln!(card, "| `iris.csv` | the training data |\n")?;
    writeln!(card, "SHA-256 of `iris-mlp.safetensors`: `{sha256}`  ")?;
    writeln!(card, "`model_version` in every record: `{version}+{}`\n", &sha256[..8])?;

    writeln!(card, "## Input\n")?;
    writeln!(
        card,
        "In this order, which is not that of the CSV file (columns are found by name). Each value is standardized in"
    )?;
    writeln!(
        card,
        "float64, `(x - mean) / scale`, then rounded to float32. The scale is the standard deviation of the population.\n"
    )?;
    writeln!(
        card,
        "| | feature | unit | training minimum | maximum | mean | scale |\n|---|---|---|---|---|---|---|"
    )?;
    for (i, feature) in manifest.features.iter().enumerate() {
        let inference::TrainedFeature { name, unit, minimum, maximum, mean, scale } = feature;
        writeln!(
            card,
            "| {i} | `{name}` | {unit} | {minimum:?} | {maximum:?} | {mean:.6} | {scale:.6} |"
        )?;
    }

    let layers = manifest.layers.len() - 1;
    writeln!(card, "\n## Layers\n\n| tensor | shape | dtype | then |\n|---|---|---|---|")?;
    for (i, sizes) in manifest.layers.windows(2).enumerate() {
        let then =
            if i + 1 < layers { manifest.activation.as_str() } else { "softmax, in float64" };
        writeln!(card, "| `layers.{i}.weight` | ({}, {}) | float32 | |", sizes[1], sizes[0])?;
        writeln!(card, "| `layers.{i}.bias` | ({},) | float32 | {then} |", sizes[1])?;
    }
    let numbered = Class::ALL.map(|class| format!("{} {}", class.number(), class.name()));
    writeln!(card, "\nOutput: the probabilities of {}, in this order.\n", numbered.join(", "))?;
    Ok(())
}

fn training(card: &mut String, manifest: &Manifest, evaluation: &Evaluation) -> anyhow::Result<()> {
    let n_rows = evaluation.training.n_rows();
    writeln!(card, "## Training\n")?;
    writeln!(
        card,
        "- Data: `iris.csv`, Fisher's iris data (R. A. Fisher, *The use of multiple measurements in taxonomic problems*,"
    )?;
    writeln!(
        card,
        "  1936), {n_rows} rows, 50 of each species, measured to 0.1 cm. SHA-256 `{}`.",
        manifest.data_sha256
    )?;
    writeln!(
        card,
        "- **The weights in this directory are trained on all {n_rows} rows**, after the accuracies below had been measured on"
    )?;
    writeln!(
        card,
        "  models trained by the same recipe on a part of them. There is no row left on which to judge these very weights."
    )?;
    writeln!(
        card,
        "- Recipe: {N_STEPS} steps of AdamW on the cross-entropy of the whole batch; learning rate {LEARNING_RATE}, weight decay"
    )?;
    writeln!(
        card,
        "  {WEIGHT_DECAY}; first weights and biases uniform in ±1/√n_in. In float64; the result is rounded to float32."
    )?;
    writeln!(
        card,
        "- Seed: {}, ChaCha8, one stream for each purpose. The same machine writes the same bytes.",
        manifest.seed
    )?;
    writeln!(
        card,
        "- Standardization is fitted to the training rows of each model, never to the rows that judge it.\n"
    )?;
    Ok(())
}

fn metrics(card: &mut String, manifest: &Manifest, evaluation: &Evaluation) -> anyhow::Result<()> {
    let metrics = &manifest.metrics;
    writeln!(card, "## Accuracy\n\n| measured by | accuracy | rows |\n|---|---|---|")?;
    for (fold, confusion) in evaluation.folds.iter().enumerate() {
        let (accuracy, n_rows) = (confusion.accuracy(), confusion.n_rows());
        writeln!(
            card,
            "| fold {} of {N_FOLDS}, stratified | {accuracy:.4} | {n_rows} |",
            fold + 1
        )?;
    }
    let n_rows = evaluation.cross_validation.n_rows();
    writeln!(
        card,
        "| **mean of the folds** | **{:.4}** | {n_rows} |",
        metrics.cross_validation_accuracy
    )?;
    let n_rows = evaluation.held_out.n_rows();
    writeln!(
        card,
        "| held-out split, stratified, one row in {HELD_OUT_ONE_IN} | {:.4} | {n_rows} |",
        metrics.held_out_accuracy
    )?;
    let n_rows = evaluation.training.n_rows();
    writeln!(
        card,
        "| the shipped weights on their own training rows: not a measure of quality | {:.4} | {n_rows} |\n",
        metrics.training_accuracy
    )?;
    confusion(card, "Cross-validation, all folds together", &evaluation.cross_validation)?;
    confusion(card, "Held-out split", &evaluation.held_out)
}

fn confusion(card: &mut String, title: &str, confusion: &Confusion) -> anyhow::Result<()> {
    let names = Class::ALL.map(Class::name);
    writeln!(card, "{title}:\n\n| true class | predicted {} |", names.join(" | "))?;
    writeln!(card, "|---|{}", "---|".repeat(names.len()))?;
    for (name, counts) in names.iter().zip(confusion.0) {
        writeln!(card, "| {name} | {} |", counts.map(|count| count.to_string()).join(" | "))?;
    }
    writeln!(card)?;
    Ok(())
}

/// Checked at compile time, because the sentences below count on it.
const _: () = assert!(FEATURES.len() == 4 && Class::ALL.len() == 3);

const LIMITS: &str = "\
## Intended use and limits

Made to show a prediction service on data that everybody knows. It tells three species apart, from flowers of one study;
it cannot say \"none of these\", and outside the training ranges its probabilities mean little (the service warns there).
With 30 rows to a fold one row is 3.3 points of accuracy, so differences of that size between models are noise. One row of
the data occurs twice (virginica 5.8, 2.7, 5.1, 1.9 in the order of the file), so a fold may be judged by a row that its
model has seen. Probabilities are not calibrated. Setosa is separable; errors are between versicolor and virginica.
";
