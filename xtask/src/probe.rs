//! `cargo xtask probe`: the program that looks at a registry from a node, small enough for a
//! ConfigMap, built once for each state of its sources and kept outside the tree.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use lzma_rust2::{LzmaOptions, LzmaWriter};

use crate::run::{cargo, step};

#[path = "../../crates/probe-stub/src/lzma.rs"]
mod lzma;
#[path = "../../crates/cli/build/stamp.rs"]
mod stamp;

/// The one target that the installed toolchain can build without anything else.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Most bytes of one ConfigMap over all its keys, with room for its metadata.
const MOST_PART: usize = 1_046_000;
/// Most parts: the stub knows them by one digit.
const MOST_PARTS: usize = 10;
/// A static program that is not moved about in memory: what the stub becomes is its own loader.
const FLAGS: &str = "-C target-feature=+crt-static -C relocation-model=static";

/// Builds the probe unless it is there, and puts it where a build of the tool embeds it.
pub(crate) fn run() -> Result<()> {
    let root = pulldoctor_lab::paths::repository();
    // Before it is built: sources that change meanwhile make it another one.
    let stamp = stamp::stamp(&root).context("read the probe's sources")?;
    let Some(folder) = build()? else {
        println!("skipped: node probe (it is built on x86_64 Linux only)");
        return Ok(());
    };
    place(&folder, &root.join(stamp::PLACE), &stamp)?;
    println!("node probe: {}", folder.display());
    Ok(())
}

/// Copies the probe. What is there already is not touched, so that cargo builds nothing anew.
fn place(from: &Path, to: &Path, stamp: &str) -> Result<()> {
    let parts = (0..MOST_PARTS).map(|number| format!("part.{number}"));
    let names: Vec<String> = parts.chain([stamp::STUB.to_owned()]).collect();
    let here = |name: &String| fs::read(to.join(name)).ok();
    let wanted = |name: &String| fs::read(from.join(name)).ok();
    let file = to.join(stamp::STAMP);
    let is_same = names.iter().all(|name| here(name) == wanted(name));
    if is_same && fs::read_to_string(&file).is_ok_and(|old| old == stamp) {
        return Ok(());
    }
    // While there is no stamp nothing is embedded.
    remove(&file)?;
    for name in names.iter().filter(|name| here(name) != wanted(name)) {
        match wanted(name) {
            Some(bytes) => write(&to.join(name), &bytes)?,
            None => remove(&to.join(name))?,
        }
    }
    write(&file, stamp.as_bytes())
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// The folder of the packed probe, built where it is missing; nothing on a machine that cannot.
pub(crate) fn build() -> Result<Option<PathBuf>> {
    if !cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_env = "gnu"
    )) {
        return Ok(None);
    }
    let root = pulldoctor_lab::paths::repository();
    let cache = pulldoctor_lab::paths::cache()
        .parent()
        .map(|cache| cache.join("probe"))
        .context("the cache has no folder")?;
    let key_before = key(&root)?;
    let folder = cache.join(&key_before);
    if folder.join(stamp::STUB).is_file() {
        return Ok(Some(folder));
    }
    let target = cache.join("target");
    fs::create_dir_all(&target).with_context(|| format!("make {}", target.display()))?;
    // Another checkout builds into the same folder. The lock goes when the file is closed.
    let lock = cache.join("lock");
    let lock = fs::File::create(&lock).with_context(|| format!("make {}", lock.display()))?;
    lock.lock()
        .context("wait for another `cargo xtask probe`")?;
    let compile = |arguments: &[&str], manifest: &Path| {
        let mut command: Command = cargo(&["build", "--quiet", "--locked", "--target", TARGET]);
        command
            .args(arguments)
            .arg("--manifest-path")
            .arg(manifest)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", FLAGS)
            .env_remove("RUSTFLAGS");
        command
    };
    step(
        "node probe",
        compile(
            &["--package", "pulldoctor-probe", "--profile", "probe"],
            &root.join("Cargo.toml"),
        ),
    )?;
    step(
        "node probe's stub",
        compile(&["--release"], &root.join("crates/probe-stub/Cargo.toml")),
    )?;
    let built = target.join(TARGET);
    let program = read(&built.join("probe/pulldoctor-probe"))?;
    let stub = read(&built.join("release/pulldoctor-probe-stub"))?;
    let packed = pack(&program)?;
    ensure!(
        key(&root)? == key_before,
        "the probe's sources have changed while it was built: once more, please"
    );
    store(&folder, &stub, &packed)?;
    if let Err(error) = try_out(&folder) {
        remove(&folder.join(stamp::STUB))?;
        return Err(error);
    }
    println!(
        "node probe: {} bytes, packed {}, stub {}",
        program.len(),
        packed.len(),
        stub.len()
    );
    Ok(Some(folder))
}

/// Packs the program as the stub unpacks it, and sees that it does.
fn pack(program: &[u8]) -> Result<Vec<u8>> {
    let options = LzmaOptions::with_preset(9);
    let size = u64::try_from(program.len())?;
    let mut packed = LzmaWriter::new_use_header(Vec::new(), &options, Some(size))
        .context("start to pack the probe")?;
    packed.write_all(program).context("pack the probe")?;
    let packed = packed.finish().context("pack the probe")?;
    let mut again = vec![0; program.len()];
    ensure!(
        lzma::unpacked_size(&packed) == Some(program.len())
            && lzma::unpack(&packed, &mut again)
            && again == program,
        "the stub does not unpack what was packed"
    );
    Ok(packed)
}

/// Writes the parts first and the stub last, whose presence means that all is there.
fn store(folder: &Path, stub: &[u8], packed: &[u8]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let parts: Vec<&[u8]> = packed.chunks(MOST_PART - stub.len()).collect();
    if parts.len() > MOST_PARTS {
        bail!("the probe has grown beyond {MOST_PARTS} parts");
    }
    for (number, part) in parts.into_iter().enumerate() {
        write(&folder.join(format!("part.{number}")), part)?;
    }
    let fresh = folder.join("stub.new");
    write(&fresh, stub)?;
    let mode = PermissionsExt::from_mode(0o755);
    fs::set_permissions(&fresh, mode).context("make the stub executable")?;
    fs::rename(&fresh, folder.join(stamp::STUB)).context("put the stub in place")
}

/// Starts the probe as a node would, with no question: it must say that there is none.
fn try_out(folder: &Path) -> Result<()> {
    let output = Command::new(folder.join(stamp::STUB))
        .env_clear()
        .env("PULLDOCTOR_SUMMARY_FILE", "/dev/null")
        .output()
        .context("start the packed probe")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        said.starts_with('{') && said.contains("read the question"),
        "the packed probe does not run ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

/// A hash of everything that decides what the probe is.
fn key(root: &Path) -> Result<String> {
    let files = stamp::sources(root).context("list the probe's sources")?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(FLAGS.as_bytes());
    context.update(&dependencies(root)?);
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file);
        context.update(name.as_os_str().as_encoded_bytes());
        context.update(&read(&file)?);
    }
    let hash = context.finish();
    let hex: Vec<String> = hash.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(hex.concat())
}

/// The crates that the probe is made of, with their versions: the lock file changes more often.
fn dependencies(root: &Path) -> Result<Vec<u8>> {
    let mut command = cargo(&["tree", "--locked", "--target", TARGET, "--prefix", "none"]);
    let output = command
        .args(["--package", "pulldoctor-probe", "--edges", "normal,build"])
        .current_dir(root)
        .output()
        .context("run cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed");
    // A path of this machine is no part of what the probe is.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.split(" (/").next().unwrap_or(line))
        .collect();
    Ok(lines.join("\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        // Half of it repeats, near and far, so that every kind of match is used.
        let mut bytes: Vec<u8> = Vec::with_capacity(length);
        while bytes.len() < length {
            let word = next();
            if word & 1 == 0 || bytes.len() < 64 {
                bytes.extend_from_slice(&word.to_le_bytes());
            } else {
                let back = 1 + next() as usize % bytes.len();
                for _ in 0..2 + next() % 300 {
                    bytes.push(bytes[bytes.len() - back]);
                }
            }
        }
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        for program in [
            b"a".to_vec(),
            vec![0; 100_000],
            noise(1),
            noise(70_000),
            noise(1_000_000),
        ] {
            assert!(!pack(&program).unwrap().is_empty());
        }
    }

    #[test]
    fn damage_neither_panics_nor_goes_on_for_ever() {
        let program = noise(20_000);
        let packed = pack(&program).unwrap();
        let mut out = vec![0; program.len()];
        for at in (0..packed.len()).step_by(7) {
            let mut bad = packed.clone();
            bad[at] ^= 0x41;
            let _ = lzma::unpack(&bad, &mut out);
            let _ = lzma::unpack(&packed[..at], &mut out);
        }
        assert!(!lzma::unpack(&packed, &mut out[1..]));
        assert!(!lzma::unpack(&[], &mut out));
        assert!(lzma::unpack(&packed, &mut out) && out == program);
    }

    #[test]
    fn the_key_is_stable() {
        let root = pulldoctor_lab::paths::repository();
        let one = key(&root).unwrap();
        assert_eq!(one.len(), 16);
        assert_eq!(one, key(&root).unwrap());
    }
}
