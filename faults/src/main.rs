#![doc = include_str!("../README.md")]

mod abilities;
mod attempt;
mod cgroup;
mod checker;
mod cli;
mod client;
mod controls;
mod counters;
mod doubts;
mod enclosure;
mod finding;
mod fleet;
mod installation;
mod kills;
mod ledger;
mod load;
mod nemesis;
mod order;
mod outsiders;
mod postgres;
mod proxy;
mod report;
mod resources;
mod row;
mod rows;
mod run;
mod scene;
mod seed;
mod service;
mod soak;
mod tasks;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Arguments, Task};

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if matches!(arguments.command, Some(Task::List)) {
        tasks::list();
        return Ok(ExitCode::SUCCESS);
    }
    let Some(scratch) = enclosure::scratch() else { return enclosure::enter() };
    enclosure::furnish()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = tasks::carry_out(arguments, scratch) => ended,
            // What was started ends with the values that own it.
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tasks::say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    })
}
