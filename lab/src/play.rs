//! Plays one case on a cluster: brings it about, runs the tool, compares, and takes all back.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::canary;
use crate::case::{Case, Fault, Step};
use crate::check;
use crate::cluster::{Cluster, random_word};
use crate::dump;
use crate::exec;
use crate::faults::{Injected, Lab};
use crate::node;
use crate::runner::Options;
use crate::tool::{self, Said};
use crate::wait;

/// Where cases are played.
pub struct Ground {
    /// The cluster.
    pub cluster: Cluster,
    /// The lab around it; none on any other cluster.
    pub lab: Option<Lab>,
    /// Namespaces that were asked for.
    namespaces: Mutex<Vec<String>>,
}

impl Ground {
    /// A cluster, and the lab when it is its own.
    pub fn new(cluster: Cluster, lab: Option<Lab>) -> Self {
        Self {
            cluster,
            lab,
            namespaces: Mutex::default(),
        }
    }

    fn note(&self, namespace: &str) {
        let mut names = self
            .namespaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        names.push(namespace.to_owned());
    }

    /// Waits until the cluster is as it was: no namespace of a case is left.
    ///
    /// # Errors
    /// When some are; they are named.
    pub fn clean(&self) -> Result<()> {
        let names = self
            .namespaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.cluster.wait_until_gone(&names)
    }
}

/// How a case ended.
#[derive(Debug)]
pub enum Outcome {
    /// The tool said what the case expects.
    Passed,
    /// What went wrong, in one line.
    Failed(String),
}

/// Runs one case to its end and takes everything back.
pub fn run_one(ground: &Ground, case: &Case, options: &Options) -> Outcome {
    match try_one(ground, case, options) {
        Ok(wrong) if wrong.is_empty() => Outcome::Passed,
        Ok(wrong) => Outcome::Failed(wrong.join("; ")),
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

fn try_one(ground: &Ground, case: &Case, options: &Options) -> Result<Vec<String>> {
    let cluster = &ground.cluster;
    let namespace = unique_namespace(&case.name)?;
    forget_images(ground, case)?;
    let mut injected = match &ground.lab {
        Some(lab) => Some(Injected::none(lab, &namespace)?),
        None => None,
    };
    ground.note(&namespace);
    let mut said = None;
    let mut ran = Vec::new();
    let mut result = play(cluster, injected.as_mut(), case, &namespace).and_then(|()| {
        if options.without_tool {
            return Ok(Vec::new());
        }
        let place = match &ground.lab {
            Some(lab) => Some(lab.namespace(case.from.name())?),
            None => None,
        };
        let before = if case.looks_from_nodes() {
            cluster.of_probes()?
        } else {
            Vec::new()
        };
        let output = tool::diagnose(cluster, place.as_ref(), &namespace, &case.args)?;
        let wrong = judge(case, &output, cluster, options);
        said = Some(output);
        let mut wrong = wrong?;
        for run in &case.runs {
            let output = tool::command(cluster, place.as_ref(), &namespace, &run.args)?;
            wrong.extend(check::run(run, &output));
            for text in [&output.stdout, &output.stderr] {
                if !canary::leaks(text).is_empty() {
                    wrong.push(format!("a password is in the output of {:?}", run.args));
                }
            }
            ran.push(output);
        }
        if case.looks_from_nodes() {
            wrong.extend(cluster.left_of_probes(&before)?);
        }
        Ok(wrong)
    });
    let reason = match &result {
        Ok(wrong) => wrong.join("\n"),
        Err(error) => format!("{error:#}"),
    };
    let failed = !reason.is_empty();
    if failed {
        let dumped = dump::write(
            cluster,
            &case.name,
            &namespace,
            &case.all_hosts(),
            said.as_ref(),
            &ran,
            &reason,
        );
        if let (Ok(wrong), Ok(dir)) = (&mut result, &dumped) {
            wrong.push(format!("dump in {}", dir.display()));
        }
    }
    cluster.remove_namespace(&namespace);
    let healed = injected.as_mut().map_or(Ok(()), Injected::heal);
    let _ = forget_images(ground, case);
    // A fault that stays would spoil the next case: it is the worse news of the two.
    healed.context("the case's faults could not be taken back")?;
    result
}

/// Brings the case about: hosts, faults, objects, and what must have happened.
fn play(
    cluster: &Cluster,
    mut injected: Option<&mut Injected<'_>>,
    case: &Case,
    namespace: &str,
) -> Result<()> {
    let faults: Vec<&Fault> = case.all_faults().collect();
    if let Some(injected) = &mut injected {
        injected.hosts(&case.hosts, &faults)?;
        for fault in &case.faults {
            injected.inject(fault)?;
        }
    }
    cluster.create_namespace(namespace)?;
    apply(cluster, namespace, &case.manifests()?)?;
    for condition in &case.wait {
        wait::for_condition(cluster, namespace, condition)?;
    }
    for step in &case.steps {
        match (step, &mut injected) {
            (Step::Wait(condition), _) => wait::for_condition(cluster, namespace, condition)?,
            (Step::Fault(fault), Some(injected)) => injected.inject(fault)?,
            (Step::Hosts(hosts), Some(injected)) => injected.hosts(hosts, &faults)?,
            (Step::Heal(true), Some(injected)) => injected.heal()?,
            (Step::Heal(_), _) => {}
            (Step::Fault(_) | Step::Hosts(_), None) => bail!("needs the lab"),
            (Step::Apply(text), _) => apply(cluster, namespace, text)?,
            (Step::Delete(object), _) => {
                cluster
                    .kubectl(["-n", namespace, "delete", "--now", object.as_str()])
                    .timeout(Duration::from_secs(60))
                    .run()?;
            }
            (Step::Sleep(seconds), _) => std::thread::sleep(Duration::from_secs(*seconds)),
        }
    }
    Ok(())
}

fn judge(case: &Case, said: &Said, cluster: &Cluster, options: &Options) -> Result<Vec<String>> {
    if said.report.is_null() && said.exit < 3 {
        return Ok(vec![format!(
            "the tool wrote no JSON (exit {}): {}",
            said.exit,
            exec::last_lines(&said.stderr, 3)
        )]);
    }
    let mut wrong = check::report(&case.expect, said.exit, &said.report);
    let recorded = said.evidence.to_string();
    for (what, text) in [
        ("standard output", &said.stdout),
        ("standard error", &said.stderr),
        ("the recording", &recorded),
    ] {
        if !canary::leaks(text).is_empty() {
            wrong.push(format!("a password is in {what}"));
        }
    }
    if said.evidence.is_null() {
        wrong.push("the tool recorded no evidence".to_owned());
        return Ok(wrong);
    }
    // What can be seen elsewhere depends on that cluster's version and its rights.
    if !cluster.is_lab() {
        return Ok(wrong);
    }
    let file = case.evidence_file();
    if options.record {
        fs::write(&file, serde_json::to_string_pretty(&said.evidence)? + "\n")
            .with_context(|| format!("failed to write {}", file.display()))?;
        println!("lab: recorded {}", file.display());
        return Ok(wrong);
    }
    match fs::read(&file) {
        // A case that runs anywhere lands on a node of either runtime, and their texts raise other
        // questions.
        Ok(_) if case.needs.is_empty() => {}
        Ok(bytes) => {
            let stored: Value = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is no JSON", file.display()))?;
            wrong.extend(check::shape_differences(&stored, &said.evidence));
        }
        Err(_) => wrong.push(format!(
            "no recording yet (`cargo xtask lab record {}`)",
            case.name
        )),
    }
    Ok(wrong)
}

fn unique_namespace(case: &str) -> Result<String> {
    let suffix = random_word(5)?;
    let name: String = case.chars().take(50).collect();
    Ok(format!("{}-{suffix}", name.trim_end_matches('-')))
}

fn apply(cluster: &Cluster, namespace: &str, text: &str) -> Result<()> {
    let text = text.replace("$NAMESPACE", namespace);
    cluster
        .kubectl(["-n", namespace, "apply", "-f", "-"])
        .stdin(text)
        .timeout(Duration::from_secs(30))
        .run()
        .context("failed to apply the case's objects")?;
    Ok(())
}

/// Removes images of the case's own hosts from its nodes: an earlier run may have pulled them.
fn forget_images(ground: &Ground, case: &Case) -> Result<()> {
    let hosts = case.all_hosts();
    let Some(lab) = ground.lab.as_ref().filter(|_| !hosts.is_empty()) else {
        return Ok(());
    };
    for name in case.used_nodes() {
        if matches!(name.as_str(), "ws" | "outside") {
            continue;
        }
        let namespace = lab.namespace(&name)?;
        node::by_name(&name)?.remove_images(&namespace, |image| {
            let host = image.split('/').next().unwrap_or(image);
            hosts.contains(&host.split(':').next().unwrap_or(host))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_unique_and_short() {
        let long = "x".repeat(80);
        let one = unique_namespace(&long).unwrap();
        assert!(one.len() <= 63);
        assert_ne!(one, unique_namespace(&long).unwrap());
    }
}
