//! The shapes that JSON can have to take: what is another shape is reported and passed over.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use domain::Feature;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::report::{Report, Step};
use crate::problem::Flaw;

/// A shape: how each kind of JSON value is taken. `None` means that something was reported.
pub(crate) trait Shape<'de>: Sized {
    /// What a value of this shape means.
    type Value;
    /// What is expected, as in "must be …".
    const EXPECTED: &'static str;

    fn number(self, _value: f64, report: &mut Report) -> Option<Self::Value> {
        self.other("a number", report)
    }

    fn array<A: SeqAccess<'de>>(
        self,
        mut items: A,
        report: &mut Report,
    ) -> Result<Option<Self::Value>, A::Error> {
        let value = self.other("an array", report);
        while items.next_element_seed(Reading { shape: Skip, report })?.is_some() {}
        Ok(value)
    }

    fn object<A: MapAccess<'de>>(
        self,
        mut entries: A,
        report: &mut Report,
    ) -> Result<Option<Self::Value>, A::Error> {
        let value = self.other("an object", report);
        while entries.next_key_seed(Reading { shape: Skip, report })?.is_some() {
            entries.next_value_seed(Reading { shape: Skip, report })?;
        }
        Ok(value)
    }

    /// Takes the value of the entry whose key was just read.
    fn of_entry<A: MapAccess<'de>>(
        self,
        entries: &mut A,
        report: &mut Report,
    ) -> Result<Option<Self::Value>, A::Error> {
        entries.next_value_seed(Reading { shape: self, report })
    }

    /// Takes a value of a kind that the shape has no use for.
    fn other(self, found: &str, report: &mut Report) -> Option<Self::Value> {
        report.add(Flaw::WrongType, format!("must be {}, not {found}", Self::EXPECTED));
        None
    }
}

/// Reads a value of this shape.
///
/// # Errors
///
/// Fails only if the input is no JSON.
pub(crate) fn read<'de, S: Shape<'de>, D: Deserializer<'de>>(
    shape: S,
    input: D,
    report: &mut Report,
) -> Result<Option<S::Value>, D::Error> {
    Reading { shape, report }.deserialize(input)
}

/// A shape on its way through serde.
pub(crate) struct Reading<'r, S> {
    pub(crate) shape: S,
    pub(crate) report: &'r mut Report,
}

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for Reading<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for Reading<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(S::EXPECTED)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.shape.number(value, self.report))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest float64 is what a number means here"
    )]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.shape.number(value as f64, self.report))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest float64 is what a number means here"
    )]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.shape.number(value as f64, self.report))
    }

    fn visit_bool<E: Error>(self, _value: bool) -> Result<Self::Value, E> {
        Ok(self.shape.other("a boolean", self.report))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(self.shape.other("null", self.report))
    }

    fn visit_str<E: Error>(self, _value: &str) -> Result<Self::Value, E> {
        Ok(self.shape.other("a string", self.report))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        self.report.nested(|report| self.shape.array(items, report))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        self.report.nested(|report| self.shape.object(entries, report))
    }
}

/// Any value, of which nothing is kept.
pub(crate) struct Skip;

impl Shape<'_> for Skip {
    type Value = ();
    const EXPECTED: &'static str = "any value";

    fn other(self, _found: &str, _report: &mut Report) -> Option<()> {
        Some(())
    }
}

/// A number within the bounds of a feature.
pub(crate) struct Bounded(pub(crate) &'static Feature);

impl Shape<'_> for Bounded {
    type Value = f64;
    const EXPECTED: &'static str = "a number";

    fn number(self, value: f64, report: &mut Report) -> Option<f64> {
        let Feature { minimum, maximum, .. } = self.0;
        if self.0.admits(value) {
            return Some(value);
        }
        report.add(Flaw::OutOfRange, format!("must be at least {minimum} and at most {maximum}"));
        None
    }
}

/// An array of so many values of one shape, of which each item is a `Default` one.
pub(crate) struct Array<S> {
    length: RangeInclusive<usize>,
    item: PhantomData<S>,
}

impl<S> Array<S> {
    pub(crate) fn of(length: RangeInclusive<usize>) -> Self {
        Self { length, item: PhantomData }
    }
}

impl<'de, S: Shape<'de> + Default> Shape<'de> for Array<S> {
    type Value = Vec<S::Value>;
    const EXPECTED: &'static str = "an array";

    fn array<A: SeqAccess<'de>>(
        self,
        mut items: A,
        report: &mut Report,
    ) -> Result<Option<Self::Value>, A::Error> {
        let mut values = Vec::new();
        let mut complete = true;
        let mut n = 0;
        while n < *self.length.end() {
            let item = report.at(Step::Index(n), |report| {
                items.next_element_seed(Reading { shape: S::default(), report })
            })?;
            let Some(item) = item else { break };
            n += 1;
            match item {
                Some(value) if complete => values.push(value),
                _ => complete = false,
            }
        }
        while items.next_element_seed(Reading { shape: Skip, report })?.is_some() {
            n += 1;
        }
        if !self.length.contains(&n) {
            let (least, most) = (self.length.start(), self.length.end());
            report.add(Flaw::WrongLength, format!("must hold {least} to {most} items, not {n}"));
            complete = false;
        }
        Ok(complete.then_some(values))
    }
}
