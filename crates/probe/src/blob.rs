//! Beyond the manifest: the platform's own, the config, and the host that serves blobs.

use std::time::Instant;

use pulldoctor_registry::judge::{
    ArtifactKind, Document, Facts, Fault, Index, LayerFacts, LayersFacts, Manifest, NodeImage,
    Platform, PlatformFacts, Problem, Role, StageName, StageOutcome, choose, config_facts,
    end_stage, no_config, parse_manifest, problem_of_blob_status, read_config,
};

use crate::exchange::{Ask, Followed};
use crate::image::{Look, MOST_MANIFEST, Resolved, digest_of};
use crate::way::skipped;

/// Bytes that are enough to see that a blob is served.
const TASTE: usize = 1024;
/// Most platforms of an index that are named.
const MOST_PLATFORMS: usize = 64;

impl Look<'_> {
    /// Goes on with a manifest that was found or is missing.
    pub(crate) fn finish(&mut self, since: Instant, image: &NodeImage, mut found: Resolved) {
        if let Some(fault) = found.fault.take() {
            self.end_manifest(since, image, found.facts, Err(&fault));
            if fault.problem == Problem::NotFound && self.lists_names {
                self.look_around(image);
            }
            return;
        }
        let mut facts = found.facts;
        let body = match found.body {
            Some(body) => body,
            None => {
                let reference = facts.digest.clone();
                let got =
                    self.ask_manifest("GET", image, reference.as_ref().unwrap_or(&image.reference));
                match (got.fault, got.body) {
                    (None, Some(body)) => {
                        facts.media_type = got.facts.media_type.or(facts.media_type);
                        facts.size = facts.size.or(got.facts.size);
                        body
                    }
                    (fault, _) => {
                        let fault = fault.unwrap_or_else(no_body);
                        self.end_manifest(since, image, got.facts, Err(&fault));
                        return;
                    }
                }
            }
        };
        let manifest = match parse_manifest(facts.media_type.as_deref(), &body) {
            Err(error) => {
                let fault = Fault::new(Problem::ManifestMalformed, error.to_string());
                self.end_manifest(since, image, facts, Err(&fault));
                return;
            }
            Ok(Document::Schema1) => {
                facts.artifact = Some(ArtifactKind::Schema1);
                let fault = Fault::new(Problem::ManifestSchema1, "a Docker schema 1 manifest");
                self.end_manifest(since, image, facts, Err(&fault));
                return;
            }
            Ok(Document::Manifest(manifest)) => {
                facts.artifact = Some(manifest.kind.clone());
                if manifest.kind != ArtifactKind::Image {
                    let fault = Fault::new(Problem::NotAnImage, "it is no image");
                    self.end_manifest(since, image, facts, Err(&fault));
                    return;
                }
                self.end_manifest(since, image, facts, Ok(()));
                self.emit(skipped(StageName::Platform, "one manifest, no index"));
                manifest
            }
            Ok(Document::Index(index)) => {
                facts.artifact = Some(ArtifactKind::Index);
                self.end_manifest(since, image, facts, Ok(()));
                let Some(manifest) = self.choose_platform(image, &index) else {
                    return;
                };
                manifest
            }
        };
        self.read_config(image, &manifest);
        self.taste_layer(image, &manifest);
    }

    fn choose_platform(&mut self, image: &NodeImage, index: &Index) -> Option<Manifest> {
        let since = Instant::now();
        let wanted: Option<Platform> = image.platform.as_ref().and_then(|text| text.parse().ok());
        let mut available: Vec<String> = index
            .entries
            .iter()
            .filter(|entry| !entry.is_attestation)
            .filter_map(|entry| entry.platform.as_ref().map(ToString::to_string))
            .collect();
        available.sort();
        available.dedup();
        available.truncate(MOST_PLATFORMS);
        let mut facts = PlatformFacts {
            wanted: wanted
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            available,
            chosen: None,
        };
        let entry = match &wanted {
            Some(wanted) => choose(index, wanted),
            None => index.entries.iter().find(|entry| !entry.is_attestation),
        };
        let Some(entry) = entry else {
            let fault = Fault::new(
                Problem::NoPlatform,
                format!(
                    "no match for platform in manifest: {} wanted, there is {}",
                    facts.wanted,
                    facts.available.join(", ")
                ),
            );
            self.end(
                StageName::Platform,
                since,
                Facts::Platform(facts),
                Err(&fault),
            );
            return None;
        };
        let digest = entry.descriptor.digest.clone();
        facts.chosen = Some(digest.clone());
        let got = self.ask_manifest("GET", image, &digest);
        let outcome = match (got.fault, got.body) {
            (Some(fault), _) if fault.problem == Problem::NotFound => Err(Fault::new(
                Problem::ManifestMissing,
                format!("the index names {digest}, and the registry does not have it"),
            )),
            (None, Some(body)) => match parse_manifest(got.facts.media_type.as_deref(), &body) {
                Ok(Document::Manifest(manifest)) => Ok(manifest),
                _ => Err(Fault::new(
                    Problem::ManifestMalformed,
                    format!("{digest} is no image manifest"),
                )),
            },
            (fault, _) => Err(fault.unwrap_or_else(no_body)),
        };
        let text = outcome
            .as_ref()
            .map(|_| format!("{} is {digest}", facts.wanted));
        let mut ended = end_stage(
            StageName::Platform,
            since.elapsed(),
            Facts::Platform(facts),
            text,
        );
        if wanted.is_none() && ended.outcome == StageOutcome::Ok {
            ended.outcome = StageOutcome::Skipped;
        }
        self.emit(ended);
        outcome.ok()
    }

    fn read_config(&mut self, image: &NodeImage, manifest: &Manifest) {
        let since = Instant::now();
        let outcome = manifest.config.as_ref().ok_or_else(no_config);
        let outcome = outcome.and_then(|config| {
            let (body, _) =
                self.fetch(image, &config.digest, MOST_MANIFEST, Problem::ConfigMissing)?;
            read_config(&config.digest, &body, digest_of)
        });
        let (facts, text) = config_facts(manifest, outcome.as_ref().ok());
        let outcome = outcome.as_ref().map(|_| text);
        self.end(StageName::Config, since, Facts::Config(facts), outcome);
    }

    /// Reads one byte of the first layer: is the host that serves blobs in reach from here?
    fn taste_layer(&mut self, image: &NodeImage, manifest: &Manifest) {
        let Some(layer) = manifest.layers.first() else {
            self.emit(skipped(StageName::Layers, "the image has no layer"));
            return;
        };
        let since = Instant::now();
        let tasted = self.fetch(image, &layer.digest, TASTE, Problem::LayerMissing);
        let host = match &tasted {
            Ok((_, host)) => host.clone(),
            Err(_) => None,
        };
        let facts = LayersFacts {
            layers: vec![LayerFacts {
                index: 0,
                digest: layer.digest.clone(),
                size: layer.size,
                problem: tasted.as_ref().err().map(|fault| fault.problem),
                detail: tasted.as_ref().err().map(|fault| fault.detail.clone()),
                took_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
                ..LayerFacts::default()
            }],
            redirect_host: host.clone(),
            verified: false,
        };
        let by = host.map_or_else(String::new, |host| format!(" by `{host}`"));
        let text = format!("layer 1 of {} is served{by}", manifest.layers.len());
        let outcome = tasted.as_ref().map(|_| text);
        self.end(StageName::Layers, since, Facts::Layers(facts), outcome);
    }

    /// A blob, or its first byte where `most` is a taste, and the host that it came from if that is
    /// another one.
    fn fetch(
        &mut self,
        image: &NodeImage,
        digest: &str,
        most: usize,
        missing: Problem,
    ) -> Result<(Vec<u8>, Option<String>), Fault> {
        let path = format!("/v2/{}/blobs/{digest}", image.repository);
        let mut ask = Ask::new("GET", self.api(&path));
        ask.authorization.clone_from(&self.token);
        ask.is_taste = most == TASTE;
        ask.most = most;
        let Followed { result, hosts } = self.asker.follow(&ask, Role::Blob);
        let host = hosts.last().cloned();
        let answer = match result {
            Ok(answer) => answer,
            Err(lost) => {
                let kept = matches!(
                    lost.fault.problem,
                    Problem::RedirectLoop | Problem::RedirectRefused | Problem::RateLimited
                );
                return Err(match host {
                    Some(host) if !kept => Fault::new(
                        Problem::BlobHostUnreachable,
                        format!("`{host}`: {}", lost.fault.detail),
                    ),
                    _ => lost.fault,
                });
            }
        };
        let is_there = answer.is_success() || (ask.is_taste && answer.status == 416);
        if is_there {
            return Ok((answer.body, host));
        }
        let problem = problem_of_blob_status(answer.status, host.is_some(), missing);
        let at = host.map_or_else(String::new, |host| format!(" at `{host}`"));
        Err(Fault::new(
            problem,
            format!("the blob answers {}{at}", answer.status),
        ))
    }
}

fn no_body() -> Fault {
    Fault::new(Problem::ManifestMalformed, "no body")
}
