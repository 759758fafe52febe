//! Reads what people paste: `kubectl describe pod`, `kubectl get events`, journald, several lines.

use serde::{Deserialize, Serialize};

use crate::draft::Weight;
use crate::text::{CAP, WINDOW, joined, keep};
use crate::{Fault, Reading, age, assemble};

/// How much of a pasted text is read; the rest is left out and [`Paste::truncated`] says so.
const PASTE_CAP: usize = 1024 * 1024;
/// How many distinct errors are kept.
const MOST: usize = 64;

/// What a pasted text tells.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Paste {
    /// The distinct errors, most informative first; of one image what its newest try says, where
    /// the rows have ages. A text without any has none.
    pub readings: Vec<Reading>,
    /// The pod that `kubectl describe` shows, or an event names.
    pub pod: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// The node that it runs on.
    pub node: Option<String>,
    /// Images of the pod's containers, as written in the pod.
    pub images: Vec<String>,
    /// Waiting reasons, in order.
    pub reasons: Vec<String>,
    /// The text was longer than what is read.
    pub truncated: bool,
}

/// Reads a pasted text, of one message or of many lines.
///
/// Lines that go on the line before them (wrapped, or a server's message) are joined to it. Each
/// distinct error comes once, the one that tells most first; errors that only repeat that a pull
/// failed are left out where another one tells why. Never fails; linear in what is read (1 MiB).
pub fn read_paste(text: &str) -> Paste {
    let (text, truncated) = cap(text);
    let text = &*joined(text);
    let mut paste = Paste {
        truncated,
        ..Paste::default()
    };
    let mut found: Vec<Found> = Vec::new();
    let mut notes: Vec<Found> = Vec::new();
    for block in blocks(text) {
        paste.context(&block);
        let (weight, reading) = assemble::read_weighed(&block);
        let target = match reading.fault {
            Fault::Unknown => continue,
            Fault::BackOffOnly | Fault::NotAPullProblem => &mut notes,
            _ => &mut found,
        };
        let age = age::of_row(&block);
        if let Some(known) = target.iter_mut().find(|it| same(&it.reading, &reading)) {
            known.age = known.age.into_iter().chain(age).min();
            if details(&reading) > details(&known.reading) {
                known.weight = weight;
                known.reading = reading;
            }
        } else if target.len() < MOST {
            target.push(Found {
                weight,
                age,
                reading,
            });
        }
    }
    if found.is_empty() {
        found = notes;
    }
    // A stable sort: of equals the text's order stays. An error that belongs to a pull goes before
    // what only stands near it; a secret that is not there explains a refusal.
    let refused = found.iter().any(|it| is_refusal(&it.reading.fault));
    found.sort_by_key(|it| {
        let explains = refused && it.reading.fault == Fault::SecretMissing;
        let pull = !it.reading.layers.is_empty();
        std::cmp::Reverse((explains, pull, it.weight))
    });
    newest_first(&mut found);
    paste.readings = found.into_iter().map(|it| it.reading).collect();
    if paste.readings.is_empty() {
        // One error that is spread over lines in a way of its own.
        let whole = crate::read(text);
        if whole.fault != Fault::Unknown {
            paste.readings.push(whole);
        }
    }
    paste
}

/// One of the distinct errors.
struct Found {
    weight: Weight,
    /// How many seconds ago it came last, where its row says so.
    age: Option<u64>,
    reading: Reading,
}

/// Puts of each image what its newest try says before what an older one said: how the weights of two
/// tries compare tells nothing. An end that nobody explains is no news.
fn newest_first(found: &mut [Found]) {
    for first in 0..found.len() {
        let image = found[first].reading.image.clone();
        let is_known = |it: &Found| it.reading.image == image;
        let Some(age) = found[first].age else {
            continue;
        };
        if image.is_none() || found[..first].iter().any(is_known) {
            continue;
        }
        let newest = (first + 1..found.len())
            .filter(|at| is_known(&found[*at]) && tells(&found[*at].reading))
            .filter_map(|at| found[at].age.filter(|own| *own < age).map(|own| (own, at)))
            .min();
        if let Some((_, at)) = newest {
            found[first..=at].rotate_right(1);
        }
    }
}

/// Whether an error of a pull says what was wrong.
fn tells(reading: &Reading) -> bool {
    !reading.layers.is_empty()
        && !matches!(
            reading.fault,
            Fault::Cancelled | Fault::DeadlineExceeded | Fault::Interrupted
        )
}

/// The reading that tells most of a text of several events, none where the text is one message.
///
/// Events are errors apart: what one says of its image must not be taken for another's.
pub fn read_rows(text: &str) -> Option<Reading> {
    let rows = text
        .lines()
        .filter(|line| {
            let mut words = line.split_whitespace().take(5);
            words.any(|word| word == "Warning")
        })
        .nth(1);
    rows?;
    let paste = read_paste(text);
    (paste.readings.len() > 1).then_some(())?;
    paste.readings.into_iter().next()
}

fn cap(text: &str) -> (&str, bool) {
    if text.len() <= PASTE_CAP {
        return (text, false);
    }
    let mut end = PASTE_CAP;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], true)
}

/// Whether a fault may come of a login that was not sent.
fn is_refusal(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::AccessDenied
            | Fault::NoCredentials
            | Fault::TokenRefused { .. }
            | Fault::Unauthorized
            | Fault::Forbidden
    )
}

/// Whether two readings tell the same: the same fault of the same image at the same place.
fn same(one: &Reading, other: &Reading) -> bool {
    let agree = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    one.fault == other.fault
        && agree(&one.image, &other.image)
        && agree(&one.registry, &other.registry)
        && agree(&one.facts.path, &other.facts.path)
        && one.facts.secrets == other.facts.secrets
}

/// How much a reading tells, to choose among those that tell the same.
fn details(reading: &Reading) -> usize {
    usize::from(reading.image.is_some())
        + usize::from(reading.url.is_some())
        + usize::from(reading.server_message.is_some())
        + usize::from(reading.reason.is_some())
        + reading.layers.len()
        + reading.attempts.len() * 4
}

/// An error in the making. What later lines ask of it is kept, so that no line reads it again.
struct Block {
    text: String,
    indent: usize,
    odd_quotes: bool,
    failing: bool,
    message_field: bool,
    /// The length of its last line.
    width: usize,
    /// How many lists of errors it holds, as containers/image prints several.
    lists: usize,
}

impl Block {
    fn new(line: &str, indent: usize) -> Self {
        let lower = line.trim().to_ascii_lowercase();
        let message_field = ["message:", "reason:", "- message:", "error:"]
            .iter()
            .any(|field| lower.starts_with(field));
        let mut block = Self {
            text: String::new(),
            indent,
            odd_quotes: false,
            failing: false,
            message_field,
            width: 0,
            lists: 0,
        };
        block.push(line);
        block
    }

    fn push(&mut self, line: &str) {
        let line = line.trim();
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(line);
        self.odd_quotes ^= line.bytes().filter(|b| *b == b'"').count() % 2 == 1;
        self.failing |= ["ailed to", "ack-off pulling", "ErrImagePull", "rror"]
            .iter()
            .any(|sign| line.contains(sign));
        self.width = line.len();
        self.lists += usize::from(line.ends_with("errors:"));
    }

    /// Whether a line goes on this block.
    fn takes(&self, line: &str, depth: usize) -> bool {
        let line = line.trim();
        if starts_anew(line) || self.text.len() >= CAP {
            return false;
        }
        // A sentence that breaks off goes on.
        let open = self.odd_quotes
            || self.text.ends_with([':', ',', '-', '(', '[', '"'])
            || [
                " to", " in", " for", " from", " of", " on", " with", "error",
            ]
            .iter()
            .any(|end| self.text.ends_with(end));
        // `kubectl get -o yaml` folds long strings: deeper lines below `message:`.
        let folded = depth > self.indent && (self.message_field || self.failing);
        let first = line.split([':', ' ']).next().unwrap_or_default();
        // A line that was as wide as a window goes on in the next, in the middle of a sentence.
        let wrapped = self.failing
            && self.width >= WINDOW
            && first.starts_with(|c: char| c.is_ascii_lowercase())
            && !first.contains('=')
            && !matches!(
                first,
                "error" | "failed" | "fatal" | "rpc" | "ctr" | "docker"
            );
        // A registry's words stand on a line of their own (containerd 2.1 on).
        let after_status = self.text.bytes().rev().take(40).any(|b| b.is_ascii_digit());
        let answer = (after_status || self.lists > 0)
            && matches!(
                first,
                "toomanyrequests"
                    | "denied"
                    | "unauthorized"
                    | "manifest"
                    | "errors"
                    | "name"
                    | "unknown"
                    | "unavailable"
            );
        open || folded || wrapped || answer
    }
}

/// Cuts a text into errors: one line each, with the lines that go on it.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut apart = true;
    for line in text.lines() {
        if line.trim().is_empty() {
            apart = true;
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        match blocks.last_mut() {
            Some(block) if !apart && block.takes(line, depth) => block.push(line),
            _ => blocks.push(Block::new(line, depth)),
        }
        apart = false;
    }
    blocks.into_iter().map(|block| block.text).collect()
}

/// Whether a line begins an entry of its own: an event, a log line, a field.
fn starts_anew(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    if matches!(
        first,
        "Normal"
            | "Warning"
            | "Events:"
            | "Conditions:"
            | "State:"
            | "Reason:"
            | "Image:"
            | "Type"
            | "----"
            | "level=error"
    ) {
        return true;
    }
    // `5m12s  Warning  Failed …`, `2026-11-24T…`, `Nov 24 20:00:00`, `E1124 20:00:00.…`, `time="…`.
    let second = line.split_whitespace().nth(1).unwrap_or_default();
    let clock = |word: &str| {
        word.len() >= 8
            && word.as_bytes().get(2) == Some(&b':')
            && word.as_bytes().get(5) == Some(&b':')
    };
    matches!(second, "Normal" | "Warning")
        || first.starts_with("time=\"")
        || first.starts_with("{\"")
        || first.ends_with('s')
            && first.bytes().next().is_some_and(|b| b.is_ascii_digit())
            && second == "Warning"
        || clock(second)
        || line.split_whitespace().nth(2).is_some_and(clock)
        || (first.len() >= 19
            && first.as_bytes().get(4) == Some(&b'-')
            && first.as_bytes().get(10) == Some(&b'T'))
}

impl Paste {
    /// Takes the fields of `kubectl describe pod` and of `-o yaml`.
    fn context(&mut self, block: &str) {
        let Some((name, value)) = block.split_once(':') else {
            return;
        };
        let value = value.trim();
        if value.is_empty() || value.len() > 1024 {
            return;
        }
        let first = value
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .trim_matches('"');
        match name.trim_start_matches("- ").trim() {
            "Name" if self.pod.is_none() => self.pod = Some(keep(first, 253)),
            "Namespace" | "namespace" if self.namespace.is_none() => {
                self.namespace = Some(keep(first, 63));
            }
            "Node" | "nodeName" if self.node.is_none() => {
                self.node = Some(keep(first.split('/').next().unwrap_or(first), 253));
            }
            "Image" | "image" => {
                let image = keep(first, 512);
                if !self.images.contains(&image) && self.images.len() < MOST {
                    self.images.push(image);
                }
            }
            "Reason" | "reason" => {
                let reason = keep(value.trim_matches('"'), 255);
                let ours = reason.contains("Image")
                    || reason.contains(' ')
                    || reason == "RegistryUnavailable"
                    || reason == "SignatureValidationFailed";
                if ours && !self.reasons.contains(&reason) && self.reasons.len() < MOST {
                    self.reasons.push(reason);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layer;

    const DESCRIBE: &str = r#"Name:             api-6c9f-x2
Namespace:        shop
Priority:         0
Node:             n3/10.0.0.13
Status:           Pending
Containers:
  api:
    Image:          reg.example.com/shop/api:1
    State:          Waiting
      Reason:       ImagePullBackOff
    Ready:          False
Events:
  Type     Reason     Age                From               Message
  ----     ------     ----               ----               -------
  Normal   Scheduled  61s                default-scheduler  Successfully assigned shop/api-6c9f-x2 to n3
  Normal   Pulling    21s (x3 over 60s)  kubelet            Pulling image "reg.example.com/shop/api:1"
  Warning  Failed     21s (x3 over 60s)  kubelet            Failed to pull image "reg.example.com/shop/api:1": failed to pull and unpack image "reg.example.com/shop/api:1": failed to resolve reference "reg.example.com/shop/api:1": unexpected status from GET request to https://reg.example.com/v2/shop/api/manifests/1: 429 Too Many Requests
toomanyrequests: You have reached your limit
  Warning  Failed     21s (x3 over 60s)  kubelet            Error: ErrImagePull
  Normal   BackOff    7s (x4 over 60s)   kubelet            Back-off pulling image "reg.example.com/shop/api:1"
  Warning  Failed     7s (x4 over 60s)   kubelet            Error: ImagePullBackOff
"#;

    #[test]
    fn describe_gives_the_error_once_and_its_context() {
        let paste = read_paste(DESCRIBE);
        assert_eq!(paste.readings.len(), 1, "{:#?}", paste.readings);
        let reading = &paste.readings[0];
        assert_eq!(reading.fault, Fault::RateLimited);
        assert_eq!(
            reading.server_message.as_deref(),
            Some("toomanyrequests: You have reached your limit")
        );
        assert!(reading.layers.contains(&Layer::FailedToPull));
        assert_eq!(paste.pod.as_deref(), Some("api-6c9f-x2"));
        assert_eq!(paste.namespace.as_deref(), Some("shop"));
        assert_eq!(paste.node.as_deref(), Some("n3"));
        assert_eq!(paste.images, ["reg.example.com/shop/api:1"]);
        assert_eq!(paste.reasons, ["ImagePullBackOff"]);
    }

    #[test]
    fn different_errors_come_each_once_most_telling_first() {
        let paste = read_paste(
            "5m  Warning  Failed  pod/a  Failed to pull image \"x/y:1\": context canceled\n\
             5m  Warning  FailedToRetrieveImagePullSecret  pod/a  Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.\n\
             5m  Warning  Failed  pod/a  Failed to pull image \"x/y:1\": context canceled\n\
             5m  Warning  Failed  pod/a  Error: ErrImagePull\n",
        );
        let faults: Vec<_> = paste.readings.iter().map(|r| &r.fault).collect();
        assert_eq!(faults, [&Fault::Cancelled, &Fault::SecretMissing]);
    }

    #[test]
    fn a_secret_that_is_not_there_comes_before_the_refusal_that_it_explains() {
        let paste = read_paste(
            "  Warning  FailedToRetrieveImagePullSecret  12s  kubelet  Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.\n\
               Warning  Failed  21s  kubelet  Failed to pull image \"r.io/x:1\": failed to pull and unpack image \"r.io/x:1\": failed to resolve reference \"r.io/x:1\": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials\n",
        );
        let faults: Vec<_> = paste.readings.iter().map(|r| &r.fault).collect();
        assert_eq!(faults, [&Fault::SecretMissing, &Fault::NoCredentials]);
    }

    #[test]
    fn lines_that_a_window_wrapped_are_one_error() {
        for text in [
            "Failed to pull image \"registry.example.com/google_containers/registry:2.7.1\":\nrpc error: code = Unknown desc = Error response from daemon: manifest for\nregistry.example.com/google_containers/registry:2.7.1-with-a-long-tail-behind-it\nnot found: manifest unknown: manifest unknown\n",
            "Error: initializing source docker://r.io/<your_user_name>/hello-private:latest: errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n",
        ] {
            let paste = read_paste(text);
            assert_eq!(paste.readings.len(), 1, "{:#?}", paste.readings);
        }
    }

    #[test]
    fn events_of_two_images_are_not_mixed() {
        let rate = "4m  Warning  Failed  pod/web-1  Failed to pull image \"nginx:1.99\": rpc error: code = Unknown desc = Error response from daemon: toomanyrequests: You have reached your pull rate limit.";
        let tls = "5m  Warning  Failed  pod/api-1  Failed to pull image \"reg.example.com/shop/api:1\": failed to do request: Head \"https://reg.example.com/v2/shop/api/manifests/1\": x509: certificate signed by unknown authority";
        let reading = read_rows(&format!("{rate}\n{tls}")).expect("two events");
        assert_eq!(reading.fault, Fault::UnknownAuthority);
        assert_eq!(reading.image.as_deref(), Some("reg.example.com/shop/api:1"));
        assert_eq!(read_rows(rate), None);
        assert_eq!(read_rows(&format!("{rate}\n{rate}")), None);
    }

    #[test]
    fn of_one_image_the_newest_try_comes_first() {
        let timeout = |age: &str| {
            format!(
                "  Warning  Failed  {age}  kubelet  Failed to pull image \"r.io/x:1\": failed to do request: Head \"https://r.io/v2/x/manifests/1\": dial tcp 10.0.0.9:443: i/o timeout"
            )
        };
        let missing = |age: &str| {
            format!(
                "  Warning  Failed  {age}  kubelet  Failed to pull image \"r.io/x:1\": failed to pull and unpack image \"r.io/x:1\": failed to resolve reference \"r.io/x:1\": r.io/x:1: not found"
            )
        };
        let first = |rows: [String; 2]| read_paste(&rows.join("\n")).readings.remove(0).fault;
        let absent = |fault: &Fault| matches!(fault, Fault::ManifestMissing { .. });
        assert!(absent(&first([timeout("3m"), missing("20s (x3 over 2m)")])));
        assert!(absent(&first([missing("20s"), timeout("1h2m")])));
        assert_eq!(first([missing("3m"), timeout("20s")]), Fault::DialTimeout);
        // That a try was given up explains nothing.
        let cancelled = missing("5s").replace("r.io/x:1: not found", "context canceled");
        assert_eq!(first([timeout("3m"), cancelled]), Fault::DialTimeout);
    }

    #[test]
    fn wrapped_lines_are_one_error() {
        let paste = read_paste(
            "Failed to pull image \"r.io/x:1\":\n  failed to pull and unpack image \"r.io/x:1\":\n  failed to resolve reference \"r.io/x:1\":\n  failed to do request: Head\n  \"https://r.io/v2/x/manifests/1\": dial tcp: lookup r.io on 10.0.0.1:53:\n  no such host\n",
        );
        assert_eq!(paste.readings.len(), 1, "{:#?}", paste.readings);
        assert!(matches!(paste.readings[0].fault, Fault::Dns { .. }));
    }

    #[test]
    fn a_back_off_alone_is_told_as_such_and_prose_gives_nothing() {
        assert_eq!(
            read_paste("Back-off pulling image \"x\"").readings[0].fault,
            Fault::BackOffOnly
        );
        assert!(
            read_paste("Dear all,\nwhat is for lunch?\n")
                .readings
                .is_empty()
        );
    }

    #[test]
    fn messages_in_yaml_are_unfolded() {
        let paste = read_paste(
            "    state:\n      waiting:\n        message: 'Back-off pulling image \"r.io/x:1\": ErrImagePull: failed to pull\n          and unpack image \"r.io/x:1\": failed to resolve reference \"r.io/x:1\":\n          r.io/x:1: not found'\n        reason: ImagePullBackOff\n",
        );
        assert_eq!(paste.readings.len(), 1, "{:#?}", paste.readings);
        assert!(matches!(
            paste.readings[0].fault,
            Fault::ManifestMissing { .. }
        ));
    }
}
