//! The same work from files: a recording, or what `kubectl get … -o yaml|json` wrote.

mod answer;
mod lean;
mod logs;
mod objects;
mod read;
mod scan;

use std::path::{Path, PathBuf};

use pulldoctor_model::{Evidence, ExitCode};
use thiserror::Error;

use crate::index::ImageIndex;
use objects::Objects;

/// What files hold: a recorded [`Evidence`], or objects of a cluster.
///
/// Of secrets only what may be a Docker config is kept, in a type that no output shows.
#[derive(Debug)]
pub struct Bundle {
    name: String,
    source: Source,
    /// Files of a folder that may be logs of nodes.
    logs: Vec<PathBuf>,
    index: ImageIndex,
}

#[derive(Debug)]
enum Source {
    Recording(Box<Evidence>),
    Objects(Box<Objects>),
}

/// Why files could not be used.
#[derive(Debug, Error)]
pub enum BundleError {
    /// A file or folder cannot be read.
    #[error("read `{}`", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// More than one may read.
    #[error("read `{}`: more than {} MiB", .path.display(), .most >> 20)]
    TooLarge {
        /// The file or folder.
        path: PathBuf,
        /// The cap in bytes.
        most: u64,
    },
    /// The text is neither JSON nor YAML. It is not repeated: it may hold a secret.
    #[error("read `{}`: neither JSON nor YAML from line {line}, column {column} on", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line of the fault.
        line: u64,
        /// Column of the fault.
        column: u64,
    },
    /// A document of ours, but not a recording.
    #[error("read `{}`: `{schema}` is no recording", .path.display())]
    OtherDocument {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        schema: String,
    },
    /// A recording among other files.
    #[error("read `{}`: a recording stands alone", .path.display())]
    Mixed {
        /// The folder or file.
        path: PathBuf,
    },
    /// No Kubernetes objects in it.
    #[error("find Kubernetes objects in `{}`", .path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
    },
}

impl BundleError {
    /// The exit code of the command.
    pub fn exit(&self) -> ExitCode {
        ExitCode::Request
    }

    /// What the person can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Empty { .. } | Self::Malformed { .. } | Self::OtherDocument { .. } => Some(
                "a recording is written by `pulldoctor diagnose --record`; objects by \
                 `kubectl get pods,events,secrets,serviceaccounts,replicasets,deployments -o yaml`; \
                 `pulldoctor explain -` reads the output of `kubectl describe`"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

impl Bundle {
    /// Reads a file, every `.json`, `.yaml` and `.yml` of a folder, or standard input (`-`).
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        read::open(path)
    }

    /// Reads a text as if it were a file of that name.
    pub fn from_text(name: &Path, text: &[u8]) -> Result<Self, BundleError> {
        let mut reader = read::Reader::default();
        reader.add(name, text)?;
        reader.finish(name)
    }

    /// Whether it is a recording: then the scope narrows it, and what was not asked then
    /// cannot be asked now.
    pub fn is_recording(&self) -> bool {
        matches!(self.source, Source::Recording(_))
    }
}
