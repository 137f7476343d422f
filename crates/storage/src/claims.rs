//! Requests that are recorded once, however often they are sent: their keys, and the answers kept for them.

use std::ops::Range;

use tokio_postgres::types::{ToSql, Type};

/// A key that a request came with, and the answer to be kept for it.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// Whose key it is, 255 characters at most.
    pub caller: &'a str,
    /// The key, 1 to 255 characters.
    pub key: &'a str,
    /// What is asked, hashed.
    pub fingerprint: &'a [u8; 32],
    /// The answer.
    pub answer: &'a [u8],
    /// Which of the records are those of the request.
    pub rows: Range<usize>,
}

/// What is kept for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What was asked, hashed.
    pub fingerprint: Vec<u8>,
    /// What was answered.
    pub answer: Vec<u8>,
}

/// The parameters that claims add to those of [`Columns`](crate::columns::Columns): for each record the number of its
/// claim, counted from 1, and one array for each part of the claims.
pub(crate) struct Claims<'a> {
    of_rows: Vec<Option<i64>>,
    callers: Vec<&'a str>,
    keys: Vec<&'a str>,
    fingerprints: Vec<&'a [u8]>,
    answers: Vec<&'a [u8]>,
}

impl<'a> Claims<'a> {
    pub(crate) fn of(claims: &[Claim<'a>], n_records: usize) -> Self {
        let mut of_rows = vec![None; n_records];
        for (number, claim) in (1..).zip(claims) {
            of_rows[claim.rows.clone()].fill(Some(number));
        }
        Self {
            of_rows,
            callers: claims.iter().map(|claim| claim.caller).collect(),
            keys: claims.iter().map(|claim| claim.key).collect(),
            fingerprints: claims.iter().map(|claim| claim.fingerprint.as_slice()).collect(),
            answers: claims.iter().map(|claim| claim.answer).collect(),
        }
    }

    /// The types of the parameters.
    pub(crate) fn types() -> Vec<Type> {
        vec![
            Type::INT8_ARRAY,
            Type::TEXT_ARRAY,
            Type::TEXT_ARRAY,
            Type::BYTEA_ARRAY,
            Type::BYTEA_ARRAY,
        ]
    }

    /// In the order of the statement's parameters.
    pub(crate) fn parameters(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.of_rows, &self.callers, &self.keys, &self.fingerprints, &self.answers]
    }
}
