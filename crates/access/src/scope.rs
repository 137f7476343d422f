//! What a key is good for.

use std::fmt;
use std::str::FromStr;

/// One thing that a key can be good for. None contains another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Ask for predictions.
    Predict,
    /// See the whole record, whoever asked for it.
    Read,
    /// Say what turned out to be true.
    Label,
    /// See the figures of the service, and nothing of the record.
    Metrics,
    /// See and change how the service runs.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Predict, Self::Read, Self::Label, Self::Metrics, Self::Admin];

    /// How it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Read => "read",
            Self::Label => "label",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or("must be predict, read, label, metrics or admin")
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether they have one in common.
    #[must_use]
    pub const fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & 1 << *scope as u8 != 0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u8))
    }
}

/// Separated by spaces, as RFC 6750 has them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, scope) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_scope_contains_another() {
        for one in Scope::ALL {
            assert_eq!(one.name().parse(), Ok(one));
            for other in Scope::ALL {
                let meet = Scopes::from_iter([one]).meet(Scopes::from_iter([other]));
                assert_eq!(meet, one == other);
            }
        }
        assert!("Predict".parse::<Scope>().is_err());
    }

    #[test]
    fn a_set_is_written_with_spaces() {
        let set: Scopes = [Scope::Admin, Scope::Read, Scope::Admin].into_iter().collect();
        assert_eq!(set.to_string(), "read admin");
        assert!(Scopes::default().is_empty() && !set.is_empty());
    }
}
