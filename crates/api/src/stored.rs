//! Where a record is, as it stands in JSON.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::Serialize;
use serde_json::Value;

/// `committed` or `spooled`.
///
/// Not derived: poem-openapi would refer to an enum elsewhere in the document by `allOf`, which generators of clients take for
/// an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stored {
    Committed,
    Spooled,
}

impl Stored {
    const ALL: [Self; 2] = [Self::Committed, Self::Spooled];

    const fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Spooled => "spooled",
        }
    }
}

impl From<recorder::Stored> for Stored {
    fn from(stored: recorder::Stored) -> Self {
        match stored {
            recorder::Stored::Committed => Self::Committed,
            recorder::Stored::Spooled => Self::Spooled,
        }
    }
}

impl Type for Stored {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "stored".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let names = Self::ALL.map(|stored| Value::from(stored.name()));
        let schema = MetaSchema { enum_items: names.into(), ..MetaSchema::new("string") };
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

impl ParseFromJSON for Stored {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let text = value.as_ref().and_then(Value::as_str);
        let named = Self::ALL.into_iter().find(|stored| Some(stored.name()) == text);
        named.ok_or_else(ParseError::expected_input)
    }
}

impl ToJSON for Stored {
    fn to_json(&self) -> Option<Value> {
        Some(self.name().into())
    }
}
