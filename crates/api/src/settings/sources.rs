//! Where each setting comes from: its flag, else its variable, else the configuration file, else its default.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, Error, FromArgMatches};
use tracing::warn;

use super::Settings;
use super::file::ConfigFile;
use super::printed::printed;

/// The beginning of the names of our own variables.
const PREFIX: &str = "ONRECORD_";

/// Variables that others set: Kubernetes makes them for each service, and so for one that is called onrecord.
const OF_OTHERS: [&str; 2] = ["ONRECORD_PORT", "ONRECORD_SERVICE_"];

/// The settings, and where they come from.
#[derive(Debug)]
pub struct Given {
    /// The settings.
    pub settings: Settings,
    /// Each of them with its source, in the order of the help.
    pub(crate) entries: Vec<Entry>,
    /// The variables that look like ours, and are not.
    pub(crate) unknown: Vec<String>,
}

/// A setting as it is in effect.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Its values, as they were given; none if it has none.
    pub(crate) values: Vec<String>,
    pub(crate) is_secret: bool,
    pub(crate) source: Source,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Flag,
    Variable(String),
    /// The file that a variable names.
    FileOf(String),
    File(PathBuf),
    Default,
}

/// A setting as the program declares it.
struct Declared {
    id: String,
    flag: String,
    variable: String,
    is_secret: bool,
}

/// The variables of the process.
pub(crate) trait Environment {
    fn get(&self, name: &str) -> Option<OsString>;

    fn names(&self) -> Vec<String>;
}

/// The variables of this process.
struct OfProcess;

impl Environment for OfProcess {
    fn get(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
    }
}

impl Settings {
    /// The settings of this process.
    ///
    /// # Errors
    ///
    /// Fails if a flag, a variable or the configuration file says something that cannot be used, or if help was asked for.
    pub fn given() -> Result<Given, Error> {
        read(std::env::args_os().collect(), &OfProcess)
    }
}

impl Given {
    /// Warns of variables that look like ours, and are not.
    pub fn warn_of_unknown(&self) {
        for name in &self.unknown {
            warn!(
                "the variable {name} is set, but there is no such setting; `onrecord --help` lists them"
            );
        }
    }

    /// The settings in effect, as a configuration file.
    #[must_use]
    pub fn printed(&self) -> String {
        printed(&self.entries)
    }
}

pub(crate) fn read(
    arguments: Vec<OsString>,
    environment: &impl Environment,
) -> Result<Given, Error> {
    let declared = declared();
    let command = super::command();
    let by_flag = command.clone().try_get_matches_from(&arguments)?;
    let program = arguments.first().cloned().unwrap_or_default();
    let refuse = |message: String| command.clone().error(ErrorKind::ValueValidation, message);

    let mut sources = Vec::new();
    let mut others: Vec<OsString> = Vec::new();
    let mut file = None;
    for setting in &declared {
        if is_by_flag(&by_flag, &setting.id) {
            if setting.id == "config" {
                file = Some(innermost(&by_flag).get_one::<PathBuf>("config").cloned());
            }
            sources.push(Source::Flag);
            continue;
        }
        let Some((value, source)) = setting.variable_of(environment).map_err(refuse)? else {
            sources.push(Source::Default);
            continue;
        };
        if setting.id == "config" {
            file = Some(Some(PathBuf::from(&value)));
        }
        let argument = setting.argument(&value);
        check(&command, &program, &argument).map_err(|reason| {
            let reason = if setting.is_secret { "it cannot be used".to_owned() } else { reason };
            refuse(format!("{source}: {reason}"))
        })?;
        others.push(argument);
        sources.push(source);
    }
    if let Some(path) = file.flatten() {
        let file = ConfigFile::read(&path).map_err(refuse)?;
        for (name, values) in file.entries {
            let known = declared.iter().position(|setting| setting.flag == name);
            let Some(known) = known.filter(|place| declared[*place].id != "config") else {
                let message =
                    format!("{}: `{name}` is no setting; --help lists them", path.display());
                return Err(refuse(message));
            };
            if sources[known] != Source::Default {
                continue;
            }
            for value in values {
                let argument = declared[known].argument(&value.into());
                check(&command, &program, &argument)
                    .map_err(|reason| refuse(format!("{}: {name}: {reason}", path.display())))?;
                others.push(argument);
            }
            sources[known] = Source::File(path.clone());
        }
    }

    let rest = arguments.into_iter().skip(1);
    let all = std::iter::once(program).chain(others).chain(rest);
    let matches = command.clone().try_get_matches_from(all)?;
    let settings = Settings::from_arg_matches(&matches)?;
    let matches = innermost(&matches);
    let entries = declared.iter().zip(sources).map(|(setting, source)| Entry {
        name: setting.flag.clone(),
        values: matches
            .get_raw(&setting.id)
            .into_iter()
            .flatten()
            .map(|value| value.to_string_lossy().into_owned())
            .collect(),
        is_secret: setting.is_secret,
        source,
    });
    let entries = entries.collect();
    Ok(Given { settings, entries, unknown: unknown(&declared, environment) })
}

/// The settings that have a variable.
fn declared() -> Vec<Declared> {
    let command = Settings::command();
    let declared = command.get_arguments().filter_map(|argument| {
        Some(Declared {
            id: argument.get_id().to_string(),
            flag: argument.get_long()?.to_owned(),
            variable: argument.get_env()?.to_str()?.to_owned(),
            is_secret: argument.is_hide_env_values_set(),
        })
    });
    declared.collect()
}

/// Whether this is said on the command line.
fn is_by_flag(matches: &ArgMatches, id: &str) -> bool {
    innermost(matches).value_source(id) == Some(ValueSource::CommandLine)
}

/// The matches of the innermost command; the flags of all commands are in them too.
fn innermost(mut matches: &ArgMatches) -> &ArgMatches {
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    matches
}

/// Whether the value can be used, by itself.
fn check(command: &Command, program: &OsString, argument: &OsString) -> Result<(), String> {
    let Err(error) = command.clone().try_get_matches_from([program, argument]) else {
        return Ok(());
    };
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return Ok(());
    }
    let text = error.render().to_string();
    let text = text.trim_start_matches("error: ");
    let end = text.find("\n\nFor more").unwrap_or(text.len());
    let words: Vec<_> = text[..end].split_whitespace().collect();
    let text = words.join(" ");
    // The flag was not given by anybody.
    Err(match (text.find(" for '--"), text.find(">'")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}{}", &text[..start], &text[end + 2..])
        }
        _ => text,
    })
}

impl Declared {
    /// The value of its variable, if it has one that is not empty, and the name under which it was found.
    fn variable_of(
        &self,
        environment: &impl Environment,
    ) -> Result<Option<(OsString, Source)>, String> {
        let mut found: Vec<(OsString, Source)> = Vec::new();
        for name in self.names() {
            if let Some(value) = environment.get(&name).filter(|value| !value.is_empty()) {
                found.push((value, Source::Variable(name.clone())));
            }
            let of_file = format!("{name}_FILE");
            if !self.is_secret {
                continue;
            }
            if let Some(path) = environment.get(&of_file).filter(|path| !path.is_empty()) {
                let path = PathBuf::from(path);
                let text = std::fs::read_to_string(&path);
                let text =
                    text.map_err(|error| format!("{of_file}: {}: {error}", path.display()))?;
                let text = text.trim_end_matches(['\r', '\n']).to_owned();
                if text.is_empty() {
                    return Err(format!("{of_file}: {} is empty", path.display()));
                }
                if text.contains('\n') || text.starts_with(&format!("{name}=")) {
                    return Err(format!(
                        "{of_file}: {} must hold the value alone, on one line, without the name of the variable",
                        path.display()
                    ));
                }
                found.push((text.into(), Source::FileOf(of_file)));
            }
        }
        if let [(first, by), rest @ ..] = found.as_slice()
            && let Some((_, other)) = rest.iter().find(|(value, _)| value != first)
        {
            return Err(format!("{by} and {other} differ; set one of them"));
        }
        Ok(found.into_iter().next())
    }

    /// The names of its variable.
    fn names(&self) -> Vec<String> {
        if self.variable.starts_with(PREFIX) {
            return vec![self.variable.clone()];
        }
        vec![format!("{PREFIX}{}", self.variable), self.variable.clone()]
    }

    fn argument(&self, value: &OsString) -> OsString {
        let mut argument = OsString::from(format!("--{}=", self.flag));
        argument.push(value);
        argument
    }
}

/// The variables that look like ours, and are not.
fn unknown(declared: &[Declared], environment: &impl Environment) -> Vec<String> {
    let is_known = |name: &str| {
        declared.iter().any(|setting| {
            let of_file = name.strip_suffix("_FILE").filter(|_| setting.is_secret);
            setting.names().iter().any(|it| it == name || Some(&**it) == of_file)
        })
    };
    let ours = environment.names().into_iter().filter(|name| {
        name.starts_with(PREFIX) && !OF_OTHERS.iter().any(|other| name.starts_with(other))
    });
    let mut unknown: Vec<_> = ours.filter(|name| !is_known(name)).collect();
    unknown.sort();
    unknown
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::FileOf(name) => write!(f, "file of variable {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

#[cfg(test)]
mod tests;
