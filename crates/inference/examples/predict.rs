//! Predicts the class of one flower: `cargo run -p inference --example predict`.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use domain::{Class, Measurements};
use inference::{Error, Model};

fn main() -> Result<(), Error> {
    let model = Model::embedded()?;
    let flower =
        Measurements { sepal_width: 3.5, sepal_length: 5.1, petal_width: 0.2, petal_length: 1.4 };
    let prediction = model.predict(&flower)?;
    println!("{} by model {}", prediction.class.name(), model.version());
    for (class, probability) in Class::ALL.iter().zip(prediction.probabilities) {
        println!("{:>12} {probability:.6}", class.name());
    }
    Ok(())
}
