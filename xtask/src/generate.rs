//! `cargo xtask generate`: the files that come from the program itself.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use pulldoctor_lab::paths;

use crate::run::{cargo, step};

/// The folders under `docs` that hold nothing but generated files.
const FOLDERS: [&str; 3] = ["causes", "man", "completions"];

/// Writes the pages of the causes, the man pages and the completions; with `check`, compares them
/// with what is there instead.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = root.join("docs");
    let fresh = root.join("target/generated");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    // Of the whole workspace, as the tests are built: the features of one package alone are others,
    // and dozens of crates would be compiled once more for this program.
    step(
        "build the generator",
        cargo(&["build", "--quiet", "--workspace", "--example", "generate"]),
    )?;
    let mut command = Command::new(paths::target_dir().join("examples/generate"));
    command.arg(&fresh);
    step("generate", command)?;

    let mut stale = Vec::new();
    for folder in FOLDERS {
        let (new, old) = (files(&fresh.join(folder))?, files(&docs.join(folder))?);
        for name in new.union(&old) {
            let name = Path::new(folder).join(name);
            let (from, to) = (fresh.join(&name), docs.join(&name));
            if fs::read(&from).ok() == fs::read(&to).ok() {
                continue;
            }
            if !check {
                replace(&from, &to)?;
            }
            stale.push(name);
        }
    }
    for name in &stale {
        println!(
            "{} docs/{}",
            if check { "differs:" } else { "written:" },
            name.display()
        );
    }
    if check && !stale.is_empty() {
        bail!("generated files are out of date: run `cargo xtask generate`");
    }
    Ok(())
}

/// Puts a generated file in its place; one that is no longer generated goes.
fn replace(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return fs::remove_file(to).with_context(|| format!("remove {}", to.display()));
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("write {}", to.display()))?;
    Ok(())
}

/// The names of the files in a folder; none where there is no folder.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    if !folder.exists() {
        return Ok(BTreeSet::new());
    }
    fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().into()))
        .collect()
}
