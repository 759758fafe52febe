//! Logs that a person gives as files.

use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

use flate2::bufread::MultiGzDecoder;
use pulldoctor_model::{
    Answer, Answered, Evidence, ExitCode, Gap, GapReason, Question, Vantage, clean_line,
};
use thiserror::Error;

use super::{Place, Sieve, sieve::Found, unit_of};
use crate::gaps::add_gap;

/// How many bytes are read at a time.
const PIECE: usize = 256 << 10;

/// A log of a node: a file, or standard input (`-`), and the node where it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenLog {
    /// The node; where none is said the lines tell, or there is but one that it can be.
    pub node: Option<String>,
    /// The file.
    pub path: PathBuf,
}

impl GivenLog {
    /// Whether it is standard input.
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }
}

impl FromStr for GivenLog {
    type Err = std::convert::Infallible;

    /// Reads `FILE`, `-` or `NODE=FILE`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        };
        let named = text
            .split_once('=')
            .filter(|(node, file)| is_name(node) && !file.is_empty() && !Path::new(text).exists());
        Ok(match named {
            Some((node, file)) => Self {
                node: Some(node.to_owned()),
                path: file.into(),
            },
            None => Self {
                node: None,
                path: text.into(),
            },
        })
    }
}

/// Why a log could not be used.
#[derive(Debug, Error)]
pub enum LogError {
    /// It cannot be read.
    #[error("read the log `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a file of journald's own.
    #[error("read the log `{}`: it is journald's own file and no text", .path.display())]
    Journal {
        /// The file.
        path: PathBuf,
    },
}

impl LogError {
    /// The exit code of the command.
    pub fn exit(&self) -> ExitCode {
        ExitCode::Request
    }

    /// What the person can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Read { .. } => None,
            Self::Journal { path } => Some(format!(
                "`journalctl --file {} -o short-iso` writes it as text",
                path.display()
            )),
        }
    }
}

/// Logs that are open, and not yet read.
pub struct GivenLogs {
    logs: Vec<(GivenLog, Box<dyn Read>)>,
}

impl fmt::Debug for GivenLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.logs.iter().map(|(log, _)| log))
            .finish()
    }
}

impl GivenLogs {
    /// Opens files, so that one that cannot be read is told before anything is asked.
    pub fn open(logs: &[GivenLog]) -> Result<Self, LogError> {
        let open = |log: &GivenLog| -> Result<(GivenLog, Box<dyn Read>), LogError> {
            let reader: Box<dyn Read> = if log.is_stdin() {
                Box::new(io::stdin())
            } else {
                let failed = |source| LogError::Read {
                    path: log.path.clone(),
                    source,
                };
                let file = File::open(&log.path).map_err(failed)?;
                if file.metadata().map_err(failed)?.is_dir() {
                    return Err(failed(io::ErrorKind::IsADirectory.into()));
                }
                Box::new(file)
            };
            Ok((log.clone(), reader))
        };
        Ok(Self {
            logs: logs.iter().map(open).collect::<Result<_, _>>()?,
        })
    }

    /// Reads them, and answers what they say of the images that containers wait for.
    pub fn join(self, evidence: &mut Evidence) -> Result<(), LogError> {
        let waiting: BTreeSet<(&str, &str)> = evidence
            .symptoms
            .iter()
            .filter_map(|symptom| Some((symptom.node.as_deref()?, symptom.image.as_str())))
            .collect();
        let of = |it: fn((&str, &str)) -> String| -> Vec<String> {
            let distinct: BTreeSet<String> = waiting.iter().map(|pair| it(*pair)).collect();
            distinct.into_iter().collect()
        };
        let (nodes, images) = (of(|(node, _)| node.into()), of(|(_, image)| image.into()));
        let mut found = Vec::new();
        let mut unplaced = Vec::new();
        let mut sieve = Sieve::new(images, nodes, evidence.observed);
        for (log, reader) in self.logs {
            let place = log.node.clone().map_or(Place::Hosts, Place::Node);
            read(&log.path, reader, place, &mut sieve)?;
            if sieve.has_unplaced() {
                unplaced.push(log.path.clone());
            }
        }
        found.extend(sieve.finish());
        let mut is_left = false;
        let placed: Vec<Found> = found
            .into_iter()
            .filter_map(|mut it| {
                if it.node.is_none() {
                    it.node = only_node(&waiting, &it.image);
                    is_left |= it.node.is_none();
                }
                let node = it.node.as_deref()?;
                waiting.contains(&(node, it.image.as_str())).then_some(it)
            })
            .collect();
        answer(evidence, placed);
        if is_left {
            for path in unplaced {
                add_gap(evidence, unknown_node(&path));
            }
        }
        Ok(())
    }
}

/// The node on which an image waits, where there is but one.
fn only_node(waiting: &BTreeSet<(&str, &str)>, image: &str) -> Option<String> {
    let mut nodes = waiting
        .iter()
        .filter(|(_, other)| *other == image)
        .map(|(node, _)| *node);
    let first = nodes.next()?;
    nodes.next().is_none().then(|| first.to_owned())
}

fn unknown_node(path: &Path) -> Gap {
    let name = path.display().to_string();
    let name = clean_line(&name);
    Gap {
        what: format!("tell which node `{name}` is of: `--runtime-log NODE={name}`"),
        why: GapReason::NotAsked,
        grant: None,
        questions: Vec::new(),
        hides_pods: false,
    }
}

/// Puts what was found into the evidence: one answer for each node and image.
pub(crate) fn answer(evidence: &mut Evidence, found: Vec<Found>) {
    for Found { node, image, logs } in found {
        let Some(node) = node else {
            continue;
        };
        let question = Question::NodeLogs {
            node: node.clone(),
            image,
        };
        let known = evidence
            .answers
            .iter_mut()
            .find(|answered| answered.question == question);
        if let Some(Answered {
            answer: Answer::NodeLogs(known),
            ..
        }) = known
        {
            known.lines.extend(logs.lines);
            known.lines.sort_by_key(|line| line.time);
            known.is_cut |= logs.is_cut;
            continue;
        }
        evidence.answers.push(Answered {
            question,
            from: Vantage::Node(node),
            took_ms: None,
            answer: Answer::NodeLogs(logs),
        });
    }
}

/// Reads a log of any size through the sieve.
pub(crate) fn read(
    path: &Path,
    source: impl Read,
    place: Place,
    sieve: &mut Sieve,
) -> Result<(), LogError> {
    let failed = |source| LogError::Read {
        path: path.to_owned(),
        source,
    };
    let mut source = BufReader::with_capacity(PIECE, source);
    let head = source.fill_buf().map_err(failed)?;
    if head.starts_with(b"LPKSHHRH") {
        return Err(LogError::Journal {
            path: path.to_owned(),
        });
    }
    let is_folded = head.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn io::BufRead + '_> = if is_folded {
        Box::new(BufReader::with_capacity(PIECE, MultiGzDecoder::new(source)))
    } else {
        Box::new(source)
    };
    let mut lines = sieve.begin(place, &unit_of(path));
    loop {
        let piece = match reader.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        if piece.is_empty() {
            break;
        }
        lines.push(piece, &mut |line| sieve.take(line));
        let length = piece.len();
        reader.consume(length);
    }
    lines.finish(&mut |line| sieve.take(line));
    sieve.end();
    Ok(())
}
