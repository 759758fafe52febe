//! `pulldoctor completions`, and what kubectl asks its plugins for completions.

use clap_complete::{Shell as ClapShell, generate};
use pulldoctor_model::ExitCode;

use crate::{
    args::{self, Shell},
    complete,
    failure::Failure,
    terminal::{self, Terminal},
};

/// Runs `completions`.
pub(crate) fn run(options: &args::Completions, _: &Terminal) -> Result<ExitCode, Failure> {
    let shell = match options.shell {
        Shell::Bash => ClapShell::Bash,
        Shell::Elvish => ClapShell::Elvish,
        Shell::Fish => ClapShell::Fish,
        Shell::Powershell => ClapShell::PowerShell,
        Shell::Zsh => ClapShell::Zsh,
        Shell::Kubectl => {
            terminal::print(complete::KUBECTL_SCRIPT)?;
            return Ok(ExitCode::Fine);
        }
    };
    let mut text = Vec::new();
    generate(shell, &mut crate::command(), "pulldoctor", &mut text);
    terminal::print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::Fine)
}

/// Runs the hidden `__complete`.
pub(crate) fn complete(options: &args::Complete) -> Result<ExitCode, Failure> {
    terminal::print(&complete::answer(&crate::command(), &options.words))?;
    Ok(ExitCode::Fine)
}
