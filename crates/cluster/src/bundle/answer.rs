//! Answers from files. What they lack is a gap: nobody asked for it when they were written.

use pulldoctor_model::{Answer, Evidence, GapReason, Question, SecretFacts};

use super::{Bundle, Source, objects::Objects};
use crate::answers::{Outcome, can_hold_credentials, owner_facts, settle, unsettled, wanted};

impl Bundle {
    /// Answers questions from what the files hold. Those that only a registry, a keyring or a
    /// node can answer are left as they are.
    pub fn answer(&self, questions: &[Question], evidence: &mut Evidence) {
        for question in unsettled(questions, evidence) {
            let answer = match &self.source {
                Source::Recording(_) => None,
                Source::Objects(objects) => self.look_up(objects, &question),
            };
            let outcome = match answer {
                Some(answer) => Outcome::answer(answer),
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
        })
    })
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
            elsewhere: objects
                .secrets
                .keys()
                .filter(|(other, own)| own == name && other != namespace)
                .map(|(other, _)| other.clone())
                .collect(),
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
