//! Which image a node's containerd pulls while it says what a host answered. Up to 2.2 those lines
//! name the host and not the image.

use std::collections::VecDeque;

use aho_corasick::{AhoCorasick, BuildError};

/// Most pulls that are followed at once: of more than one, none is told anyway.
const OPEN_MOST: usize = 1_000;

/// What the lines begin with that tell where pulls begin and end, and of what a host said.
const MARKS: [&str; 4] = [
    "PullImage ",
    "trying next host",
    "fetch failed",
    "starting containerd",
];

/// The pulls that go on at a place of a log.
#[derive(Debug)]
pub(super) struct Pulls {
    marks: AhoCorasick,
    /// On which computer, as far as its lines say, and of which image.
    open: VecDeque<(Option<String>, String)>,
}

impl Pulls {
    pub(super) fn new() -> Result<Self, BuildError> {
        Ok(Self {
            marks: AhoCorasick::new(MARKS)?,
            open: VecDeque::new(),
        })
    }

    /// Forgets all, at the beginning of another log.
    pub(super) fn begin(&mut self) {
        self.open.clear();
    }

    /// Whether a line can be of use here.
    pub(super) fn may_be(&self, line: &[u8]) -> bool {
        self.marks.is_match(line)
    }

    /// Takes the message of a line and the computer that wrote it; gives the image that it is about,
    /// where the line is one of a host and only one image is pulled there at that moment.
    pub(super) fn hear(&mut self, computer: Option<&str>, text: &str) -> Option<&str> {
        if text.starts_with("starting containerd") {
            self.open.retain(|(on, _)| on.as_deref() != computer);
            return None;
        }
        if let Some(rest) = text.strip_prefix("PullImage \"") {
            let (image, how) = rest.split_once('"')?;
            if how.trim().is_empty() {
                if self.open.len() == OPEN_MOST {
                    self.open.pop_front();
                }
                self.open
                    .push_back((computer.map(str::to_owned), image.to_owned()));
            } else {
                let is_this = |(on, open): &(Option<String>, String)| {
                    on.as_deref() == computer && open == image
                };
                if let Some(known) = self.open.iter().position(is_this) {
                    self.open.remove(known);
                }
            }
            return None;
        }
        let is_of_host = (text.starts_with("trying next host") || text.starts_with("fetch failed"))
            && text.contains("host=\"");
        if !is_of_host {
            return None;
        }
        let mut here = self
            .open
            .iter()
            .filter(|(on, _)| on.as_deref() == computer)
            .map(|(_, image)| image.as_str());
        let first = here.next()?;
        here.all(|image| image == first).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LACKS: &str = "trying next host - response was http.StatusNotFound (host=\"mirror.lab\")";

    #[test]
    fn a_host_is_told_of_the_only_pull_that_goes_on() {
        let mut pulls = Pulls::new().unwrap();
        assert_eq!(pulls.hear(None, LACKS), None);
        assert_eq!(pulls.hear(None, "PullImage \"reg.lab/a:1\""), None);
        assert_eq!(pulls.hear(None, LACKS), Some("reg.lab/a:1"));
        // Two pods that want the same.
        pulls.hear(None, "PullImage \"reg.lab/a:1\"");
        assert_eq!(pulls.hear(None, LACKS), Some("reg.lab/a:1"));
        pulls.hear(None, "PullImage \"reg.lab/b:1\"");
        assert_eq!(pulls.hear(None, LACKS), None);
        pulls.hear(None, "PullImage \"reg.lab/a:1\" failed: not found");
        pulls.hear(
            None,
            "PullImage \"reg.lab/a:1\" returns image reference \"sha256:12\"",
        );
        assert_eq!(pulls.hear(None, LACKS), Some("reg.lab/b:1"));
        assert_eq!(pulls.hear(None, "stop pulling image reg.lab/c:1"), None);
        assert_eq!(pulls.hear(Some("n2"), LACKS), None);
        pulls.hear(None, "starting containerd");
        assert_eq!(pulls.hear(None, LACKS), None);
    }
}
