//! libpq's variables.

use std::fmt;

use crate::Error;
use crate::options::{self, Options};

/// The variables that say where the record is: with any of them it is there, and nowhere else.
const PLACES: [&str; 7] =
    ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE"];

/// The values of libpq's variables. They complete every address, as they do for libpq.
///
/// `deploy/libpq.md` has all of them. The default is that none is set.
#[derive(Clone, Default)]
pub struct Variables {
    pub(crate) options: Options,
    place: Option<&'static str>,
}

impl Variables {
    /// Reads them. A variable that is set to nothing counts as unset.
    ///
    /// # Errors
    ///
    /// Fails if one of them asks for something that is not done here, and names it.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut variables = Self::default();
        for name in options::variables() {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
            let taken = variables.options.take_variable(name, &value);
            taken.map_err(|reason| Error::Variable { name, reason })?;
            if PLACES.contains(&name) && variables.place.is_none() {
                variables.place = Some(name);
            }
        }
        Ok(variables)
    }

    /// One of them that says where the record is, if any does.
    #[must_use]
    pub fn place(&self) -> Option<&'static str> {
        self.place
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One of them is the password.
        f.debug_struct("Variables").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Variables, Error> {
        Variables::read(|name| {
            let found = set.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn only_what_names_a_place_is_a_place() {
        for (name, place) in [("PGSERVICE", true), ("PGHOSTADDR", true), ("PGSSLMODE", false)] {
            assert_eq!(read(&[(name, "x")]).unwrap().place().is_some(), place, "{name}");
            assert_eq!(read(&[(name, "")]).unwrap().place(), None, "{name}");
        }
    }

    #[test]
    fn a_variable_that_is_not_followed_is_named_and_its_value_is_not() {
        let error = read(&[("PGHOST", "h"), ("PGREQUIREAUTH", "secret")]).unwrap_err();
        let said = domain::Causes(&error).to_string();
        assert!(said.contains("PGREQUIREAUTH") && !said.contains("secret"), "{said}");
        let shown = format!("{:?}", read(&[("PGPASSWORD", "secret")]).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
