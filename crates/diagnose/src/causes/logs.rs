//! What the logs of a node tell beside the kubelet's message. The kubelet repeats one error of a
//! pull, and swallows those of its credential providers; the runtime repeats one host's.

use std::rc::Rc;

use pulldoctor_messages::{Fault, Reading};
use pulldoctor_model::{Confidence, Finding, LogLine, Timestamp, clean_line, shorten};
use pulldoctor_reference::Reference;

use super::{
    network::{bare, unreachable},
    plain::plain_cause,
};
use crate::{case::Case, finding::FindingExt};

/// How long before the pod was made a line may have been written, in seconds: clocks differ.
const EARLY: i64 = 60;
/// How far a time without a zone may be off, in seconds: zones reach from 12 h behind UTC to 14 h
/// ahead.
const ZONE: i64 = 14 * 3600;
/// Most characters of a line that are shown.
const SHOWN: usize = 400;

/// A line about the symptom's image.
#[derive(Debug, Clone)]
pub(crate) struct Said<'a> {
    /// The line.
    pub(crate) line: &'a LogLine,
    /// What it says.
    pub(crate) reading: Rc<Reading>,
}

/// The lines about the symptom's image since its pod was made, newest first.
pub(crate) fn lines<'a>(case: &Case<'a>) -> impl Iterator<Item = Said<'a>> {
    let lines = case.node_logs().seen().map_or(&[][..], |logs| &logs.lines);
    lines.iter().rev().filter_map(|line| {
        let reading = case.read(&line.text);
        is_about(case, line, &reading).then_some(Said { line, reading })
    })
}

fn is_about(case: &Case<'_>, line: &LogLine, reading: &Reading) -> bool {
    let created = case.symptom.created.map(Timestamp::as_second);
    let written = line.time.map(Timestamp::as_second);
    let is_older = created.zip(written).is_some_and(|(created, written)| {
        let early = if line.is_zoneless {
            EARLY + ZONE
        } else {
            EARLY
        };
        written < created - early
    });
    if is_older {
        return false;
    }
    let image = &case.symptom.image;
    if !image.is_empty() && line.text.contains(image.as_str()) {
        return true;
    }
    let Some(image) = &case.image else {
        return false;
    };
    let in_url = reading
        .url
        .as_ref()
        .and_then(|url| url.path.split_once(&format!("/v2/{}/", image.repository())));
    if let Some((_, rest)) = in_url {
        return is_of_image(rest, image);
    }
    line.text.contains(&image.containerd_name()) || line.text.contains(&image.repo())
}

/// Whether what is asked of the repository belongs to the image: another tag is another one.
fn is_of_image(asked: &str, image: &Reference) -> bool {
    let Some(name) = asked.strip_prefix("manifests/") else {
        return true;
    };
    name.contains(':') || image.effective_tag().is_some_and(|tag| tag == name)
}

/// The lines of the newest try, newest first, as far as the runtime says where it began.
fn newest_try<'a>(case: &Case<'a>) -> impl Iterator<Item = Said<'a>> {
    let mut is_over = false;
    lines(case).take_while(move |said| {
        let goes_on = !is_over;
        is_over |= begins_try(&said.line.text);
        goes_on
    })
}

/// Whether a runtime says with this line that it begins a pull: containerd has nothing behind the
/// image then, CRI-O nothing before it.
fn begins_try(line: &str) -> bool {
    let is_containerd = line.strip_prefix("PullImage \"").is_some_and(|rest| {
        rest.trim_end()
            .strip_suffix('"')
            .is_some_and(|image| !image.contains('"'))
    });
    is_containerd || line.starts_with("Pulling image: ")
}

/// What the registry itself said at the newest try, where the runtime's log tells it. The kubelet's
/// message shows one host's answer, and of `not found` not whose it is.
pub(crate) fn own_answer<'a>(case: &Case<'a>) -> Option<Said<'a>> {
    let registry = case.registry();
    newest_try(case).find(|said| {
        let asks_manifest = match &said.reading.url {
            Some(url) => url.is_manifest && said.reading.facts.mirrored_registry.is_none(),
            None => goes_on(&said.line.text),
        };
        asks_manifest && host_of(said).is_some_and(|host| is_own(&host, &registry))
    })
}

/// Whether a runtime says with this line what one of its hosts answered.
fn goes_on(line: &str) -> bool {
    ["trying next host", "fetch failed", "next endpoint"]
        .iter()
        .any(|words| line.contains(words))
}

/// Whether the registry itself told the node that it lacks the image.
pub(crate) fn own_lacks<'a>(case: &Case<'a>) -> Option<Said<'a>> {
    own_answer(case).filter(|said| lacks(&said.reading.fault))
}

/// Whether an answer says that the image is missing.
fn lacks(fault: &Fault) -> bool {
    matches!(fault, Fault::ManifestMissing { .. } | Fault::NameUnknown)
}

/// The newest line about the image with this fault.
pub(crate) fn with_fault<'a>(case: &Case<'a>, wanted: impl Fn(&Fault) -> bool) -> Option<Said<'a>> {
    lines(case).find(|said| wanted(&said.reading.fault))
}

/// A host that the runtime asked in the registry's place, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Mirror<'a> {
    /// The host.
    pub(crate) host: String,
    /// What it did, behind its name.
    pub(crate) how: String,
    /// It says that it lacks the image.
    pub(crate) lacks: bool,
    /// The line that says so.
    pub(crate) said: Said<'a>,
}

/// What the log of the newest try tells of a mirror's failure. The kubelet's message shows one host's error
/// only, so that of a mirror often stands in the runtime's log alone.
pub(crate) fn mirror<'a>(case: &Case<'a>) -> Option<Mirror<'a>> {
    let registry = case.registry();
    newest_try(case).find_map(|said| {
        let host = host_of(&said)?;
        let marked = said.reading.facts.mirrored_registry.as_deref() == Some(registry.as_str());
        if is_own(&host, &registry) || !(marked || goes_on(&said.line.text)) {
            return None;
        }
        let how = how(&said.reading.fault)?;
        Some(Mirror {
            host,
            how,
            lacks: lacks(&said.reading.fault),
            said,
        })
    })
}

/// The host that a line is about: that of its request, or of the log's own field.
fn host_of(said: &Said<'_>) -> Option<String> {
    if let Some(url) = &said.reading.url {
        return Some(url.host.clone());
    }
    let field = said.line.text.split_once("host=\"")?.1;
    let host = field.split('"').next()?;
    (!host.is_empty()).then(|| clean_line(host).into_owned())
}

/// Whether a host is the registry under one of its names.
fn is_own(host: &str, registry: &str) -> bool {
    let host = bare(host);
    host.eq_ignore_ascii_case(bare(registry))
        || (registry == "docker.io" && (host == "docker.io" || host.ends_with(".docker.io")))
}

/// What a host did, in words that follow its name. None where the line names no failure.
fn how(fault: &Fault) -> Option<String> {
    if let Some((how, _)) = unreachable(fault) {
        return Some(how.to_owned());
    }
    match fault {
        fault if lacks(fault) => Some("lacks the image".to_owned()),
        fault => Some(format!("fails ({})", plain_cause(fault)?)),
    }
}

/// Adds a line as evidence.
pub(crate) fn with_line(finding: Finding, case: &Case<'_>, said: &Said<'_>) -> Finding {
    let text = shorten(&clean_line(&said.line.text), SHOWN).into_owned();
    let unit = clean_line(&said.line.unit);
    let told = if unit.is_empty() {
        text
    } else {
        format!("{unit}: {text}")
    };
    finding.seen(case.node_logs().answered(), told)
}

/// Leaves the node's logs open, unless they were read or would change nothing.
pub(crate) fn open_logs(finding: Finding, case: &Case<'_>) -> Finding {
    if finding.confidence == Confidence::Proven {
        return finding;
    }
    let question = case
        .node_logs_question()
        .and_then(|question| case.unanswered(question));
    finding.open(question)
}

/// Logs for tests.
#[cfg(test)]
pub(crate) mod samples {
    use pulldoctor_model::{LogLine, NodeLogs};

    use crate::fixture::{Fixture, at};

    /// Adds these lines of the node's logs, each a second after the one before.
    pub(crate) fn logged(fixture: Fixture, lines: &[(&str, &str)]) -> Fixture {
        logged_at(fixture, -30, lines)
    }

    /// The same, from this second on.
    pub(crate) fn logged_at(fixture: Fixture, from: i64, lines: &[(&str, &str)]) -> Fixture {
        let lines = (from..)
            .zip(lines)
            .map(|(second, (unit, text))| LogLine {
                is_zoneless: false,
                unit: (*unit).to_owned(),
                time: Some(at(second)),
                text: (*text).to_owned(),
            })
            .collect();
        fixture.node_logs(NodeLogs {
            lines,
            is_cut: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{Answer, CauseId, Confidence, Finding, Question};

    use super::samples::{logged, logged_at};
    use crate::{
        causes::support::missing::samples::there,
        fixture::{Fixture, challenged, granted, node, own_network, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const NEXT: &str = "trying next host (host=\"mirror.example.com\"): failed to do request: Head \"https://mirror.example.com/v2/shop/api/manifests/1?ns=registry.example.com\": dial tcp 10.9.0.4:443: connect: connection refused";
    const REFUSED: &str = "PullImage \"registry.example.com/shop/api:1\" failed: failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve reference \"registry.example.com/shop/api:1\": failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp 10.9.0.5:443: connect: connection refused";

    fn missing() -> Fixture {
        stuck(
            IMAGE,
            "ErrImagePull",
            &format!(
                "failed to pull and unpack image \"{IMAGE}\": failed to resolve reference \"{IMAGE}\": {IMAGE}: not found"
            ),
        )
    }

    fn silent() -> Fixture {
        let text = format!("Back-off pulling image \"{IMAGE}\"");
        let events = Question::PodEvents {
            namespace: "shop".to_owned(),
            pod: "api-1".to_owned(),
            uid: "uid-1".to_owned(),
        };
        stuck(IMAGE, "ImagePullBackOff", &text)
            .node(node())
            .answer(events, pulldoctor_model::Answer::Events(Vec::new()))
    }

    fn proves_mirror(finding: &Finding) {
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding.summary.contains("`mirror.example.com`"),
            "{}",
            finding.summary
        );
    }

    #[test]
    fn a_mirror_that_the_message_hides_stands_beside_it() {
        let finding = logged(missing(), &[("containerd", NEXT)]).judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        let also = finding
            .also
            .iter()
            .find(|also| also.cause == CauseId::MirrorMisconfigured)
            .expect("the mirror");
        assert!(
            also.because.contains("`mirror.example.com`"),
            "{}",
            also.because
        );
    }

    #[test]
    fn a_mirror_is_proven_where_the_registry_serves_the_node() {
        let served = || own_network(challenged(IMAGE, &[], granted(200)));
        let finding = logged(missing(), &[("containerd", NEXT)])
            .node_view(served())
            .judge();
        proves_mirror(&finding);
        // The registry's own failure to answer is no mirror's.
        let own = NEXT.replace("mirror.example.com", "registry.example.com");
        let finding = logged(missing(), &[("containerd", &own)])
            .node_view(served())
            .judge();
        assert_eq!(finding.confidence, Confidence::Possible);
    }

    const STARTS: &str = "PullImage \"registry.example.com/shop/api:1\"";
    const MIRROR_LACKS: &str = "trying next host after status: 404 Not Found (host=\"mirror.example.com\", url=\"https://mirror.example.com/v2/shop/api/manifests/1?ns=registry.example.com\")";
    const OWN_LACKS: &str = "fetch failed after status: 404 Not Found (host=\"registry.example.com\", url=\"https://registry.example.com/v2/shop/api/manifests/1\")";

    fn said(lines: &[&str]) -> Fixture {
        let lines: Vec<(&str, &str)> = lines.iter().map(|line| ("containerd", *line)).collect();
        logged(missing(), &lines)
    }

    #[test]
    fn a_mirror_that_answers_not_found_is_named_by_the_log() {
        let served = own_network(challenged(IMAGE, &[], granted(200)));
        let finding = said(&[STARTS, MIRROR_LACKS]).node_view(served).judge();
        proves_mirror(&finding);
    }

    #[test]
    fn the_registrys_own_no_acquits_mirrors() {
        let served = || own_network(challenged(IMAGE, &[], granted(200)));
        let finding = said(&[STARTS, OWN_LACKS])
            .registry(there(IMAGE))
            .node_view(served())
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Likely);
        let acquitted = |cause| finding.ruled_out.iter().any(|out| out.cause == cause);
        assert!(acquitted(CauseId::MirrorMisconfigured));
        // Of another tag, or of a try before the last, it says nothing.
        for lines in [
            [STARTS, &OWN_LACKS.replace("manifests/1", "manifests/2")],
            [OWN_LACKS, STARTS],
        ] {
            let finding = said(&lines)
                .registry(there(IMAGE))
                .node_view(served())
                .judge();
            assert_eq!(finding.confidence, Confidence::Possible, "{lines:?}");
        }
    }

    #[test]
    fn older_runtimes_name_the_host_alone() {
        let lacks = |host: &str| {
            format!(
                "trying next host - response was http.StatusNotFound (host=\"{host}\") while pulling \"{IMAGE}\""
            )
        };
        let served = || own_network(challenged(IMAGE, &[], granted(200)));
        let by_mirror = lacks("mirror.example.com");
        let finding = said(&[STARTS, &by_mirror]).node_view(served()).judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Proven);
        let by_both = lacks("registry.example.com");
        let finding = said(&[STARTS, &by_mirror, &by_both])
            .registry(there(IMAGE))
            .node_view(served())
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn a_mirror_that_is_behind_hides_a_registry_out_of_reach() {
        let own = "fetch failed (host=\"registry.example.com\", url=\"https://registry.example.com/v2/shop/api/manifests/1\"): failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp 10.9.0.5:443: connect: connection refused";
        let finding = said(&[STARTS, MIRROR_LACKS, own])
            .registry(there(IMAGE))
            .judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Likely);
        let behind = finding.notes.iter().find(|(word, _)| word == "behind it");
        assert!(
            behind.is_some_and(|(_, text)| text.contains("refuses connections")),
            "{behind:?}"
        );
        // Before the newest try the mirror was another.
        let older = said(&[MIRROR_LACKS, STARTS, own]).registry(there(IMAGE));
        assert_eq!(older.cause(), CauseId::ImageNotFoundTag);
    }

    #[test]
    fn another_image_or_an_older_line_is_not_this_pull() {
        let other = NEXT.replace("shop/api", "shop/cart");
        let finding = logged(missing(), &[("containerd", &other)]).judge();
        assert!(finding.also.is_empty());
        let older = logged_at(missing(), -90_000, &[("containerd", NEXT)]).judge();
        assert!(older.also.is_empty());
        // Half a day before the pod may be now, where nothing says the zone; a day may not.
        for (from, is_now) in [(-40_000, true), (-90_000, false)] {
            let mut fixture = logged_at(missing(), from, &[("kubelet", NEXT)]);
            assert!(fixture.clone().judge().also.is_empty());
            for answered in &mut fixture.evidence.answers {
                if let Answer::NodeLogs(logs) = &mut answered.answer {
                    logs.lines[0].is_zoneless = true;
                }
            }
            assert_eq!(!fixture.judge().also.is_empty(), is_now, "{from}");
        }
    }

    #[test]
    fn the_log_speaks_where_status_and_events_do_not() {
        assert_eq!(silent().cause(), CauseId::Unknown);
        let open = crate::node_questions(&silent().evidence);
        assert!(
            open.iter()
                .any(|one| matches!(one, Question::NodeLogs { .. })),
            "{open:?}"
        );
        let finding = logged(silent(), &[("containerd", REFUSED)]).judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableRefused);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.evidence[0].from.to_string(), "node/n1");
        // What the status says is the newer word.
        let spoken = logged(missing(), &[("containerd", REFUSED)]).judge();
        assert_eq!(spoken.cause, CauseId::ImageNotFoundTag);
    }

    #[test]
    fn a_look_from_before_the_log_named_a_mirror_still_counts() {
        let seen = own_network(challenged(IMAGE, &[], granted(200)));
        let before = silent().node_view(seen);
        let dead = NEXT.replace("trying next host", "PullImage failed");
        let finding = logged(before, &[("containerd", &dead)]).judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding
                .notes
                .iter()
                .any(|(word, text)| word == "behind it" && text.contains("answers the node"))
        );
        // The mirror itself was not looked at yet.
        assert!(
            finding
                .open
                .iter()
                .any(|one| matches!(one, Question::NodeView { hosts, .. } if !hosts.is_empty()))
        );
    }

    #[test]
    fn no_progress_in_the_log_tells_a_timeout_from_a_withdrawal() {
        let text = "rpc error: code = Canceled desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": context canceled";
        let stuck = || stuck(IMAGE, "ErrImagePull", text).node(node());
        let alone = stuck().judge();
        assert_eq!(alone.confidence, Confidence::Possible);
        assert!(
            alone
                .open
                .iter()
                .any(|one| matches!(one, Question::NodeLogs { .. }))
        );
        let line =
            "cancel pulling image registry.example.com/shop/api:1 because of no progress in 5m0s";
        let finding = logged(stuck(), &[("containerd", line)]).judge();
        assert_eq!(finding.cause, CauseId::PullTimeout);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(finding.summary.contains("5m0s"), "{}", finding.summary);
        let other = line.replace("shop/api", "shop/cart");
        let finding = logged(stuck(), &[("containerd", &other)]).judge();
        assert_eq!(finding.confidence, Confidence::Possible);
    }
}
