//! What the logs of a node's kubelet and runtime say about images, through the kubelet's
//! `/logs`.
//!
//! Where the kubelet answers log queries (`enableSystemLogQuery`; the gate `NodeLogQuery` is on
//! from 1.36 on), journald is searched on the node, and only matching lines travel. For what logs
//! to files it refuses options ("options present and query resolved to log files"), and where it
//! answers no queries it lists `/var/log` instead: then the end of each file is read, by a range.
//! (`pkg/kubelet/kubelet_server_journal.go` and `kubelet.go`, 1.37.2; at most four services a
//! query, 30 s, `--output=short-precise --utc`.)

use jiff::{SignedDuration, Timestamp};
use pulldoctor_model::{NodeFacts, NodeLogs};

use super::node;
use crate::{
    api::{Api, Streamed, Wish},
    error::ApiError,
    logs::{Place, Sieve, pattern},
    path::ApiPath,
};

/// How many bytes of an answer to a query are read.
const QUERY_MOST: u64 = 8 << 20;

/// How many lines are asked for, and how far back. A day more than a day: `sinceTime` becomes an
/// argument of journalctl without its zone.
const TAIL_LINES: &str = "2000";
const BACK: SignedDuration = SignedDuration::from_hours(48);

/// How many bytes of a file's end are read: at two lines a second and 200 bytes a line three
/// hours.
const TAIL: u64 = 4 << 20;

/// How many bytes of a list of files are read.
const LIST_MOST: usize = 256 << 10;

/// How long an expression may be: it stands in the address.
const PATTERN_MOST: usize = 4 << 10;

/// Reads what a node's logs say about images: one answer for each, in their order.
pub(super) async fn read(
    api: &Api,
    name: &str,
    images: &[String],
    now: Timestamp,
) -> Result<Vec<NodeLogs>, ApiError> {
    // Which runtime it has; without that permission all are asked for.
    let facts = node::facts(api, name).await.ok();
    let mut reading = Reading {
        api,
        name,
        units: units(facts.as_ref()),
        sieve: Sieve::new(images.to_vec(), vec![name.to_owned()], now),
        is_cut: false,
    };
    let has_read = reading.query(images, now).await?;
    if !has_read {
        return Err(ApiError::NotFound {
            message: format!("no log of {}", reading.units.join(", ")),
        });
    }
    let mut answers = vec![NodeLogs::default(); images.len()];
    for answer in &mut answers {
        answer.is_cut = reading.is_cut;
    }
    for found in reading.sieve.finish() {
        if let Some(at) = images.iter().position(|image| *image == found.image) {
            answers[at] = NodeLogs {
                is_cut: found.logs.is_cut || reading.is_cut,
                ..found.logs
            };
        }
    }
    Ok(answers)
}

/// The services whose logs tell of pulls. Four at most may be asked for.
fn units(facts: Option<&NodeFacts>) -> Vec<&'static str> {
    let Some(facts) = facts else {
        return vec!["kubelet", "containerd", "crio", "docker"];
    };
    // These run kubelet and containerd within a service of their own.
    if facts.kubelet.contains("+k3s") {
        return vec!["k3s", "k3s-agent"];
    }
    if facts.kubelet.contains("+rke2") {
        return vec!["rke2-server", "rke2-agent"];
    }
    match facts.runtime.split("://").next().unwrap_or_default() {
        "containerd" => vec!["kubelet", "containerd"],
        "cri-o" => vec!["kubelet", "crio"],
        "docker" => vec!["kubelet", "docker", "cri-docker"],
        _ => vec!["kubelet", "containerd", "crio", "docker"],
    }
}

/// What the kubelet notes in the place of lines.
#[derive(Debug, Default)]
struct Notes {
    /// Services that log to files.
    files: Vec<String>,
    /// journalctl was built without expressions.
    has_no_patterns: bool,
    /// There is no journalctl.
    has_no_journal: bool,
}

impl Notes {
    /// Whether a line is a note.
    fn take(&mut self, line: &[u8]) -> bool {
        let Ok(line) = std::str::from_utf8(line) else {
            return false;
        };
        if let Some(rest) =
            line.strip_prefix("options present and query resolved to log files for [")
        {
            let names = rest.split(']').next().unwrap_or_default();
            self.files = names.split_whitespace().map(str::to_owned).collect();
        } else if line.starts_with("Compiled without pattern matching support") {
            self.has_no_patterns = true;
        } else if line.starts_with("error: journal output not available")
            || line.starts_with("failed to get logging cmd")
        {
            self.has_no_journal = true;
        } else {
            return line.starts_with("try without specifying options")
                || line.starts_with("log not found for ")
                || line.starts_with("-- ");
        }
        true
    }
}

struct Reading<'a> {
    api: &'a Api,
    name: &'a str,
    units: Vec<&'static str>,
    sieve: Sieve,
    is_cut: bool,
}

impl Reading<'_> {
    fn path(&self) -> ApiPath {
        ApiPath::core()
            .segment("nodes")
            .segment(self.name)
            .segment("proxy")
            .segment("logs")
    }

    /// Asks journald, and reads the files of what does not log there. False where nothing could
    /// be read.
    async fn query(&mut self, images: &[String], now: Timestamp) -> Result<bool, ApiError> {
        let patterns: Vec<String> = images.iter().filter_map(|image| pattern(image)).collect();
        let all = patterns.join("|");
        // Without an expression the newest lines come, whatever they are about.
        let wanted = (patterns.len() == images.len() && all.len() <= PATTERN_MOST).then_some(all);
        let mut answer = self.ask(wanted.as_deref(), now).await;
        if let Ok((_, notes, _)) = &answer
            && notes.has_no_patterns
        {
            answer = self.ask(None, now).await;
        }
        let (streamed, notes, list) = match answer {
            Ok(answer) => answer,
            // The kubelet answers queries, but not this one: an older one knows other options.
            Err(ApiError::Status {
                code: 400 | 406, ..
            }) => {
                let units: Vec<String> = self.units.iter().map(|it| (*it).to_owned()).collect();
                return self.files(&units).await;
            }
            Err(error) => return Err(error),
        };
        if streamed.kind == "text/html" {
            return self.listed(&list).await;
        }
        self.is_cut |= !streamed.is_whole;
        let in_journal = notes.files.len() < self.units.len() && !notes.has_no_journal;
        Ok(self.files(&notes.files).await? || in_journal)
    }

    /// One query. Gives also the beginning of what came, should it be a list of files.
    async fn ask(
        &mut self,
        pattern: Option<&str>,
        now: Timestamp,
    ) -> Result<(Streamed, Notes, Vec<u8>), ApiError> {
        let mut path = self.path().segment("");
        for unit in &self.units {
            path = path.query("query", unit);
        }
        let since = now.checked_sub(BACK).unwrap_or(now);
        let path = path
            .query("tailLines", TAIL_LINES)
            .query(
                "sinceTime",
                &since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            )
            .query_opt("pattern", pattern);
        let wish = Wish {
            most: QUERY_MOST,
            tail: None,
        };
        let mut notes = Notes::default();
        let mut list = Vec::new();
        let sieve = &mut self.sieve;
        let mut lines = sieve.begin(Place::Node(self.name.to_owned()), self.units[0]);
        let mut take = |line: &[u8]| {
            if !notes.take(line) {
                sieve.take(line);
            }
        };
        let streamed = self
            .api
            .stream(&path, &wish, &mut |piece| {
                let room = LIST_MOST.saturating_sub(list.len());
                list.extend_from_slice(&piece[..piece.len().min(room)]);
                lines.push(piece, &mut take);
            })
            .await?;
        lines.finish(&mut take);
        self.sieve.end();
        Ok((streamed, notes, list))
    }

    /// Reads the files of a list that are the services'.
    async fn listed(&mut self, list: &[u8]) -> Result<bool, ApiError> {
        let list = String::from_utf8_lossy(list);
        let has = |name: String| list.contains(&format!("<a href=\"{name}\">"));
        let units: Vec<String> = self
            .units
            .iter()
            .filter(|unit| {
                has((**unit).to_owned()) || has(format!("{unit}.log")) || has(format!("{unit}/"))
            })
            .map(|unit| (*unit).to_owned())
            .collect();
        self.files(&units).await
    }

    /// Reads the ends of the services' files. False where there is none.
    async fn files(&mut self, units: &[String]) -> Result<bool, ApiError> {
        let mut has_read = false;
        for unit in units {
            // Where the kubelet itself looks, but for the last: a folder has that name too.
            let file = format!("{unit}.log");
            let places: [&[&str]; 3] = [&[&file], &[unit, &file], &[unit]];
            for place in places {
                if self.file(unit, place).await? {
                    has_read = true;
                    break;
                }
            }
        }
        Ok(has_read)
    }

    /// Reads the end of a file. False where there is none.
    async fn file(&mut self, unit: &str, place: &[&str]) -> Result<bool, ApiError> {
        let path = place
            .iter()
            .fold(self.path(), |path, segment| path.segment(segment));
        let wish = Wish {
            most: TAIL,
            tail: Some(TAIL),
        };
        let sieve = &mut self.sieve;
        let mut lines = sieve.begin(Place::Node(self.name.to_owned()), unit);
        // What the range cut in two is told from the rest only when the head of the answer is
        // there: the first line is held back.
        let mut first: Option<Vec<u8>> = None;
        let mut take = |line: &[u8]| {
            if first.is_none() {
                first = Some(line.to_vec());
            } else {
                sieve.take(line);
            }
        };
        let streamed = self
            .api
            .stream(&path, &wish, &mut |piece| lines.push(piece, &mut take))
            .await;
        lines.finish(&mut take);
        let streamed = match streamed {
            Ok(streamed) => streamed,
            // 301: a folder; 416: an empty file.
            Err(ApiError::NotFound { .. } | ApiError::Status { code: 301, .. }) => {
                return Ok(false);
            }
            Err(ApiError::Status { code: 416, .. }) => return Ok(true),
            Err(error) => return Err(error),
        };
        if let Some(first) = first.filter(|_| !streamed.is_tail) {
            self.sieve.take(&first);
        }
        self.sieve.end();
        self.is_cut |= streamed.is_tail || !streamed.is_whole;
        Ok(true)
    }
}
