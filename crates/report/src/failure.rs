//! `error:`, `caused by:` and `help:` lines.

use pulldoctor_model::clean;

use crate::{Label, Stylesheet, page::Page, wrap::Text};

/// A line of what went wrong: its word, then the text. Lines after the first, a rule to add for
/// instance, stay as they are.
pub fn failure_line(
    label: Label,
    word: &str,
    text: &str,
    width: usize,
    style: Stylesheet,
) -> String {
    let mut page = Page::new(width, style);
    let text = clean(text.trim_end());
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let lead = Text::of(label, word).with(Label::Plain, ": ");
    let indent = Text::plain(" ".repeat(lead.width()));
    page.paragraph(&lead, &indent, &Text::plain(first));
    for line in rest.lines() {
        page.line(&Text::plain("  ").with(Label::Command, line));
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_and_rules_do_not() {
        let text = "this rule, which an administrator has to add, allows it:\n- apiGroups: [\"\"]\n  verbs: [\"list\"]\n";
        insta::assert_snapshot!(failure_line(Label::Help, "help", text, 44, Stylesheet::PLAIN), @r#"
        help: this rule, which an administrator has
              to add, allows it:
          - apiGroups: [""]
            verbs: ["list"]
        "#);
    }
}
