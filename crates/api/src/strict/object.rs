//! Objects with a fixed set of keys, each of them there exactly once.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::report::{Report, Step};
use super::shape::{Reading, Shape, Skip};
use crate::problem::Flaw;

/// The fields of an object, filled one by one.
pub(crate) trait Fields<'de>: Default {
    /// What the object means.
    type Value;
    /// The keys, in the order in which misfits are reported.
    const NAMES: &'static [&'static str];

    /// Reads the value of the field at this place in [`NAMES`](Self::NAMES); what does not fit is reported.
    fn read<A: MapAccess<'de>>(
        &mut self,
        field: usize,
        entries: &mut A,
        report: &mut Report,
    ) -> Result<(), A::Error>;

    /// The meaning of the fields that were read; `None` if one is missing.
    fn build(self) -> Option<Self::Value>;
}

/// The shape of an object with these fields.
#[derive(Default)]
pub(crate) struct Object<F>(F);

impl<'de, F: Fields<'de>> Shape<'de> for Object<F> {
    type Value = F::Value;
    const EXPECTED: &'static str = "an object";

    fn object<A: MapAccess<'de>>(
        mut self,
        mut entries: A,
        report: &mut Report,
    ) -> Result<Option<Self::Value>, A::Error> {
        let start = report.mark();
        let mut seen = vec![false; F::NAMES.len()];
        while let Some(key) = entries.next_key_seed(Key(F::NAMES))? {
            let mark = report.mark();
            let rank = match key {
                Ok(field) if !seen[field] => {
                    seen[field] = true;
                    report.at(Step::Field(F::NAMES[field]), |report| {
                        self.0.read(field, &mut entries, report)
                    })?;
                    field
                }
                Ok(field) => {
                    report.add_at(
                        Flaw::Repeated,
                        Some(F::NAMES[field]),
                        "must not be given more than once",
                    );
                    entries.next_value_seed(Reading { shape: Skip, report })?;
                    field
                }
                Err(unknown) => {
                    let message =
                        format!("is not a known field; known are {}", F::NAMES.join(", "));
                    report.add_at(Flaw::Unknown, Some(&unknown), message);
                    entries.next_value_seed(Reading { shape: Skip, report })?;
                    F::NAMES.len()
                }
            };
            report.rank(mark, rank);
        }
        for (field, name) in F::NAMES.iter().enumerate().filter(|(field, _)| !seen[*field]) {
            let mark = report.mark();
            report.add_at(Flaw::Required, Some(name), "is required");
            report.rank(mark, field);
        }
        report.sort(start);
        Ok(if report.mark() == start { self.0.build() } else { None })
    }
}

/// A key: its place among the known ones, or the unknown key itself.
struct Key(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Result<usize, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key).ok_or_else(|| key.to_owned()))
    }
}
