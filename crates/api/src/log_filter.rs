//! Which lines the log takes.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, Targets};

/// The filter where `RUST_LOG` says nothing. The service itself says what its libraries would, and why.
const DEFAULT: &str =
    "info,poem=warn,refinery_core=warn,deadpool_postgres=error,tokio_postgres=error";

/// The target of the line that says why the program ends. It is in the log whatever `RUST_LOG` says.
pub(crate) const LAST_WORDS: &str = "last_words";

/// The parts of this program that log.
const OURS: [&str; 8] =
    ["access", "api", "domain", "inference", "postmaster", "recorder", "spool", "storage"];

/// The libraries that log.
const LIBRARIES: [&str; 10] =
    ["deadpool", "h2", "hyper", "mio", "poem", "refinery", "rustls", "tokio", "tower", "tracing"];

/// The filter that a value of `RUST_LOG` asks for, and what is wrong with the value, if anything is.
pub(crate) fn read(value: Option<&str>) -> (EnvFilter, Option<String>) {
    let value = value.map(str::trim).filter(|value| !value.is_empty());
    let Some(value) = value else { return (with_last_words(EnvFilter::new(DEFAULT)), None) };
    let parts: Vec<_> = value.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let unknown: Vec<_> = parts.iter().copied().filter(|part| !is_known(part)).collect();
    let complaint = match EnvFilter::try_new(value) {
        Ok(filter) if unknown.len() < parts.len() => {
            let complaint = (!unknown.is_empty()).then(|| {
                format!("RUST_LOG: {} names no part of this program that logs", unknown.join(", "))
            });
            return (with_last_words(filter), complaint);
        }
        Ok(_) => "it names no part of this program that logs".to_owned(),
        Err(error) => error.to_string(),
    };
    let complaint = format!(
        "RUST_LOG={value} cannot be used ({complaint}), so the log is as by RUST_LOG={DEFAULT}; \
         levels are off, error, warn, info, debug, trace; parts are {}",
        OURS.join(", ")
    );
    (with_last_words(EnvFilter::new(DEFAULT)), Some(complaint))
}

/// The bound that holds whatever is asked for: libraries log at `info` at most. Below that they write what they are given:
/// the inputs of predictions, headers, the parameters of statements.
pub(crate) fn bound() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_targets(OURS.map(|part| (part, LevelFilter::TRACE)))
}

/// Whether a directive is a level for everything, is about spans, or names something that logs.
fn is_known(directive: &str) -> bool {
    let target = directive.split(['=', '[', ':']).next().unwrap_or_default();
    target.is_empty()
        || directive.parse::<LevelFilter>().is_ok()
        || OURS.contains(&target)
        || LIBRARIES.iter().any(|library| target.starts_with(library))
}

fn with_last_words(filter: EnvFilter) -> EnvFilter {
    let level = tracing::Level::ERROR;
    let directive = format!("{LAST_WORDS}={level}").parse::<Directive>();
    directive.map_or_else(|_| EnvFilter::new(DEFAULT), |directive| filter.add_directive(directive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_can_be_used_is_used_without_a_word() {
        for value in
            ["off", "info", "WARN", "3", "info,api=debug", "storage=trace,", "hyper_util=info"]
        {
            let (filter, complaint) = read(Some(value));
            assert_eq!(complaint, None, "{value}");
            assert!(filter.to_string().contains("last_words=error"), "{filter}");
        }
    }

    #[test]
    fn an_empty_value_is_none() {
        for value in [None, Some(""), Some(" ")] {
            let (filter, complaint) = read(value);
            assert_eq!(complaint, None);
            assert!(filter.to_string().contains("poem=warn"), "{filter}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_used_is_told_of_and_the_default_is_used() {
        for value in
            ["verbose", "trace=1", "foo=bar=baz", "nonsense=,,", "api=loud", "apis=debug", "=="]
        {
            let (filter, complaint) = read(Some(value));
            assert!(complaint.unwrap().contains(value), "{value}");
            assert!(filter.to_string().contains("poem=warn"), "{value}: {filter}");
        }
    }

    #[test]
    fn a_part_that_names_nothing_is_told_of_and_the_rest_is_used() {
        let (filter, complaint) = read(Some("debug,nonsense=trace"));
        assert!(complaint.unwrap().contains("nonsense=trace"));
        assert!(filter.to_string().contains("debug"), "{filter}");
    }
}
