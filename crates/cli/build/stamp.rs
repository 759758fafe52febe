// What the node probe is made of. `cargo xtask probe` writes the stamp beside the probe that it has
// built, and `build.rs` embeds that probe only where the stamp is still true.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What decides what the probe is, beside the code of the folders and its dependencies.
pub(crate) const FILES: [&str; 2] = ["Cargo.toml", "rust-toolchain.toml"];
/// The code that it is made of.
pub(crate) const FOLDERS: [&str; 4] = [
    "crates/model",
    "crates/registry",
    "crates/probe",
    "crates/probe-stub",
];
/// Where `build.rs` looks for it, from the repository's root. A committed folder, since cargo
/// takes a missing one for a change at every build.
pub(crate) const PLACE: &str = "crates/cli/probe";
/// The file there that holds the stamp.
pub(crate) const STAMP: &str = "stamp";
/// What is executed, and the packed parts beside it.
pub(crate) const STUB: &str = "run";

/// Every file that the probe is made of, sorted; no tests.
pub(crate) fn sources(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = FILES.iter().map(|file| root.join(file)).collect();
    for folder in FOLDERS {
        add(&root.join(folder), &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn add(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if !["tests", "target", "examples", "benches"]
                .iter()
                .any(|left_out| name == *left_out)
            {
                add(&path, files)?;
            }
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// A hash (FNV-1a) of the sources and of the lock file. Nobody is to be kept from forging it: it
/// tells a probe of other sources from this one's.
pub(crate) fn stamp(root: &Path) -> io::Result<String> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |bytes: &[u8]| {
        let length = bytes.len() as u64;
        for byte in length.to_le_bytes().iter().chain(bytes) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let mut files = sources(root)?;
    files.push(root.join("Cargo.lock"));
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file);
        mix(name.as_os_str().as_encoded_bytes());
        mix(&fs::read(&file)?);
    }
    Ok(format!("{hash:016x}"))
}
