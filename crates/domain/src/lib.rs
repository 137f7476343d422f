#![doc = include_str!("../README.md")]

mod causes;
mod class;
mod feature;
mod measurements;
mod prediction;
mod record;
mod warning;

pub use causes::Causes;
pub use class::{CLASS_FIELD, Class, N_CLASSES};
pub use feature::{FEATURES, Feature, N_FEATURES};
pub use measurements::Measurements;
pub use prediction::Prediction;
pub use record::Record;
pub use warning::{Warning, WarningCode};
