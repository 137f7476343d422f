//! What the service is measured against, as far as it is written in Rust; `benchmarks/README.md` says how.

mod hand_written;
mod plain_candle;
mod schema;
mod serving;
mod timing;

pub use hand_written::HandWritten;
pub use plain_candle::PlainCandle;
pub use schema::{Measurements, Prediction, Warning};
pub use serving::serve;
pub use timing::{Case, measure};

/// The weights that the service serves.
pub const WEIGHTS: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../weights/iris-mlp.safetensors"));
