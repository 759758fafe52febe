//! Answers from files. What they lack is a gap: nobody asked for it when they were written.

use pulldoctor_keyring::{PullSecret, facts};
use pulldoctor_model::{Answer, Evidence, GapReason, Question, SecretFacts, SecretVerdict};
use pulldoctor_reference::Reference;

use super::{Bundle, Source, objects::Objects};
use crate::answers::{Outcome, can_hold_credentials, owner_facts, settle, unsettled, wanted};

impl Bundle {
    /// Answers questions from what the files hold. No registry is asked: what one would answer is
    /// a gap. Questions that only a node can answer are left as they are.
    pub fn answer(&self, questions: &[Question], evidence: &mut Evidence) {
        for question in unsettled(questions, evidence) {
            let outcome = match &self.source {
                Source::Recording(_) => None,
                Source::Objects(objects) => keyring(objects, &question).or_else(|| {
                    let answer = self.look_up(objects, &question);
                    answer.map(Outcome::answer)
                }),
            };
            let outcome = match outcome {
                Some(outcome) => outcome,
                None => match lacking(&question) {
                    Some(what) => {
                        Outcome::gap(what.gap(GapReason::NotAsked, vec![question.clone()]))
                    }
                    None => continue,
                },
            };
            settle(evidence, &question, outcome);
        }
    }

    fn look_up(&self, objects: &Objects, question: &Question) -> Option<Answer> {
        match question {
            Question::PodEvents {
                namespace,
                pod,
                uid,
            } => objects
                .events("Pod", namespace, pod, uid)
                .map(Answer::Events),
            Question::NodeEvents { name } => {
                objects.events("Node", "", name, "").map(Answer::Events)
            }
            Question::Secret { namespace, name } => {
                secret(objects, namespace, name).map(Answer::Secret)
            }
            Question::ServiceAccount { namespace, name } => objects
                .accounts
                .get(&(namespace.clone(), name.clone()))
                .cloned()
                .map(Answer::ServiceAccount),
            Question::Node { name } => objects
                .nodes
                .get(name)
                .cloned()
                .map(|facts| Answer::Node(Box::new(facts))),
            Question::Owner {
                namespace,
                owner,
                container,
            } => {
                let (kind, name) = owner.split_once('/')?;
                let key = (namespace.clone(), kind.to_owned(), name.to_owned());
                let owner = objects.owners.get(&key)?;
                Some(Answer::Owner(owner_facts(
                    owner,
                    container,
                    &objects.sets,
                    &objects.revisions,
                )))
            }
            Question::ImageElsewhere { image } => Some(Answer::Elsewhere(self.index.image(image))),
            Question::RegistryElsewhere { registry } => {
                Some(Answer::Elsewhere(self.index.registry(registry)))
            }
            Question::RegistriesInUse => Some(Answer::Registries(self.index.registries())),
            _ => None,
        }
    }
}

/// The gap's text where files lack an answer; none for questions that others answer.
fn lacking(question: &Question) -> Option<crate::answers::Wanted> {
    wanted(question).or_else(|| {
        matches!(
            question,
            Question::ImageElsewhere { .. }
                | Question::RegistryElsewhere { .. }
                | Question::RegistriesInUse
        )
        .then(|| crate::answers::Wanted {
            what: "list pods".to_owned(),
            rule: None,
            of: None,
        })
    })
}

/// Which credentials the kubelet tries. What was taken out of the files, or never was in them,
/// could not be read.
fn keyring(objects: &Objects, question: &Question) -> Option<Outcome> {
    let Question::Keyring {
        namespace,
        secrets,
        image,
    } = question
    else {
        return None;
    };
    let image = Reference::parse(image).ok()?;
    let mut besides = Vec::new();
    let mut read: Vec<Result<PullSecret, SecretVerdict>> = Vec::new();
    for name in secrets {
        let key = (namespace.clone(), name.clone());
        let is_there = objects.secrets.contains_key(&key);
        if let Some(content) = objects.contents.get(&key) {
            read.push(Ok(content.clone()));
        } else if !is_there && objects.is_listed("Secret", namespace) {
            let elsewhere = elsewhere(objects, namespace, name);
            read.push(Err(SecretVerdict::missing(namespace, name, elsewhere)));
        } else {
            let mut gap = wanted(question)?.gap(GapReason::NotAsked, vec![question.clone()]);
            if is_there {
                gap.what = format!("read secret {namespace}/{name}, whose content was taken out");
            }
            besides.push(gap);
            read.push(Err(SecretVerdict::unreadable(namespace, name)));
        }
    }
    Some(Outcome::with(
        Answer::Keyring(facts(&read, &image)),
        besides,
    ))
}

/// Other namespaces that hold a secret of this name.
fn elsewhere(objects: &Objects, namespace: &str, name: &str) -> Vec<String> {
    let secrets = objects.secrets.keys();
    secrets
        .filter(|(other, own)| own == name && other != namespace)
        .map(|(other, _)| other.clone())
        .collect()
}

/// A secret, or the fact that there is none where the secrets of its namespace were listed.
fn secret(objects: &Objects, namespace: &str, name: &str) -> Option<SecretFacts> {
    let key = (namespace.to_owned(), name.to_owned());
    let mut facts = match objects.secrets.get(&key) {
        Some(facts) => facts.clone(),
        None if objects.is_listed("Secret", namespace) => SecretFacts {
            exists: false,
            kind: None,
            keys: Vec::new(),
            created: None,
            elsewhere: elsewhere(objects, namespace, name),
            siblings: Vec::new(),
        },
        None => return None,
    };
    if !facts.kind.as_deref().is_some_and(can_hold_credentials) {
        facts.siblings = objects
            .secrets
            .iter()
            .filter(|((other, own), it)| {
                other == namespace
                    && own != name
                    && it.kind.as_deref().is_some_and(can_hold_credentials)
            })
            .map(|((_, own), _)| own.clone())
            .collect();
    }
    Some(facts)
}
