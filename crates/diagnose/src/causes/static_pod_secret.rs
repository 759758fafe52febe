//! `static-pod-secret`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::support::credentials::{
    Host, Said, host_of, login_questions, mirror, refusing_host, said, with_login, word,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # static-pod-secret
    ///
    /// ## What it means
    ///
    /// The pod is static: the kubelet reads it from a file on the node. Such pods have no service
    /// account and may not name secrets, so they cannot use pull secrets at all.
    ///
    /// ## How we know
    ///
    /// The pod carries the annotation of a mirror pod, and the registry refuses. The API rejects
    /// mirror pods that name a secret (`a mirror pod may not reference secrets`); kubelets from
    /// 1.34 on refuse the file itself (`static pods may not reference secrets`).
    ///
    /// ## What to do
    ///
    /// Give the node itself a login, in one of these ways:
    ///
    /// - `/var/lib/kubelet/config.json`, in the form of Docker's `config.json`;
    /// - a credential provider of the kubelet;
    /// - the runtime's own configuration.
    ///
    /// Or load the image onto the node and set the policy to `IfNotPresent`.
    ///
    /// ## What it is not
    ///
    /// Deleting the mirror pod changes nothing: edit the file on the node.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/kubelet/config/common.go` 1.34 to 1.36 (`PreventStaticPodAPIReferences`).
    /// - Kubernetes `plugin/pkg/admission/serviceaccount/admission.go` 1.36.
    /// - Kubernetes `pkg/credentialprovider/config.go` 1.36: where `config.json` is looked for.
    StaticPodSecret
    generals: [AuthMissingCredentials],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let refused = word(case).filter(|word| word.may_lack_login());
    let told = *case.fault() == Fault::StaticPodSecret;
    let of_static_pod = case.symptom.static_pod && refused.is_some();
    if !told && !of_static_pod {
        return None;
    }
    let is_open = matches!(said(case), Said::Opens { .. });
    let hides = refused.is_some() && (host_of(case) == Host::Hides || is_open);
    let confidence = if told && !case.symptom.static_pod {
        Confidence::Likely
    } else if hides {
        Confidence::Possible
    } else if mirror(case).is_some() {
        Confidence::Likely
    } else {
        Confidence::Proven
    };
    let summary = if told {
        "a static pod may not name secrets, so it cannot use pull secrets".to_owned()
    } else {
        format!(
            "the pod is static and cannot use pull secrets, and `{}` wants a login",
            refusing_host(case)
        )
    };
    let mut finding = case.finding(
        CauseId::StaticPodSecret,
        confidence,
        case.image_object(),
        summary,
    );
    if confidence == Confidence::Possible {
        finding = finding.rival(
            CauseId::NotFoundOrPrivate,
            "the registry answers the same where the repository does not exist",
            case.registry_question().to_string(),
        );
    }
    if let Some(word) = refused {
        finding = with_login(finding, case, word);
    }
    Some(
        finding
            .remedy(
                "node-credential",
                Applicability::Advice,
                "put a login for the registry into /var/lib/kubelet/config.json on the node",
                None,
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, registry::Identity};

    use crate::{
        causes::support::credentials::samples::{IMAGE, NO_BASIC, SCOPE, account},
        fixture::{challenged, granted, refused, stuck},
    };

    #[test]
    fn a_static_pod_that_is_refused() {
        let finding = stuck(IMAGE, "ErrImagePull", NO_BASIC)
            .symptom(|symptom| symptom.static_pod = true)
            .judge();
        assert_eq!(finding.cause, CauseId::StaticPodSecret);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn where_the_registry_hides_it_stays_possible() {
        let text = "failed to pull and unpack image \"docker.io/shop/api:1\": failed to resolve image: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed";
        let finding = stuck("shop/api:1", "ErrImagePull", text)
            .symptom(|symptom| symptom.static_pod = true)
            .judge();
        assert_eq!(finding.cause, CauseId::StaticPodSecret);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::NotFoundOrPrivate);
    }

    #[test]
    fn an_ordinary_pod_is_none() {
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[]).judge();
        assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
    }

    #[test]
    fn a_static_pod_with_another_fault_is_none() {
        let text = "failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp: lookup registry.example.com on 10.0.0.2:53: no such host";
        let finding = stuck(IMAGE, "ErrImagePull", text)
            .symptom(|symptom| symptom.static_pod = true)
            .judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
    }

    #[test]
    fn the_registrys_own_answer_to_nobody() {
        let with = |anonymous| {
            stuck(IMAGE, "ErrImagePull", SCOPE)
                .symptom(|symptom| symptom.static_pod = true)
                .registry(challenged(IMAGE, &[], anonymous))
                .judge()
        };
        let refused = with(refused(Identity::Unknown, 401));
        assert_eq!(refused.cause, CauseId::StaticPodSecret);
        assert_eq!(refused.confidence, Confidence::Proven);
        let open = with(granted(200));
        assert_eq!(open.confidence, Confidence::Possible);
    }
}
