#![doc = include_str!("../README.md")]

mod settings;

mod postmaster;

mod lock;
mod look;

mod account;
mod beginning;
mod children;
mod cluster;
mod creation;
mod directory;
mod fetch;
mod fingerprint;
mod install;
mod place;
mod pointer;
mod programs;
mod socket;
mod stand_in;

mod configuration;
mod log;
mod loopback;
mod orphan;
mod peer;
mod pid_file;
mod processes;
mod random;
mod run;
mod server;
mod stop;
mod tied;
mod watch;
mod way;
mod whole;

mod error;

pub use children::reap_others;
pub use error::{Error, StandInError};
pub use look::{Outlook, look};
pub use loopback::Loopback;
pub use postmaster::Postmaster;
pub use settings::Settings;
pub use stop::Stop;
