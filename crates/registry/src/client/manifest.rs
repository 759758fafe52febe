//! The manifest, its platform and its config.

use std::time::Instant;

use http::{HeaderValue, Method};
use ring::digest;

use super::connect::stage;
use super::exchange::{Answer, Ask};
use super::fault::Fault;
use super::probe::Run;
use super::redirects::Followed;
use crate::judge::{
    ArtifactKind, Descriptor, Document, Facts, ImageConfig, Index, MANIFEST_TYPES, Manifest,
    ManifestAnswer, ManifestFacts, PlatformFacts, Problem, Role, StageName, StageOutcome, choose,
    config_facts, is_digest, no_config, parse_error_body, parse_manifest, problem_of_blob_status,
    read_config, read_manifest_answer, wants_get,
};
use crate::text::hex;

/// What a request for a manifest came to.
pub(super) struct Resolved {
    pub(super) facts: ManifestFacts,
    /// Why there is none.
    pub(super) fault: Option<Fault>,
    /// The document where it was read (GET).
    pub(super) body: Option<bytes::Bytes>,
    /// Challenges of a 401.
    pub(super) answer: Option<Answer>,
    /// Hosts that redirects led to.
    pub(super) redirects: Vec<String>,
}

/// The digest of bytes, by the algorithm of an expected one, if it can be checked here.
pub(super) fn digest_of(expected: &str, bytes: &[u8]) -> Option<String> {
    let (name, algorithm) = match expected.split_once(':')?.0 {
        "sha256" => ("sha256", &digest::SHA256),
        "sha384" => ("sha384", &digest::SHA384),
        "sha512" => ("sha512", &digest::SHA512),
        _ => return None,
    };
    let hash = digest::digest(algorithm, bytes);
    Some(format!("{name}:{}", hex(hash.as_ref())))
}

impl Run<'_> {
    /// Asks for a manifest by HEAD, and by GET where HEAD is not served or says too little.
    pub(super) async fn head_manifest(&mut self, authorization: Option<HeaderValue>) -> Resolved {
        let reference = self.reference.clone();
        let head = self
            .ask_manifest(Method::HEAD, &reference, authorization.clone())
            .await;
        if wants_get(&head.facts) {
            return self
                .ask_manifest(Method::GET, &reference, authorization)
                .await;
        }
        head
    }

    /// Asks for a manifest.
    pub(super) async fn ask_manifest(
        &mut self,
        method: Method,
        reference: &str,
        authorization: Option<HeaderValue>,
    ) -> Resolved {
        let target = format!("/v2/{}/manifests/{reference}", self.repository);
        let mut ask = Ask::new(method.clone(), &self.origin, target);
        ask.accept = Some(MANIFEST_TYPES);
        ask.authorization = authorization;
        ask.most = self.shared.config.limits.body_bytes;
        let mut out = Resolved {
            facts: ManifestFacts {
                method: method.to_string(),
                ..ManifestFacts::default()
            },
            fault: None,
            body: None,
            answer: None,
            redirects: Vec::new(),
        };
        match self.follow(&ask, Role::Manifest).await {
            Ok(Followed { answer, hosts, .. }) => {
                out.redirects = hosts;
                self.note_limits(&answer);
                out.fault = {
                    let said = ManifestAnswer {
                        method: method.as_str(),
                        reference,
                        status: answer.status,
                        header: &|name| answer.header(name),
                        body: &answer.body,
                        is_cut_short: answer.is_cut_short,
                    };
                    read_manifest_answer(&said, digest_of, &mut out.facts)
                };
                if out.fault.is_none() && method == Method::GET {
                    out.body = Some(answer.body.clone());
                }
                out.answer = Some(answer);
            }
            Err(lost) => out.fault = Some(lost.failure.fault().clone()),
        }
        out
    }

    /// Reads the manifest that was found, down to the config, and ends the stages `manifest`,
    /// `platform` and `config`. Returns the image's manifest and config where all is well.
    pub(super) async fn read_image(
        &mut self,
        since: Instant,
        found: Resolved,
        authorization: Option<HeaderValue>,
    ) -> Option<(Manifest, ImageConfig)> {
        let mut facts = found.facts;
        let body = match found.body {
            Some(body) => body,
            None => {
                let reference = facts
                    .digest
                    .clone()
                    .unwrap_or_else(|| self.reference.clone());
                let got = self
                    .ask_manifest(Method::GET, &reference, authorization.clone())
                    .await;
                let status = got.facts.status;
                match (got.fault, got.body) {
                    (None, Some(body)) => {
                        facts.size = facts.size.or(got.facts.size);
                        facts.media_type = got.facts.media_type.or(facts.media_type);
                        body
                    }
                    (fault, _) => {
                        "GET".clone_into(&mut facts.method);
                        facts.status = status;
                        facts.error = got.facts.error;
                        let fault = fault
                            .unwrap_or_else(|| Fault::new(Problem::ManifestMalformed, "no body"));
                        self.end_manifest(since, facts, Err(&fault));
                        return None;
                    }
                }
            }
        };
        let document = match parse_manifest(facts.media_type.as_deref(), &body) {
            Ok(document) => document,
            Err(error) => {
                let page = parse_error_body(&body).text.unwrap_or_default();
                let text = format!("{error}: `{page}`");
                self.end_manifest(
                    since,
                    facts,
                    Err(&Fault::new(Problem::ManifestMalformed, text)),
                );
                return None;
            }
        };
        match document {
            Document::Schema1 => {
                facts.artifact = Some(ArtifactKind::Schema1);
                let fault = Fault::new(
                    Problem::ManifestSchema1,
                    "a Docker schema 1 manifest, which containerd 2.1 and later refuses",
                );
                self.end_manifest(since, facts, Err(&fault));
                None
            }
            Document::Manifest(manifest) => {
                if !self.end_artifact(since, facts, &manifest) {
                    return None;
                }
                self.skip(StageName::Platform, "one manifest, no index");
                self.read_config(manifest, authorization).await
            }
            Document::Index(index) => {
                facts.artifact = Some(ArtifactKind::Index);
                self.end_manifest(since, facts, Ok(()));
                let manifest = self.choose_platform(&index, authorization.clone()).await?;
                self.read_config(manifest, authorization).await
            }
        }
    }

    /// Ends the stage `manifest` for a single manifest; tells whether it is an image.
    fn end_artifact(
        &mut self,
        since: Instant,
        mut facts: ManifestFacts,
        manifest: &Manifest,
    ) -> bool {
        facts.artifact = Some(manifest.kind.clone());
        let what = match &manifest.kind {
            ArtifactKind::Image => {
                self.end_manifest(since, facts, Ok(()));
                return true;
            }
            ArtifactKind::HelmChart => "a Helm chart".to_owned(),
            ArtifactKind::Signature => "a signature or attestation".to_owned(),
            ArtifactKind::DockerPlugin => "a Docker plugin".to_owned(),
            ArtifactKind::Index | ArtifactKind::Schema1 => "no image".to_owned(),
            ArtifactKind::Other(kind) => format!("an artefact of type `{kind}`"),
        };
        let fault = Fault::new(Problem::NotAnImage, format!("it is {what}, not an image"));
        self.end_manifest(since, facts, Err(&fault));
        false
    }

    /// Ends the stage `manifest`.
    pub(super) fn end_manifest(
        &mut self,
        since: Instant,
        facts: ManifestFacts,
        outcome: Result<(), &Fault>,
    ) {
        let name = format!(
            "`{}/{}:{}`",
            self.authority, self.repository, self.reference
        );
        let name = if is_digest(&self.reference) {
            name.replace(
                &format!(":{}", self.reference),
                &format!("@{}", self.reference),
            )
        } else {
            name
        };
        let digest = facts.digest.clone().unwrap_or_default();
        let kind = match &facts.artifact {
            Some(ArtifactKind::Index) => "index ",
            _ => "",
        };
        let facts = Facts::Manifest(facts);
        let ended = match outcome {
            Ok(()) => stage(
                StageName::Manifest,
                since,
                facts,
                Ok(format!("{name} is {kind}{digest}")),
            ),
            Err(fault) => stage(StageName::Manifest, since, facts, Err(fault)),
        };
        self.emit(ended);
    }

    async fn choose_platform(
        &mut self,
        index: &Index,
        authorization: Option<HeaderValue>,
    ) -> Option<Manifest> {
        let since = Instant::now();
        let mut available: Vec<String> = index
            .entries
            .iter()
            .filter(|entry| !entry.is_attestation)
            .filter_map(|entry| entry.platform.as_ref().map(ToString::to_string))
            .collect();
        available.sort();
        available.dedup();
        let mut facts = PlatformFacts {
            wanted: self
                .request
                .platform
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            available,
            chosen: None,
        };
        let entry = match &self.request.platform {
            Some(wanted) => choose(index, wanted),
            None => index.entries.iter().find(|entry| !entry.is_attestation),
        };
        let Some(entry) = entry else {
            let fault = Fault::new(
                Problem::NoPlatform,
                format!(
                    "no match for platform in manifest: {} wanted, there is {}",
                    if facts.wanted.is_empty() {
                        "any"
                    } else {
                        &facts.wanted
                    },
                    if facts.available.is_empty() {
                        "nothing".to_owned()
                    } else {
                        facts.available.join(", ")
                    }
                ),
            );
            self.emit(stage(
                StageName::Platform,
                since,
                Facts::Platform(facts),
                Err(&fault),
            ));
            return None;
        };
        let digest = entry.descriptor.digest.clone();
        let platform = entry
            .platform
            .as_ref()
            .map_or_else(|| "no platform".to_owned(), ToString::to_string);
        facts.chosen = Some(digest.clone());
        let got = self.ask_manifest(Method::GET, &digest, authorization).await;
        let outcome = match (got.fault, got.body) {
            (None, Some(body)) => match parse_manifest(got.facts.media_type.as_deref(), &body) {
                Ok(Document::Manifest(manifest)) => Ok(manifest),
                Ok(_) => Err(Fault::new(
                    Problem::ManifestMalformed,
                    format!("{digest} is no image manifest"),
                )),
                Err(error) => Err(Fault::new(
                    Problem::ManifestMalformed,
                    format!("{digest}: {error}"),
                )),
            },
            (Some(fault), _) if fault.problem == Problem::NotFound => Err(Fault::new(
                Problem::ManifestMissing,
                format!(
                    "the index names {digest} for {platform}, and the registry does not have it"
                ),
            )),
            (fault, _) => {
                Err(fault.unwrap_or_else(|| Fault::new(Problem::ManifestMalformed, "no body")))
            }
        };
        let facts = Facts::Platform(facts);
        let mut ended = match &outcome {
            Ok(_) => stage(
                StageName::Platform,
                since,
                facts,
                Ok(format!("{platform} is {digest}")),
            ),
            Err(fault) => stage(StageName::Platform, since, facts, Err(fault)),
        };
        if self.request.platform.is_none() && ended.outcome == StageOutcome::Ok {
            ended.outcome = StageOutcome::Skipped;
            ended.detail = format!("no platform was asked for; {platform} is looked at");
        }
        self.emit(ended);
        outcome.ok()
    }

    async fn read_config(
        &mut self,
        manifest: Manifest,
        authorization: Option<HeaderValue>,
    ) -> Option<(Manifest, ImageConfig)> {
        let since = Instant::now();
        let outcome = match &manifest.config {
            None => Err(no_config()),
            Some(config) => self.fetch_config(config, authorization).await,
        };
        let (facts, text) = config_facts(&manifest, outcome.as_ref().ok());
        let facts = Facts::Config(facts);
        let ended = match &outcome {
            Ok(_) => stage(StageName::Config, since, facts, Ok(text)),
            Err(fault) => stage(StageName::Config, since, facts, Err(fault)),
        };
        self.emit(ended);
        outcome.ok().map(|config| (manifest, config))
    }

    async fn fetch_config(
        &mut self,
        config: &Descriptor,
        authorization: Option<HeaderValue>,
    ) -> Result<ImageConfig, Fault> {
        let target = format!("/v2/{}/blobs/{}", self.repository, config.digest);
        let mut ask = Ask::new(Method::GET, &self.origin, target);
        ask.authorization = authorization;
        ask.most = self.shared.config.limits.body_bytes;
        let followed = self
            .follow(&ask, Role::Blob)
            .await
            .map_err(|lost| lost.blob_fault(lost.failure.fault().problem))?;
        let answer = followed.answer;
        let at = followed
            .hosts
            .last()
            .map_or_else(String::new, |host| format!(" at `{host}`"));
        match answer.status {
            200..300 => {}
            404 => {
                return Err(Fault::new(
                    Problem::ConfigMissing,
                    format!("the config {} is not there{at}", config.digest),
                ));
            }
            status => {
                let said = parse_error_body(&answer.body).summary().unwrap_or_default();
                let is_elsewhere = !followed.hosts.is_empty();
                let problem = problem_of_blob_status(status, is_elsewhere, Problem::ConfigMissing);
                return Err(Fault::new(
                    problem,
                    format!("the config answers {status}{at}: {said}"),
                ));
            }
        }
        if answer.is_cut_short {
            return Err(Fault::new(
                Problem::ConfigDamaged,
                "the config is too large",
            ));
        }
        read_config(&config.digest, &answer.body, digest_of)
    }
}
