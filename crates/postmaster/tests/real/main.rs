//! The private PostgreSQL, with a real one.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
#![expect(clippy::print_stderr, reason = "a test that cannot apply says why")]

mod support;

mod held;
mod life;
mod places;
mod recovery;
mod way;
