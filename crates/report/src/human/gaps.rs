//! What could not be seen, and the permission that would show it.

use pulldoctor_model::{GapReason, ReportGap, clean, clean_line};

use crate::{Label, page::Page, wrap::Text};

/// Why, in words.
fn why(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Forbidden => "not permitted",
        GapReason::Timeout => "no answer in time",
        GapReason::Unreachable => "not reachable",
        GapReason::Expired => "no longer kept by the cluster",
        GapReason::NotAsked => "not asked",
    }
}

/// The gaps, those that may change a verdict first.
pub(crate) fn render(page: &mut Page, gaps: &[ReportGap]) {
    let (counting, others): (Vec<_>, Vec<_>) = gaps.iter().partition(|gap| gap.counts);
    for gap in counting.into_iter().chain(others) {
        let (label, word) = if gap.counts {
            (Label::Warning, "warning")
        } else {
            (Label::Key, "note")
        };
        let text = format!("{}: {}", clean_line(&gap.what), why(gap.why));
        let first = Text::of(label, word).with(Label::Plain, ": could not ");
        page.paragraph(&first, &Text::plain("  "), &Text::plain(text));
        if gap.counts {
            let lead = Text::of(Label::Frame, "   = ");
            page.paragraph(
                &lead,
                &Text::plain("     "),
                &Text::plain("this can hide stuck pods or change a verdict above"),
            );
        }
        if let Some(grant) = &gap.grant {
            page.line(
                &Text::of(Label::Help, "help").with(Label::Plain, ": add this rule to your role"),
            );
            for line in clean(grant).lines() {
                page.line(&Text::plain("  ").with(Label::Command, line));
            }
        }
        page.blank();
    }
}
