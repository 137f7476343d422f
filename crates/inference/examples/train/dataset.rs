//! The training data: a CSV file, its columns found by name.

use anyhow::{Context, ensure};
use domain::{Class, FEATURES, N_FEATURES};
use sha2::{Digest, Sha256};

/// The column of the class's name.
const CLASS_COLUMN: &str = "species";

/// Rows and their classes.
pub(crate) struct Dataset {
    /// The measurements, in the order of [`FEATURES`].
    pub(crate) rows: Vec<[f64; N_FEATURES]>,
    /// The class of each row.
    pub(crate) classes: Vec<Class>,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub(crate) sha256: String,
}

impl Dataset {
    /// The rows of a CSV file with a header and without quotes.
    pub(crate) fn parse(csv: &[u8]) -> anyhow::Result<Self> {
        let mut lines = std::str::from_utf8(csv)?.lines();
        let header: Vec<&str> = lines.next().context("no header")?.split(',').collect();
        let column = |name: &str| {
            header.iter().position(|column| *column == name).with_context(|| format!("no {name}"))
        };
        let mut feature_columns = [0; N_FEATURES];
        for (index, feature) in feature_columns.iter_mut().zip(FEATURES) {
            *index = column(feature.name)?;
        }
        let class_column = column(CLASS_COLUMN)?;

        let mut dataset = Self { rows: Vec::new(), classes: Vec::new(), sha256: sha256(csv) };
        for line in lines {
            let cells: Vec<&str> = line.split(',').collect();
            ensure!(cells.len() == header.len(), "{line:?} does not have the header's columns");
            let mut row = [0.0; N_FEATURES];
            for (value, index) in row.iter_mut().zip(feature_columns) {
                *value = cells[index].parse().with_context(|| format!("no number in {line:?}"))?;
            }
            let class = Class::ALL.into_iter().find(|class| class.name() == cells[class_column]);
            dataset.rows.push(row);
            dataset.classes.push(class.with_context(|| format!("no class in {line:?}"))?);
        }
        Ok(dataset)
    }

    /// The number of every row.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.rows.len()).collect()
    }
}

/// The SHA-256 of `bytes`, in lower-case hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
