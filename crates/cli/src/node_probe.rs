//! The program that looks at a registry from a node: embedded where `cargo xtask probe` had built
//! it before this program was built.

use std::{env, fs, path::Path, path::PathBuf};

use anyhow::Context as _;
use pulldoctor_cluster::ProbeProgram;

use crate::failure::Failure;

/// A folder with a packed probe, instead of the embedded one; `none` for no probe at all.
const PROBE_DIR: &str = "PULLDOCTOR_PROBE_DIR";
const NONE: &str = "none";
/// What it is built for.
const ARCHITECTURE: &str = "amd64";
/// The file that is executed, and its most parts.
const STUB: &str = "run";
const MOST_PARTS: usize = 10;
/// Most bytes of a file, as the stub reads them.
const MOST_BYTES: u64 = 8 << 20;

/// What to do where there is no probe.
pub(crate) const ADVICE: &str = "build pulldoctor with `cargo xtask dist` on x86_64 Linux, which \
     builds the probe first, or name the folder of a packed probe in PULLDOCTOR_PROBE_DIR";

/// What `build.rs` found: the parts, and the stub last.
static EMBEDDED: Option<&[&[u8]]> = include!(concat!(env!("OUT_DIR"), "/node_probe.rs"));

/// What the environment says of it.
fn named() -> Option<PathBuf> {
    env::var_os(PROBE_DIR)
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
}

/// Whether there is a probe at all.
pub(crate) fn is_there() -> bool {
    named().map_or(EMBEDDED.is_some(), |folder| folder != Path::new(NONE))
}

/// The probe that this process carries; nothing where there is none.
pub(crate) fn program() -> Result<Option<ProbeProgram>, Failure> {
    if let Some(folder) = named() {
        if folder == Path::new(NONE) {
            return Ok(None);
        }
        return read(&folder)
            .with_context(|| format!("read the node probe in `{}`", folder.display()))
            .map(Some)
            .map_err(Failure::unable);
    }
    Ok(EMBEDDED.and_then(|files| {
        let (stub, parts) = files.split_last()?;
        Some(of(stub, parts))
    }))
}

fn of(stub: &'static [u8], parts: &'static [&'static [u8]]) -> ProbeProgram {
    ProbeProgram {
        architecture: ARCHITECTURE,
        stub,
        parts,
    }
}

/// A packed probe in a folder. It is read once and held as long as the process lives.
fn read(folder: &Path) -> anyhow::Result<ProbeProgram> {
    let file = |name: &str| -> anyhow::Result<&'static [u8]> {
        let path = folder.join(name);
        let about = || format!("read `{}`", path.display());
        let size = fs::metadata(&path).with_context(about)?.len();
        anyhow::ensure!(size <= MOST_BYTES, "`{name}` is too large");
        let bytes = fs::read(&path).with_context(about)?;
        Ok(Box::leak(bytes.into_boxed_slice()))
    };
    let stub = file(STUB)?;
    let mut parts = vec![file("part.0")?];
    for number in 1..MOST_PARTS {
        let name = format!("part.{number}");
        if !folder.join(&name).exists() {
            break;
        }
        parts.push(file(&name)?);
    }
    Ok(of(stub, Box::leak(parts.into_boxed_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let name = |file: &str| folder.path().join(file);
        assert!(read(folder.path()).is_err());
        fs::write(name("run"), "stub").unwrap();
        assert!(read(folder.path()).is_err(), "a stub without parts");
        fs::write(name("part.0"), "one").unwrap();
        fs::write(name("part.1"), "two").unwrap();
        fs::write(name("part.3"), "not reached").unwrap();
        let program = read(folder.path()).unwrap();
        assert_eq!(program.stub, b"stub");
        assert_eq!(program.parts, [b"one", b"two"]);
    }

    #[test]
    fn what_is_embedded_is_whole() {
        // Empty where the probe was not built before this; then there is nothing to be wrong.
        if let Some(files) = EMBEDDED {
            let (stub, parts) = files.split_last().unwrap();
            assert!(stub.starts_with(b"\x7fELF") && !parts.is_empty());
            assert!(parts.iter().all(|part| !part.is_empty()));
        }
    }
}
