//! The log: it decides over nothing, says what it must, and holds nothing that it must not.

mod filters;
mod words;
mod writing;
