#![doc = include_str!("../README.md")]

mod settings;

mod postmaster;

mod lock;

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
mod orphan;
mod peer;
mod pid_file;
mod processes;
mod server;
mod stop;
mod tied;
mod watch;
mod way;

mod error;

pub use children::reap_others;
pub use error::Error;
pub use postmaster::Postmaster;
pub use settings::Settings;
pub use stop::Stop;
