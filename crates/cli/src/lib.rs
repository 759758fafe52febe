//! The command line of pulldoctor: one file per subcommand in `commands`.
//!
//! This crate is glue. It reads arguments, lets the cluster crate collect evidence, the engine
//! judge it and the report crate render it, and turns every error into `error:`, `caused by:` and
//! `help:` lines with an exit code of the contract.

mod args;
mod argv;
mod cases;
mod collect;
mod commands;
mod complete;
mod failure;
mod live;
mod logging;
mod logins;
mod node_probe;
mod node_view;
mod output;
mod panics;
mod progress;
mod run;
mod signals;
mod suggest;
mod terminal;

pub use args::command;
pub use complete::KUBECTL_SCRIPT;
pub use run::run;
