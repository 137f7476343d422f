//! A value of a request that is invalid.

use poem_openapi::Object;
use serde::Serialize;

use super::excerpt;

/// One place where the input is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "InvalidInput")]
pub(crate) struct Misfit {
    /// A JSON pointer (RFC 6901) into the body, or a slash and the name of a parameter.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) message: String,
    /// The same for programs: `required`, `unknown`, `repeated`, `wrong_type`, `out_of_range`, `wrong_length` or `malformed`;
    /// there may be more some day.
    code: String,
}

/// What can be wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is missing.
    Required,
    /// Nobody knows a field or parameter of this name.
    Unknown,
    /// It is given more than once.
    Repeated,
    /// It is of another type, as a string where a number belongs.
    WrongType,
    /// It is a number beyond its bounds.
    OutOfRange,
    /// It is an array or a text with too few or too many items.
    WrongLength,
    /// It is a text of another form.
    Malformed,
}

impl Misfit {
    pub(crate) fn new(flaw: Flaw, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let code = flaw.name().to_owned();
        Self { pointer: pointer.into(), message: message.into(), code }
    }

    /// The place and the flaw, without the name of a field that only the client knows.
    pub(super) fn place(&self) -> String {
        let is_ours = self.code != Flaw::Unknown.name();
        let pointer = if is_ours { self.pointer.as_str() } else { "a field or parameter" };
        format!("{pointer} {}", self.code)
    }
}

impl Flaw {
    const fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Unknown => "unknown",
            Self::Repeated => "repeated",
            Self::WrongType => "wrong_type",
            Self::OutOfRange => "out_of_range",
            Self::WrongLength => "wrong_length",
            Self::Malformed => "malformed",
        }
    }
}

/// Why a parameter does not fit, by the reason of poem-openapi and by what is expected of a number, if it is one.
pub(super) fn of_parameter(expected: Option<&str>, reason: &str) -> (Flaw, String) {
    let is_beyond = reason.contains("verification failed. ");
    if let Some(expected) = expected {
        let flaw = if is_beyond { Flaw::OutOfRange } else { Flaw::WrongType };
        return (flaw, format!("must be {expected}"));
    }
    if is_beyond {
        return (Flaw::WrongLength, "must be 1 to 200 characters, none of them NUL".to_owned());
    }
    let own = reason
        .strip_prefix("failed to parse")
        .and_then(|rest| rest.split_once("\": "))
        .map_or(reason, |it| it.1);
    let own = own.split_once(" (occurred while parsing").map_or(own, |it| it.0);
    (Flaw::Malformed, excerpt(own))
}
