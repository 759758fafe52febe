//! Questions that only nodes can answer: merged, bounded, and never dangerous.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod common;
#[path = "common/nodes.rs"]
mod nodes;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{connect as connect_without, pod, put, waiting};
use nodes::{PAUSE, access, ask, connect, created, left, probe, put_node};
use pulldoctor_cluster::{NodeAccess, Scope};
use pulldoctor_model::{
    Answer, Evidence, GapReason, NodeHost, NodeNetwork, NodeRole, NodeView, Question, Vantage,
    registry::{Problem, StageName},
};
use pulldoctor_testkit::api::{FakeCluster, Forbid, Kubelet, PodSecurity, Run, Running};
use serde_json::{Value, json};

/// Nothing listens there: a connection is refused at once.
const REGISTRY: &str = "127.0.0.1:1";

fn view(node: &str, image: &str) -> Question {
    Question::NodeView {
        node: node.to_owned(),
        registry: REGISTRY.to_owned(),
        image: format!("{REGISTRY}/{image}"),
        hosts: Vec::new(),
    }
}

fn pull(node: &str, image: &str) -> Question {
    Question::KubeletPull {
        node: node.to_owned(),
        namespace: "shop".to_owned(),
        secrets: vec!["regcred".to_owned()],
        service_account: None,
        image: format!("{REGISTRY}/{image}"),
    }
}

fn cluster(
    nodes: usize,
    play: impl Fn(&Value) -> Run + Send + Sync + 'static,
) -> (FakeCluster, Running) {
    let fake = FakeCluster::new();
    let mut kubelet = Kubelet::new(play).starts_in(Duration::from_millis(20));
    for at in 1..=nodes {
        let name = format!("n{at}");
        put_node(&fake, &name);
        kubelet = kubelet.node(&name, &[PAUSE]);
    }
    let running = kubelet.run(&fake);
    (fake, running)
}

async fn ask_with(fake: &FakeCluster, access: NodeAccess, questions: &[Question]) -> Evidence {
    let cluster = connect(fake, access);
    let mut evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
    fake.clear_log();
    cluster.answer(questions, &mut evidence).await;
    assert_eq!(left(fake), Vec::<String>::new());
    evidence
}

fn seen<'e>(evidence: &'e Evidence, question: &Question) -> &'e NodeView {
    let answered = evidence
        .answer(question)
        .unwrap_or_else(|| panic!("no answer to {question}: {:?}", evidence.gaps));
    let Answer::NodeView(view) = &answered.answer else {
        panic!("{answered:?}")
    };
    view
}

fn gap<'e>(evidence: &'e Evidence, question: &Question) -> (&'e str, GapReason) {
    let gap = evidence
        .gap(question)
        .unwrap_or_else(|| panic!("no gap for {question}: {:?}", evidence.answers));
    (&gap.what, gap.why)
}

#[tokio::test]
async fn five_hundred_pods_on_twenty_nodes_cost_twenty_probes() {
    let (fake, _running) = cluster(20, probe);
    let questions: Vec<Question> = (0..500)
        .map(|at| {
            view(
                &format!("n{}", at % 20 + 1),
                &format!("shop/api:{}", at / 20 % 5),
            )
        })
        .collect();
    let evidence = ask_with(&fake, access(), &questions).await;
    assert_eq!(created(&fake, "pods"), 20);
    // All share what carries the program.
    assert_eq!(created(&fake, "configmaps"), 2);
    for question in &questions {
        let view = seen(&evidence, question);
        assert!(!view.is_cut);
        let Question::NodeView { image, node, .. } = question else {
            panic!()
        };
        assert_eq!(&view.registry().unwrap().transcript.image, image);
        let from = &evidence.answer(question).unwrap().from;
        assert_eq!(from, &Vantage::Node(node.clone()));
    }
}

#[tokio::test]
async fn a_probe_asks_hosts_and_images_together_and_knows_its_number() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let (fake, _running) = cluster(1, move |pod| {
        kept.lock().unwrap().push(ask(pod));
        probe(pod)
    });
    let with_hosts = Question::NodeView {
        node: "n1".to_owned(),
        registry: REGISTRY.to_owned(),
        image: format!("{REGISTRY}/shop/api:0"),
        hosts: vec![
            NodeHost {
                role: NodeRole::Mirror,
                host: "127.0.0.1:2".to_owned(),
            },
            NodeHost {
                role: NodeRole::Blob,
                host: "169.254.169.254".to_owned(),
            },
        ],
    };
    let mut questions = vec![with_hosts.clone()];
    questions.extend((1..=20).map(|at| view("n1", &format!("shop/api:{at}"))));
    let evidence = ask_with(&fake, access(), &questions).await;
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].targets.len(), 16);
    assert!(
        asked[0]
            .targets
            .iter()
            .all(|it| it.host.starts_with("127."))
    );

    let first = seen(&evidence, &with_hosts);
    let roles: Vec<NodeRole> = first.sights.iter().map(|sight| sight.role).collect();
    assert_eq!(roles, [NodeRole::Registry, NodeRole::Mirror]);
    // Beyond the number of hosts there is the way to the registry, and nothing of the image.
    let last = seen(&evidence, &questions[20]);
    assert!(last.is_cut);
    let transcript = &last.registry().unwrap().transcript;
    assert_eq!(transcript.image, format!("{REGISTRY}/shop/api:20"));
    assert_eq!(
        transcript.first_failure().and_then(|stage| stage.problem),
        Some(Problem::TcpRefused)
    );
    assert!(
        transcript
            .stages
            .iter()
            .all(|stage| stage.stage <= StageName::Tls)
    );
}

#[tokio::test]
async fn without_access_questions_of_nodes_are_left_as_they_are() {
    let (fake, _running) = cluster(1, probe);
    let cluster = connect_without(&fake);
    let mut evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
    let questions = [view("n1", "shop/api:1"), pull("n1", "shop/api:1")];
    cluster.answer(&questions, &mut evidence).await;
    assert!(evidence.answers.is_empty(), "{:?}", evidence.answers);
    assert!(evidence.gaps.iter().all(|gap| gap.questions.is_empty()));
    assert_eq!(created(&fake, "pods"), 0);
}

#[tokio::test]
async fn what_is_beyond_the_number_of_probes_is_a_gap_and_always_the_same() {
    let few = || NodeAccess {
        most_probes: 2,
        ..access()
    };
    for _ in 0..5 {
        let (fake, _running) = cluster(4, probe);
        let questions: Vec<Question> = (1..=4).map(|at| view(&format!("n{at}"), "a:1")).collect();
        let evidence = ask_with(&fake, few(), &questions).await;
        seen(&evidence, &questions[0]);
        seen(&evidence, &questions[1]);
        for question in &questions[2..] {
            let (what, why) = gap(&evidence, question);
            assert!(what.contains("beyond the 2 probes"), "{what}");
            assert_eq!(why, GapReason::NotAsked);
        }
        assert_eq!(created(&fake, "pods"), 2);
    }
}

#[tokio::test]
async fn no_more_probes_run_at_once_than_allowed() {
    let (running_now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, highest) = (Arc::clone(&running_now), Arc::clone(&most));
    let (fake, _running) = cluster(12, move |pod| {
        let count = now.fetch_add(1, Ordering::SeqCst) + 1;
        highest.fetch_max(count, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        let run = probe(pod);
        now.fetch_sub(1, Ordering::SeqCst);
        run
    });
    let slow = NodeAccess {
        most_at_once: 3,
        ..access()
    };
    let questions: Vec<Question> = (1..=12).map(|at| view(&format!("n{at}"), "a:1")).collect();
    ask_with(&fake, slow, &questions).await;
    assert!(most.load(Ordering::SeqCst) <= 3, "{most:?}");
    assert_eq!(created(&fake, "pods"), 12);
}

#[tokio::test]
async fn a_missing_right_is_a_gap_with_its_rules() {
    let (fake, _running) = cluster(1, probe);
    fake.forbid(Forbid::everywhere("create", "*"));
    let question = view("n1", "shop/api:1");
    let evidence = ask_with(&fake, access(), std::slice::from_ref(&question)).await;
    let gap = evidence.gap(&question).unwrap();
    assert_eq!(gap.why, GapReason::Forbidden);
    assert!(!gap.hides_pods);
    let grant = gap.grant.as_ref().unwrap();
    for words in ["configmaps", "pods/log", "watch", "delete"] {
        assert!(grant.contains(words), "{grant}");
    }
    assert!(
        gap.what.starts_with("look at 127.0.0.1:1 from node n1: "),
        "{}",
        gap.what
    );
}

#[tokio::test]
async fn the_same_cluster_gives_the_same_gaps() {
    let mut texts = Vec::new();
    for _ in 0..2 {
        let (fake, _running) = cluster(1, |pod| {
            let name = pod["metadata"]["name"].as_str().unwrap();
            Run::Rejected("OutOfpods".to_owned(), format!("pod {name} does not fit"))
        });
        let question = view("n1", "shop/api:1");
        let evidence = ask_with(&fake, access(), std::slice::from_ref(&question)).await;
        texts.push(gap(&evidence, &question).0.to_owned());
    }
    assert_eq!(texts[0], texts[1]);
    assert!(
        texts[0].ends_with("OutOfpods: pod pulldoctor-probe does not fit"),
        "{}",
        texts[0]
    );
}

/// The real probe, and a kubelet that is refused.
fn kubelet(pod: &Value) -> Run {
    if pod["spec"]["containers"][0]["imagePullPolicy"] == "Never" {
        return probe(pod);
    }
    assert_eq!(
        pod["spec"]["imagePullSecrets"],
        json!([{"name": "regcred"}])
    );
    Run::Waits("ErrImagePull".to_owned(), "401 Unauthorized".to_owned())
}

#[tokio::test]
async fn a_kubelet_pulls_where_the_way_was_seen_to_answer() {
    let (fake, _running) = cluster(2, kubelet);
    let questions = [
        view("n1", "shop/api:1"),
        pull("n1", "shop/api:1"),
        pull("n2", "a:1"),
    ];
    let evidence = ask_with(&fake, access(), &questions).await;
    let answered = evidence.answer(&questions[1]).unwrap();
    assert_eq!(answered.from, Vantage::Kubelet("n1".to_owned()));
    let Answer::KubeletPull(pulled) = &answered.answer else {
        panic!("{answered:?}")
    };
    assert!(!pulled.got && !pulled.was_there);
    assert_eq!(pulled.reason, "ErrImagePull");
    assert_eq!(pulled.message, "401 Unauthorized");
    // Nobody has looked from the other node.
    let (what, why) = gap(&evidence, &questions[2]);
    assert!(what.contains("has not been looked at first"), "{what}");
    assert_eq!(why, GapReason::NotAsked);
    assert_eq!(created(&fake, "pods"), 2);
}

#[tokio::test]
async fn a_pulled_image_counts_as_got_although_it_is_not_run() {
    let (fake, _running) = cluster(1, |pod| {
        if pod["spec"]["containers"][0]["imagePullPolicy"] == "Never" {
            return probe(pod);
        }
        Run::Waits("RunContainerError".to_owned(), "no such file".to_owned())
    });
    let questions = [view("n1", "shop/api:1"), pull("n1", "shop/api:1")];
    let evidence = ask_with(&fake, access(), &questions).await;
    let Answer::KubeletPull(pulled) = &evidence.answer(&questions[1]).unwrap().answer else {
        panic!()
    };
    assert!(pulled.got);
}

#[tokio::test]
async fn a_kubelet_is_never_asked_what_may_hang() {
    // The probe's answer says that a connection stalls.
    let stall = |pod: &Value| {
        let Run::Ends { log, message } = probe(pod) else {
            panic!()
        };
        Run::Ends {
            log: log.replace("\"tcp-refused\"", "\"tcp-timeout\""),
            message,
        }
    };
    let (fake, _running) = cluster(1, stall);
    let questions = [view("n1", "shop/api:1"), pull("n1", "shop/api:1")];
    let evidence = ask_with(&fake, access(), &questions).await;
    let sight = seen(&evidence, &questions[0]).registry().unwrap();
    let problem = sight.transcript.first_failure().unwrap().problem;
    assert_eq!(problem, Some(Problem::TcpTimeout));
    let (what, _) = gap(&evidence, &questions[1]);
    assert!(what.contains("blocks other pods' pulls"), "{what}");
    assert_eq!(created(&fake, "pods"), 1);

    // The kubelet's own text does: a mirror, say, that the probe does not know.
    let (fake, _running) = cluster(1, kubelet);
    let text = "net/http: TLS handshake timeout";
    let mut stuck = pod("shop", "api-1", waiting("ErrImagePull", text));
    stuck["spec"]["containers"][0]["image"] = json!(format!("{REGISTRY}/shop/web:1"));
    put(&fake, [stuck]);
    let evidence = ask_with(&fake, access(), &questions).await;
    assert!(seen(&evidence, &questions[0]).registry().is_some());
    let (what, _) = gap(&evidence, &questions[1]);
    assert!(what.contains("blocks other pods' pulls"), "{what}");

    // Only the network of pods could be looked from: the node's own way may be another.
    let texts = [
        ("Back-off pulling image \"x\"", false),
        ("401 Unauthorized", true),
    ];
    for (text, is_asked) in texts {
        let (fake, _running) = cluster(1, kubelet);
        for namespace in ["default", "kube-system", "shop"] {
            fake.pod_security(namespace, PodSecurity::Baseline);
        }
        let mut stuck = pod("shop", "api-1", waiting("ImagePullBackOff", text));
        stuck["spec"]["containers"][0]["image"] = json!(format!("{REGISTRY}/shop/web:1"));
        put(&fake, [stuck]);
        let evidence = ask_with(&fake, access(), &questions).await;
        let network = &seen(&evidence, &questions[0]).network;
        assert!(matches!(network, NodeNetwork::Pod { .. }), "{network:?}");
        assert_eq!(evidence.answer(&questions[1]).is_some(), is_asked, "{text}");
    }

    // The look itself came to nothing.
    let (fake, _running) = cluster(1, kubelet);
    fake.forbid(Forbid::everywhere("create", "configmaps"));
    let evidence = ask_with(&fake, access(), &questions).await;
    let (what, _) = gap(&evidence, &questions[1]);
    assert!(what.contains("has not been looked at first"), "{what}");
    assert_eq!(created(&fake, "pods"), 0);
}

#[tokio::test]
async fn no_two_pulls_run_on_one_node() {
    let now = Arc::new(AtomicUsize::new(0));
    let (fake, _running) = cluster(1, move |pod| {
        if pod["spec"]["containers"][0]["imagePullPolicy"] == "Never" {
            return probe(pod);
        }
        assert_eq!(now.fetch_add(1, Ordering::SeqCst), 0, "two at once");
        std::thread::sleep(Duration::from_millis(20));
        now.fetch_sub(1, Ordering::SeqCst);
        Run::Waits("ErrImagePull".to_owned(), "not found".to_owned())
    });
    let mut questions = vec![view("n1", "shop/api:1")];
    questions.extend((1..=5).map(|at| pull("n1", &format!("shop/api:{at}"))));
    let evidence = ask_with(&fake, access(), &questions).await;
    for question in &questions[1..] {
        let answered = evidence.answer(question).unwrap();
        let Answer::KubeletPull(pulled) = &answered.answer else {
            panic!()
        };
        assert_eq!(pulled.message, "not found");
    }
}

#[tokio::test]
async fn without_the_program_there_is_a_gap_and_no_pull() {
    let (fake, _running) = cluster(1, kubelet);
    let without = NodeAccess {
        program: None,
        ..access()
    };
    let questions = [view("n1", "shop/api:1"), pull("n1", "shop/api:1")];
    let evidence = ask_with(&fake, without, &questions).await;
    let (what, why) = gap(&evidence, &questions[0]);
    assert!(what.ends_with("this build carries no probe"), "{what}");
    assert_eq!(why, GapReason::NotAsked);
    gap(&evidence, &questions[1]);
    assert_eq!(created(&fake, "pods"), 0);
}
