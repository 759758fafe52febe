//! Logs that a person gives as files.

use std::{
    collections::BTreeSet,
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

/// Logs that can be read, and are not yet.
#[derive(Debug, Default)]
pub struct GivenLogs {
    logs: Vec<(GivenLog, Source)>,
}

/// Where a log comes from.
#[derive(Debug)]
enum Source {
    Stdin,
    /// A plain file is opened when its turn comes: there may be more of them than may be open.
    File,
    /// A pipe can be opened once.
    Pipe(File),
}

impl GivenLogs {
    /// Looks whether files can be read, so that one that cannot is told before anything is asked.
    pub fn open(logs: &[GivenLog]) -> Result<Self, LogError> {
        let open = |log: &GivenLog| -> Result<(GivenLog, Source), LogError> {
            if log.is_stdin() {
                return Ok((log.clone(), Source::Stdin));
            }
            let failed = |source| LogError::Read {
                path: log.path.clone(),
                source,
            };
            let file = File::open(&log.path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            if metadata.is_dir() {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            let source = if metadata.is_file() {
                Source::File
            } else {
                Source::Pipe(file)
            };
            Ok((log.clone(), source))
        };
        Ok(Self {
            logs: logs.iter().map(open).collect::<Result<_, _>>()?,
        })
    }

    /// Reads them, and answers what they say of the images that containers wait for. Gives those
    /// that say nothing of them.
    pub fn join(self, evidence: &mut Evidence) -> Result<Vec<PathBuf>, LogError> {
        let waiting: BTreeSet<(&str, &str)> = evidence
            .symptoms
            .iter()
            .filter_map(|symptom| Some((symptom.node.as_deref()?, symptom.image.as_str())))
            .collect();
        let nodes: BTreeSet<&str> = waiting.iter().map(|(node, _)| *node).collect();
        let images: BTreeSet<&str> = waiting.iter().map(|(_, image)| *image).collect();
        let owned = |set: BTreeSet<&str>| set.into_iter().map(str::to_owned).collect();
        let mut sieve = Sieve::new(owned(images), owned(nodes), evidence.observed);
        let (mut silent, mut unplaced) = (Vec::new(), Vec::new());
        for (log, source) in self.logs {
            let path = &log.path;
            let place = log.node.map_or(Place::Hosts, Place::Node);
            match source {
                Source::Stdin => read(path, io::stdin().lock(), place, &mut sieve)?,
                Source::Pipe(file) => read(path, file, place, &mut sieve)?,
                Source::File => {
                    let file = File::open(path).map_err(|source| LogError::Read {
                        path: path.clone(),
                        source,
                    })?;
                    read(path, file, place, &mut sieve)?;
                }
            }
            if sieve.is_silent() {
                silent.push(path.clone());
            }
            if sieve.has_unplaced() {
                unplaced.push(path.clone());
            }
        }
        let mut is_left = false;
        let placed: Vec<Found> = sieve
            .finish()
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
        Ok(silent)
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
fn answer(evidence: &mut Evidence, found: Vec<Found>) {
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
fn read(path: &Path, source: impl Read, place: Place, sieve: &mut Sieve) -> Result<(), LogError> {
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use pulldoctor_model::{ContainerKind, Symptom};

    use super::*;

    fn symptom(node: &str, image: &str) -> Symptom {
        Symptom {
            namespace: "shop".to_owned(),
            pod: format!("pod-{node}"),
            pod_uid: "u".to_owned(),
            container: Some("api".to_owned()),
            kind: ContainerKind::Container,
            node: Some(node.to_owned()),
            owner: None,
            field: None,
            image: image.to_owned(),
            pull_policy: None,
            reason: "ImagePullBackOff".to_owned(),
            message: String::new(),
            since: None,
            created: None,
            next_retry: None,
            pull_secrets: Vec::new(),
            service_account: None,
            static_pod: false,
            ran_before: false,
            wanted_arch: None,
        }
    }

    fn evidence(symptoms: &[(&str, &str)]) -> Evidence {
        let mut evidence = Evidence::new("x", "x", "2026-11-23T13:00:00Z".parse().unwrap());
        evidence.symptoms = symptoms
            .iter()
            .map(|(node, image)| symptom(node, image))
            .collect();
        evidence
    }

    /// What the log in a file of this name says, as `node image: text`.
    fn join(given: &str, text: &[u8], evidence: &mut Evidence) -> (Vec<String>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let (node, name) = given.split_once('=').unwrap_or(("", given));
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let log = GivenLog {
            node: (!node.is_empty()).then(|| node.to_owned()),
            path,
        };
        let silent = GivenLogs::open(&[log]).unwrap().join(evidence).unwrap();
        let said = evidence.answers.iter().flat_map(|answered| {
            let (Question::NodeLogs { node, image }, Answer::NodeLogs(logs)) =
                (&answered.question, &answered.answer)
            else {
                return Vec::new();
            };
            let lines = logs.lines.iter();
            lines
                .map(|line| format!("{node} {image}: {}", line.text))
                .collect()
        });
        (said.collect(), silent.len())
    }

    const LINE: &[u8] = b"level=error msg=\"reg.lab/a:1 failed\"\n";

    #[test]
    fn a_log_is_joined_to_the_one_node_where_its_image_waits() {
        let mut one = evidence(&[("n1", "reg.lab/a:1"), ("n2", "other.lab/b:1")]);
        let (said, silent) = join("containerd.log", LINE, &mut one);
        assert_eq!(said, ["n1 reg.lab/a:1: reg.lab/a:1 failed"]);
        assert_eq!((silent, one.gaps.len()), (0, 0));
    }

    #[test]
    fn where_it_can_be_several_nodes_the_person_is_asked() {
        let mut two = evidence(&[("n1", "reg.lab/a:1"), ("n2", "reg.lab/a:1")]);
        let (said, _) = join("containerd.log", LINE, &mut two);
        assert!(said.is_empty());
        assert!(
            two.gaps[0].what.contains("--runtime-log NODE="),
            "{:?}",
            two.gaps
        );
        let mut two = evidence(&[("n1", "reg.lab/a:1"), ("n2", "reg.lab/a:1")]);
        let (said, _) = join("n2=containerd.log", LINE, &mut two);
        assert_eq!(said, ["n2 reg.lab/a:1: reg.lab/a:1 failed"]);
        let mut named = evidence(&[("n1", "reg.lab/a:1"), ("n2", "reg.lab/a:1")]);
        let line = [b"Nov 23 12:00:00 n2 containerd[1]: ".as_slice(), LINE].concat();
        assert_eq!(join("x", &line, &mut named).0.len(), 1);
        assert!(named.gaps.is_empty());
    }

    #[test]
    fn a_compressed_log_is_unfolded_and_a_silent_one_told() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(LINE).unwrap();
        let folded = encoder.finish().unwrap();
        let mut one = evidence(&[("n1", "reg.lab/a:1")]);
        assert_eq!(join("x.gz", &folded, &mut one).0.len(), 1);
        let mut other = evidence(&[("n1", "other.lab/a:1")]);
        assert_eq!(join("x", LINE, &mut other), (Vec::new(), 1));
    }

    #[test]
    fn two_logs_of_a_node_are_one_answer_in_the_order_of_time() {
        let mut evidence = evidence(&[("n1", "reg.lab/a:1")]);
        for (at, text) in [(2, "second"), (1, "first")] {
            let line = format!("time=\"2026-11-23T12:00:0{at}Z\" msg=\"reg.lab/a:1 {text}\"\n");
            join("n1=x.log", line.as_bytes(), &mut evidence);
        }
        assert_eq!(evidence.answers.len(), 1);
        let (said, _) = join("n1=x.log", b"", &mut evidence);
        assert!(
            said[0].ends_with("first") && said[1].ends_with("second"),
            "{said:?}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_before_anything_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let of = |path: PathBuf| GivenLogs::open(&[GivenLog { node: None, path }]);
        assert!(of(folder.path().join("missing")).is_err());
        assert!(of(folder.path().to_owned()).is_err());
        let path = folder.path().join("system.journal");
        std::fs::write(&path, b"LPKSHHRH\0\0").unwrap();
        let mut evidence = evidence(&[("n1", "reg.lab/a:1")]);
        let error = of(path).unwrap().join(&mut evidence).unwrap_err();
        assert!(
            error
                .help()
                .is_some_and(|help| help.contains("journalctl --file"))
        );
    }

    #[test]
    fn a_node_may_stand_before_the_file() {
        let read = |text: &str| text.parse::<GivenLog>().unwrap();
        assert_eq!(
            read("n1.example.com=/x/y.log").node.as_deref(),
            Some("n1.example.com")
        );
        assert_eq!(read("/x/a=b.log").node, None);
        assert!(read("n1=-").is_stdin() && read("-").is_stdin());
    }
}
