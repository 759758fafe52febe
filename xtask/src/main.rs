//! The chores of the project: `cargo xtask …` is the only entry for them.

use anyhow::Result;
use clap::{Parser, Subcommand};

mod check;
mod lab;
mod run;
mod test;

/// The chores of the project
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Format, lints, generated files, dependencies: all that needs no cluster
    Check,
    /// Every test there is, the cases on the real cluster last
    Test {
        /// Leave out the cases on the real cluster
        #[arg(long)]
        without_lab: bool,
    },
    /// A real Kubernetes on this machine, with faults to inject (see lab/README.md)
    #[command(subcommand)]
    Lab(lab::Command),
}

fn main() -> Result<()> {
    match Arguments::parse().chore {
        Chore::Check => check::run(),
        Chore::Test { without_lab } => test::run(without_lab),
        Chore::Lab(command) => lab::run(command),
    }
}
