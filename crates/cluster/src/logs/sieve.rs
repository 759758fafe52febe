//! Keeps of a log, whatever its size, the newest lines about images.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use pulldoctor_messages::{LogLevel, log_line_body, read_log_line};
use pulldoctor_model::{LogLine, NodeLogs, clean_line, without_secrets};

use super::names::{About, Names};
use super::pulls::Pulls;
use crate::lines::Lines;

/// How many bytes of a line, or of an entry over several lines, are read.
const LINE_MOST: usize = 32 << 10;

/// How many bytes of a line are kept.
const TEXT_MOST: usize = 2 << 10;

/// How many lines about an image are kept for a node, and how many about its registry besides.
const ABOUT_IMAGE_MOST: usize = 40;
const ABOUT_REGISTRY_MOST: usize = 20;

/// Where a log was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this node.
    Node(String),
    /// Where its lines say; those of other computers are left out.
    Hosts,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sieve {
    images: Vec<String>,
    names: Option<Names>,
    pulls: Option<Pulls>,
    nodes: Vec<String>,
    near: Timestamp,
    place: Place,
    unit: String,
    /// An entry that goes on over the next lines, as klog writes long values.
    open: Option<String>,
    is_unplaced: bool,
    is_silent: bool,
    count: u64,
    kept: BTreeMap<(Option<String>, usize), Kept>,
    /// Seconds east of UTC of the nodes' clocks, as far as lines tell.
    zones: BTreeMap<String, i32>,
}

/// What is kept for an image on a node.
#[derive(Debug, Default)]
struct Kept {
    lines: Vec<Line>,
    is_cut: bool,
}

#[derive(Debug)]
struct Line {
    about: About,
    /// The order of what tells no time is that of the log.
    at: (Option<Timestamp>, u64),
    said: LogLine,
}

/// What a log says of an image.
#[derive(Debug)]
pub(crate) struct Found {
    /// The node; none where nothing says it.
    pub(crate) node: Option<String>,
    /// The image as written in the pod.
    pub(crate) image: String,
    /// The lines.
    pub(crate) logs: NodeLogs,
}

impl Sieve {
    /// Looks for these images, on these nodes, in logs that end about the time `near`.
    pub(crate) fn new(images: Vec<String>, nodes: Vec<String>, near: Timestamp) -> Self {
        Self {
            // It fails where there are too many patterns: there is a limit to the images.
            names: Names::new(&images).ok(),
            pulls: Pulls::new().ok(),
            images,
            nodes,
            near,
            place: Place::Hosts,
            unit: String::new(),
            open: None,
            is_unplaced: false,
            is_silent: true,
            count: 0,
            kept: BTreeMap::new(),
            zones: BTreeMap::new(),
        }
    }

    /// Begins with a log; `unit` is said where its lines do not tell the program.
    pub(crate) fn begin(&mut self, place: Place, unit: &str) -> Lines {
        self.open = None;
        self.is_unplaced = false;
        self.is_silent = true;
        if let Some(pulls) = &mut self.pulls {
            pulls.begin();
        }
        self.place = place;
        self.unit = clean_line(unit).into_owned();
        Lines::new(LINE_MOST)
    }

    /// Takes a line.
    pub(crate) fn take(&mut self, line: &[u8]) {
        if let Some(mut open) = self.open.take() {
            let text = String::from_utf8_lossy(line);
            let body = log_line_body(&text);
            let is_within = body.starts_with('\t') || body.starts_with(" >");
            if is_within && open.len() + body.len() < LINE_MOST {
                open.push('\n');
                open.push_str(body);
                // klog ends a value with ` >`, and a further one may follow.
                if body.starts_with(" >") && !body.ends_with("=<") {
                    self.entry(&open);
                } else {
                    self.open = Some(open);
                }
                return;
            }
            self.entry(&open);
            if is_within {
                return;
            }
        }
        if line.ends_with(b"=<") {
            self.open = Some(String::from_utf8_lossy(line).into_owned());
        } else if self.names.as_ref().is_some_and(|names| names.may_be(line))
            || self.pulls.as_ref().is_some_and(|pulls| pulls.may_be(line))
        {
            let line = whole_words(line);
            self.entry(&String::from_utf8_lossy(line));
        }
    }

    /// Ends a log.
    pub(crate) fn end(&mut self) {
        if let Some(open) = self.open.take() {
            self.entry(&open);
        }
    }

    /// Whether the log that was read last has no line about any of the images.
    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Whether the log that was read last has lines of which nothing says the node.
    pub(crate) fn has_unplaced(&self) -> bool {
        self.is_unplaced
    }

    fn entry(&mut self, line: &str) {
        let Some(names) = &self.names else {
            return;
        };
        let mut found = names.of(line.as_bytes());
        let pulls = self
            .pulls
            .as_mut()
            .filter(|pulls| pulls.may_be(line.as_bytes()));
        if found.is_empty() && pulls.is_none() {
            return;
        }
        let mut entry = read_log_line(line, self.near);
        let is_told = found.iter().any(|(_, about)| *about == About::Image);
        if let Some(image) = pulls.and_then(|pulls| pulls.hear(entry.host.as_deref(), &entry.text))
            && !is_told
        {
            found = names.of(image.as_bytes());
            found.retain(|(_, about)| *about == About::Image);
            entry.text = format!("{} while pulling \"{image}\"", entry.text);
        }
        if found.is_empty() {
            return;
        }
        let node = match &self.place {
            Place::Node(node) => Some(node.clone()),
            Place::Hosts => match &entry.host {
                None => None,
                Some(host) => match node_of(host, &self.nodes) {
                    Some(node) => Some(node.to_owned()),
                    None => return,
                },
            },
        };
        if let (Some(node), Some(offset)) = (&node, entry.offset_s) {
            self.zones.insert(node.clone(), offset);
        }
        self.is_unplaced |= node.is_none();
        self.is_silent = false;
        let unit = match entry.unit.as_deref() {
            Some("dockerd") => "docker".to_owned(),
            Some(unit) => clean_line(unit).into_owned(),
            None => self.unit.clone(),
        };
        let safe = without_secrets(&entry.text);
        let text = shortened(&clean_line(safe.trim()));
        self.count += 1;
        for (image, about) in found {
            // Of others of the registry only what went wrong is worth a line.
            if about == About::Registry && entry.level == Some(LogLevel::Info) {
                continue;
            }
            let kept = self.kept.entry((node.clone(), image)).or_default();
            kept.add(Line {
                about,
                at: (entry.time, self.count),
                said: LogLine {
                    unit: unit.clone(),
                    time: entry.time,
                    is_zoneless: entry.is_zoneless,
                    text: text.clone(),
                },
            });
        }
    }

    /// What was found: for each node and image that has a line.
    pub(crate) fn finish(mut self) -> Vec<Found> {
        self.end();
        let images = self.images;
        let zones = self.zones;
        self.kept
            .into_iter()
            .map(|((node, image), mut kept)| {
                // The programs of one computer go by one clock.
                if let Some(offset) = node.as_ref().and_then(|node| zones.get(node)) {
                    kept.place(*offset);
                }
                Found {
                    node,
                    image: images[image].clone(),
                    logs: kept.logs(),
                }
            })
            .collect()
    }
}

impl Kept {
    fn add(&mut self, line: Line) {
        // The same is said at every try: the newest stays.
        let known = self
            .lines
            .iter()
            .position(|it| it.said.text == line.said.text && it.said.unit == line.said.unit);
        if let Some(known) = known {
            if self.lines[known].at <= line.at {
                self.lines.remove(known);
                self.lines.push(line);
            }
            return;
        }
        let (about, most) = match line.about {
            About::Image => (About::Image, ABOUT_IMAGE_MOST),
            About::Registry => (About::Registry, ABOUT_REGISTRY_MOST),
        };
        self.lines.push(line);
        if self.lines.iter().filter(|it| it.about == about).count() > most {
            self.is_cut = true;
            let oldest = (0..self.lines.len())
                .filter(|at| self.lines[*at].about == about)
                .min_by_key(|at| self.lines[*at].at);
            if let Some(oldest) = oldest {
                self.lines.remove(oldest);
            }
        }
    }

    /// Times without a zone are those of a clock so many seconds east of UTC.
    fn place(&mut self, offset: i32) {
        let offset = SignedDuration::from_secs(i64::from(offset));
        for line in self.lines.iter_mut().filter(|line| line.said.is_zoneless) {
            let placed = line
                .said
                .time
                .and_then(|time| time.checked_sub(offset).ok());
            line.said.time = placed;
            line.said.is_zoneless = false;
            line.at.0 = placed;
        }
    }

    fn logs(mut self) -> NodeLogs {
        self.lines.sort_by_key(|it| it.at);
        NodeLogs {
            lines: self.lines.into_iter().map(|it| it.said).collect(),
            is_cut: self.is_cut,
        }
    }
}

/// The node that a host name means: its own, or with or without a domain.
fn node_of<'n>(host: &str, nodes: &'n [String]) -> Option<&'n str> {
    if let Some(node) = nodes.iter().find(|node| *node == host) {
        return Some(node);
    }
    let first = |name: &str| {
        name.split('.')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let alike: HashSet<&String> = nodes
        .iter()
        .filter(|node| {
            let (host, node) = (host.to_ascii_lowercase(), node.to_ascii_lowercase());
            first(&host) == first(&node) && (!host.contains('.') || !node.contains('.'))
        })
        .collect();
    match alike.into_iter().collect::<Vec<_>>().as_slice() {
        [node] => Some(node),
        _ => None,
    }
}

/// A line that may have been cut, without the word at its cut: half of a secret cannot be told
/// for one.
fn whole_words(line: &[u8]) -> &[u8] {
    if line.len() < LINE_MOST {
        return line;
    }
    let end = line
        .iter()
        .rposition(|byte| *byte == b' ')
        .unwrap_or_default();
    &line[..end]
}

/// A text of at most [`TEXT_MOST`] bytes: of longer ones the head and the tail, where the cause
/// stands.
fn shortened(text: &str) -> String {
    if text.len() <= TEXT_MOST {
        return text.to_owned();
    }
    let head = floor(text, TEXT_MOST / 2);
    let tail = floor(text, text.len() - TEXT_MOST / 2);
    format!("{} … {}", &text[..head], &text[tail..])
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "reg.lab/shop/api:1";

    fn sieve(nodes: &[&str]) -> Sieve {
        Sieve::new(
            vec![IMAGE.to_owned()],
            nodes.iter().map(|node| (*node).to_owned()).collect(),
            "2026-11-23T13:00:00Z".parse().unwrap(),
        )
    }

    fn sift(text: &str, place: Place) -> Vec<Found> {
        let mut sieve = sieve(&["n1", "n2.example.com"]);
        let mut lines = sieve.begin(place, "containerd");
        lines.push(text.as_bytes(), &mut |line| sieve.take(line));
        lines.finish(&mut |line| sieve.take(line));
        sieve.finish()
    }

    fn on_n1(text: &str) -> Vec<String> {
        sift(text, Place::Node("n1".to_owned()))
            .into_iter()
            .flat_map(|found| found.logs.lines)
            .map(|line| format!("{}: {}", line.unit, line.text))
            .collect()
    }

    #[test]
    fn only_lines_about_the_image_and_faults_of_its_registry_stay() {
        let text = concat!(
            "time=\"2026-11-23T12:00:00Z\" level=info msg=\"PullImage \\\"reg.lab/shop/api:1\\\"\"\n",
            "time=\"2026-11-23T12:00:01Z\" level=info msg=\"PullImage \\\"reg.lab/shop/web:1\\\"\"\n",
            "time=\"2026-11-23T12:00:02Z\" level=error msg=\"PullImage \\\"reg.lab/shop/web:1\\\" failed\" error=\"x\"\n",
            "time=\"2026-11-23T12:00:03Z\" level=error msg=\"PullImage \\\"other.lab/a:1\\\" failed\"\n",
        );
        assert_eq!(
            on_n1(text),
            [
                "containerd: PullImage \"reg.lab/shop/api:1\"",
                "containerd: PullImage \"reg.lab/shop/web:1\" failed: x"
            ]
        );
    }

    #[test]
    fn what_a_host_said_belongs_to_the_pull_that_went_on() {
        let line =
            |message: &str| format!("time=\"2026-11-23T12:00:00Z\" level=info msg={message}\n");
        let starts = |image: &str| line(&format!("\"PullImage \\\"{image}\\\"\""));
        let lacks = line("\"trying next host - response was http.StatusNotFound\" host=mirror.lab");
        let alone = [starts(IMAGE), lacks.clone()].concat();
        assert_eq!(
            on_n1(&alone),
            [
                "containerd: PullImage \"reg.lab/shop/api:1\"",
                "containerd: trying next host - response was http.StatusNotFound (host=\"mirror.lab\") while pulling \"reg.lab/shop/api:1\""
            ]
        );
        let of_another = [starts("other.lab/a:1"), lacks.clone()].concat();
        assert!(on_n1(&of_another).is_empty());
        let of_either = [starts(IMAGE), starts("other.lab/a:1"), lacks].concat();
        assert_eq!(on_n1(&of_either).len(), 1);
    }

    #[test]
    fn what_klog_writes_over_several_lines_is_one_also_behind_journalds_prefix() {
        let text = concat!(
            "Nov 23 12:00:00 n1 kubelet[1]: E1123 12:00:00.000000 1 a.go:1] \"Error syncing pod\" err=<\n",
            "Nov 23 12:00:00 n1 kubelet[1]: \tfailed to pull \"reg.lab/shop/api:1\": toomanyrequests:\n",
            "Nov 23 12:00:00 n1 kubelet[1]: \tslow down\n",
            "Nov 23 12:00:00 n1 kubelet[1]:  > pod=\"shop/api\"\n",
            "Nov 23 12:00:01 n1 kubelet[1]: E1123 12:00:01.000000 1 a.go:1] \"other\" err=<\n",
            "Nov 23 12:00:01 n1 kubelet[1]: I1123 12:00:02.000000 1 a.go:1] reg.lab/shop/api:1 again\n",
        );
        let found = sift(text, Place::Hosts);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].node.as_deref(), Some("n1"));
        let texts: Vec<&str> = found[0]
            .logs
            .lines
            .iter()
            .map(|it| it.text.as_str())
            .collect();
        assert_eq!(
            texts,
            [
                "Error syncing pod (pod=\"shop/api\"): failed to pull \"reg.lab/shop/api:1\": toomanyrequests: slow down",
                "reg.lab/shop/api:1 again"
            ]
        );
        assert_eq!(found[0].logs.lines[0].unit, "kubelet");
    }

    #[test]
    fn hosts_are_nodes_with_or_without_their_domain_and_others_are_left_out() {
        let line = |host: &str| format!("Nov 23 12:00:00 {host} kubelet[1]: {IMAGE} {host}\n");
        let text: String = ["n1.example.com", "n2", "n3", "n1"].map(line).concat();
        let found = sift(&text, Place::Hosts);
        let nodes: Vec<_> = found.iter().map(|it| it.node.as_deref().unwrap()).collect();
        assert_eq!(nodes, ["n1", "n2.example.com"]);
        assert_eq!(found[0].logs.lines.len(), 2);
    }

    #[test]
    fn the_runtimes_times_tell_the_zone_of_the_kubelets() {
        let klog = format!("E1123 14:00:01.000000 1 a.go:1] {IMAGE} kubelet\n");
        let runtime =
            format!("time=\"2026-11-23T14:00:00+02:00\" level=error msg=\"{IMAGE} runtime\"\n");
        let lines = |text: &str| {
            let found = sift(text, Place::Node("n1".to_owned()));
            found.into_iter().flat_map(|found| found.logs.lines)
        };
        let alone: Vec<LogLine> = lines(&klog).collect();
        assert!(alone[0].is_zoneless);
        assert_eq!(alone[0].time, "2026-11-23T14:00:01Z".parse().ok());
        let both: Vec<LogLine> = lines(&[klog, runtime].concat()).collect();
        assert!(both.iter().all(|line| !line.is_zoneless));
        assert_eq!(both[1].time, "2026-11-23T12:00:01Z".parse().ok());
        assert!(both[1].text.ends_with("kubelet"), "in their order");
    }

    #[test]
    fn the_newest_lines_stay_and_the_same_is_said_once() {
        let line = |at: u32| {
            let (second, number) = (at % 60, at % 50);
            format!(
                "time=\"2026-11-23T12:00:{second:02}Z\" level=error msg=\"{IMAGE} try {number}\"\n"
            )
        };
        let text = (0..100).map(line).collect::<Vec<_>>().concat();
        let found = sift(&text, Place::Node("n1".to_owned()));
        let logs = &found[0].logs;
        assert_eq!(logs.lines.len(), ABOUT_IMAGE_MOST);
        assert!(logs.is_cut);
        assert!(logs.lines.is_sorted_by_key(|line| line.time));
        assert!(logs.lines[0].time > "2026-11-23T12:00:10Z".parse().ok());
        let twice = format!("level=error msg=\"{IMAGE} x\"\n").repeat(3);
        assert_eq!(on_n1(&twice).len(), 1);
    }

    #[test]
    fn no_secret_passes_not_even_at_a_cut() {
        const CANARY: &str = "c4n4ryS3cr3tOfTheTests";
        let mut text = format!(
            "level=error msg=\"{IMAGE}\" error=\"Get \\\"https://u:{CANARY}@reg.lab/v2/\\\": EOF\"\n\
             E1123 12:00:00.000000 1 a.go:1] {IMAGE} Authorization: Bearer {CANARY}\n\
             E1123 12:00:00.000000 1 a.go:1] \"x\" err=\"container &Container{{Name:a,Image:{IMAGE},Env:[]EnvVar{{EnvVar{{Name:PIN,Value:{CANARY},}},}},}} start failed in pod a: b\"\n\
             {IMAGE} {{\"auths\":{{\"reg.lab\":{{\"auth\":\"{CANARY}\"}}}}}}\n"
        );
        // The user's part of a URL, cut before its `@`.
        let start = format!("{IMAGE} ");
        let url = "https://u:";
        let room = LINE_MOST - start.len() - url.len() - 10;
        let filler = "x".repeat(room - 1);
        let cut = [&start, &filler, " ", url, CANARY, CANARY, "@reg.lab/\n"];
        text.push_str(&cut.concat());
        let said = on_n1(&text).join("\n");
        assert!(said.contains("Authorization"), "{said}");
        assert!(!said.contains(&CANARY[..8]), "{said}");
    }

    #[test]
    fn long_texts_keep_their_end() {
        let said = on_n1(&format!("{IMAGE} {} the cause\n", "é".repeat(TEXT_MOST)));
        assert!(said[0].len() < TEXT_MOST + 40);
        assert!(said[0].ends_with("the cause"));
    }
}
