//! The markdown of the knowledge base, as a page for a terminal: headings, paragraphs, lists,
//! tables and code. Only what those pages use is understood; anything else is running text.

use crate::{Label, Stylesheet, page::Page, wrap::Text};

/// What stands before running text: headings stand out by it where there is no colour.
const BODY: &str = "  ";
/// What stands before code.
const CODE: &str = "      ";

/// Columns that the last column of a table has at least.
const LEAST: usize = 24;

/// Renders a page.
pub fn markdown(source: &str, width: usize, style: Stylesheet) -> String {
    let mut page = Page::new(width, style);
    let mut block = Block::None;
    let mut wrote = false;
    let mut in_code = false;
    for line in source.lines() {
        if line.trim_start().starts_with("```") {
            block.flush(&mut page);
            in_code = !in_code;
            continue;
        }
        if in_code {
            page.line(&Text::plain(CODE).with(Label::Command, line));
            wrote = true;
            continue;
        }
        let trimmed = line.trim();
        if trimmed.is_empty() {
            block.flush(&mut page);
            if wrote {
                page.blank();
            }
            wrote = false;
            continue;
        }
        if let Some(heading) = heading(trimmed) {
            block.flush(&mut page);
            page.line(&heading);
            wrote = true;
            continue;
        }
        if trimmed.starts_with('|') {
            block.row(&mut page, trimmed);
        } else if let Some((marker, text)) = item(trimmed) {
            block.flush(&mut page);
            let indent = line.len() - line.trim_start().len();
            block = Block::Item {
                first: format!("{BODY}{}{marker} ", " ".repeat(indent)),
                text: text.to_owned(),
            };
        } else {
            block.append(&mut page, trimmed);
        }
        wrote = true;
    }
    block.flush(&mut page);
    page.finish()
}

/// The text of one section (`## title`), without its heading.
pub fn section<'a>(source: &'a str, title: &str) -> Option<&'a str> {
    let mut start = None;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let heading = line.trim_end().strip_prefix("## ");
        match start {
            None if heading.is_some_and(|heading| heading.eq_ignore_ascii_case(title)) => {
                start = Some(at + line.len());
            }
            Some(from) if heading.is_some() => return Some(source[from..at].trim_matches('\n')),
            _ => {}
        }
        at += line.len();
    }
    start.map(|from| source[from..].trim_matches('\n'))
}

/// What is being collected until it is complete.
enum Block {
    None,
    Paragraph(String),
    Item { first: String, text: String },
    Table(Vec<Vec<String>>),
}

impl Block {
    fn append(&mut self, page: &mut Page, line: &str) {
        match self {
            Self::Paragraph(text) | Self::Item { text, .. } => {
                text.push(' ');
                text.push_str(line);
            }
            Self::None | Self::Table(_) => {
                self.flush(page);
                *self = Self::Paragraph(line.to_owned());
            }
        }
    }

    fn row(&mut self, page: &mut Page, line: &str) {
        let cells: Vec<String> = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect();
        if cells
            .iter()
            .all(|cell| cell.chars().all(|c| "-: ".contains(c)))
        {
            return;
        }
        if let Self::Table(rows) = self {
            rows.push(cells);
        } else {
            self.flush(page);
            *self = Self::Table(vec![cells]);
        }
    }

    fn flush(&mut self, page: &mut Page) {
        match std::mem::replace(self, Self::None) {
            Self::None => {}
            Self::Paragraph(text) => {
                let body = Text::plain(BODY);
                page.paragraph(&body, &body, &inline(&text, Label::Plain));
            }
            Self::Item { first, text } => {
                let rest = Text::plain(" ".repeat(first.chars().count()));
                page.paragraph(&Text::plain(first), &rest, &inline(&text, Label::Plain));
            }
            Self::Table(rows) => table(page, &rows),
        }
    }
}

/// A table: every column but the last as wide as its widest cell, the last one wrapped.
fn table(page: &mut Page, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| inline(cell, Label::Plain).width())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.saturating_sub(1)).map(width).collect();
    let indent = BODY.len() + 2 + widths.iter().map(|width| width + 2).sum::<usize>();
    if indent + LEAST > page.width() {
        return rows_as_items(page, rows);
    }
    for (at, row) in rows.iter().enumerate() {
        let base = if at == 0 { Label::Key } else { Label::Plain };
        let mut first = Text::plain(format!("{BODY}  "));
        for (cell, width) in row.iter().zip(&widths) {
            let text = inline(cell, base);
            let gap = width + 2 - text.width();
            first.0.extend(text.0);
            first.push(Label::Plain, " ".repeat(gap));
        }
        let last = row.get(widths.len()).map_or("", String::as_str);
        page.paragraph(
            &first,
            &Text::plain(" ".repeat(indent)),
            &inline(last, base),
        );
    }
}

/// A table that is too wide for the page: one item a row, its cells after their headings.
fn rows_as_items(page: &mut Page, rows: &[Vec<String>]) {
    let Some((headings, rows)) = rows.split_first() else {
        return;
    };
    let first = Text::plain(format!("{BODY}- "));
    let rest = Text::plain(" ".repeat(first.width()));
    for row in rows {
        let mut cells = row
            .iter()
            .zip(headings)
            .filter(|(cell, _)| !cell.is_empty());
        let Some((cell, _)) = cells.next() else {
            continue;
        };
        page.paragraph(&first, &rest, &inline(cell, Label::Key));
        for (cell, heading) in cells {
            let text = inline(&format!("{heading}: {cell}"), Label::Plain);
            page.paragraph(&rest, &Text::plain(" ".repeat(rest.width() + 2)), &text);
        }
    }
}

/// A heading, without its signs.
fn heading(line: &str) -> Option<Text> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let text = line.get(level..)?.strip_prefix(' ')?;
    (1..=4)
        .contains(&level)
        .then(|| inline(text, Label::Heading))
}

/// A list item's marker and text.
fn item(line: &str) -> Option<(&str, &str)> {
    if let Some(text) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
        return Some(("-", text));
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let text = line.get(digits..)?.strip_prefix(". ")?;
    (digits > 0).then(|| (&line[..=digits], text))
}

/// Code, emphasis and links inside running text. Backticks stay: they tell literals from words
/// where there is no colour.
fn inline(source: &str, base: Label) -> Text {
    let mut text = Text::new();
    let mut rest = source;
    while let Some(at) = rest.find(['`', '*', '[', '<']) {
        let (before, tail) = rest.split_at(at);
        text.push(base, before);
        let (label, shown, after) = match tail.as_bytes()[0] {
            b'`' => code(tail, base),
            b'*' if tail.starts_with("**") => delimited(tail, "**")
                .map_or((base, "**".to_owned(), &tail[2..]), |(inner, after)| {
                    (Label::Key, inner.to_owned(), after)
                }),
            b'*' => emphasis(tail).map_or((base, "*".to_owned(), &tail[1..]), |(inner, after)| {
                (base, inner.to_owned(), after)
            }),
            b'[' => link(tail).unwrap_or((base, "[".to_owned(), &tail[1..])),
            b'<' if tail.starts_with("<http") => delimited(tail, ">")
                .or_else(|| tail[1..].split_once('>'))
                .map_or((base, "<".to_owned(), &tail[1..]), |(inner, after)| {
                    (
                        Label::Literal,
                        inner.trim_start_matches('<').to_owned(),
                        after,
                    )
                }),
            _ => (base, tail[..1].to_owned(), &tail[1..]),
        };
        text.push(label, shown);
        rest = after;
    }
    text.push(base, rest);
    text
}

/// Code in backticks, one or more.
fn code(tail: &str, base: Label) -> (Label, String, &str) {
    let ticks = tail.bytes().take_while(|byte| *byte == b'`').count();
    let fence = &tail[..ticks];
    match tail[ticks..].split_once(fence) {
        Some((inner, after)) => (Label::Literal, format!("`{}`", inner.trim()), after),
        None => (base, fence.to_owned(), &tail[ticks..]),
    }
}

/// What stands between two equal signs.
fn delimited<'a>(tail: &'a str, sign: &str) -> Option<(&'a str, &'a str)> {
    tail.strip_prefix(sign)?.split_once(sign)
}

/// One word or more between single stars. A star with a space behind it is a star.
fn emphasis(tail: &str) -> Option<(&str, &str)> {
    let (inner, after) = delimited(tail, "*")?;
    (!inner.is_empty() && !inner.starts_with(' ') && !inner.ends_with(' '))
        .then_some((inner, after))
}

/// A link: its text, and its address where that is a web address of its own.
fn link(tail: &str) -> Option<(Label, String, &str)> {
    let (text, after) = tail.strip_prefix('[')?.split_once("](")?;
    let (address, after) = after.split_once(')')?;
    (!text.contains(']')).then_some(())?;
    let shown = if address.starts_with("http") && address != text {
        format!("{text} ({address})")
    } else {
        text.to_owned()
    };
    Some((Label::Literal, shown, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
# image-not-found-tag

The repository is there and has no tag of that name; the `tag` part of the
reference is **wrong**, or it was deleted.

## What to do

- Set the image to a tag that exists, see [the docs](https://example.com/docs) for how tags are listed.
  1. nested
- second

```console
kubectl set image deployment/api api=registry.example.com/shop/api:v1.4.1
```

| runtime | file |
|---|---|
| containerd | `/etc/containerd/certs.d/HOST/hosts.toml` |
| CRI-O | `/etc/containers/registries.conf` |

## Sources

2 * 3 * 4 is [not *a* link].
";

    #[test]
    fn a_page_in_plain_text() {
        insta::assert_snapshot!(markdown(SOURCE, 60, Stylesheet::PLAIN), @"
        image-not-found-tag

          The repository is there and has no tag of that name; the
          `tag` part of the reference is wrong, or it was deleted.

        What to do

          - Set the image to a tag that exists, see the docs
            (https://example.com/docs) for how tags are listed.
            1. nested
          - second

              kubectl set image deployment/api api=registry.example.com/shop/api:v1.4.1

            runtime     file
            containerd  `/etc/containerd/certs.d/HOST/hosts.toml`
            CRI-O       `/etc/containers/registries.conf`

        Sources

          2 * 3 * 4 is [not a link].
        ");
    }

    #[test]
    fn a_table_wider_than_the_page_becomes_a_list() {
        let source = "| place | since | what happened | now |\n|---|---|---|---|\n\
            | `gcr.io` | 2025-03-18 | Container Registry shut down; what was not copied is gone | the owner |\n\
            | `docker.pkg.github.com` | | replaced | `ghcr.io` |\n";
        insta::assert_snapshot!(markdown(source, 60, Stylesheet::PLAIN), @"
        - `gcr.io`
          since: 2025-03-18
          what happened: Container Registry shut down; what was
            not copied is gone
          now: the owner
        - `docker.pkg.github.com`
          what happened: replaced
          now: `ghcr.io`
        ");
    }

    #[test]
    fn sections_are_found_by_title() {
        assert_eq!(
            section(SOURCE, "sources"),
            Some("2 * 3 * 4 is [not *a* link].")
        );
        assert!(section(SOURCE, "What to do").unwrap().starts_with("- Set"));
        assert_eq!(section(SOURCE, "Nothing"), None);
    }
}
