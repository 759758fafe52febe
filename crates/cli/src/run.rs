//! From the arguments to the exit code.

use std::{ffi::OsString, path::Path};

use clap::FromArgMatches as _;
use pulldoctor_model::ExitCode;

use crate::{
    args::{Arguments, Subcommand, command},
    argv, commands,
    failure::Failure,
    logging, panics,
    terminal::{self, Terminal},
};

/// Runs the command that the arguments ask for; says on standard error what went wrong.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let program = program(&arguments);
    panics::install();
    let command = command().bin_name(program).override_usage(format!(
        "{program} [diagnose] [TARGET]... [OPTIONS]\n       {program} <COMMAND>"
    ));
    let arguments = argv::with_subcommand(&command, arguments);
    match parse_and_run(command, arguments, program) {
        Ok(code) => code,
        Err(failure) => {
            let code = failure.exit;
            terminal::print_failure(&failure);
            code
        }
    }
}

/// What a person types to call us.
fn program(arguments: &[OsString]) -> &'static str {
    let name = arguments
        .first()
        .and_then(|first| Path::new(first).file_stem())
        .map(|stem| stem.to_string_lossy().into_owned());
    match name.as_deref() {
        Some("kubectl-pulldoctor") => "kubectl pulldoctor",
        _ => "pulldoctor",
    }
}

fn parse_and_run(
    mut command: clap::Command,
    arguments: Vec<OsString>,
    program: &'static str,
) -> Result<ExitCode, Failure> {
    let parsed = command
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return terminal::print_usage(&error, program),
    };
    parsed.color.write_global();
    logging::install();
    let terminal = Terminal::detect(program);
    match parsed.command {
        Subcommand::Diagnose(options) => commands::diagnose::run(&options, &terminal),
        Subcommand::Probe(options) => commands::probe::run(&options, &terminal),
        Subcommand::Isolate(options) => commands::isolate::run(&options, &terminal),
        Subcommand::Explain(options) => commands::explain::run(&options, &terminal),
        Subcommand::Demo(options) => commands::demo::run(&options, &terminal),
        Subcommand::Completions(options) => commands::completions::run(&options, &terminal),
        Subcommand::Complete(options) => commands::completions::complete(&options),
    }
}
