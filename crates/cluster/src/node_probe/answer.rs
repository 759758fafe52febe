//! From a pod's log to what was seen. The log is hostile text: bounded, cleaned, and held to the
//! question.

use jiff::Timestamp;
use pulldoctor_model::{NodeNetwork, NodeRole, NodeSight, NodeView, clean_line, shorten};
use pulldoctor_reference::Reference;
use pulldoctor_registry::judge::{
    MOST_NODE_ANSWER, NODE_PROTOCOL, NodeAnswer, NodeAnswerError, NodeAsk, NodeLimits, NodeTarget,
    RawSight, rank_names, rank_tags, trust::Anchor,
};
use serde_json::Value;

/// Most characters of a text: a certificate as base64 is longer, and no text.
const MOST_TEXT: usize = 2_000;

/// Most characters of a certificate as base64, 12 kB in DER.
const MOST_CERTIFICATE: usize = 16_384;

/// Most members of a list.
const MOST_MEMBERS: usize = 256;

/// Near names that are kept.
const NEAR: usize = 10;

/// Clocks that are closer than this, in seconds, are taken for equal: the answer was on its way,
/// and both clocks tell whole seconds.
const SAME_CLOCK: i64 = 5;

/// Reads a log as the answer of a probe that was to look at this host, and judges it.
pub(crate) fn read(log: &[u8], host: &str) -> Option<NodeView> {
    let ask = NodeAsk {
        protocol: NODE_PROTOCOL,
        user_agent: String::new(),
        targets: vec![NodeTarget {
            role: NodeRole::Registry,
            host: host.to_owned(),
            plain_http: false,
            image: None,
        }],
        limits: NodeLimits::default(),
    };
    let answer = of_log(log, &ask).ok()?;
    Some(view(answer, NodeNetwork::Host, None, &[]))
}

/// Reads the answer out of a log.
pub(super) fn of_log(log: &[u8], ask: &NodeAsk) -> Result<NodeAnswer, NodeAnswerError> {
    if log.len() > MOST_NODE_ANSWER + 1024 {
        return Err(NodeAnswerError::TooLong);
    }
    let text = String::from_utf8_lossy(log);
    let line = text
        .lines()
        .rev()
        .filter(|line| line.starts_with('{'))
        .find_map(|line| serde_json::from_str::<Value>(line).ok())
        .ok_or(NodeAnswerError::NotAnAnswer)?;
    let mut line = line;
    tidy(&mut line);
    held_to(NodeAnswer::from_log(&line.to_string())?, ask)
}

/// Reads the answer out of a termination message.
pub(super) fn of_summary(text: &str, ask: &NodeAsk) -> Result<NodeAnswer, NodeAnswerError> {
    held_to(NodeAnswer::from_summary(text, ask)?, ask)
}

/// Bounds and cleans every text and list.
fn tidy(value: &mut Value) {
    match value {
        Value::String(text) => {
            let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
            let most = if text.bytes().all(is_base64) {
                MOST_CERTIFICATE
            } else {
                MOST_TEXT
            };
            *text = shorten(&clean_line(text), most).into_owned();
        }
        Value::Array(members) => {
            members.truncate(MOST_MEMBERS);
            members.iter_mut().for_each(tidy);
        }
        Value::Object(fields) => fields.values_mut().for_each(tidy),
        _ => {}
    }
}

/// An answer is about what was asked, whatever it says itself.
fn held_to(mut answer: NodeAnswer, ask: &NodeAsk) -> Result<NodeAnswer, NodeAnswerError> {
    if answer.sights.len() != ask.targets.len() {
        return Err(NodeAnswerError::NotAnAnswer);
    }
    for (sight, target) in answer.sights.iter_mut().zip(&ask.targets) {
        let RawSight {
            role, transcript, ..
        } = sight;
        *role = target.role;
        transcript.host.clone_from(&target.host);
        let image = target.image.as_ref();
        transcript.image = image.map_or_else(String::new, |image| image.written.clone());
        transcript.repository = image.map_or_else(String::new, |image| image.repository.clone());
        transcript.reference = image.map_or_else(String::new, |image| image.reference.clone());
    }
    Ok(answer)
}

/// Judges the certificates by the node's clock, and compares that with the server's.
pub(super) fn view(
    answer: NodeAnswer,
    network: NodeNetwork,
    date: Option<Timestamp>,
    anchors: &[Anchor],
) -> NodeView {
    let now = answer.clock;
    NodeView {
        network,
        resolvers: answer.resolvers,
        clock_ahead_s: date.map(|date| {
            let ahead = now.saturating_sub(date.as_second());
            if ahead.abs() <= SAME_CLOCK { 0 } else { ahead }
        }),
        is_cut: answer.is_cut,
        sights: answer
            .sights
            .into_iter()
            .map(|sight| sight.judged(now, anchors))
            .map(with_near)
            .collect(),
    }
}

/// Of the names that came home, those that are near to what is missing.
fn with_near(mut sight: NodeSight) -> NodeSight {
    let seen = &mut sight.transcript;
    let image = Reference::parse(&seen.image).ok();
    let tag = image.as_ref().and_then(Reference::effective_tag);
    seen.near_tags = match (tag, &seen.tags) {
        (Some(tag), Some(list)) => rank_tags(tag, &list.tags, &[], NEAR),
        _ => Vec::new(),
    };
    seen.near_repositories = rank_names(&seen.repository, &seen.near_repositories, NEAR);
    sight
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::NodeResolvers;
    use pulldoctor_registry::judge::{NodeImage, StageName, TagList, begin_transcript};
    use serde_json::json;

    use super::*;

    fn ask() -> NodeAsk {
        NodeAsk {
            protocol: NODE_PROTOCOL,
            user_agent: "pulldoctor/1".to_owned(),
            targets: vec![NodeTarget {
                role: NodeRole::Registry,
                host: "registry.lab".to_owned(),
                plain_http: false,
                image: None,
            }],
            limits: NodeLimits::default(),
        }
    }

    fn answer(host: &str) -> NodeAnswer {
        let mut transcript = begin_transcript(&ask().targets[0]);
        host.clone_into(&mut transcript.host);
        NodeAnswer {
            protocol: NODE_PROTOCOL,
            sights: vec![RawSight {
                role: NodeRole::Blob,
                transcript,
                chains: Vec::new(),
                paths: Vec::new(),
            }],
            resolvers: NodeResolvers::default(),
            clock: 1_700_000_000,
            took_ms: 3,
            error: None,
            is_cut: false,
        }
    }

    #[test]
    fn a_log_cannot_say_that_it_is_about_something_else() {
        let line = serde_json::to_string(&answer("evil.example")).unwrap();
        let read = of_log(format!("noise\n{line}\n{{\n").as_bytes(), &ask()).unwrap();
        assert_eq!(read.sights[0].transcript.host, "registry.lab");
        assert_eq!(read.sights[0].role, NodeRole::Registry);

        let mut two = answer("registry.lab");
        two.sights.push(two.sights[0].clone());
        let line = serde_json::to_string(&two).unwrap();
        assert!(of_log(line.as_bytes(), &ask()).is_err());
    }

    #[test]
    fn every_text_of_a_log_is_bounded_and_clean() {
        let mut value = serde_json::to_value(answer("registry.lab")).unwrap();
        let stage = |detail: &str| {
            json!({"stage": "dns", "outcome": "failed", "tookMs": 1, "detail": detail,
                "problem": null, "facts": {"kind": "none"}})
        };
        let stages = vec![stage(&format!("\u{1b}[31m{}", "x y ".repeat(100_000))); 1];
        value["sights"][0]["transcript"]["stages"] = json!(stages);
        let facts = serde_json::to_value(pulldoctor_registry::judge::Facts::None).unwrap();
        value["sights"][0]["transcript"]["stages"][0]["facts"] = facts;
        let read = of_log(value.to_string().as_bytes(), &ask()).unwrap();
        let detail = &read.sights[0].transcript.stages[0].detail;
        assert_eq!(read.sights[0].transcript.stages[0].stage, StageName::Dns);
        assert!(detail.chars().count() <= MOST_TEXT, "{}", detail.len());
        assert!(!detail.contains('\u{1b}'), "{detail}");

        let huge = vec![b'{'; MOST_NODE_ANSWER + 2_000];
        assert_eq!(of_log(&huge, &ask()), Err(NodeAnswerError::TooLong));
    }

    #[test]
    fn names_that_came_home_are_ranked_there() {
        let mut target = ask().targets.remove(0);
        let image = Reference::parse("registry.lab/shop/api:1.4.2").unwrap();
        target.image = Some(NodeImage::new(&image));
        let asked = NodeAsk {
            targets: vec![target],
            ..ask()
        };
        let mut said = answer("registry.lab");
        let names = ["v1.4.2", "latest", "\u{1b}[2J1.4.2", "9.9.9"].map(str::to_owned);
        let seen = &mut said.sights[0].transcript;
        seen.tags = Some(TagList {
            tags: names.to_vec(),
            ..TagList::default()
        });
        seen.near_repositories = vec!["shop/apt".to_owned(), "else/where".to_owned()];
        // A near tag that the log claims is none.
        seen.near_tags = rank_tags("1.4.2", &["1.4.3".to_owned()], &[], NEAR);
        let line = serde_json::to_string(&said).unwrap();
        let read = of_log(line.as_bytes(), &asked).unwrap();
        let view = view(read, NodeNetwork::Host, None, &[]);
        let seen = &view.sights[0].transcript;
        let near: Vec<&str> = seen.near_tags.iter().map(|near| &*near.tag).collect();
        assert_eq!(near, ["v1.4.2", "9.9.9"]);
        assert_eq!(seen.near_repositories, ["shop/apt"]);
    }

    #[test]
    fn clocks_that_are_near_are_equal() {
        let at = |second| Timestamp::from_second(second).ok();
        let ahead = |date| view(answer("r"), NodeNetwork::Host, date, &[]).clock_ahead_s;
        assert_eq!(ahead(at(1_700_000_004)), Some(0));
        assert_eq!(ahead(at(1_699_999_400)), Some(600));
        assert_eq!(ahead(at(1_700_000_090)), Some(-90));
        assert_eq!(ahead(None), None);
    }
}
