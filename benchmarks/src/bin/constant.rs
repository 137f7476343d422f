//! The same route answering a constant: what HTTP and JSON cost on poem-openapi, without a model or a database.

use std::net::SocketAddr;

use benchmarks::{Measurements, Prediction, serve};
use clap::Parser;
use poem::Route;
use poem_openapi::payload::Json;
use poem_openapi::{OpenApi, OpenApiService};

#[derive(Parser)]
struct Settings {
    /// The address to answer on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
}

struct Constant;

#[OpenApi]
impl Constant {
    #[oai(path = "/predict", method = "post")]
    async fn predict(&self, Json(_measurements): Json<Measurements>) -> Json<Prediction> {
        Json(Prediction {
            id: "01a208c3-80d8-7862-8292-a4935952b406".to_owned(),
            timestamp: "2026-11-23T14:15:59.960524Z".to_owned(),
            iris_class: 0,
            species: "setosa".to_owned(),
            probabilities: vec![0.9999237818519934, 0.00007621813667301199, 1.13336699072529e-11],
            model_version: "1.0.0+9b3f1c56".to_owned(),
            warnings: Vec::new(),
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::parse();
    let service = OpenApiService::new(Constant, "constant", "1");
    serve(settings.listen, Route::new().nest("/", service)).await
}
