//! Where the lab keeps what: the cache of built binaries, and the state of a running lab.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Root of everything that a running lab owns; `down` removes it whole.
pub const DATA: &str = "/var/lib/pulldoctor-lab";

/// Where each node has the settings of its kubelet.
pub const KUBELET_CONFIG: &str = "/etc/kubernetes/kubelet.yaml";

/// A path under [`DATA`].
pub fn data(relative: impl AsRef<Path>) -> PathBuf {
    Path::new(DATA).join(relative)
}

/// `${XDG_CACHE_HOME:-$HOME/.cache}/pulldoctor/lab`: built binaries, outside the tree.
pub fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map_or_else(
            || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache"),
            PathBuf::from,
        );
    base.join("pulldoctor").join("lab")
}

/// Takes a lock that other processes of the lab respect, waiting for it as long as needed. It
/// is given back when the returned file is dropped, also by a crash.
///
/// # Errors
/// When the lock file cannot be made.
pub fn lock(name: &str) -> Result<File> {
    fs::create_dir_all(cache())?;
    let path = cache().join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("failed to make {}", path.display()))?;
    if file.try_lock().is_err() {
        println!(
            "lab: waiting for another `cargo xtask lab` that holds {}",
            path.display()
        );
        file.lock()
            .with_context(|| format!("failed to lock {}", path.display()))?;
    }
    Ok(file)
}

/// Set for the processes that `lab selftest` starts: it holds the lab for them.
pub const SELFTEST: &str = "PULLDOCTOR_LAB_SELFTEST";

/// Says for as long as the returned file lives that the lab is used, by any number of processes
/// at once; waits while a selftest is at work, which takes the lab down again and again.
///
/// # Errors
/// When the lock file cannot be made.
pub fn in_use() -> Result<Option<File>> {
    if env::var_os(SELFTEST).is_some() {
        return Ok(None);
    }
    let file = use_file()?;
    if file.try_lock_shared().is_err() {
        println!("lab: waiting for `cargo xtask lab selftest`");
        file.lock_shared()
            .context("failed to lock the lab for use")?;
    }
    Ok(Some(file))
}

/// Keeps every other process from using the lab; none when one uses it.
///
/// # Errors
/// When the lock file cannot be made.
pub fn alone() -> Result<Option<File>> {
    let file = use_file()?;
    Ok(file.try_lock().is_ok().then_some(file))
}

fn use_file() -> Result<File> {
    fs::create_dir_all(cache())?;
    let path = cache().join("use.lock");
    File::create(&path).with_context(|| format!("failed to make {}", path.display()))
}

/// The stable link to the newest build: `…/lab/bin`.
pub fn bin() -> PathBuf {
    cache().join("bin")
}

/// Root of the repository, from this package's own place in it.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The folder that holds this process's own binary, where cargo puts the others as well.
pub fn target_dir() -> PathBuf {
    let own = env::current_exe().unwrap_or_else(|_| PathBuf::from("target/debug/xtask"));
    let dir = own.parent().unwrap_or(Path::new("target/debug"));
    // Test binaries lie one level deeper.
    if dir.ends_with("deps") {
        dir.parent().unwrap_or(dir).to_path_buf()
    } else {
        dir.to_path_buf()
    }
}

/// The lab's administrator kubeconfig.
pub fn kubeconfig() -> PathBuf {
    data("admin.kubeconfig")
}
