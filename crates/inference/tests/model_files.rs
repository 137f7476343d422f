//! A file that does not fit is refused with a message that says why; no file makes the loader panic.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use domain::Measurements;
use inference::Model;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

const FILE: &[u8] = include_bytes!("../../../weights/iris-mlp.safetensors");

/// A model file, taken apart so that a test can damage it.
#[derive(Clone)]
struct Parts {
    metadata: HashMap<String, String>,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Parts {
    fn of_the_embedded_model() -> Self {
        let (_, metadata) = SafeTensors::read_metadata(FILE).unwrap();
        let tensors = SafeTensors::deserialize(FILE).unwrap().tensors().into_iter();
        Self {
            metadata: metadata.metadata().clone().unwrap(),
            tensors: tensors
                .map(|(name, t)| (name, (t.dtype(), t.shape().to_vec(), t.data().to_vec())))
                .collect(),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize(views, Some(self.metadata.clone())).unwrap()
    }

    fn manifest(&self) -> Value {
        serde_json::from_str(&self.metadata["manifest"]).unwrap()
    }

    /// Puts a value at the place in the manifest to which a JSON pointer points.
    fn set(&mut self, pointer: &str, value: Value) {
        let mut manifest = self.manifest();
        *manifest.pointer_mut(pointer).unwrap() = value;
        self.metadata.insert("manifest".to_owned(), manifest.to_string());
    }

    fn tensor(&mut self, name: &str) -> &mut (Dtype, Vec<usize>, Vec<u8>) {
        self.tensors.get_mut(name).unwrap()
    }
}

/// Asserts that the bytes are refused, with `part` in the message or in that of a source.
fn check_refused(bytes: &[u8], part: &str) {
    let error = Model::from_bytes(bytes).unwrap_err();
    let mut chain = error.to_string();
    let mut source = error.source();
    if let Some(cause) = source {
        assert!(!chain.contains(&cause.to_string()), "{chain:?} repeats its source");
    }
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    assert!(chain.contains(part), "{chain:?} does not contain {part:?}");
}

/// Asserts that the embedded model is refused once it is damaged, with `part` in the message.
fn check_damaged(part: &str, damage: impl FnOnce(&mut Parts)) {
    let mut parts = Parts::of_the_embedded_model();
    damage(&mut parts);
    check_refused(&parts.to_bytes(), part);
}

/// Asserts that a value in the manifest makes the model refused, with `part` in the message.
fn check_manifest(pointer: &str, value: Value, part: &str) {
    check_damaged(part, |parts| parts.set(pointer, value));
}

#[test]
fn the_model_taken_apart_and_put_together_is_accepted() {
    Model::from_bytes(&Parts::of_the_embedded_model().to_bytes()).unwrap();
}

#[test]
fn bytes_that_are_not_safetensors_are_refused() {
    check_refused(b"", "header too small");
    check_refused(b"not a model at all", "header too large");
    check_refused(&[&[2, 0, 0, 0, 0, 0, 0, 0], &b"{]"[..]].concat(), "invalid JSON in header");
    check_refused(&[FILE, &[0]].concat(), "not a valid safetensors file");
    check_refused(&vec![0; (32 << 20) + 1], "more than 33554432 bytes");
    for length in 0..FILE.len() {
        check_refused(&FILE[..length], "not a valid safetensors file");
    }
}

#[test]
fn sizes_whose_sum_overflows_are_refused() {
    let size = usize::MAX / 8;
    let tensor = |i: usize| {
        let offsets = [i * size, (i + 1) * size];
        (format!("t{i}"), json!({ "dtype": "U8", "shape": [size], "data_offsets": offsets }))
    };
    let header = serde_json::to_vec(&(0..8).map(tensor).collect::<BTreeMap<_, _>>()).unwrap();
    let bytes = [&(header.len() as u64).to_le_bytes(), &header[..]].concat();
    check_refused(&bytes, "not a valid safetensors file");
}

#[test]
fn a_file_without_a_readable_manifest_is_refused() {
    check_damaged("no manifest", |parts| parts.metadata.clear());
    for (text, part) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "invalid length"),
        ("{}", "missing field `name`"),
        (&"[".repeat(100_000), "the manifest of the model file cannot be read"),
    ] {
        check_damaged(part, |parts| {
            parts.metadata.insert("manifest".to_owned(), text.to_owned());
        });
    }
    check_manifest("/features/0/scale", json!(null), "invalid type: null");
    check_manifest("/layers", json!([4, -16, 3]), "invalid value: integer `-16`");
    check_manifest("/metrics", json!({ "luck": 1 }), "unknown field `luck`");
}

#[test]
fn a_manifest_that_does_not_fit_the_domain_is_refused() {
    let manifest = Parts::of_the_embedded_model().manifest();
    let reversed =
        |list: &str| Value::from_iter(manifest[list].as_array().unwrap().iter().rev().cloned());
    check_manifest("/features", reversed("features"), "the model's features are [\"petal_length\"");
    check_manifest("/features", json!([]), "the model's features are []");
    check_manifest("/features/1/name", json!("height"), "\"height\"");
    check_manifest(
        "/features/1/unit",
        json!("inch"),
        "unit of sepal_length is \"inch\", not \"cm\"",
    );
    check_manifest("/classes", reversed("classes"), "the model's classes are [\"virginica\"");
    check_manifest("/classes", json!(["setosa", "versicolor"]), "the model's classes are");
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    check_manifest("/features/2/scale", json!(0.0), "petal_width cannot be standardized");
    check_manifest("/features/2/scale", json!(-1.0), "petal_width cannot be standardized");
    check_manifest(
        "/features/0/minimum",
        json!(5.0),
        "range of sepal_width is not ordered: 5 to 4.4",
    );
    for version in ["", "1.0 beta", "1.0\u{0}", "1+2", &"1".repeat(65)] {
        check_manifest("/version", json!(version), "the model's version");
    }
}

#[test]
fn layers_that_lead_nowhere_are_refused() {
    let too_many = [&[4][..], &[16; 8], &[3]].concat();
    for layers in [
        json!([]),
        json!([4]),
        json!([5, 16, 16, 3]),
        json!([4, 16, 16, 2]),
        json!([4, 0, 16, 3]),
        json!([4, 1025, 16, 3]),
        json!([4, usize::MAX, usize::MAX, 3]),
        json!(too_many),
    ] {
        check_manifest("/layers", layers, "do not lead from 4 features to 3 classes");
    }
    check_manifest("/activation", json!("tanh"), "the activation \"tanh\" is not known");
}

#[test]
fn tensors_that_do_not_fit_the_manifest_are_refused() {
    check_manifest(
        "/layers",
        json!([4, 8, 16, 3]),
        "layers.0.weight has shape [16, 4], not [8, 4]",
    );
    check_manifest("/layers", json!([4, 16, 16, 3, 3]), "layers.3.weight is missing");
    check_damaged("layers.1.bias is missing", |parts| {
        parts.tensors.remove("layers.1.bias");
    });
    check_damaged("\"layers.3.weight\" is not part of the model", |parts| {
        let tensor = parts.tensor("layers.2.weight").clone();
        parts.tensors.insert("layers.3.weight".to_owned(), tensor);
    });
    check_damaged("layers.0.weight has shape [4, 16], not [16, 4]", |parts| {
        parts.tensor("layers.0.weight").1.reverse();
    });
    check_damaged("layers.2.bias has shape [1, 3], not [3]", |parts| {
        parts.tensor("layers.2.bias").1.insert(0, 1);
    });
    check_damaged("layers.2.bias has dtype F64, not F32", |parts| {
        *parts.tensor("layers.2.bias") = (Dtype::F64, vec![3], vec![0; 24]);
    });
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        check_damaged("layers.1.weight has a value that is not finite", |parts| {
            parts.tensor("layers.1.weight").2[8..12].copy_from_slice(&wrong.to_le_bytes());
        });
    }
}

#[test]
fn a_network_that_overflows_is_an_error_and_not_an_answer() {
    let mut parts = Parts::of_the_embedded_model();
    for (_, _, bytes) in parts.tensors.values_mut() {
        *bytes = f32::MAX.to_le_bytes().repeat(bytes.len() / 4);
    }
    let model = Model::from_bytes(&parts.to_bytes()).unwrap();
    let row = Measurements::from_row([9.0; domain::N_FEATURES]);
    assert_eq!(model.predict(&row).unwrap_err().to_string(), "the scores of row 0 are not finite");
    let error = model.predict_batch(&[row; 2]).unwrap_err();
    assert_eq!(error.to_string(), "the scores of row 0 are not finite");
}

#[test]
fn no_damaged_byte_makes_loading_or_predicting_panic() {
    let row = Measurements::from_row([3.0; domain::N_FEATURES]);
    let mut generator = ChaCha8Rng::seed_from_u64(7);
    let mut n_accepted = 0;
    for round in 0..6_000 {
        let mut bytes = FILE.to_vec();
        for _ in 0..1 + round % 3 {
            let place = generator.random_range(0..bytes.len());
            match generator.random_range(0..3) {
                0 => bytes[place] ^= 1 << generator.random_range(0..8),
                1 => bytes[place] = generator.random(),
                _ => bytes[place] = *b"0]}\",:[{9-".get(place % 10).unwrap(),
            }
        }
        if let Ok(model) = Model::from_bytes(&bytes) {
            n_accepted += 1;
            drop(model.predict(&row));
        }
    }
    assert!(n_accepted > 0, "no damage reached the weights");
}
