//! Builds the lab's Go binaries into a cache outside the tree, under a key made of everything
//! that decides what they are, and says what is missing when it cannot.

use std::fmt;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::exec::{self, Exec};
use crate::paths;

/// Programs of the system that the lab runs, and the Debian package that brings each.
const PROGRAMS: [(&str, &str); 15] = [
    ("/usr/bin/containerd", "containerd"),
    ("/usr/sbin/runc", "runc"),
    ("/usr/bin/docker-registry", "docker-registry"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/bin/busybox", "busybox-static"),
    ("/usr/bin/skopeo", "skopeo"),
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/bin/htpasswd", "apache2-utils"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/nsenter", "util-linux"),
    ("/usr/bin/unshare", "util-linux"),
    ("/usr/sbin/losetup", "mount"),
    ("/usr/sbin/mkfs.ext4", "e2fsprogs"),
    ("/usr/bin/tar", "tar"),
    ("/usr/bin/gzip", "gzip"),
];

/// The names under which the one Kubernetes binary is started.
const KUBE_NAMES: [&str; 5] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kubectl",
];

/// Files that a finished build holds.
const BUILT: [&str; 8] = [
    "etcd",
    "kube",
    "refcheck",
    "keyringcheck",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "registry",
];

const VERSION_FLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37";

/// One `go build`: the module folder, the flags, and what to build (`DIR` is the output folder).
struct Build {
    module: &'static str,
    args: &'static [&'static str],
}

const BUILDS: [Build; 4] = [
    Build {
        module: "etcd",
        args: &[
            "-trimpath",
            "-ldflags",
            "-s -w",
            "-o",
            "DIR/etcd",
            "go.etcd.io/etcd/server/v3",
        ],
    },
    Build {
        module: "kube",
        args: &[
            "-trimpath",
            "-ldflags",
            VERSION_FLAGS,
            "-o",
            "DIR/",
            "./cmd/...",
        ],
    },
    Build {
        module: "containerd",
        args: &[
            "-trimpath",
            "-tags",
            "no_btrfs no_devmapper no_zfs",
            "-ldflags",
            "-s -w",
            "-o",
            "DIR/",
            "github.com/containerd/containerd/v2/cmd/containerd",
            "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            "github.com/containerd/containerd/v2/cmd/ctr",
        ],
    },
    Build {
        module: "registry",
        args: &[
            "-trimpath",
            "-ldflags",
            "-s -w",
            "-o",
            "DIR/registry",
            "github.com/distribution/distribution/v3/cmd/registry",
        ],
    },
];

/// What this machine lacks for the lab, in words; each entry says how to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub Vec<String>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the lab cannot run here: {}", self.0.join("; "))
    }
}

impl std::error::Error for Missing {}

/// Checks whether `lab build` and `lab up` can work on this machine: as [`requirements`], but
/// without what `lab build` itself brings.
pub fn prerequisites() -> Result<(), Missing> {
    let mut missing = base_requirements();
    let packages = missing_packages();
    if !packages.is_empty() && !Path::new("/usr/bin/apt-get").exists() {
        missing.push(format!(
            "the programs of the Debian packages {}",
            packages.join(" ")
        ));
    }
    if !is_built() {
        missing.extend(missing_go());
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Missing(missing))
    }
}

/// Checks whether the lab can run on this machine now: Linux, root, the Debian packages, and either
/// binaries that are built already or Go 1.26 to build them. Tests that need the lab report the
/// error as the reason of their skip.
pub fn requirements() -> Result<(), Missing> {
    let mut missing = base_requirements();
    let packages = missing_packages();
    if !packages.is_empty() {
        missing.push(format!(
            "Debian packages (`apt-get install {}`, done by `cargo xtask lab build`)",
            packages.join(" ")
        ));
    }
    if !is_built() {
        missing.push("built binaries (`cargo xtask lab build`, about 12 minutes once)".to_owned());
        missing.extend(missing_go());
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Missing(missing))
    }
}

/// True when the cache holds the binaries of this very source.
pub fn is_built() -> bool {
    key().is_ok_and(|key| complete(&paths::cache().join(key)))
}

/// Installs what is missing from Debian, builds what is not in the cache, and points
/// `…/lab/bin` to it. Returns the folder of the binaries.
///
/// # Errors
/// When something is missing that cannot be installed from here, or a build fails.
pub fn build() -> Result<PathBuf> {
    let mut missing = base_requirements();
    if !is_built() {
        missing.extend(missing_go());
    }
    if !missing.is_empty() {
        bail!(Missing(missing));
    }
    let _lock = paths::lock("build")?;
    install_packages()?;
    let dir = paths::cache().join(key()?);
    // Asked again: another process may have built it while this one waited for the lock.
    if !is_built() {
        build_all(&dir)?;
    }
    point_to(&dir)?;
    Ok(dir)
}

fn base_requirements() -> Vec<String> {
    let mut missing = Vec::new();
    if !cfg!(target_os = "linux") {
        missing.push("Linux (network and mount namespaces)".to_owned());
        return missing;
    }
    if !is_root() {
        missing.push("root (namespaces, mounts, cgroups)".to_owned());
    }
    missing
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
    })
}

fn missing_go() -> Option<String> {
    let version = exec::run(["go", "env", "GOVERSION"]).unwrap_or_default();
    match go_minor(&version) {
        Some(minor) if minor >= 26 => None,
        Some(_) => Some(format!("Go 1.26 or newer (found {})", version.trim())),
        None => Some("Go 1.26 or newer (found none)".to_owned()),
    }
}

/// The minor version in `go1.26.8`.
fn go_minor(version: &str) -> Option<u32> {
    version
        .trim()
        .strip_prefix("go1.")?
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// Debian packages whose program is absent, each once.
fn missing_packages() -> Vec<&'static str> {
    let mut packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !Path::new(program).exists())
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    packages
}

fn install_packages() -> Result<()> {
    let packages = missing_packages();
    if packages.is_empty() {
        return Ok(());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(Missing(vec![format!(
            "the programs of the Debian packages {}",
            packages.join(" ")
        )]));
    }
    println!("lab: installing Debian packages: {}", packages.join(" "));
    let apt = |words: &[&str]| {
        Exec::new(["apt-get", "-q"])
            .args(words.iter().copied())
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Without this the packages' own services would start beside the lab's.
            .env("RUNLEVEL", "1")
            .timeout(Duration::from_secs(600))
            .run()
    };
    apt(&["update"])?;
    let mut words = vec!["install", "-y", "--no-install-recommends"];
    words.extend(&packages);
    apt(&words)?;
    let still = missing_packages();
    if !still.is_empty() {
        bail!(Missing(vec![format!(
            "Debian packages {}",
            still.join(" ")
        )]));
    }
    Ok(())
}

/// The content key: a digest over the modules' go.mod, go.sum, sources, and the build flags.
fn key() -> Result<String> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for build in &BUILDS {
        context.update(build.module.as_bytes());
        for arg in build.args {
            context.update(arg.as_bytes());
        }
        let mut files = Vec::new();
        source_files(&module_dir(build.module), &mut files)?;
        files.sort();
        for file in files {
            context.update(file.file_name().unwrap_or_default().as_encoded_bytes());
            context.update(
                &fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?,
            );
        }
    }
    Ok(hex(context.finish().as_ref()).chars().take(16).collect())
}

/// Lower-case hexadecimal digits of some bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn source_files(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("failed to read {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            source_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn module_dir(module: &str) -> PathBuf {
    paths::repository().join("lab/go").join(module)
}

fn complete(dir: &Path) -> bool {
    BUILT
        .iter()
        .chain(&KUBE_NAMES)
        .all(|name| dir.join(name).exists())
}

fn build_all(dir: &Path) -> Result<()> {
    // Built beside its place and renamed when whole: a killed build leaves no half cache entry.
    let partial = dir.with_extension("partial");
    fs::create_dir_all(&partial)?;
    for build in &BUILDS {
        let start = Instant::now();
        println!(
            "lab: building {} (cold: kube 11 min, others 1-2 min each)",
            build.module
        );
        let out = partial.display().to_string();
        Exec::new(["go", "build"])
            .args(build.args.iter().map(|arg| arg.replace("DIR", &out)))
            .dir(&module_dir(build.module))
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-buildvcs=false")
            .timeout(Duration::from_secs(45 * 60))
            .run()
            .with_context(|| format!("failed to build the Go module lab/go/{}", build.module))?;
        println!(
            "lab: built {} in {} s",
            build.module,
            start.elapsed().as_secs()
        );
    }
    for name in KUBE_NAMES {
        let link = partial.join(name);
        if !link.exists() {
            symlink("kube", &link)?;
        }
    }
    let _ = fs::remove_dir_all(dir);
    fs::rename(&partial, dir).context("failed to move the finished build into the cache")?;
    Ok(())
}

/// Makes `…/lab/bin` point to `dir`, atomically.
fn point_to(dir: &Path) -> Result<()> {
    let link = paths::bin();
    let next = link.with_extension("next");
    let _ = fs::remove_file(&next);
    symlink(dir, &next)?;
    fs::rename(&next, &link).context("failed to set the link to the newest build")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions_are_read() {
        assert_eq!(go_minor("go1.26.8\n"), Some(26));
        assert_eq!(go_minor("go1.19"), Some(19));
        assert_eq!(go_minor("go1.27rc1"), Some(27));
        assert_eq!(go_minor(""), None);
    }

    #[test]
    fn key_is_stable_and_short() {
        let key = key().unwrap();
        assert_eq!(key.len(), 16);
        assert_eq!(key, super::key().unwrap());
    }

    #[test]
    fn missing_things_are_one_sentence() {
        let missing = Missing(vec!["root".to_owned(), "Linux".to_owned()]);
        assert_eq!(missing.to_string(), "the lab cannot run here: root; Linux");
    }
}
