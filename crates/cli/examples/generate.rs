//! Writes what is generated from the program itself into a folder: the pages of the causes, the
//! man pages, the completions. `cargo xtask generate` runs it.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

use clap_complete::{Shell, generate_to};
use pulldoctor_model::{CauseId, Family};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os()
        .nth(1)
        .ok_or("name the folder to write into")?;
    let folder = Path::new(&folder);
    causes(&folder.join("causes"))?;
    man(&folder.join("man"))?;
    completions(&folder.join("completions"))
}

/// One page for each cause, and their list.
fn causes(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let mut list = String::from(
        "# Causes\n\nGenerated from the files in `crates/diagnose/src/causes` by `cargo xtask generate`.\n",
    );
    for family in Family::ALL {
        write!(
            list,
            "\n## {}\n\n| id | means |\n|---|---|\n",
            family.title()
        )?;
        for id in CauseId::ALL.iter().filter(|id| id.family() == family) {
            let Some(cause) = pulldoctor_diagnose::cause(*id) else {
                writeln!(list, "| {id} | {} |", id.title())?;
                continue;
            };
            writeln!(list, "| [{id}]({id}.md) | {} |", id.title())?;
            fs::write(folder.join(format!("{id}.md")), cause.page())?;
        }
    }
    fs::write(folder.join("README.md"), list)?;
    Ok(())
}

/// The command line without the commit, which would change with every commit.
fn command() -> clap::Command {
    pulldoctor_cli::command().version(env!("CARGO_PKG_VERSION"))
}

fn man(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command(), folder)?;
    Ok(())
}

fn completions(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    for shell in [
        Shell::Bash,
        Shell::Elvish,
        Shell::Fish,
        Shell::PowerShell,
        Shell::Zsh,
    ] {
        generate_to(shell, &mut command(), "pulldoctor", folder)?;
    }
    fs::write(
        folder.join("kubectl_complete-pulldoctor"),
        pulldoctor_cli::KUBECTL_SCRIPT,
    )?;
    Ok(())
}
