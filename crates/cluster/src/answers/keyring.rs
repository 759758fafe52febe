//! Which credentials of a pod's secrets the kubelet tries.

use futures::{StreamExt as _, stream};
use pulldoctor_keyring::{PullSecret, facts};
use pulldoctor_model::{Answer, Gap, GapReason, Question, SecretVerdict};
use pulldoctor_reference::Reference;

use super::{Health, Outcome, PATIENCE, wanted};
use crate::{connect::Cluster, events::SIDE_BY_SIDE};

/// Pull secrets, in the order in which a pod names them.
pub(super) struct PullSecrets {
    /// What was read, and the verdict where nothing was.
    pub(super) secrets: Vec<Result<PullSecret, SecretVerdict>>,
    /// Why some could not be read, each reason once.
    pub(super) unread: Vec<GapReason>,
}

impl PullSecrets {
    /// The gaps that stand for what could not be read: the same as where a secret's outside was
    /// asked for.
    pub(super) fn gaps(&self, namespace: &str, question: &Question) -> Vec<Gap> {
        let of_secret = Question::Secret {
            namespace: namespace.to_owned(),
            name: String::new(),
        };
        let gap = |why: &GapReason| {
            wanted(&of_secret).map(|wanted| wanted.gap(*why, vec![question.clone()]))
        };
        self.unread.iter().filter_map(gap).collect()
    }
}

impl Cluster {
    /// Reads pull secrets, each at most once in a run.
    pub(super) async fn pull_secrets(
        &self,
        namespace: &str,
        names: &[String],
        health: &Health,
    ) -> PullSecrets {
        let reading: Vec<_> = names
            .iter()
            .map(|name| self.pull_secret(namespace, name, health))
            .collect();
        let read: Vec<_> = stream::iter(reading).buffered(SIDE_BY_SIDE).collect().await;
        let mut unread: Vec<GapReason> = Vec::new();
        let mut secrets = Vec::new();
        for (read, name) in read.into_iter().zip(names) {
            match read {
                Ok(secret) => secrets.push(secret),
                Err(why) => {
                    secrets.push(Err(SecretVerdict::unreadable(namespace, name)));
                    if !unread.contains(&why) {
                        unread.push(why);
                    }
                }
            }
        }
        PullSecrets { secrets, unread }
    }

    async fn pull_secret(
        &self,
        namespace: &str,
        name: &str,
        health: &Health,
    ) -> Result<Result<PullSecret, SecretVerdict>, GapReason> {
        let (api, secrets) = (self.api(), &self.inner.secrets);
        let found = health
            .bounded(secrets.get(api, namespace, name))
            .await?
            .map_err(|error| error.gap())?;
        match found {
            Some(secret) => match &secret.content {
                Some(content) => Ok(Ok(content.clone())),
                None => Err(GapReason::Unreachable),
            },
            None => {
                // A convenience, so it is not waited for long and its absence is no gap.
                let elsewhere = secrets.elsewhere(api, namespace, name);
                let elsewhere = tokio::time::timeout(PATIENCE, elsewhere).await;
                let elsewhere = elsewhere.unwrap_or_default();
                Ok(Err(SecretVerdict::missing(namespace, name, elsewhere)))
            }
        }
    }

    /// Answers [`Question::Keyring`]. What could not be read is a verdict in the answer, and a
    /// gap beside it.
    pub(super) async fn keyring(
        &self,
        question: &Question,
        namespace: &str,
        names: &[String],
        image: &str,
        health: &Health,
    ) -> Outcome {
        let Ok(image) = Reference::parse(image) else {
            return Outcome::gap(super::no_reference(question, image));
        };
        let read = self.pull_secrets(namespace, names, health).await;
        let answer = Answer::Keyring(facts(&read.secrets, &image));
        Outcome::with(answer, read.gaps(namespace, question))
    }
}
