//! The chores of the project: `cargo xtask …` is the only entry for them.

use anyhow::Result;
use clap::{Parser, Subcommand};

mod lab;

/// The chores of the project
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// A real Kubernetes on this machine, with faults to inject (see lab/README.md)
    #[command(subcommand)]
    Lab(lab::Command),
}

fn main() -> Result<()> {
    match Arguments::parse().chore {
        Chore::Lab(command) => lab::run(command),
    }
}
