#![doc = include_str!("../README.md")]

mod digest;
mod id;
mod key;
mod scope;
mod secret;

mod format;
mod key_file;
mod lock;
mod trusted;

mod failures;
mod kept_answers;
mod keyring;
mod rate;
mod renewal;

mod error;

pub use error::Error;
pub use failures::network;
pub use id::KeyId;
pub use kept_answers::KeptAnswers;
pub use key::{Key, Order, Standing, is_name};
pub use key_file::KeyFile;
pub use keyring::{Change, Keyring, Refusal};
pub use renewal::Renewal;
pub use scope::{Scope, Scopes};
pub use secret::Secret;
