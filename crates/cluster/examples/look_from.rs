//! Looks at a registry from a node of the cluster of the kubeconfig, and says what it saw.
//!
//! ```text
//! look_from FOLDER-OF-THE-PROBE node/N|namespace/NS HOST [TIMES]
//! look_from FOLDER-OF-THE-PROBE node/N IMAGE pull NAMESPACE [SECRET…]
//! ```
//! The second form lets the kubelet pull as well, with these secrets, and shows the evidence.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example speaks to the person at the terminal"
)]

use std::{error::Error, fs, path::Path, process::ExitCode, time::Instant};

use pulldoctor_cluster::{Cluster, ConnectOptions, NodeAccess, Place, ProbeProgram};
use pulldoctor_model::{Answer, Evidence, NodeRole, Question};
use pulldoctor_registry::{ProbeConfig, judge::NodeTarget};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("look_from: failed to {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, place, host, rest @ ..] = arguments.as_slice() else {
        return Err("read its arguments: FOLDER PLACE HOST [TIMES]".into());
    };
    let place = match place.split_once('/') {
        Some(("node", name)) => Place::Node(name.to_owned()),
        Some(("namespace", name)) => Place::Namespace(name.to_owned()),
        _ => return Err("read the place".into()),
    };
    if let ([word, namespace, secrets @ ..], Place::Node(node)) = (rest, &place)
        && word == "pull"
    {
        return ask(folder, node, host, namespace, secrets).await;
    }
    let times = rest.first().map_or(Ok(1), |text| text.parse::<usize>())?;
    let access = NodeAccess::new(Some(program(Path::new(folder))?), &ProbeConfig::default())?;
    let options = ConnectOptions {
        nodes: Some(access),
        ..ConnectOptions::default()
    };
    let target = NodeTarget {
        role: NodeRole::Registry,
        host: host.clone(),
        plain_http: false,
        image: None,
    };
    for _ in 0..times {
        let cluster = Cluster::connect(&options).await?;
        let begun = Instant::now();
        let look = cluster
            .look_from(&place, std::slice::from_ref(&target))
            .await;
        let all = begun.elapsed();
        let look = match look {
            Ok(look) => look,
            Err(error) => {
                println!("{error} ({:?}) after {all:?}", error.help());
                continue;
            }
        };
        println!(
            "{} in {} from {}: {:?} from create to answer, {all:?} in all, clock {:?}, {:?}",
            look.node,
            look.namespace,
            look.image,
            look.took,
            look.view.clock_ahead_s,
            look.view.network
        );
        for stage in look
            .view
            .sights
            .iter()
            .flat_map(|sight| &sight.transcript.stages)
        {
            println!("  {:?} {:?}: {}", stage.stage, stage.outcome, stage.detail);
        }
    }
    Ok(())
}

/// Asks what the node sees, and what its kubelet says.
async fn ask(
    folder: &str,
    node: &str,
    image: &str,
    namespace: &str,
    secrets: &[String],
) -> Result<(), Box<dyn Error>> {
    let access = NodeAccess::new(Some(program(Path::new(folder))?), &ProbeConfig::default())?;
    let options = ConnectOptions {
        nodes: Some(access),
        ..ConnectOptions::default()
    };
    let registry = image.split('/').next().unwrap_or_default().to_owned();
    let questions = [
        Question::NodeView {
            node: node.to_owned(),
            registry,
            image: image.to_owned(),
            hosts: Vec::new(),
        },
        Question::KubeletPull {
            node: node.to_owned(),
            namespace: namespace.to_owned(),
            secrets: secrets.to_vec(),
            service_account: None,
            image: image.to_owned(),
        },
    ];
    let cluster = Cluster::connect(&options).await?;
    let mut evidence = Evidence::new("", "", std::time::SystemTime::now().try_into()?);
    let begun = Instant::now();
    cluster.answer(&questions, &mut evidence).await;
    for answered in &evidence.answers {
        match &answered.answer {
            Answer::NodeView(view) => {
                for stage in view
                    .sights
                    .iter()
                    .flat_map(|sight| &sight.transcript.stages)
                {
                    println!("  {:?} {:?}: {}", stage.stage, stage.outcome, stage.detail);
                }
            }
            other => println!("  {} {other:?}", answered.from),
        }
    }
    for gap in &evidence.gaps {
        println!("  gap: {} {:?} {:?}", gap.what, gap.why, gap.grant);
    }
    println!("{image} on {node} in {:?}", begun.elapsed());
    Ok(())
}

/// The program of `cargo xtask probe`; it lives as long as the process.
fn program(folder: &Path) -> Result<ProbeProgram, Box<dyn Error>> {
    let stub = fs::read(folder.join("run"))?;
    let mut parts: Vec<&'static [u8]> = Vec::new();
    while let Ok(part) = fs::read(folder.join(format!("part.{}", parts.len()))) {
        parts.push(part.leak());
    }
    Ok(ProbeProgram {
        architecture: "amd64",
        stub: stub.leak(),
        parts: parts.leak(),
    })
}
