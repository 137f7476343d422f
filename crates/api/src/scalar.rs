//! Strings and numbers with a meaning, as they stand in JSON and in parameters.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type,
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

/// A time in UTC: written with six digits of a second and `Z`, read as any RFC 3339 time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp(pub(crate) DateTime<Utc>);

/// A UUID, in its hyphenated form only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) Uuid);

/// A value that is always there and may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nullable<T>(pub(crate) Option<T>);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl Timestamp {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| Self(time.to_utc()))
    }
}

impl Id {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        const HYPHENATED: usize = 36;
        if text.len() != HYPHENATED { None } else { Uuid::try_parse(text).ok().map(Self) }
    }
}

/// What poem-openapi asks of a type that is a string of some format.
macro_rules! string_of_format {
    ($type:ident, $format:literal, $expected:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl Type for $type {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                concat!("string_", $format).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", $format)))
            }

            fn as_raw_value(&self) -> Option<&Self::RawValueType> {
                Some(self)
            }

            fn raw_element_iter<'a>(
                &'a self,
            ) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ParseFromParameter for $type {
            fn parse_from_parameter(text: &str) -> ParseResult<Self> {
                Self::parse(text).ok_or_else(|| {
                    // An unescaped + has come as a space.
                    let hint =
                        if text.contains(' ') { "; a + in an address is written %2B" } else { "" };
                    ParseError::custom(format!(concat!("must be ", $expected, "{}"), hint))
                })
            }
        }

        impl ParseFromJSON for $type {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                value
                    .as_ref()
                    .and_then(Value::as_str)
                    .and_then(Self::parse)
                    .ok_or_else(ParseError::expected_input)
            }
        }

        impl ToJSON for $type {
            fn to_json(&self) -> Option<Value> {
                Some(Value::String(self.to_string()))
            }
        }
    };
}

string_of_format!(Timestamp, "date-time", "an RFC 3339 time, such as 2026-11-23T10:00:00Z");
string_of_format!(Id, "uuid", "a UUID, such as 0193593e-8c00-7000-8000-000000000000");

impl<T: Serialize> Serialize for Nullable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T: Type> Type for Nullable<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = T::RawValueType;
    type RawElementValueType = T::RawElementValueType;

    fn name() -> Cow<'static, str> {
        format!("nullable_{}", T::name()).into()
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref().merge(MetaSchema { nullable: true, ..MetaSchema::ANY })
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.as_ref().and_then(Type::as_raw_value)
    }

    fn raw_element_iter<'a>(
        &'a self,
    ) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        Box::new(self.0.iter().flat_map(Type::raw_element_iter))
    }
}

impl<T: ParseFromJSON> ParseFromJSON for Nullable<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Option::<T>::parse_from_json(value).map(Self).map_err(ParseError::propagate)
    }
}

impl<T: ToJSON> ToJSON for Nullable<T> {
    fn to_json(&self) -> Option<Value> {
        self.0.to_json().or(Some(Value::Null))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, SubsecRound, TimeDelta};
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        /// A time in years of four digits, and how somebody else might write it.
        fn any_time()(
            seconds in -62_135_596_800_i64 + 86_400..253_402_300_800 - 86_400,
            nanoseconds in 0..1_000_000_000_u32,
            minutes_east in -1_439..1_440,
            digits in prop::sample::select(vec![
                SecondsFormat::Secs, SecondsFormat::Millis, SecondsFormat::Micros, SecondsFormat::Nanos,
                SecondsFormat::AutoSi,
            ]),
        ) -> (DateTime<Utc>, String) {
            let time = DateTime::from_timestamp(seconds, nanoseconds).unwrap();
            let kept = match digits {
                SecondsFormat::Secs => 0,
                SecondsFormat::Millis => 3,
                SecondsFormat::Micros => 6,
                _ => 9,
            };
            let elsewhere = time.with_timezone(&FixedOffset::east_opt(minutes_east * 60).unwrap());
            (time.trunc_subsecs(kept), elsewhere.to_rfc3339_opts(digits, true))
        }
    }

    proptest! {
        #[test]
        fn an_id_is_read_as_it_was_written(bits: u128) {
            let id = Id(Uuid::from_u128(bits));
            prop_assert_eq!(Id::parse(&id.to_string()), Some(id));
            prop_assert_eq!(Id::parse(&id.to_string().to_uppercase()), Some(id));
            prop_assert_eq!(Id::parse_from_json(id.to_json()).ok(), Some(id));
        }

        #[test]
        fn a_time_is_read_as_anybody_writes_it((time, text) in any_time()) {
            prop_assert_eq!(Timestamp::parse(&text), Some(Timestamp(time)), "{}", text);
        }

        #[test]
        fn a_time_is_read_as_it_was_written_to_the_microsecond((time, _text) in any_time()) {
            let written = Timestamp(time).to_string();
            prop_assert_eq!(written.len(), "2026-11-23T10:00:00.000000Z".len());
            let read = Timestamp::parse(&written).unwrap();
            prop_assert_eq!(read, Timestamp(time.trunc_subsecs(6)));
            let lost = time - read.0;
            prop_assert!((TimeDelta::zero()..TimeDelta::microseconds(1)).contains(&lost));
            prop_assert_eq!(Timestamp::parse_from_json(read.to_json()).ok(), Some(read));
        }

        #[test]
        fn any_text_is_refused_or_read_for_good(text in "\\PC{0,40}|[0-9a-fA-F-]{36}|[0-9TZ:.+-]{20,30}") {
            if let Some(id) = Id::parse(&text) {
                prop_assert_eq!(id.to_string(), text.to_lowercase());
            }
            if let Some(time) = Timestamp::parse(&text) {
                let written = time.to_string();
                prop_assert_eq!(Timestamp::parse(&written).unwrap().to_string(), written);
            }
        }
    }

    #[test]
    fn a_time_is_written_with_six_digits() {
        let time = Timestamp::parse("2026-11-23T12:00:00+02:00").unwrap();
        assert_eq!(time.to_string(), "2026-11-23T10:00:00.000000Z");
        assert_eq!(Timestamp::parse("2026-11-23"), None);
    }

    #[test]
    fn an_id_is_read_in_one_form_only() {
        let text = "0193593e-8c00-7000-8000-000000000000";
        assert_eq!(Id::parse(text).unwrap().to_string(), text);
        for other in
            ["0193593e8c0070008000000000000000", "{0193593e-8c00-7000-8000-000000000000}", "", "x"]
        {
            assert_eq!(Id::parse(other), None, "{other}");
        }
    }
}
