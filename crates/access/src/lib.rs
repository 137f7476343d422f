#![doc = include_str!("../README.md")]

mod digest;
mod id;
mod key;
mod scope;
mod secret;

mod format;
mod key_file;

mod failures;
mod keyring;
mod rate;

mod error;

pub use error::Error;
pub use failures::network;
pub use id::KeyId;
pub use key::{Key, Order, Standing, is_name};
pub use key_file::KeyFile;
pub use keyring::{Change, Keyring, Refusal};
pub use scope::{Scope, Scopes};
pub use secret::Secret;
