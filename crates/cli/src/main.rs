//! The binary `pulldoctor`; installed as `kubectl-pulldoctor` it is `kubectl pulldoctor`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pulldoctor_cli::run(std::env::args_os()).into()
}
