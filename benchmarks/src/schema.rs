//! The JSON shapes of `POST /predict` as a user of poem-openapi writes them: the fields of the service's own.

use poem_openapi::Object;

/// The measurements of one iris flower, in centimeters.
#[derive(Debug, Clone, Copy, Object)]
pub struct Measurements {
    /// Width of a sepal.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    pub sepal_width: f64,
    /// Length of a sepal.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    pub sepal_length: f64,
    /// Width of a petal.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    pub petal_width: f64,
    /// Length of a petal.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    pub petal_length: f64,
}

/// The prediction for one row.
#[derive(Debug, Clone, Object)]
pub struct Prediction {
    /// The id of the row, a UUIDv7.
    pub id: String,
    /// When the request arrived, UTC.
    pub timestamp: String,
    /// The class, 0 to 2.
    pub iris_class: i32,
    /// The name of the class.
    pub species: String,
    /// The probability of each class.
    pub probabilities: Vec<f64>,
    /// The model that predicted.
    pub model_version: String,
    /// What looks suspicious about the input.
    pub warnings: Vec<Warning>,
}

/// Something accepted but suspicious.
#[derive(Debug, Clone, Object)]
pub struct Warning {
    /// What kind of suspicion it is.
    pub code: String,
    /// The field it is about, if it is about one.
    pub field: Option<String>,
    /// A sentence for people.
    pub message: String,
}

impl From<Measurements> for domain::Measurements {
    fn from(measurements: Measurements) -> Self {
        let Measurements { sepal_width, sepal_length, petal_width, petal_length } = measurements;
        Self { sepal_width, sepal_length, petal_width, petal_length }
    }
}

impl From<domain::Warning> for Warning {
    fn from(warning: domain::Warning) -> Self {
        Self {
            code: warning.code.as_str().to_owned(),
            field: warning.field.map(ToOwned::to_owned),
            message: warning.message,
        }
    }
}
