//! What a person sees, at 80 and 120 columns, with and without colour.

use pulldoctor_model::{
    Also, Applicability, Caret, CauseId, Confidence, ContainerKind, EvidenceItem, GapReason,
    Incident, NextQuestion, Object, RemedyRef, Report, ReportGap, ReportSymptom, Rival, RuledOut,
    Scanned, Timestamp, Vantage,
};
use pulldoctor_report::{HumanOptions, Stylesheet, human};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn options(width: usize) -> HumanOptions {
    HumanOptions {
        width,
        style: Stylesheet::PLAIN,
        verbose: false,
        now: at("2026-01-01T00:14:00Z"),
        program: "pulldoctor".to_owned(),
    }
}

fn symptom(pod: &str, node: &str) -> ReportSymptom {
    ReportSymptom {
        namespace: "shop".to_owned(),
        pod: pod.to_owned(),
        container: Some("api".to_owned()),
        kind: ContainerKind::Container,
        node: Some(node.to_owned()),
        owner: Some("Deployment/api".to_owned()),
        field: Some("spec.template.spec.containers[0].image".to_owned()),
        image: "registry.example.com/shop/api:v1.4.2".to_owned(),
        reason: "ImagePullBackOff".to_owned(),
        message: "Back-off pulling image \"registry.example.com/shop/api:v1.4.2\": ErrImagePull: \
            rpc error: code = NotFound desc = failed to pull and unpack image \
            \"registry.example.com/shop/api:v1.4.2\": failed to resolve reference \
            \"registry.example.com/shop/api:v1.4.2\": registry.example.com/shop/api:v1.4.2: not found"
            .to_owned(),
        since: Some(at("2026-01-01T00:00:00Z")),
        next_retry: Some(at("2026-01-01T00:17:10Z")),
    }
}

fn missing_tag() -> Incident {
    Incident {
        id: "6f0c2a".to_owned(),
        cause: CauseId::ImageNotFoundTag,
        confidence: Confidence::Possible,
        object: Object::image("registry.example.com/shop/api:v1.4.2"),
        summary: "`registry.example.com/shop/api` has no tag `v1.4.2`".to_owned(),
        symptoms: vec![
            symptom("api-6c9f-a", "n1"),
            symptom("api-6c9f-b", "n1"),
            symptom("api-6c9f-c", "n2"),
        ],
        evidence: vec![EvidenceItem {
            question: "which images did `Deployment/api` in `shop` have before?".to_owned(),
            answer: "`v1.4.1` (ReplicaSet api-5d7b, 3 pods ready)".to_owned(),
            from: Vantage::Api,
            took_ms: Some(41),
        }],
        rivals: vec![Rival {
            cause: CauseId::ImageNotFoundRepo,
            because: "the registry's 404 says not which part is missing".to_owned(),
            decided_by: "asking the registry for the tags of `shop/api`".to_owned(),
        }],
        ruled_out: vec![
            RuledOut {
                cause: CauseId::RegistryUnreachableDns,
                by: "the registry answered".to_owned(),
            },
            RuledOut {
                cause: CauseId::AuthMissingCredentials,
                by: "the answer is 404, not 401".to_owned(),
            },
        ],
        also: vec![Also {
            cause: CauseId::AlwaysNeedsRegistry,
            because: "the policy is Always".to_owned(),
        }],
        next: vec![NextQuestion {
            question: "does the registry serve `registry.example.com/shop/api:v1.4.2` to the credentials of pod `shop/api-6c9f-a`?".to_owned(),
            command: Some("pulldoctor probe registry.example.com/shop/api:v1.4.2 --credentials pod/api-6c9f-a -n shop".to_owned()),
        }],
        remedies: vec![RemedyRef {
            id: "set-tag".to_owned(),
            applicability: Applicability::Consent,
            title: "set the tag that ran before".to_owned(),
            command: Some("kubectl set image deployment/api -n shop api=registry.example.com/shop/api:v1.4.1".to_owned()),
        }],
        caret: Some(Caret {
            start: 30,
            end: 36,
            label: "the registry answers 404 for this".to_owned(),
        }),
        notes: vec![],
    }
}

fn report(incidents: Vec<Incident>, gaps: Vec<ReportGap>) -> Report {
    Report {
        schema: Report::SCHEMA.to_owned(),
        context: "prod".to_owned(),
        scanned: Scanned {
            pods: 46,
            stuck: if incidents.is_empty() { 0 } else { 3 },
            namespaces: vec!["shop".to_owned()],
        },
        incidents,
        gaps,
    }
}

fn secrets_gap() -> ReportGap {
    ReportGap {
        what: "list secrets in shop".to_owned(),
        why: GapReason::Forbidden,
        grant: Some(
            "- apiGroups: [\"\"]\n  resources: [\"secrets\"]\n  verbs: [\"get\"]\n".to_owned(),
        ),
        counts: true,
    }
}

#[test]
fn eighty_columns() {
    let text = human(&report(vec![missing_tag()], vec![]), &options(80));
    insta::assert_snapshot!(text, @r#"
    error[image-not-found-tag]: `registry.example.com/shop/api` has no      possible
      tag `v1.4.2`
      --> deployment/api  spec.template.spec.containers[0].image
          3 pods, 2 nodes, waiting 14 min
       |
       |  image: registry.example.com/shop/api:v1.4.2
       |                                       ^^^^^^
       |                                       the registry answers 404 for this
       |
       = text       …failed to resolve reference
                    "registry.example.com/shop/api:v1.4.2":
                    registry.example.com/shop/api:v1.4.2: not found
       = seen       which images did `Deployment/api` in `shop` have before?
                    `v1.4.1` (ReplicaSet api-5d7b, 3 pods ready) (api, 41 ms)
       = or         image-not-found-repo: the registry's 404 says not which part is
                    missing; what decides: asking the registry for the tags of
                    `shop/api`
       = also       always-needs-registry: the policy is Always
       = ruled out  registry-unreachable-dns (the registry answered),
                    auth-missing-credentials (the answer is 404, not 401)
       = ask        does the registry serve `registry.example.com/shop/api:v1.4.2`
                    to the credentials of pod `shop/api-6c9f-a`?
                    pulldoctor probe registry.example.com/shop/api:v1.4.2 \
                      --credentials pod/api-6c9f-a -n shop
    help: set the tag that ran before
          kubectl set image deployment/api -n shop \
            api=registry.example.com/shop/api:v1.4.1
    next kubelet retry in 3 min 10 s

    1 incident, 3 pods; 43 pods healthy.
    `pulldoctor explain image-not-found-tag` for more.
    "#);
}

#[test]
fn a_hundred_and_twenty_columns() {
    let text = human(&report(vec![missing_tag()], vec![]), &options(120));
    insta::assert_snapshot!(text, @r#"
    error[image-not-found-tag]: `registry.example.com/shop/api` has no tag `v1.4.2`                                 possible
      --> deployment/api  spec.template.spec.containers[0].image                             3 pods, 2 nodes, waiting 14 min
       |
       |  image: registry.example.com/shop/api:v1.4.2
       |                                       ^^^^^^ the registry answers 404 for this
       |
       = text       …failed to resolve reference "registry.example.com/shop/api:v1.4.2":
                    registry.example.com/shop/api:v1.4.2: not found
       = seen       which images did `Deployment/api` in `shop` have before? `v1.4.1` (ReplicaSet api-5d7b, 3 pods ready)
                    (api, 41 ms)
       = or         image-not-found-repo: the registry's 404 says not which part is missing; what decides: asking the
                    registry for the tags of `shop/api`
       = also       always-needs-registry: the policy is Always
       = ruled out  registry-unreachable-dns (the registry answered), auth-missing-credentials (the answer is 404, not 401)
       = ask        does the registry serve `registry.example.com/shop/api:v1.4.2` to the credentials of pod
                    `shop/api-6c9f-a`?
                    pulldoctor probe registry.example.com/shop/api:v1.4.2 --credentials pod/api-6c9f-a -n shop
    help: set the tag that ran before
          kubectl set image deployment/api -n shop api=registry.example.com/shop/api:v1.4.1
    next kubelet retry in 3 min 10 s

    1 incident, 3 pods; 43 pods healthy. `pulldoctor explain image-not-found-tag` for more.
    "#);
}

#[test]
fn in_colour() {
    let options = HumanOptions {
        style: Stylesheet::COLOURED,
        ..options(80)
    };
    let text = human(&report(vec![missing_tag()], vec![]), &options);
    let visible = text.replace('\u{1b}', "␛");
    insta::assert_snapshot!(visible, @r#"
    ␛[1m␛[31merror[image-not-found-tag]␛[0m␛[1m: `registry.example.com/shop/api` has no␛[0m      ␛[33mpossible␛[0m
      ␛[1mtag `v1.4.2`␛[0m
    ␛[1m␛[34m  --> ␛[0mdeployment/api  spec.template.spec.containers[0].image
          ␛[2m3 pods, 2 nodes, waiting 14 min␛[0m
    ␛[1m␛[34m   |␛[0m
    ␛[1m␛[34m   |␛[0m  image: registry.example.com/shop/api:v1.4.2
    ␛[1m␛[34m   |␛[0m                                       ␛[1m␛[31m^^^^^^␛[0m
    ␛[1m␛[34m   |␛[0m                                       ␛[1m␛[31mthe registry answers 404 for this␛[0m
    ␛[1m␛[34m   |␛[0m
    ␛[1m␛[34m   = ␛[0m␛[1mtext␛[0m       …failed to resolve reference
                    "registry.example.com/shop/api:v1.4.2":
                    registry.example.com/shop/api:v1.4.2: not found
    ␛[1m␛[34m   = ␛[0m␛[1mseen␛[0m       ␛[2mwhich images did `Deployment/api` in `shop` have before?␛[0m
                    `v1.4.1` (ReplicaSet api-5d7b, 3 pods ready) ␛[2m(api, 41 ms)␛[0m
    ␛[1m␛[34m   = ␛[0m␛[1mor␛[0m         ␛[33mimage-not-found-repo␛[0m: the registry's 404 says not which part is
                    missing; what decides: asking the registry for the tags of
                    `shop/api`
    ␛[1m␛[34m   = ␛[0m␛[1malso␛[0m       ␛[1malways-needs-registry␛[0m: the policy is Always
    ␛[1m␛[34m   = ␛[0m␛[1mruled out␛[0m  registry-unreachable-dns (the registry answered),
                    auth-missing-credentials (the answer is 404, not 401)
    ␛[1m␛[34m   = ␛[0m␛[1mask␛[0m        does the registry serve `registry.example.com/shop/api:v1.4.2`
                    to the credentials of pod `shop/api-6c9f-a`?
                    ␛[32mpulldoctor probe registry.example.com/shop/api:v1.4.2 \␛[0m
                      ␛[32m--credentials pod/api-6c9f-a -n shop␛[0m
    ␛[1m␛[36mhelp␛[0m: set the tag that ran before
          ␛[32mkubectl set image deployment/api -n shop \␛[0m
          ␛[32m  api=registry.example.com/shop/api:v1.4.1␛[0m
    ␛[2mnext kubelet retry in 3 min 10 s␛[0m

    1 incident, 3 pods; 43 pods healthy.
    `pulldoctor explain image-not-found-tag` for more.
    "#);
}

#[test]
fn colour_changes_nothing_but_colour() {
    let report = report(vec![missing_tag()], vec![secrets_gap()]);
    let plain = human(&report, &options(80));
    let coloured = human(
        &report,
        &HumanOptions {
            style: Stylesheet::COLOURED,
            ..options(80)
        },
    );
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
}

#[test]
fn everything_with_v() {
    let options = HumanOptions {
        verbose: true,
        ..options(80)
    };
    let text = human(&report(vec![missing_tag()], vec![]), &options);
    insta::assert_snapshot!(text, @r#"
    error[image-not-found-tag]: `registry.example.com/shop/api` has no      possible
      tag `v1.4.2`
      --> deployment/api  spec.template.spec.containers[0].image
          3 pods, 2 nodes, waiting 14 min
       |
       |  image: registry.example.com/shop/api:v1.4.2
       |                                       ^^^^^^
       |                                       the registry answers 404 for this
       |
       = text       Back-off pulling image "registry.example.com/shop/api:v1.4.2":
                    ErrImagePull: rpc error: code = NotFound desc = failed to pull
                    and unpack image "registry.example.com/shop/api:v1.4.2": failed
                    to resolve reference "registry.example.com/shop/api:v1.4.2":
                    registry.example.com/shop/api:v1.4.2: not found
       = seen       which images did `Deployment/api` in `shop` have before?
                    `v1.4.1` (ReplicaSet api-5d7b, 3 pods ready) (api, 41 ms)
       = or         image-not-found-repo: the registry's 404 says not which part is
                    missing; what decides: asking the registry for the tags of
                    `shop/api`
       = also       always-needs-registry: the policy is Always
       = ruled out  registry-unreachable-dns (the registry answered),
                    auth-missing-credentials (the answer is 404, not 401)
       = ask        does the registry serve `registry.example.com/shop/api:v1.4.2`
                    to the credentials of pod `shop/api-6c9f-a`?
                    pulldoctor probe registry.example.com/shop/api:v1.4.2 \
                      --credentials pod/api-6c9f-a -n shop
       : shop/api-6c9f-a  api  n1  ImagePullBackOff
       : shop/api-6c9f-b  api  n1  ImagePullBackOff
       : shop/api-6c9f-c  api  n2  ImagePullBackOff
    help: set the tag that ran before (look at the change first)
          kubectl set image deployment/api -n shop \
            api=registry.example.com/shop/api:v1.4.1
    next kubelet retry in 3 min 10 s

    1 incident, 3 pods; 43 pods healthy.
    `pulldoctor explain image-not-found-tag` for more.
    "#);
}

#[test]
fn nothing_stuck_is_one_line() {
    insta::assert_snapshot!(
        human(&report(vec![], vec![]), &options(80)),
        @"No pod waits for an image: 46 pods in namespace shop."
    );
}

#[test]
fn of_many_incidents_the_last_are_short() {
    let many = vec![missing_tag(); 12];
    let text = human(&report(many.clone(), vec![]), &options(80));
    assert_eq!(text.matches("error[").count(), 12);
    assert_eq!(text.matches("help: ").count(), 10);
    assert!(
        text.contains("`-v` shows the last 2 in full, too.\n"),
        "{text}"
    );
    let all = HumanOptions {
        verbose: true,
        ..options(80)
    };
    let text = human(&report(many, vec![]), &all);
    assert_eq!(text.matches("help: ").count(), 12);
}

#[test]
fn a_gap_names_the_rule_to_add() {
    insta::assert_snapshot!(
        human(&report(vec![], vec![secrets_gap()]), &options(80)),
        @r#"
    warning: could not list secrets in shop: not permitted
       = this can hide stuck pods or change a verdict above
    help: add this rule to your role
      - apiGroups: [""]
        resources: ["secrets"]
        verbs: ["get"]

    No pod that could be seen waits for an image: 46 pods in namespace shop.
    "#
    );
}

#[test]
fn an_image_wider_than_the_page_keeps_its_carets() {
    let image = "registry.example.com:5000/team-with-a-long-name/application-with-a-longer-name:Release@sha256:0123456789abcdef";
    let mut incident = missing_tag();
    incident.symptoms.truncate(1);
    incident.symptoms[0].image = image.to_owned();
    incident.caret = Some(Caret {
        start: image.find("sha256").unwrap(),
        end: image.len(),
        label: "the digest is 16 characters long, sha256 has 64".to_owned(),
    });
    incident.evidence.clear();
    incident.rivals.clear();
    incident.ruled_out.clear();
    incident.also.clear();
    incident.next.clear();
    incident.remedies.clear();
    insta::assert_snapshot!(human(&report(vec![incident], vec![]), &options(80)), @r#"
    error[image-not-found-tag]: `registry.example.com/shop/api` has no      possible
      tag `v1.4.2`
      --> deployment/api  spec.template.spec.containers[0].image
          1 pod, node n1, waiting 14 min
       |
       |  image: registry.example.com:5000/team-with-a-long-name/
       |         application-with-a-longer-name:Release@sha256:0123456789abcdef
       |                                                ^^^^^^^^^^^^^^^^^^^^^^^
       |                             the digest is 16 characters long, sha256 has 64
       |
       = text  …failed to resolve reference "registry.example.com/shop/api:v1.4.2":
               registry.example.com/shop/api:v1.4.2: not found
    next kubelet retry in 3 min 10 s

    1 incident, 3 pods; 43 pods healthy.
    `pulldoctor explain image-not-found-tag` for more.
    "#);
}

#[test]
fn nothing_of_a_hostile_text_reaches_the_terminal() {
    let mut incident = missing_tag();
    let hostile = "x\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}y\nerror[disk-full]: forged";
    for symptom in &mut incident.symptoms {
        symptom.image = hostile.to_owned();
        symptom.message = hostile.to_owned();
        symptom.pod = hostile.to_owned();
        symptom.node = Some(hostile.to_owned());
        symptom.owner = Some(format!("Evil/{hostile}"));
        symptom.field = Some(hostile.to_owned());
        symptom.reason = hostile.to_owned();
    }
    incident.summary = hostile.to_owned();
    incident.evidence[0].answer = hostile.to_owned();
    incident.remedies[0].command = Some(hostile.to_owned());
    incident.rivals[0].because = hostile.to_owned();
    incident.notes = vec![("nearest".to_owned(), hostile.to_owned())];
    for verbose in [false, true] {
        for width in [40, 80, 120] {
            let text = human(
                &report(vec![incident.clone()], vec![secrets_gap()]),
                &HumanOptions {
                    verbose,
                    ..options(width)
                },
            );
            assert!(
                text.chars()
                    .all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'),
                "{text:?}"
            );
            assert!(
                !text
                    .lines()
                    .any(|line| line.starts_with("error[disk-full]")),
                "{text}"
            );
        }
    }
}

#[test]
fn no_line_is_wider_than_the_page() {
    for width in [60, 72, 80, 100, 120] {
        let text = human(
            &report(vec![missing_tag()], vec![secrets_gap()]),
            &options(width),
        );
        for line in text.lines() {
            let columns = line.chars().count();
            let is_command = line.trim_start().contains("kubectl") || line.contains("api=registry");
            assert!(columns <= width || is_command, "{width}: {line}");
        }
    }
}
