//! The kubelet's events, waiting reasons and log lines (1.2 to 1.37), and `kubectl logs`.

use super::{Rule, rule};
use crate::draft::{Sandbox, Weight};
use crate::{Fault, Layer, Operation};

/// The words that stand as waiting or event reason, in the kubelet's spelling.
const REASONS: [&str; 18] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
    "ImageVolumeMountFailed",
    "CreateContainerError",
    "CreateContainerConfigError",
    "RunContainerError",
    "CrashLoopBackOff",
    "FailedCreatePodSandBox",
    "FailedToRetrieveImagePullSecret",
    "InspectFailed",
    "PullImageError",
    "ErrImageNotEnsured",
    "CreatePodSandboxError",
];

pub(super) const RULES: &[Rule] = &[
    // --- events and envelopes ---
    rule(
        "failed to pull image {img}< from pod {q} and container {q}><: >",
        |d, c| {
            d.layer(Layer::FailedToPull);
            d.image(c.get(0));
            if c.slots.len() == 3 {
                d.facts.pod = Some(crate::text::keep(c.get(1), 255));
                d.facts.container = Some(crate::text::keep(c.get(2), 255));
            }
            d.fault(Weight::Nothing, Fault::BackOffOnly);
        },
    ),
    rule("failed pulling image {img}<: >", |d, c| {
        d.layer(Layer::FailedToPull);
        d.image(c.get(0));
        d.fault(Weight::Nothing, Fault::BackOffOnly);
    }),
    rule("failed to pull image: ", |d, _| {
        d.layer(Layer::FailedToPull);
        d.fault(Weight::Nothing, Fault::BackOffOnly);
    }),
    rule("back-off pulling image {img}<: >", |d, c| {
        d.layer(Layer::BackOff);
        d.image(c.get(0));
        d.fault(Weight::Nothing, Fault::BackOffOnly);
    }),
    rule(
        "(pullimage|pull image) {img}< from image service>< failed><: >",
        |d, c| {
            d.layer(Layer::PullImageLog);
            d.image(c.get(0));
            d.fault(Weight::Nothing, Fault::BackOffOnly);
        },
    ),
    rule("pullimage from image service failed", |d, _| {
        d.layer(Layer::PullImageLog);
        d.fault(Weight::Nothing, Fault::BackOffOnly);
    }),
    rule(
        "image pull failed for {img}<, this may be because there are no credentials on this request><. details: \\(>",
        |d, c| {
            d.layer(Layer::PullFailedBecause);
            d.image(c.get(0));
            d.fault(Weight::Nothing, Fault::BackOffOnly);
        },
    ),
    rule("because the registry is unavailable", |d, _| {
        d.reason("RegistryUnavailable");
        d.fault(Weight::Access, Fault::ServerError { status: None });
    }),
    rule("because the signature validation failed", |d, _| {
        d.reason("SignatureValidationFailed");
        d.operation(Operation::Verify);
        d.fault(Weight::Server, Fault::Signature);
    }),
    rule("error syncing pod", |d, _| {
        d.layer(Layer::SyncPod);
    }),
    rule("failed to {q} for {q} with {w}: ", |d, c| {
        d.layer(Layer::SyncPod);
        if c.get(0).eq_ignore_ascii_case("CreatePodSandbox") {
            d.sandbox(Sandbox::Starting);
        }
        let word = c.get(2);
        if let Some(reason) = REASONS.iter().find(|r| r.eq_ignore_ascii_case(word)) {
            d.reason(reason);
        }
        d.fault(Weight::Nothing, Fault::BackOffOnly);
    }),
    rule("container {q} in pod {q} is waiting to start: ", |d, c| {
        d.layer(Layer::LogsRefusal);
        d.facts.container = Some(crate::text::keep(c.get(0), 255));
        d.facts.pod = Some(crate::text::keep(c.get(1), 255));
    }),
    rule(
        "(image can't be pulled|trying and failing to pull image)",
        |d, _| {
            d.reason(if d.phrase().starts_with("image") {
                "ErrImagePull"
            } else {
                "ImagePullBackOff"
            });
            d.fault(Weight::Nothing, Fault::BackOffOnly);
        },
    ),
    // --- reasons ---
    rule(
        "(errimagepull|imagepullbackoff|errimagenotensured|pullimageerror)<: >",
        |d, _| {
            word_reason(d);
            d.fault(Weight::Nothing, Fault::BackOffOnly);
        },
    ),
    rule("errimageneverpull", |d, _| {
        word_reason(d);
        d.exact(Fault::NeverPull);
    }),
    rule("invalidimagename", |d, _| {
        word_reason(d);
        d.operation(Operation::Parse);
        d.fault(Weight::Server, Fault::InvalidReference);
    }),
    rule("imageinspecterror<: >", |d, _| {
        word_reason(d);
        d.operation(Operation::Inspect);
        d.fault(Weight::Nothing, Fault::BackOffOnly);
    }),
    rule("registryunavailable<: >", |d, _| {
        word_reason(d);
        d.fault(Weight::Access, Fault::ServerError { status: None });
    }),
    rule("signaturevalidationfailed<: >", |d, _| {
        word_reason(d);
        d.operation(Operation::Verify);
        d.fault(Weight::Server, Fault::Signature);
    }),
    rule(
        "(createcontainererror|createcontainerconfigerror|runcontainererror|imagevolumemountfailed|inspectfailed|failedtoretrieveimagepullsecret)<: >",
        |d, _| {
            word_reason(d);
        },
    ),
    rule("crashloopbackoff", |d, _| {
        word_reason(d);
        d.fault(Weight::Hint, Fault::NotAPullProblem);
    }),
    rule(
        "(failedcreatepodsandbox|createpodsandboxerror)<: >",
        |d, _| {
            word_reason(d);
            d.sandbox(Sandbox::Starting);
        },
    ),
    // --- reference ---
    rule("failed to apply default image tag {q}<: >", |d, c| {
        d.layer(Layer::ApplyDefaultTag);
        d.image(c.get(0));
        d.operation(Operation::Parse);
        d.exact(Fault::InvalidReference);
    }),
    rule(
        "(couldn't|could not) parse image (name|reference) {q}<: >",
        |d, c| {
            d.image(c.get(0));
            d.operation(Operation::Parse);
            d.exact(Fault::InvalidReference);
        },
    ),
    // --- presence ---
    rule(
        "container image {img} is not present with pull policy of never",
        |d, c| {
            d.image(c.get(0));
            d.reason("ErrImageNeverPull");
            d.exact(Fault::NeverPull);
        },
    ),
    rule(
        "(failed to inspect image|imagestatus) {q}< from image service failed><: >",
        |d, c| {
            d.layer(Layer::InspectImage);
            d.image(c.get(0));
            d.operation(Operation::Inspect);
            d.fault(Weight::Nothing, Fault::BackOffOnly);
        },
    ),
    rule("get imagestatus from image service failed", |d, _| {
        d.layer(Layer::InspectImage);
        d.operation(Operation::Inspect);
    }),
    // --- sandbox ---
    rule("failed <to >create <a >pod sandbox<: >", |d, _| {
        d.sandbox(Sandbox::Starting);
    }),
    rule(
        "(createpodsandbox|runpodsandbox)< for pod {q}> failed",
        |d, _| {
            d.sandbox(Sandbox::Starting);
        },
    ),
    rule(
        "(failed to|error) (get|pull|pulling|inspect|ensure|create) (sandbox|pause) image {img}<: >",
        |d, c| {
            d.sandbox(Sandbox::PauseImage);
            d.image(c.get(0));
            d.operation(Operation::Sandbox);
            d.fault(Weight::Nothing, Fault::BackOffOnly);
        },
    ),
    rule(
        "(unable to|failed) pull<ing> <image >for the sandbox image",
        |d, _| {
            d.sandbox(Sandbox::PauseImage);
        },
    ),
    // --- limits of the node ---
    rule("pull qps exceeded", |d, _| {
        d.operation(Operation::Queue);
        d.exact(Fault::QpsExceeded);
    }),
    // cri-dockerd that is too old for its engine.
    rule(
        "unable to convert a nil pointer to a runtime api image",
        |d, _| {
            d.operation(Operation::Inspect);
            d.exact(Fault::RuntimeConfig);
        },
    ),
    rule("failed to record image pull intent", |d, _| {
        d.operation(Operation::Store);
        d.fault(Weight::Hint, Fault::IoError);
    }),
    // --- other than a pull ---
    rule("back-off {w} restarting failed container", |d, _| {
        d.fault(Weight::Hint, Fault::NotAPullProblem);
    }),
    rule("back-off restarting failed container", |d, _| {
        d.fault(Weight::Hint, Fault::NotAPullProblem);
    }),
    rule("nodes are available: ", |d, _| {
        d.fault(Weight::Hint, Fault::NotAPullProblem);
    }),
    // What the probe met stands behind these words: the container's own network.
    rule(
        "(readiness|liveness|startup) probe (failed|errored)",
        |d, _| not_a_pull(d),
    ),
    // kubectl, of the API server.
    rule(
        "(unable to connect to the server: |the connection to the server {w} was refused|error from server \\((forbidden|notfound|unauthorized)\\): )",
        |d, _| not_a_pull(d),
    ),
    // The API server, of a webhook's own address.
    rule("failed calling webhook {q}", |d, _| not_a_pull(d)),
    // A Go program's own end.
    rule("^panic: ", |d, _| not_a_pull(d)),
    rule(
        "(unable to attach or mount volumes|mountvolume.setup failed for volume|oomkilled|exec format error|executable file not found in $path)",
        |d, _| {
            d.fault(Weight::Hint, Fault::NotAPullProblem);
        },
    ),
    rule("failed to setup network for sandbox", |d, _| {
        d.fault(Weight::Exact, Fault::NotAPullProblem);
    }),
    rule(
        "(no ip addresses available in range set|failed to reserve sandbox name|failed to load cni during init|cni plugin not initialized|failed to create containerd task|failed to create shim task)",
        |d, _| d.fault(Weight::Server, Fault::NotAPullProblem),
    ),
    rule("networkplugin cni failed", |d, _| {
        d.fault(Weight::Exact, Fault::NotAPullProblem);
    }),
    // CRI-O, of a network plugin; what the plugin met follows.
    rule(
        "(failed to create pod network sandbox|error adding pod to cni network)",
        |d, _| not_a_pull(d),
    ),
    rule("attachvolume.attach failed for volume", |d, _| {
        not_a_pull(d);
    }),
];

/// The line is about something else, whatever follows in it.
pub(super) fn not_a_pull(d: &mut crate::draft::Draft<'_>) {
    d.exact(Fault::NotAPullProblem);
    d.skip_line();
}

/// Sets the reason from the word of the phrase.
fn word_reason(d: &mut crate::draft::Draft<'_>) {
    let word = crate::pattern::key(d.phrase());
    if let Some(reason) = REASONS.iter().find(|r| r.eq_ignore_ascii_case(word)) {
        d.reason(reason);
    }
}
