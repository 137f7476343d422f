//! From the training data to the files in `weights/`, in memory.

use std::collections::HashMap;

use candle_core::Tensor;
use domain::{Class, FEATURES, N_FEATURES, Prediction};
use inference::{Manifest, Metrics, TrainedFeature};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Serialize;

use crate::classifier::{Classifier, layer_sizes};
use crate::dataset::Dataset;
use crate::evaluation::{Confusion, Evaluation, cross_validate, hold_out, judge};
use crate::model_card;
use crate::recipe::{NAME, SEED, VERSION};

/// The files, byte for byte.
#[derive(PartialEq)]
pub(crate) struct Artifacts {
    /// `iris-mlp.safetensors`.
    pub(crate) model: Vec<u8>,
    /// `golden.json`.
    pub(crate) golden: String,
    /// `README.md`: the model card.
    pub(crate) card: String,
}

/// One line of `golden.json`.
#[derive(Serialize)]
struct Golden {
    input: [f64; N_FEATURES],
    class: i32,
    probabilities: [f64; domain::N_CLASSES],
}

/// Judges the recipe by cross-validation and a held-out split, then trains on all rows.
pub(crate) fn train(csv: &[u8]) -> anyhow::Result<Artifacts> {
    let dataset = Dataset::parse(csv)?;
    let (folds, cross_validation) = cross_validate(&dataset)?;
    let held_out = hold_out(&dataset)?;
    let classifier = Classifier::train(&dataset, &dataset.all())?;
    let training = judge(&classifier, &dataset, &dataset.all())?;
    let evaluation = Evaluation { folds, cross_validation, held_out, training };

    let manifest = manifest(&dataset, &classifier, &evaluation);
    let model = model_file(&classifier, &manifest)?;
    let card = model_card::write(&manifest, &evaluation, &model)?;
    Ok(Artifacts { golden: golden(&dataset, &classifier)?, card, model })
}

fn manifest(dataset: &Dataset, classifier: &Classifier, evaluation: &Evaluation) -> Manifest {
    let feature = |(i, feature): (usize, domain::Feature)| {
        let values = || dataset.rows.iter().map(|row| row[i]);
        TrainedFeature {
            name: feature.name.to_owned(),
            unit: feature.unit.to_owned(),
            minimum: values().fold(f64::INFINITY, f64::min),
            maximum: values().fold(f64::NEG_INFINITY, f64::max),
            mean: classifier.means[i],
            scale: classifier.scales[i],
        }
    };
    let fold_accuracies: Vec<f64> = evaluation.folds.iter().map(Confusion::accuracy).collect();
    Manifest {
        name: NAME.to_owned(),
        version: VERSION.to_owned(),
        layers: layer_sizes(),
        activation: "relu".to_owned(),
        features: FEATURES.into_iter().enumerate().map(feature).collect(),
        classes: Class::ALL.map(|class| class.name().to_owned()).to_vec(),
        data_sha256: dataset.sha256.clone(),
        seed: SEED,
        metrics: Metrics {
            cross_validation_accuracy: fold_accuracies.iter().sum::<f64>()
                / fold_accuracies.len() as f64,
            fold_accuracies,
            held_out_accuracy: evaluation.held_out.accuracy(),
            training_accuracy: evaluation.training.accuracy(),
        },
    }
}

/// The SafeTensors file. Its metadata has a single key because a map with more has no stable order.
fn model_file(classifier: &Classifier, manifest: &Manifest) -> anyhow::Result<Vec<u8>> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut add = |name: String, tensor: &Tensor| -> candle_core::Result<()> {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
        tensors.push((name, tensor.dims().to_vec(), bytes));
        Ok(())
    };
    for (i, layer) in classifier.layers.iter().enumerate() {
        add(format!("layers.{i}.weight"), layer.weight())?;
        if let Some(bias) = layer.bias() {
            add(format!("layers.{i}.bias"), bias)?;
        }
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([("manifest".to_owned(), serde_json::to_string(manifest)?)]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// Every row with what candle's plain forward pass makes of it; one line for each.
fn golden(dataset: &Dataset, classifier: &Classifier) -> anyhow::Result<String> {
    let lines = dataset
        .rows
        .iter()
        .zip(classifier.probabilities(&dataset.rows)?)
        .map(|(input, probabilities)| {
            let class = Prediction::from_probabilities(probabilities).class.number();
            serde_json::to_string(&Golden { input: *input, class, probabilities })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[\n{}\n]\n", lines.join(",\n")))
}
