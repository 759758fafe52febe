//! Builders for the tests of the causes: a symptom in some evidence, judged.

use pulldoctor_model::{
    Answer, Answered, CauseId, Condition, ContainerKind, Event, Evidence, Finding, Gap, GapReason,
    NodeFacts, PullPolicy, Question, SecretFacts, Symptom, Timestamp, Vantage,
};

use crate::case::{Case, Index};

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "methods of a case are for one lifetime only"
)]
mod keyring;
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "methods of a case are for one lifetime only"
)]
mod registry;

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "methods of a case are for one lifetime only"
)]
mod node;

pub(crate) use keyring::*;
pub(crate) use node::*;
pub(crate) use registry::*;

/// Evidence of one symptom, to which answers are added.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    /// The evidence so far.
    pub(crate) evidence: Evidence,
}

/// A container `api` of pod `api-1` in `shop` on node `n1` that waits for `image`.
pub(crate) fn stuck(image: &str, reason: &str, message: &str) -> Fixture {
    let mut evidence = Evidence::new("test", "https://cluster", at(0));
    evidence.scanned.pods = 1;
    evidence.scanned.stuck = 1;
    evidence.scanned.namespaces = vec!["shop".to_owned()];
    evidence.symptoms.push(Symptom {
        namespace: "shop".to_owned(),
        pod: "api-1".to_owned(),
        pod_uid: "uid-1".to_owned(),
        container: Some("api".to_owned()),
        kind: ContainerKind::Container,
        node: Some("n1".to_owned()),
        owner: Some("Deployment/api".to_owned()),
        field: Some("spec.template.spec.containers[0].image".to_owned()),
        image: image.to_owned(),
        pull_policy: Some(PullPolicy::IfNotPresent),
        reason: reason.to_owned(),
        message: message.to_owned(),
        since: Some(at(-60)),
        created: Some(at(-60)),
        next_retry: None,
        pull_secrets: Vec::new(),
        service_account: Some("default".to_owned()),
        static_pod: false,
        ran_before: false,
        wanted_arch: None,
    });
    Fixture { evidence }
}

/// A point in time, in seconds around the observation.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).expect("in range")
}

/// A healthy node: linux/amd64, kubelet 1.37, containerd 2.4, no pressure, one other image.
pub(crate) fn node() -> NodeFacts {
    NodeFacts {
        os: "linux".to_owned(),
        arch: "amd64".to_owned(),
        kubelet: "v1.37.2".to_owned(),
        runtime: "containerd://2.4.2".to_owned(),
        conditions: vec![Condition {
            kind: "DiskPressure".to_owned(),
            status: "False".to_owned(),
            reason: "KubeletHasNoDiskPressure".to_owned(),
            message: "kubelet has no disk pressure".to_owned(),
            since: Some(at(-90_000)),
        }],
        images: vec![pulldoctor_model::NodeImage {
            names: vec!["registry.example.com/other:1".to_owned()],
            size: 1_000,
        }],
        heartbeat: Some(at(-5)),
        lease_ahead_s: None,
        taints: Vec::new(),
        unschedulable: false,
    }
}

/// A pull secret of the right type.
pub(crate) fn pull_secret() -> SecretFacts {
    SecretFacts {
        exists: true,
        kind: Some("kubernetes.io/dockerconfigjson".to_owned()),
        keys: vec![".dockerconfigjson".to_owned()],
        created: Some(at(-90_000)),
        elsewhere: Vec::new(),
        siblings: Vec::new(),
    }
}

impl Fixture {
    /// Changes the symptom.
    pub(crate) fn symptom(mut self, change: impl FnOnce(&mut Symptom)) -> Self {
        change(&mut self.evidence.symptoms[0]);
        self
    }

    /// Adds an answer from the API.
    pub(crate) fn answer(mut self, question: Question, answer: Answer) -> Self {
        self.evidence.answers.push(Answered {
            question,
            from: Vantage::Api,
            took_ms: Some(1),
            answer,
        });
        self
    }

    /// Adds the answer about the symptom's node.
    pub(crate) fn node(self, facts: NodeFacts) -> Self {
        self.answer(
            Question::Node {
                name: "n1".to_owned(),
            },
            Answer::Node(Box::new(facts)),
        )
    }

    /// Names a pull secret in the pod and adds the answer about it.
    pub(crate) fn secret(self, name: &str, facts: SecretFacts) -> Self {
        let question = Question::Secret {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        };
        self.symptom(|symptom| symptom.pull_secrets.push(name.to_owned()))
            .answer(question, Answer::Secret(facts))
    }

    /// Adds the pod's events.
    pub(crate) fn events(self, events: Vec<Event>) -> Self {
        let question = Question::PodEvents {
            namespace: "shop".to_owned(),
            pod: "api-1".to_owned(),
            uid: "uid-1".to_owned(),
        };
        self.answer(question, Answer::Events(events))
    }

    /// Forbids a question.
    pub(crate) fn forbid(self, question: Question) -> Self {
        self.gap(GapReason::Forbidden, question)
    }

    /// Leaves a question without an answer.
    pub(crate) fn gap(mut self, why: GapReason, question: Question) -> Self {
        self.evidence.gaps.push(Gap {
            what: "a test's gap".to_owned(),
            why,
            grant: (why == GapReason::Forbidden).then(|| "- rule".to_owned()),
            questions: vec![question],
            hides_pods: false,
        });
        self
    }

    /// Looks at the symptom as the causes do.
    pub(crate) fn with_case<T>(&self, look: impl FnOnce(&Case<'_>) -> T) -> T {
        let index = Index::new(&self.evidence);
        look(&Case::new(
            &self.evidence,
            &index,
            &self.evidence.symptoms[0],
        ))
    }

    /// The questions that the engine would ask now.
    pub(crate) fn questions(&self) -> Vec<Question> {
        crate::questions(&self.evidence)
    }

    /// The finding that comes first.
    pub(crate) fn judge(&self) -> Finding {
        crate::judge(&self.evidence).remove(0).first
    }

    /// The cause that comes first.
    pub(crate) fn cause(&self) -> CauseId {
        self.judge().cause
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::registry::{Facts, Identity, Problem, StageName};

    use super::*;
    use crate::transcript::cause_of;

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const KEY: &str = "registry.example.com";

    #[test]
    fn a_transcript_ends_as_a_probe_would() {
        let login = |record| {
            challenged(
                IMAGE,
                &[("regcred", KEY, record)],
                refused(Identity::Unknown, 401),
            )
        };
        let cause = |record| cause_of(&login(record));
        assert_eq!(cause(granted(200)), None);
        assert_eq!(cause(granted(404)), Some(CauseId::ImageNotFoundTag));
        assert_eq!(cause(held_back()), None);
        assert_eq!(
            cause(no_token(Identity::Rejected)),
            Some(CauseId::AuthBadCredentials)
        );
        assert_eq!(
            cause(refused(Identity::Accepted, 403)),
            Some(CauseId::AuthForbidden)
        );
        assert_eq!(
            cause_of(&challenged(IMAGE, &[], no_token(Identity::Unknown))),
            Some(CauseId::AuthMissingCredentials)
        );
        let refused = failed_at(IMAGE, StageName::Tcp, Problem::TcpRefused, Facts::None);
        assert_eq!(
            cause_of(&refused),
            Some(CauseId::RegistryUnreachableRefused)
        );
        assert_eq!(refused.stages.len(), 3);
    }

    #[test]
    fn answers_are_filed_under_the_questions_of_the_causes() {
        let secrets = [
            written(login_secret("regcred", &[KEY]), -60),
            absent_secret("gone"),
            unreadable_secret("hidden"),
        ];
        let transcript = good_before(IMAGE, StageName::Http);
        let fixture = stuck(IMAGE, "ErrImagePull", "")
            .keyring(&secrets)
            .node(node())
            .registry(transcript.clone())
            .content(transcript);
        fixture.with_case(|case| {
            let keyring = case.keyring().seen().unwrap();
            assert_eq!(keyring.matching[0].username, "ci-bot");
            assert_eq!(keyring.secrets[0].age(at(0)), Some(60));
            assert!(case.secret("regcred").seen().unwrap().exists);
            assert!(!case.secret("gone").seen().unwrap().exists);
            assert!(matches!(case.secret("hidden"), crate::Known::Gap(_)));
            assert!(case.registry_answer().seen().is_some());
            assert!(case.content().seen().is_some());
        });
    }
}
