//! `cargo xtask lab …`

use anyhow::Result;
use clap::Subcommand;
use pulldoctor_lab::{binaries, lifecycle};

/// What to do with the lab.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Build the lab's binaries into the cache and install missing Debian packages
    Build,
    /// Boot the lab
    Up,
    /// Remove everything that the lab made on this machine
    Down,
    /// Show the lab's parts and whether they run
    Status,
}

/// Runs a lab command.
pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Build => binaries::build().map(|_| ()),
        Command::Up => lifecycle::up(),
        Command::Down => lifecycle::down(),
        Command::Status => lifecycle::status(),
    }
}
