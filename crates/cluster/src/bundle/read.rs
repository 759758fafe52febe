//! Files to objects: JSON and YAML, one document or many, single objects or lists.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use pulldoctor_model::Evidence;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Bundle, BundleError, Source,
    lean::Lean,
    logs,
    objects::{Added, Objects},
};
use crate::{index::ImageIndex, slim::Text};

/// How many bytes are read in all.
const MOST: u64 = 1 << 30;

/// How many files of a folder are read, and how deep.
const FILES_MOST: usize = 10_000;
const DEPTH_MOST: usize = 6;

/// Reads a file, a folder or standard input.
pub(super) fn open(path: &Path) -> Result<Bundle, BundleError> {
    let mut reader = Reader::default();
    if path == Path::new("-") {
        let text = read_capped(path, std::io::stdin().lock(), MOST)?;
        reader.add(path, &text)?;
    } else if path.is_dir() {
        let mut files = Files::default();
        files.collect(path, 0)?;
        files.objects.sort();
        files.logs.sort();
        let mut left = MOST;
        reader.logs = files.logs;
        for file in &files.objects {
            let text = read_file(file, left)?;
            left = left.saturating_sub(text.len() as u64);
            reader.add(file, &text)?;
        }
    } else {
        let text = read_file(path, MOST)?;
        reader.add(path, &text)?;
    }
    reader.finish(path)
}

/// The files of a folder that may be of use.
#[derive(Debug, Default)]
struct Files {
    objects: Vec<PathBuf>,
    logs: Vec<PathBuf>,
}

impl Files {
    fn collect(&mut self, folder: &Path, depth: usize) -> Result<(), BundleError> {
        let failed = |source| BundleError::Read {
            path: folder.to_owned(),
            source,
        };
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let path = entry.path();
            let is_object = path
                .extension()
                .and_then(|extension| extension.to_str())
                .is_some_and(|extension| matches!(extension, "json" | "yaml" | "yml"));
            if kind.is_dir() && depth < DEPTH_MOST {
                self.collect(&path, depth + 1)?;
            } else if kind.is_file() && is_object && self.objects.len() < FILES_MOST {
                self.objects.push(path);
            } else if kind.is_file() && logs::is_log(&path) && self.logs.len() < FILES_MOST {
                self.logs.push(path);
            }
        }
        Ok(())
    }
}

fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, BundleError> {
    let file = File::open(path).map_err(|source| BundleError::Read {
        path: path.to_owned(),
        source,
    })?;
    read_capped(path, file, most)
}

fn read_capped(path: &Path, source: impl std::io::Read, most: u64) -> Result<Vec<u8>, BundleError> {
    let mut text = Vec::new();
    source
        .take(most + 1)
        .read_to_end(&mut text)
        .map_err(|source| BundleError::Read {
            path: path.to_owned(),
            source,
        })?;
    if text.len() as u64 > most {
        return Err(BundleError::TooLarge {
            path: path.to_owned(),
            most: MOST,
        });
    }
    Ok(text)
}

/// Gathers what files hold.
#[derive(Debug, Default)]
pub(super) struct Reader {
    objects: Objects,
    recording: Option<Evidence>,
    logs: Vec<PathBuf>,
}

/// What tells one document from another.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Head<'a> {
    schema: Text<'a>,
    kind: Text<'a>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct ItemHead<'a> {
    kind: Text<'a>,
}

impl Reader {
    /// Adds the documents of a file.
    pub(super) fn add(&mut self, path: &Path, text: &[u8]) -> Result<(), BundleError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let first = text
            .iter()
            .copied()
            .find(|byte| !byte.is_ascii_whitespace());
        match first {
            Some(b'{' | b'[') => self.add_json(path, text),
            Some(_) => self.add_yaml(path, text),
            None => Ok(()),
        }
    }

    fn add_json(&mut self, path: &Path, text: &[u8]) -> Result<(), BundleError> {
        let malformed = |error: &serde_json::Error| BundleError::Malformed {
            path: path.to_owned(),
            line: error.line() as u64,
            column: error.column() as u64,
        };
        for document in serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>() {
            let document = document.map_err(|error| malformed(&error))?;
            self.add_document(path, document.get())
                .map_err(|failed| failed.unwrap_or_else(|error| malformed(&error)))?;
        }
        Ok(())
    }

    fn add_yaml(&mut self, path: &Path, text: &[u8]) -> Result<(), BundleError> {
        let malformed = |line, column| BundleError::Malformed {
            path: path.to_owned(),
            line,
            column,
        };
        let text = str::from_utf8(text).map_err(|error| {
            let line = text[..error.valid_up_to()]
                .split(|byte| *byte == b'\n')
                .count();
            malformed(line as u64, 1)
        })?;
        // As many nodes as the text could hold, and aliases hardly any: kubectl writes none, and
        // they are how a small file becomes a large one.
        let size = text.len().saturating_add(10_000);
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_events: size,
                max_nodes: size,
                max_total_scalar_bytes: size,
                max_documents: 100_000,
                max_depth: 100,
                max_aliases: 100,
                max_anchors: 100,
            },
        };
        let documents: Vec<Lean> = serde_saphyr::from_multiple_with_options(text, options)
            .map_err(|error| {
                let place = error.location();
                malformed(
                    place.as_ref().map_or(1, serde_saphyr::Location::line),
                    place.as_ref().map_or(1, serde_saphyr::Location::column),
                )
            })?;
        for Lean(document) in documents {
            let json = document.to_string();
            self.add_document(path, &json)
                .map_err(|failed| failed.unwrap_or_else(|_| malformed(1, 1)))?;
        }
        Ok(())
    }

    /// Adds one JSON document. The inner error is one of its syntax.
    fn add_document(
        &mut self,
        path: &Path,
        json: &str,
    ) -> Result<(), Result<BundleError, serde_json::Error>> {
        if json.starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(Err)?;
            self.add_items(&items, "");
            return Ok(());
        }
        if !json.starts_with('{') {
            return Ok(());
        }
        let head: Head<'_> = serde_json::from_str(json).map_err(Err)?;
        match head.schema.as_str() {
            "" => {}
            Evidence::SCHEMA => {
                let evidence = serde_json::from_str(json).map_err(Err)?;
                if self.recording.replace(evidence).is_some() {
                    return Err(Ok(BundleError::Mixed {
                        path: path.to_owned(),
                    }));
                }
                return Ok(());
            }
            schema => {
                return Err(Ok(BundleError::OtherDocument {
                    path: path.to_owned(),
                    schema: pulldoctor_model::clean_line(schema).into_owned(),
                }));
            }
        }
        match head.items {
            // The items of a typed list (`PodList`) do not name their kind.
            Some(items) => {
                let kind = head
                    .kind
                    .as_str()
                    .strip_suffix("List")
                    .unwrap_or_default()
                    .to_owned();
                self.add_items(&items, &kind);
            }
            None => {
                self.objects.add(head.kind.as_str(), json);
            }
        }
        Ok(())
    }

    fn add_items(&mut self, items: &[&RawValue], of_list: &str) {
        let mut added: Vec<Added> = Vec::new();
        for item in items {
            let Ok(head) = serde_json::from_str::<ItemHead<'_>>(item.get()) else {
                self.objects.skipped += 1;
                continue;
            };
            let kind = head.kind.non_empty().unwrap_or(of_list);
            added.extend(self.objects.add(kind, item.get()));
        }
        self.objects.came_as_list(&added);
    }

    /// What was found.
    pub(super) fn finish(self, path: &Path) -> Result<Bundle, BundleError> {
        let source = match (self.recording, self.objects.count) {
            (Some(recording), 0) => Source::Recording(Box::new(recording)),
            (Some(_), _) => {
                return Err(BundleError::Mixed {
                    path: path.to_owned(),
                });
            }
            (None, 0) if self.objects.skipped == 0 => {
                return Err(BundleError::Empty {
                    path: path.to_owned(),
                });
            }
            (None, _) => Source::Objects(Box::new(self.objects)),
        };
        Ok(Bundle {
            name: path.display().to_string(),
            source,
            logs: self.logs,
            index: ImageIndex::default(),
        })
    }
}
