//! What a registry holds: repositories with tags, manifests and blobs.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::build::Artifact;

/// A manifest or index: its exact bytes and the media type that it is served as.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// `sha256:…` of the bytes.
    pub digest: String,
    /// The Content-Type.
    pub media_type: String,
    /// The bytes that the digest is of.
    pub bytes: Bytes,
}

/// One repository.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    /// Tag to digest, in lexical order as `tags/list` wants it.
    pub tags: BTreeMap<String, String>,
    /// Digest to manifest.
    pub manifests: HashMap<String, Manifest>,
    /// Digest to blob. A damaged blob stands under the digest that it should have.
    pub blobs: HashMap<String, Bytes>,
}

impl Repository {
    /// The manifest under a tag or a digest.
    pub fn manifest(&self, reference: &str) -> Option<&Manifest> {
        self.manifests
            .get(self.tags.get(reference).map_or(reference, String::as_str))
    }
}

/// All repositories of a registry.
#[derive(Debug, Clone, Default)]
pub struct Content {
    repositories: BTreeMap<String, Repository>,
}

impl Content {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an empty repository, one without tags, if it is not there.
    pub fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    /// Puts an artifact under a tag and returns the digest of its top manifest.
    pub fn push(&mut self, repository: &str, tag: &str, artifact: Artifact) -> String {
        let digest = artifact.digest().to_owned();
        let entry = self.repository(repository);
        entry.tags.insert(tag.to_owned(), digest.clone());
        for manifest in artifact.manifests {
            entry.manifests.insert(manifest.digest.clone(), manifest);
        }
        for blob in artifact.blobs {
            entry.blobs.insert(blob.digest, blob.bytes);
        }
        digest
    }

    /// A repository by name.
    pub fn get(&self, name: &str) -> Option<&Repository> {
        self.repositories.get(name)
    }

    /// The names of all repositories in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.repositories.keys().map(String::as_str)
    }
}
