//! A small pattern language for the phrases of the grammar.
//!
//! | in a pattern | matches |
//! |---|---|
//! | text | itself, without regard to case; a space matches a line end too |
//! | `<text>` | the text, or nothing |
//! | `(a\|b)` | one of the alternatives |
//! | `{img}` | an image reference, quoted or not |
//! | `{q}` | a quoted string, or one word |
//! | `{w}` | one word, without trailing punctuation |
//! | `{addr}` | `host:port`, ending before `->` |
//! | `{url}` | an `http` or `https` URL, quoted or not |
//! | `{n}` | digits |
//! | `{)}` | everything before the next `)` |
//! | `{..}` | up to [`SKIP`] bytes, as few as needed |
//! | `^` at the start | only where an error text may begin: after `: `, a line end, a quote, … |
//! | `\` | takes the next character as it is |
//!
//! Matching never backtracks over a slot; a skip tries at most [`SKIP`] places, so that one phrase
//! costs a bounded time at one place.

/// How far `{..}` looks.
pub(crate) const SKIP: usize = 400;
/// How long a slot may be.
const SLOT: usize = 1024;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    nodes: Vec<Node>,
    pub(crate) at_segment: bool,
}

#[derive(Debug)]
enum Node {
    Literal(String),
    Optional(Vec<Node>),
    Either(Vec<Vec<Node>>),
    Slot(Slot),
    Skip,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Slot {
    Image,
    Quoted,
    Word,
    Address,
    Url,
    Number,
    Parenthesis,
}

/// What the slots of a match hold, in the order of the pattern; a slot inside an absent optional
/// part is not in the list.
#[derive(Debug, Default)]
pub(crate) struct Captures<'t> {
    pub(crate) slots: Vec<&'t str>,
}

impl<'t> Captures<'t> {
    /// The slot at `index`, or the empty string.
    pub(crate) fn get(&self, index: usize) -> &'t str {
        self.slots.get(index).copied().unwrap_or_default()
    }
}

/// A text and its lower-case twin of the same length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'t> {
    pub(crate) text: &'t str,
    pub(crate) lower: &'t str,
}

impl Pattern {
    /// Compiles a pattern. Patterns are constants of this crate; a test compiles each of them.
    pub(crate) fn new(source: &str) -> Self {
        let (at_segment, source) = match source.strip_prefix('^') {
            Some(rest) => (true, rest),
            None => (false, source),
        };
        let mut chars = source.chars().peekable();
        Self {
            nodes: parse(&mut chars, &[]),
            at_segment,
        }
    }

    /// The first words that a match can begin with.
    pub(crate) fn first_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        first(&self.nodes, &mut words);
        words
    }

    /// Matches at `at`; gives the end.
    pub(crate) fn matches<'t>(
        &self,
        subject: Subject<'t>,
        at: usize,
        found: &mut Captures<'t>,
    ) -> Option<usize> {
        found.slots.clear();
        sequence(&self.nodes, subject, at, found)
    }
}

type Chars<'s> = std::iter::Peekable<std::str::Chars<'s>>;

fn parse(chars: &mut Chars<'_>, until: &[char]) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut literal = String::new();
    while let Some(c) = chars.peek().copied() {
        if until.contains(&c) {
            break;
        }
        chars.next();
        let node = match c {
            '\\' => {
                literal.extend(chars.next());
                continue;
            }
            '<' => {
                let inner = parse(chars, &['>']);
                chars.next();
                Node::Optional(inner)
            }
            '(' => {
                let mut branches = vec![parse(chars, &['|', ')'])];
                while chars.next() == Some('|') {
                    branches.push(parse(chars, &['|', ')']));
                }
                Node::Either(branches)
            }
            '{' => {
                let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                match name.as_str() {
                    "img" => Node::Slot(Slot::Image),
                    "q" => Node::Slot(Slot::Quoted),
                    "addr" => Node::Slot(Slot::Address),
                    "url" => Node::Slot(Slot::Url),
                    "n" => Node::Slot(Slot::Number),
                    ")" => Node::Slot(Slot::Parenthesis),
                    ".." => Node::Skip,
                    _ => Node::Slot(Slot::Word),
                }
            }
            c => {
                literal.push(c);
                continue;
            }
        };
        if !literal.is_empty() {
            nodes.push(Node::Literal(std::mem::take(&mut literal)));
        }
        nodes.push(node);
    }
    if !literal.is_empty() {
        nodes.push(Node::Literal(literal));
    }
    nodes
}

/// The key of a word: its leading letters and digits, or its first other character.
pub(crate) fn key(text: &str) -> &str {
    let run = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    if run > 0 {
        return &text[..run];
    }
    let one = text.chars().next().map_or(0, char::len_utf8);
    &text[..one]
}

fn first(nodes: &[Node], words: &mut Vec<String>) {
    let mut nodes = nodes.iter();
    while let Some(node) = nodes.next() {
        match node {
            Node::Literal(text) => {
                words.push(key(text).to_owned());
                return;
            }
            Node::Optional(inner) => first(inner, words),
            Node::Either(branches) => {
                let mut open = false;
                for branch in branches {
                    if branch.is_empty() {
                        open = true;
                    } else {
                        first(branch, words);
                    }
                }
                if !open {
                    return;
                }
            }
            Node::Slot(Slot::Url) => {
                words.push("http".to_owned());
                words.push("https".to_owned());
                return;
            }
            Node::Slot(_) | Node::Skip => {
                let _ = nodes.by_ref();
                return;
            }
        }
    }
}

fn sequence<'t>(
    nodes: &[Node],
    subject: Subject<'t>,
    mut at: usize,
    found: &mut Captures<'t>,
) -> Option<usize> {
    for (index, node) in nodes.iter().enumerate() {
        match node {
            Node::Literal(text) => at = literal(text, subject.lower, at)?,
            Node::Optional(inner) => {
                let kept = found.slots.len();
                match sequence(inner, subject, at, found) {
                    Some(end) => at = end,
                    None => found.slots.truncate(kept),
                }
            }
            Node::Either(branches) => {
                let kept = found.slots.len();
                at = branches.iter().find_map(|branch| {
                    found.slots.truncate(kept);
                    sequence(branch, subject, at, found)
                })?;
            }
            Node::Slot(slot) => {
                let (from, to, end) = read_slot(*slot, subject, at)?;
                found.slots.push(&subject.text[from..to]);
                at = end;
            }
            Node::Skip => {
                let rest = &nodes[index + 1..];
                let limit = (at + SKIP).min(subject.lower.len());
                let kept = found.slots.len();
                return (at..=limit).find_map(|place| {
                    if !subject.lower.is_char_boundary(place) {
                        return None;
                    }
                    found.slots.truncate(kept);
                    sequence(rest, subject, place, found)
                });
            }
        }
    }
    Some(at)
}

fn literal(text: &str, lower: &str, at: usize) -> Option<usize> {
    let end = at.checked_add(text.len())?;
    let there = lower.as_bytes().get(at..end)?;
    let same = there
        .iter()
        .zip(text.bytes())
        .all(|(there, wanted)| *there == wanted || (wanted == b' ' && *there == b'\n'));
    same.then_some(end)
}

/// Reads a slot; gives the bounds of its content and its end.
fn read_slot(slot: Slot, subject: Subject<'_>, at: usize) -> Option<(usize, usize, usize)> {
    let bytes = subject.lower.as_bytes();
    let rest = bytes.get(at..)?;
    if slot == Slot::Number {
        let run = rest
            .iter()
            .take(12)
            .take_while(|b| b.is_ascii_digit())
            .count();
        return (run > 0).then_some((at, at + run, at + run));
    }
    if slot == Slot::Parenthesis {
        let run = rest.iter().take(SLOT).position(|b| *b == b')')?;
        return Some((at, at + run, at + run));
    }
    if slot == Slot::Address {
        let run = rest
            .iter()
            .enumerate()
            .take(SLOT)
            .take_while(|(i, b)| {
                let arrow = **b == b'-' && rest.get(i + 1) == Some(&b'>');
                !arrow
                    && (b.is_ascii_alphanumeric()
                        || matches!(
                            b,
                            b'.' | b':' | b'[' | b']' | b'%' | b'*' | b'_' | b'-' | b'/'
                        ))
            })
            .count();
        let run = trimmed(&rest[..run]);
        return (run > 0).then_some((at, at + run, at + run));
    }
    if slot == Slot::Url {
        let bare = rest.strip_prefix(b"\"").unwrap_or(rest);
        if !bare.starts_with(b"http") {
            return None;
        }
    }
    let quote = rest
        .first()
        .copied()
        .filter(|b| matches!(b, b'"' | b'\'' | b'`') && slot != Slot::Word);
    let (from, to, end) = if let Some(quote) = quote {
        let length = rest[1..].iter().take(SLOT).position(|b| *b == quote)?;
        (at + 1, at + 1 + length, at + length + 2)
    } else {
        let run = rest
            .iter()
            .take(SLOT)
            .take_while(|b| !b.is_ascii_whitespace() && !matches!(b, b'"' | b'`'))
            .count();
        let run = trimmed(&rest[..run]);
        (at, at + run, at + run)
    };
    if from == to && slot != Slot::Quoted && slot != Slot::Image {
        return None;
    }
    if from == to && quote.is_none() {
        return None;
    }
    // A slot may end inside a character only if it was cut at its limit.
    if !subject.lower.is_char_boundary(to) || !subject.lower.is_char_boundary(end) {
        return None;
    }
    if slot == Slot::Url {
        let body = &subject.lower[from..to];
        if !body.starts_with("http://") && !body.starts_with("https://") {
            return None;
        }
    }
    Some((from, to, end))
}

/// The length of a word without trailing punctuation.
fn trimmed(word: &[u8]) -> usize {
    let mut length = word.len();
    while let Some(last) = length.checked_sub(1).and_then(|i| word.get(i)) {
        let bracket = match last {
            b')' => !word[..length].contains(&b'('),
            b']' => !word[..length].contains(&b'['),
            _ => false,
        };
        if bracket || matches!(last, b':' | b',' | b';' | b'.' | b'\'' | b'|' | b'\\') {
            length -= 1;
        } else {
            break;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<'t>(pattern: &str, text: &'t str) -> Option<(usize, Vec<&'t str>)> {
        let lower = text.to_ascii_lowercase();
        // The captures borrow from `text` only.
        let mut found = Captures::default();
        let subject = Subject {
            text,
            lower: Box::leak(lower.into_boxed_str()),
        };
        let end = Pattern::new(pattern).matches(subject, 0, &mut found)?;
        Some((end, found.slots))
    }

    #[test]
    fn slots_read_quoted_and_bare_words() {
        assert_eq!(
            run("image {img}: x", "image \"a/b:1\": x").unwrap().1,
            ["a/b:1"]
        );
        assert_eq!(
            run("image {img}: x", "Image a/b:1: x").unwrap().1,
            ["a/b:1"]
        );
        assert_eq!(
            run("dial tcp {addr}: ", "dial tcp [::1]:53: read")
                .unwrap()
                .1,
            ["[::1]:53"]
        );
        assert_eq!(
            run(
                "read udp {addr}->{addr}: ",
                "read udp 10.0.0.1:5->10.0.0.2:53: i/o"
            )
            .unwrap()
            .1,
            ["10.0.0.1:5", "10.0.0.2:53"]
        );
        assert_eq!(
            run("get {url}: ", "Get \"https://r/v2/\": EOF").unwrap().1,
            ["https://r/v2/"]
        );
        assert_eq!(
            run("get {url}: ", "Get https://r/v2/: EOF").unwrap().1,
            ["https://r/v2/"]
        );
    }

    #[test]
    fn optional_alternative_and_skip() {
        assert_eq!(
            run("lookup {w}< on {w}>: no", "lookup h on s:53: no")
                .unwrap()
                .1,
            ["h", "s:53"]
        );
        assert_eq!(
            run("lookup {w}< on {w}>: no", "lookup h: no").unwrap().1,
            ["h"]
        );
        assert!(run("(a|b) c", "b c").is_some());
        assert!(run("(a|b) c", "d c").is_none());
        assert_eq!(
            run("open {..}no space", "open /x/y: write: no space")
                .unwrap()
                .0,
            26
        );
        assert!(
            run(
                "open {..}no space",
                format!("open {} no space", "x".repeat(SKIP + 1)).leak()
            )
            .is_none()
        );
    }

    #[test]
    fn a_slot_that_is_cut_inside_a_character_does_not_match() {
        for pattern in ["get {url}", "get {w}", "get {img}"] {
            for shift in ["", "x"] {
                let text = format!("get https://{shift}{}", "é".repeat(SLOT));
                let _ = run(pattern, Box::leak(text.into_boxed_str()));
            }
        }
    }

    #[test]
    fn first_words() {
        assert_eq!(
            Pattern::new("(get|head) {url}").first_words(),
            ["get", "head"]
        );
        assert_eq!(
            Pattern::new("<error >reading").first_words(),
            ["error", "reading"]
        );
        assert_eq!(Pattern::new("{url}").first_words(), ["http", "https"]);
    }
}
