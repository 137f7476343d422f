//! Runs the prediction service, or one of its commands.

use std::io::Write;
use std::process::ExitCode;

use api::{Command, Document, Settings};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    api::init_telemetry(settings.log_format);
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The alternate form is the error with its causes, on one line.
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    match settings.command.clone().unwrap_or(Command::Serve) {
        Command::Serve => api::serve(settings).await,
        Command::Migrate => api::migrate(settings).await,
        Command::Openapi { yaml } => {
            let document = Document::generate()?;
            let text = if yaml { document.yaml() } else { document.json() };
            Ok(std::io::stdout().write_all(text.as_bytes())?)
        }
    }
}
