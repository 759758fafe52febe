//! The list of all causes.

use pulldoctor_model::{CauseId, Family};

use crate::{Label, Stylesheet, page::Page, wrap::Text};

/// The ids of all causes with one line each, by family.
pub fn cause_list(width: usize, style: Stylesheet) -> String {
    let mut page = Page::new(width, style);
    let column = CauseId::ALL
        .iter()
        .map(|id| id.as_str().len())
        .max()
        .unwrap_or(0);
    for family in Family::ALL {
        page.line(&Text::of(Label::Heading, family.title()));
        for id in CauseId::ALL.iter().filter(|id| id.family() == family) {
            let first = Text::plain("  ")
                .with(Label::Command, id.as_str())
                .with(Label::Plain, " ".repeat(column + 2 - id.as_str().len()));
            let rest = Text::plain(" ".repeat(column + 4));
            page.paragraph(&first, &rest, &Text::plain(id.title()));
        }
        page.blank();
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_listed_once() {
        let list = cause_list(200, Stylesheet::PLAIN);
        for id in CauseId::ALL {
            let lines = list
                .lines()
                .filter(|line| line.split_whitespace().next() == Some(id.as_str()));
            assert_eq!(lines.count(), 1, "{id}");
        }
    }
}
