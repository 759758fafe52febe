//! The chores of the project: `cargo xtask …` is the only entry for them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore speaks to the person at the terminal"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod dist;
mod generate;
mod lab;
mod probe;
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
    /// Write the pages of the causes, the man pages and the completions
    Generate {
        /// Only compare them with what is there
        #[arg(long)]
        check: bool,
    },
    /// Build the program that looks at a registry from a node, which the tool carries
    Probe,
    /// Build the program as people download it, with the probe in it
    Dist,
    /// A real Kubernetes on this machine, with faults to inject (see lab/README.md)
    #[command(subcommand)]
    Lab(lab::Command),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Check => check::run(),
        Chore::Test { without_lab } => test::run(without_lab),
        Chore::Generate { check } => generate::run(check),
        Chore::Probe => probe::run(),
        Chore::Dist => dist::run(),
        Chore::Lab(command) => lab::run(command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// One line, without the backtrace that returning the error would add.
fn say_error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
