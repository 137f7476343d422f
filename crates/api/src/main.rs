//! Runs the prediction service, or one of its commands.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use api::{Command, Document, Given, Settings};

/// A request makes and frees some dozens of small blocks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// After how many tasks a thread looks for what has arrived; tokio's own 61 are a whole batch of answers, and the next batch
/// would wait until the last of them is sent.
const TASKS_BETWEEN_LOOKS: u32 = 16;

fn main() -> ExitCode {
    let given = match Settings::given() {
        Ok(given) => given,
        // It prints help to standard output and ends with 0, or a mistake to standard error and ends with 2.
        Err(error) => error.exit(),
    };
    // What FAILPOINTS says is to fail, until it is dropped.
    #[cfg(feature = "fail-points")]
    let _failing = fail::FailScenario::setup();
    let log = match api::init_telemetry(given.settings.log_format) {
        Ok(log) => log,
        Err(error) => {
            // Nothing can be done about a failure of this.
            drop(writeln!(std::io::stderr(), "the log cannot be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(given.settings.threads.get())
        .event_interval(TASKS_BETWEEN_LOOKS)
        .enable_all()
        .build()
        .context("the threads cannot be started")
        .and_then(|runtime| runtime.block_on(run(given)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.last_words(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(given: Given) -> anyhow::Result<()> {
    given.warn_of_unknown();
    let mut output = std::io::stdout();
    let settings = given.settings.clone();
    match settings.command.clone().unwrap_or(Command::Serve) {
        Command::Serve => api::serve(settings).await,
        Command::Migrate => api::migrate(settings).await,
        Command::Upkeep => api::keep_up(settings).await,
        Command::Key { command } => api::key(command, &settings.access),
        Command::Config => Ok(output.write_all(given.printed().as_bytes())?),
        Command::Check => api::check(&settings).await,
        Command::Completions { shell } => Ok(api::write_completions(shell, &mut output)?),
        Command::Man => Ok(api::write_manual(&mut output)?),
        Command::Openapi { yaml } => {
            let document = Document::generate()?;
            let text = if yaml { document.yaml() } else { document.json() };
            Ok(output.write_all(text.as_bytes())?)
        }
    }
}
