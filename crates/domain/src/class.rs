//! The classes, in the order of the model's outputs.

use serde::{Deserialize, Serialize};

/// How many classes there are.
pub const N_CLASSES: usize = Class::ALL.len();

/// What a class number is called: in JSON, in query strings and as a column.
pub const CLASS_FIELD: &str = "iris_class";

/// The species of one iris flower. Its number, 0 to 2, is its place in [`Class::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// *Iris setosa*, 0.
    Setosa,
    /// *Iris versicolor*, 1.
    Versicolor,
    /// *Iris virginica*, 2.
    Virginica,
}

impl Class {
    /// Every class, in the order of the model's outputs and of `probabilities`.
    pub const ALL: [Self; 3] = [Self::Setosa, Self::Versicolor, Self::Virginica];

    /// The place of this class in [`Class::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The number under which this class is stored and sent: its [`index`](Self::index).
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The class with this number, if there is one.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index).copied())
    }

    /// The name of the species, as in the training data.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Setosa => "setosa",
            Self::Versicolor => "versicolor",
            Self::Virginica => "virginica",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_class_are_inverse() {
        for class in Class::ALL {
            assert_eq!(Class::from_number(class.number()), Some(class));
            assert_eq!(Class::ALL[class.index()], class);
        }
        assert_eq!(Class::from_number(-1), None);
        assert_eq!(Class::from_number(3), None);
    }

    #[test]
    fn serde_writes_the_name() {
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
