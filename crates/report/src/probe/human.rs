//! A probe for people: a line a stage, then what it comes to.

use pulldoctor_model::{
    Confidence, clean_line,
    registry::{StageName, StageOutcome},
};

use super::{ProbeDocument, ProbeOutcome, ProbeStage, place};
use crate::{Label, Stylesheet, excerpt::excerpt, page::Page, words::milliseconds, wrap::Text};

/// Columns of the longest stage's name.
const NAME: usize = 8;
/// Columns of the longest outcome.
const OUTCOME: usize = 7;
/// Columns of a time.
const TIME: usize = 8;
/// Digits of a digest that are shown.
const DIGITS: usize = 12;
/// Near names that are shown.
const NEAR: usize = 3;

/// The first line: what is probed, for which platform, as whom.
pub fn human_probe_heading(
    image: &str,
    platform: Option<&str>,
    who: &str,
    width: usize,
    style: Stylesheet,
) -> String {
    let mut page = Page::new(width, style);
    let mut text = Text::of(Label::Summary, clean_line(image).into_owned());
    if let Some(platform) = platform {
        text.push(Label::Plain, format!("  for {}", clean_line(platform)));
    }
    text.push(Label::Plain, format!("  {}", clean_line(who)));
    page.paragraph(&Text::new(), &Text::plain("  "), &text);
    page.blank();
    page.finish()
}

/// The line of a stage.
pub fn human_probe_stage(stage: &ProbeStage, width: usize, style: Stylesheet) -> String {
    let mut page = Page::new(width, style);
    stage_line(&mut page, stage);
    page.finish()
}

/// Digests with their first digits only: a line of 64 tells a reader nothing more.
fn short_digests(text: &str) -> String {
    const ALGORITHM: &str = "sha256:";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(ALGORITHM) {
        let (before, digits) = rest.split_at(at + ALGORITHM.len());
        out.push_str(before);
        let length = digits
            .find(|character: char| !character.is_ascii_hexdigit())
            .unwrap_or(digits.len());
        if length == 64 {
            out.push_str(&digits[..DIGITS]);
            out.push('…');
        } else {
            out.push_str(&digits[..length]);
        }
        rest = &digits[length..];
    }
    out.push_str(rest);
    out
}

fn stage_line(page: &mut Page, stage: &ProbeStage) {
    let (label, word) = match stage.outcome {
        StageOutcome::Ok => (Label::Proven, "OK"),
        StageOutcome::Failed => (Label::Error, "FAILED"),
        StageOutcome::Skipped => (Label::Faint, "SKIPPED"),
    };
    let time = match stage.outcome {
        StageOutcome::Skipped => String::new(),
        _ => milliseconds(stage.took_ms),
    };
    let first = Text::plain(format!("  {:NAME$}  ", stage.stage.as_str()))
        .with(label, word)
        .with(Label::Plain, format!("{:1$}", "", OUTCOME - word.len()))
        .with(Label::Plain, format!("{time:>TIME$}  "));
    let rest = Text::plain(" ".repeat(first.width()));
    let detail = short_digests(&clean_line(&stage.detail));
    let label = match stage.outcome {
        StageOutcome::Skipped => Label::Faint,
        _ => Label::Plain,
    };
    page.paragraph(&first, &rest, &Text::of(label, detail));
}

/// What it comes to: the stages that were not reached, the cause or that all is well, the
/// credentials, near names, and what to do.
pub fn human_probe_result(
    document: &ProbeDocument,
    verbose: bool,
    width: usize,
    style: Stylesheet,
) -> String {
    let mut page = Page::new(width, style);
    // Where nobody could look there is nothing to list.
    if !document.stages.iter().all(is_unreached) {
        for stage in document.stages.iter().filter(|stage| is_unreached(stage)) {
            stage_line(&mut page, stage);
        }
        page.blank();
    }
    verdict(&mut page, document);
    if let Some(caret) = &document.caret {
        excerpt(&mut page, "image", &document.image, 0, Some(caret));
    }
    crate::human::notes(&mut page, &notes(document, verbose));
    for gap in &document.gaps {
        let (label, word) = if gap.counts {
            (Label::Warning, "warning")
        } else {
            (Label::Key, "note")
        };
        page.paragraph(
            &Text::of(label, word).with(Label::Plain, ": not asked: "),
            &Text::plain("  "),
            &Text::plain(clean_line(&gap.what).into_owned()),
        );
        if let Some(remedy) = &gap.remedy {
            remedied(&mut page, remedy);
        }
    }
    page.finish()
}

/// A flag that consents, or RBAC rules of several lines.
fn remedied(page: &mut Page, remedy: &str) {
    let help = Text::of(Label::Help, "help").with(Label::Plain, ": ");
    let indent = Text::plain("      ");
    if !remedy.contains('\n') && !remedy.starts_with("--") {
        let text = Text::plain(clean_line(remedy).into_owned());
        page.paragraph(&help, &indent, &text);
        return;
    }
    if !remedy.contains('\n') {
        let flag = Text::of(Label::Command, clean_line(remedy).into_owned());
        let text = flag.with(Label::Plain, " lets it go there");
        page.paragraph(&help, &indent, &text);
        return;
    }
    page.paragraph(&help, &indent, &Text::plain("these rules allow it:"));
    for line in remedy.lines() {
        page.line(&Text::plain(format!("      {}", clean_line(line))));
    }
}

/// The first line and the stages that were reached, after the fact.
pub fn human_probe_stages(
    document: &ProbeDocument,
    who: &str,
    width: usize,
    style: Stylesheet,
) -> String {
    let platform = document.platform.as_deref();
    let mut out = human_probe_heading(&document.image, platform, who, width, style);
    for stage in document.stages.iter().filter(|stage| !is_unreached(stage)) {
        out.push_str(&human_probe_stage(stage, width, style));
    }
    out
}

fn is_unreached(stage: &ProbeStage) -> bool {
    stage.outcome == StageOutcome::Skipped && stage.detail == super::NOT_REACHED
}

fn verdict(page: &mut Page, document: &ProbeDocument) {
    if let (Some(cause), Some(confidence)) = (document.cause, document.confidence) {
        crate::human::title(page, cause, confidence, &document.summary);
        return;
    }
    let failed = document
        .stages
        .iter()
        .any(|stage| stage.outcome == StageOutcome::Failed);
    let is_open = failed || document.gaps.iter().any(|gap| gap.counts);
    let (label, word) = if is_open {
        (Label::Warning, "unknown")
    } else {
        (Label::Proven, "ok")
    };
    page.paragraph(
        &Text::of(label, word).with(Label::Summary, ": "),
        &Text::plain("  "),
        &Text::of(Label::Summary, clean_line(&document.summary).into_owned()),
    );
}

fn notes(document: &ProbeDocument, verbose: bool) -> Vec<(&'static str, Text)> {
    let mut notes: Vec<(&'static str, Text)> = Vec::new();
    let mut word = "credential";
    for credential in &document.credentials {
        let label = match credential.outcome {
            ProbeOutcome::Granted => Label::Proven,
            ProbeOutcome::Refused | ProbeOutcome::Malformed => Label::Error,
            ProbeOutcome::NotMatching => Label::Unsure,
        };
        let mut text = whose(&credential.source, credential.username.as_deref())
            .with(label, credential.outcome.as_str());
        // What a stage says already is not said twice, nor what goes without saying.
        let is_told = document
            .stages
            .iter()
            .any(|stage| stage.detail == credential.detail)
            || credential.outcome == ProbeOutcome::Granted
            || credential.username.is_none() && document.credentials.len() > 1;
        if !credential.detail.is_empty() && (verbose || !is_told) {
            text.push(
                Label::Plain,
                format!(": {}", clean_line(&credential.detail)),
            );
        }
        notes.push((word, text));
        word = crate::human::SAME;
    }
    let is_gap = |because: &str| document.gaps.iter().any(|gap| gap.what.contains(because));
    for credential in &document.untested {
        if !verbose && is_gap(&credential.because) {
            continue;
        }
        let text = whose(&credential.source, credential.username.as_deref()).with(
            Label::Faint,
            format!("not tried: {}", clean_line(&credential.because)),
        );
        notes.push((word, text));
        word = crate::human::SAME;
    }
    let mut word = "nearest";
    for near in document.near_tags.iter().take(NEAR) {
        let text = Text::of(Label::Literal, clean_line(&near.tag).into_owned())
            .with(Label::Plain, format!(" ({})", clean_line(&near.because)));
        notes.push((word, text));
        word = crate::human::SAME;
    }
    for name in document.near_repositories.iter().take(NEAR) {
        notes.push((
            word,
            Text::of(Label::Literal, clean_line(name).into_owned()),
        ));
        word = crate::human::SAME;
    }
    for rival in &document.rivals {
        let text = format!(
            "{} ({}): {}",
            rival.cause.title(),
            rival.cause,
            clean_line(&rival.because)
        );
        notes.push(("or", Text::plain(text)));
    }
    notes.extend(place::notes(document, verbose));
    if document.from == "here"
        && document.confidence == Some(Confidence::Likely)
        && depends_on_place(document)
    {
        notes.push((
            "seen from",
            Text::plain("here; a node may have another resolver, route, proxy or trust"),
        ));
    }
    if verbose {
        notes.push((
            "took",
            Text::plain(format!(
                "{}, {}",
                milliseconds(document.took_ms),
                crate::count(document.requests as usize, "request")
            )),
        ));
    }
    notes
}

fn whose(source: &str, username: Option<&str>) -> Text {
    let source = clean_line(source);
    let text = match username {
        Some("") => format!("{source} (a token): "),
        Some(name) => format!("{source} (user {}): ", clean_line(name)),
        None => format!("{source}: "),
    };
    Text::plain(text)
}

/// Whether the stage that failed is one of the way.
fn depends_on_place(document: &ProbeDocument) -> bool {
    document
        .stages
        .iter()
        .find(|stage| stage.outcome == StageOutcome::Failed)
        .is_some_and(|stage| {
            matches!(
                stage.stage,
                StageName::Dns | StageName::Proxy | StageName::Tcp | StageName::Tls
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_digests_are_cut() {
        let whole = format!("a sha256:{} b", "0123456789abcdef".repeat(4));
        assert_eq!(short_digests(&whole), "a sha256:0123456789ab… b");
        for text in ["sha256:", "sha256:abc, sha256:é", "none"] {
            assert_eq!(short_digests(text), text);
        }
    }
}
