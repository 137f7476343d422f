//! Words of a closed set, as they stand in JSON.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::problem::Recorded;

/// A closed set.
pub(crate) trait Set: Copy + Send + Sync + 'static {
    const ALL: &'static [Self];

    fn word(self) -> &'static str;
}

/// One word of the set.
///
/// Not derived: poem-openapi would refer to an enum elsewhere in the document by `allOf`, which generators of clients take for
/// an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OneOf<T>(pub(crate) T);

impl Set for domain::Class {
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Set for domain::WarningCode {
    const ALL: &'static [Self] = &[Self::OutOfRange, Self::Swapped];

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Set for recorder::Stored {
    const ALL: &'static [Self] = &[Self::Committed, Self::Spooled];

    fn word(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Spooled => "spooled",
        }
    }
}

impl Set for Recorded {
    const ALL: &'static [Self] = &[Self::No, Self::Unknown];

    fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl<T: Set> Serialize for OneOf<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<T: Set> Type for OneOf<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        let words: Vec<_> = T::ALL.iter().map(|it| it.word()).collect();
        words.join("_or_").into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let words = T::ALL.iter().map(|it| Value::from(it.word())).collect();
        let schema = MetaSchema { enum_items: words, ..MetaSchema::new("string") };
        MetaSchemaRef::Inline(Box::new(schema))
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

impl<T: Set> ParseFromJSON for OneOf<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let text = value.as_ref().and_then(Value::as_str);
        let named = T::ALL.iter().find(|it| Some(it.word()) == text);
        named.map(|it| Self(*it)).ok_or_else(ParseError::expected_input)
    }
}

impl<T: Set> ToJSON for OneOf<T> {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.word().into())
    }
}
