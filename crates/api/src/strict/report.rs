//! What does not fit, and where.

use serde::de::Error;

use crate::problem::{Flaw, Misfit, Problem};

/// How many places are reported at most.
const MOST: usize = 100;

/// How deep arrays and objects may be nested, the outermost included.
const DEEPEST: usize = 128;

/// The places that do not fit, and the place being read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    misfits: Vec<(usize, Misfit)>,
    /// How many places do not fit, with those that are not reported.
    all: usize,
    path: Vec<Step>,
    depth: usize,
}

/// One step of the way to a place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Field(&'static str),
    Index(usize),
}

impl Report {
    pub(crate) fn is_empty(&self) -> bool {
        self.misfits.is_empty()
    }

    /// 422, with the places.
    pub(crate) fn into_problem(self) -> Problem {
        let misfits = self.misfits.into_iter().map(|(_rank, misfit)| misfit).collect();
        Problem::invalid_among(self.all, misfits)
    }

    /// Reports the place being read.
    pub(crate) fn add(&mut self, flaw: Flaw, message: impl Into<String>) {
        self.add_at(flaw, None, message);
    }

    /// Reports a key in the object being read.
    pub(crate) fn add_at(&mut self, flaw: Flaw, key: Option<&str>, message: impl Into<String>) {
        self.all += 1;
        if self.misfits.len() >= MOST {
            return;
        }
        let mut pointer = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) => pointer.extend(["/", name]),
                Step::Index(index) => pointer.extend(["/", &index.to_string()]),
            }
        }
        if let Some(key) = key {
            let shown: String = key.chars().take(100).collect();
            pointer.extend(["/", &shown.replace('~', "~0").replace('/', "~1")]);
        }
        self.misfits.push((0, Misfit::new(flaw, pointer, message)));
    }

    /// Reads something that is one step further.
    pub(crate) fn at<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let result = read(self);
        self.path.pop();
        result
    }

    /// Reads an array or object.
    ///
    /// # Errors
    ///
    /// Fails if that is nested too deep.
    pub(crate) fn nested<T, E: Error>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.depth >= DEEPEST {
            return Err(E::custom(format_args!("nested deeper than {DEEPEST}")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// How many misfits there are: the mark from which [`rank`](Self::rank) counts.
    pub(crate) fn mark(&self) -> usize {
        self.misfits.len()
    }

    /// Says where in the order of its object's fields everything since the mark belongs.
    pub(crate) fn rank(&mut self, mark: usize, rank: usize) {
        for (own, _misfit) in &mut self.misfits[mark..] {
            *own = rank;
        }
    }

    /// Puts everything since the mark in order of rank.
    pub(crate) fn sort(&mut self, mark: usize) {
        self.misfits[mark..].sort_by_key(|(rank, _misfit)| *rank);
    }
}
