//! The node: disk, store, snapshots, runtime.

use super::{Rule, rule};
use crate::draft::{Draft, Weight};
use crate::text::keep;
use crate::{Fault, Operation, Runtime};

fn damaged(d: &mut Draft<'_>) {
    d.operation(Operation::Store);
    d.exact(Fault::LocalStoreDamaged);
}

/// The path that stands before a system call's error: `write /a/b: no space left on device`.
fn path(d: &mut Draft<'_>) {
    let before = d.preceding();
    // The line may be broken behind the colon.
    let before = before
        .strip_suffix([' ', '\n'])
        .and_then(|before| before.strip_suffix(':'))
        .unwrap_or(before);
    let from = before.rfind([' ', '\n', '"', '=']).map_or(0, |i| i + 1);
    let word = &d.text[from..before.len()];
    if word.starts_with('/') {
        d.facts.path = Some(keep(word, 255));
        if word.starts_with("/var/lib/containerd/") {
            d.runtime(Runtime::Containerd);
        } else if word.starts_with("/var/lib/containers/") {
            d.runtime(Runtime::CriO);
        } else if word.contains("/var/lib/docker/") {
            d.runtime(Runtime::Docker);
        }
    }
}

/// Whether a path lies in a runtime's store; what a layer unpacks lies elsewhere, in a mount.
fn in_store(path: &str) -> bool {
    let store = [
        "/containerd/io.containerd.",
        "/containers/storage/",
        "/lib/docker/",
    ]
    .iter()
    .any(|part| path.contains(part));
    // What lies below `fs` is a layer's own content.
    store && !path.contains("/tmpmounts/") && !path.contains("/fs/")
}

pub(super) const RULES: &[Rule] = &[
    // --- disk ---
    rule("no space left on device", |d, _| {
        path(d);
        d.exact(Fault::NoSpace);
    }),
    rule(
        "(there is not enough space on the disk|free data blocks which is less than minimum required|not enough free space|insufficient free disk space|not enough space|database or disk is full)",
        |d, _| d.exact(Fault::NoSpace),
    ),
    rule(
        "(no free inodes|out of inodes|inodes exhausted|no inodes)",
        |d, _| d.exact(Fault::NoInodes),
    ),
    rule("disk quota exceeded", |d, _| {
        path(d);
        d.exact(Fault::DiskQuota);
    }),
    rule("read-only file system", |d, _| {
        path(d);
        d.exact(Fault::ReadOnly);
    }),
    rule(
        "(input/output error|structure needs cleaning|stale file handle)",
        |d, _| {
            path(d);
            d.exact(Fault::IoError);
        },
    ),
    // --- the runtime's store ---
    rule("failed to get reader from content store", |d, _| damaged(d)),
    rule("blob {w} expected at {w}: blob not found", |d, _| {
        damaged(d);
    }),
    rule("content digest {w}: not found", |d, _| damaged(d)),
    rule("parent snapshot {w} does not exist", |d, _| {
        d.runtime(Runtime::Containerd);
        d.operation(Operation::Unpack);
        d.exact(Fault::SnapshotRace);
    }),
    rule(
        "(failed to stat snapshot|failed to commit snapshot) {w}",
        |d, _| {
            d.runtime(Runtime::Containerd);
            d.operation(Operation::Unpack);
            d.fault(Weight::Hint, Fault::SnapshotRace);
        },
    ),
    rule(
        "(missing parent bucket|missing parent {q} bucket)",
        |d, _| {
            d.runtime(Runtime::Containerd);
            d.exact(Fault::SnapshotRace);
        },
    ),
    rule("content {w}: already exists", |d, _| {
        d.fault(Weight::Server, Fault::SnapshotRace);
    }),
    // A file of the runtime's own store is gone, or is where none should be.
    rule(
        "(no such file or directory|file exists|not a directory)",
        |d, _| {
            path(d);
            let store = d.facts.path.as_deref().is_some_and(in_store);
            if store {
                d.fault(Weight::Server, Fault::LocalStoreDamaged);
            } else if d.operation == Some(Operation::Unpack) {
                d.fault(Weight::Server, Fault::Unpack);
            }
        },
    ),
    rule("snapshot {w} does not exist", |d, _| {
        d.exact(Fault::SnapshotRace);
    }),
    // The base under containers/image's storage (`storage/storage_reference.go`).
    rule("does not resolve to an image id", |d, _| {
        d.runtime(Runtime::CriO);
        damaged(d);
    }),
    rule("target snapshot {q}: already exists", |d, _| {
        d.exact(Fault::SnapshotRace);
    }),
    rule("lease does not exist", |d, _| d.exact(Fault::SnapshotRace)),
    rule("lease {q}: not found", |d, _| d.exact(Fault::SnapshotRace)),
    rule(
        "(layer not known|layer does not exist|image not known|no such layer|error locating item named {q} for image|reading from store|layers on disk but not in|layer metadata|failed to open layer)",
        |d, _| {
            d.fault(Weight::Server, Fault::LocalStoreDamaged);
        },
    ),
    rule("ref {w} locked", |d, _| {
        d.runtime(Runtime::Containerd);
        d.exact(Fault::QueueBlocked);
    }),
    // --- unpacking ---
    rule("(failed to|error) lchown", |d, _| d.exact(Fault::Unpack)),
    // Go's `PathError` of the call; nothing else in a pull changes an owner.
    rule("lchown {w}: ", |d, _| d.exact(Fault::Unpack)),
    // An owner beyond the ids of the user namespace (moby `pkg/idtools`).
    rule("container id {n} cannot be mapped to a host id", |d, _| {
        d.exact(Fault::Unpack);
    }),
    rule("failed to setxattr", |d, _| d.exact(Fault::Unpack)),
    rule(
        "potentially insufficient uids or gids available in user namespace",
        |d, _| d.exact(Fault::Unpack),
    ),
    rule(
        "(operation not permitted|directory not empty|operation not supported|too many open files|text file busy|too many levels of symbolic links|file name too long)",
        |d, _| {
            if d.operation == Some(Operation::Unpack)
                || d.operation == Some(Operation::Store)
                || d.operation == Some(Operation::Blob)
            {
                path(d);
                d.fault(Weight::Server, Fault::Unpack);
            }
        },
    ),
    rule(
        "(failed to mount /{w}: |failed to mount overlay|failed to mount \\{|error creating overlay mount|failed to create prepare snapshot|failed to create snapshot)",
        |d, _| {
            // Of a text that breaks off here the system's own error is not known.
            let weight = if d.breaks_off() {
                Weight::Nothing
            } else {
                Weight::Server
            };
            d.fault(weight, Fault::Snapshotter);
        },
    ),
    rule(
        "(hcsshim::|re-exec error: exit status|processbaselayer|processutilityvmimage|importlayer)",
        |d, _| {
            d.operation(Operation::Unpack);
            d.fault(Weight::Hint, Fault::Unpack);
        },
    ),
    // --- snapshotter and runtime ---
    // Docker's graph drivers, up to 1.9 (`graph/graph.go`, `daemon/graphdriver`).
    rule("driver {w} failed to (get|create|remove|mount)", |d, _| {
        d.runtime(Runtime::Docker);
        d.operation(Operation::Unpack);
        d.fault(Weight::Server, Fault::Snapshotter);
    }),
    rule(
        "(unable to initialize unpacker|unable to get snapshotter capabilities|snapshotter not loaded|error unpacking image: failed to get snapshotter)",
        |d, _| {
            d.runtime(Runtime::Containerd);
            d.exact(Fault::Snapshotter);
        },
    ),
    rule(
        "snapshotter {w} (was not found|not found|does not support platform)",
        |d, c| {
            d.facts.snapshotter = Some(keep(c.get(0).trim_matches('"'), 100));
            d.exact(Fault::Snapshotter);
        },
    ),
    rule(
        "(container runtime is down|runtime is not running|runtime not ready|container runtime network not ready)",
        |d, _| {
            d.exact(Fault::RuntimeUnavailable);
        },
    ),
    rule("error creating temporary lease", |d, _| {
        d.runtime(Runtime::Docker);
        d.fault(Weight::Server, Fault::RuntimeUnavailable);
    }),
    rule("(invalid policy in|open) {q}: ", |d, c| {
        let file = c.get(0);
        if file.ends_with("/policy.json")
            || file.ends_with("registries.conf")
            || file.ends_with("/storage.conf")
        {
            d.facts.config_file = Some(keep(file, 255));
            d.exact(Fault::RuntimeConfig);
        }
    }),
    rule("invalid argument", |d, _| {
        path(d);
        if d.facts.path.as_deref().is_some_and(in_store) {
            d.fault(Weight::Server, Fault::LocalStoreDamaged);
        }
    }),
    rule("failed to decode {w}hosts.toml", |d, _| {
        d.runtime(Runtime::Containerd);
        d.exact(Fault::RuntimeConfig);
    }),
    rule("failed to parse image_pull_progress_timeout", |d, _| {
        d.exact(Fault::RuntimeConfig);
    }),
    rule(
        "(mirrors cannot be set when|invalid plugin config|failed to load plugin|toml: |loading registries configuration)",
        |d, _| {
            d.fault(Weight::Server, Fault::RuntimeConfig);
        },
    ),
];
