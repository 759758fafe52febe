//! One target from the first stage to the last: its way, what it wants to see, the manifest.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pulldoctor_registry::judge::{
    Challenge, CredentialOutcome, CredentialRecord, Facts, Fault, HttpFacts, Identity,
    MANIFEST_TYPES, ManifestAnswer, ManifestFacts, NodeImage, NodeRole, NodeTarget, Problem,
    RawSight, Role, Scheme, Stage, StageName, TokenFacts, TokensFacts, Transcript,
    begin_transcript, end_stage, first_answer_text, is_digest, parse_rate_limit, parse_token,
    pull_scopes, read_first_answer, read_manifest_answer, show, token_refusal, wants_get,
};

use crate::exchange::{Ask, Asker};
use crate::http::Answer;
use crate::url::{Origin, Url};
use crate::way::{Guard, Scene, skipped};

/// Most bytes of a manifest. containerd refuses larger ones.
pub(crate) const MOST_MANIFEST: usize = 4 * 1024 * 1024;
/// Most bytes of a token service's answer.
const MOST_TOKEN: usize = 256 * 1024;

/// One target under way.
pub(crate) struct Look<'a> {
    pub(crate) asker: Asker<'a>,
    pub(crate) transcript: Transcript,
    pub(crate) token: Option<String>,
    /// Whether the names that are near to a missing one matter: those of a mirror do not.
    pub(crate) lists_names: bool,
}

/// What a request for a manifest came to.
pub(crate) struct Resolved {
    pub(crate) facts: ManifestFacts,
    /// Why there is none.
    pub(crate) fault: Option<Fault>,
    /// The document where it was read (GET).
    pub(crate) body: Option<Vec<u8>>,
    answer: Option<Answer>,
    redirects: Vec<String>,
}

/// Looks at one target. Never fails: what went wrong is in the transcript.
pub(crate) fn look(scene: Scene<'_>, target: &NodeTarget) -> RawSight {
    let start = Instant::now();
    let mut transcript = begin_transcript(target);
    let origin = Origin::of_authority(&target.host, !target.plain_http);
    let Some(origin) = origin else {
        let fault = Fault::new(Problem::DnsOther, format!("`{}` is no host", target.host));
        let failed = end_stage(StageName::Dns, start.elapsed(), Facts::None, Err(&fault));
        transcript.stages.push(failed);
        return RawSight {
            role: target.role,
            transcript,
            chains: Vec::new(),
            paths: Vec::new(),
        };
    };
    let mut look = Look {
        asker: Asker::new(scene, origin, guard_of(target.role)),
        transcript,
        token: None,
        lists_names: target.role == NodeRole::Registry,
    };
    if target.role == NodeRole::Proxy {
        // It is no registry: whether it can be reached is all that can be asked without using it.
        look.asker.knock(&mut look.transcript.stages);
    } else {
        look.run(target.image.as_ref());
    }
    let mut transcript = look.transcript;
    transcript.other_hosts = look.asker.other_hosts;
    transcript.requests = look.asker.requests;
    transcript.took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    RawSight {
        role: target.role,
        transcript,
        chains: look.asker.notes.chains,
        paths: look.asker.notes.paths,
    }
}

/// A registry names token services and hosts of blobs, which may resolve to what no registry has any
/// business with. What somebody at home or the node's administrator named may be anywhere.
fn guard_of(role: NodeRole) -> Guard {
    match role {
        NodeRole::Token | NodeRole::Blob => Guard::SentBy(None),
        NodeRole::Registry | NodeRole::Mirror | NodeRole::Proxy => Guard::Named,
    }
}

impl Look<'_> {
    fn run(&mut self, image: Option<&NodeImage>) {
        if !self.reach() {
            return;
        }
        let Some(image) = image else {
            self.greet();
            return;
        };
        let since = Instant::now();
        let found = self.head_manifest(image);
        let Some(challenges) = self.end_http(since, &found) else {
            return;
        };
        if found.facts.status == Some(401) {
            self.with_token(image, &challenges);
        } else {
            let why = "the registry wants no login for this";
            self.emit(skipped(StageName::Token, why));
            self.record(&found, Identity::Unknown);
            self.finish(Instant::now(), image, found);
        }
    }

    pub(crate) fn emit(&mut self, stage: Stage) {
        self.transcript.stages.push(stage);
    }

    pub(crate) fn end(
        &mut self,
        name: StageName,
        since: Instant,
        facts: Facts,
        outcome: Result<String, &Fault>,
    ) {
        self.emit(end_stage(name, since.elapsed(), facts, outcome));
    }

    fn reach(&mut self) -> bool {
        let mut stages = Vec::new();
        let mut reached = self.asker.reach(&mut stages);
        let is_plain = self.asker.registry.is_https
            && self.asker.registry.is_loopback()
            && reached
                .as_ref()
                .is_err_and(|fault| fault.problem == Problem::TlsPlainHttp);
        if is_plain {
            // As the runtimes do for localhost; the port may have been left to the scheme.
            self.asker.registry = self.asker.registry.with_http();
            stages.clear();
            reached = self.asker.reach(&mut stages);
        }
        self.transcript.stages = stages;
        reached.is_ok()
    }

    /// The first answer of a host that is asked for no image.
    fn greet(&mut self) {
        let since = Instant::now();
        let ask = Ask::new("GET", self.api("/v2/"));
        let followed = self.asker.follow(&ask, Role::Manifest);
        let found = match followed.result {
            Ok(answer) => Resolved {
                facts: ManifestFacts::default(),
                fault: None,
                body: None,
                redirects: followed.hosts,
                answer: Some(answer),
            },
            Err(lost) => Resolved {
                facts: ManifestFacts::default(),
                fault: Some(lost.fault),
                body: None,
                redirects: followed.hosts,
                answer: None,
            },
        };
        self.end_http(since, &found);
    }

    pub(crate) fn api(&self, path: &str) -> Url {
        Url {
            origin: self.asker.registry.clone(),
            path: path.to_owned(),
            query: None,
        }
    }

    fn head_manifest(&mut self, image: &NodeImage) -> Resolved {
        let head = self.ask_manifest("HEAD", image, &image.reference);
        if wants_get(&head.facts) {
            return self.ask_manifest("GET", image, &image.reference);
        }
        head
    }

    pub(crate) fn ask_manifest(
        &mut self,
        method: &'static str,
        image: &NodeImage,
        reference: &str,
    ) -> Resolved {
        let path = format!("/v2/{}/manifests/{reference}", image.repository);
        let mut ask = Ask::new(method, self.api(&path));
        ask.accept = Some(MANIFEST_TYPES);
        ask.authorization.clone_from(&self.token);
        ask.most = MOST_MANIFEST;
        let mut out = Resolved {
            facts: ManifestFacts {
                method: method.to_owned(),
                ..ManifestFacts::default()
            },
            fault: None,
            body: None,
            answer: None,
            redirects: Vec::new(),
        };
        let followed = self.asker.follow(&ask, Role::Manifest);
        out.redirects = followed.hosts;
        match followed.result {
            Ok(answer) => {
                let limit = parse_rate_limit(|name| answer.header(name), now());
                self.transcript.rate_limit = limit.or(self.transcript.rate_limit.take());
                let said = ManifestAnswer {
                    method,
                    reference,
                    status: answer.status,
                    header: &|name| answer.header(name),
                    body: &answer.body,
                    is_cut_short: answer.is_cut_short,
                };
                out.fault = read_manifest_answer(&said, digest_of, &mut out.facts);
                if out.fault.is_none() && method == "GET" {
                    out.body = Some(answer.body.clone());
                }
                out.answer = Some(answer);
            }
            Err(lost) => out.fault = Some(lost.fault),
        }
        out
    }

    /// Ends the stage `http`: an answer came, whatever it says. Returns the challenges, or nothing
    /// where the look ends here.
    fn end_http(&mut self, since: Instant, first: &Resolved) -> Option<Vec<Challenge>> {
        let (mut facts, mut challenges) = (HttpFacts::default(), Vec::new());
        if let Some(answer) = &first.answer {
            (facts, challenges) = read_first_answer(
                answer.status,
                &|name| answer.header(name),
                answer.headers_of("www-authenticate"),
                now(),
            );
            facts.first_byte_ms = u64::try_from(answer.first_byte.as_millis()).ok();
        }
        facts.redirects.clone_from(&first.redirects);
        let failed = match (&first.fault, facts.status) {
            (Some(fault), None | Some(429 | 500..)) => Some(fault.clone()),
            (Some(fault), _) if fault.problem == Problem::HttpsExpected => Some(fault.clone()),
            _ => None,
        };
        let text = first_answer_text(&facts);
        let facts = Facts::Http(facts);
        match failed {
            Some(fault) => {
                self.end(StageName::Http, since, facts, Err(&fault));
                None
            }
            None => {
                self.end(StageName::Http, since, facts, Ok(text));
                Some(challenges)
            }
        }
    }

    /// Gets an anonymous token and asks again with it.
    fn with_token(&mut self, image: &NodeImage, challenges: &[Challenge]) {
        let since = Instant::now();
        let mut facts = TokenFacts {
            source: "anonymous".to_owned(),
            ..TokenFacts::default()
        };
        let result = self.anonymous_token(image, challenges, &mut facts);
        let facts = Facts::Token(TokensFacts {
            attempts: vec![facts],
        });
        match result {
            Ok(token) => {
                let text = "an anonymous token was given".to_owned();
                self.end(StageName::Token, since, facts, Ok(text));
                self.token = Some(token);
            }
            Err(fault) => {
                self.end(StageName::Token, since, facts, Err(&fault));
                let is_refusal =
                    matches!(fault.problem, Problem::TokenRefused | Problem::Unauthorized);
                let mut record = anonymous();
                record.problem = Some(fault.problem);
                record.detail = fault.detail;
                if is_refusal {
                    record.outcome = CredentialOutcome::Refused;
                }
                self.transcript.credentials.push(record);
                return;
            }
        }
        let since = Instant::now();
        let found = self.head_manifest(image);
        self.record(&found, Identity::Unknown);
        self.finish(since, image, found);
    }

    fn anonymous_token(
        &mut self,
        image: &NodeImage,
        challenges: &[Challenge],
        facts: &mut TokenFacts,
    ) -> Result<String, Fault> {
        let unusable = |text: String| Fault::new(Problem::ChallengeUnusable, text);
        let usable = challenges
            .iter()
            .find(|challenge| matches!(challenge.scheme, Scheme::Bearer | Scheme::Basic));
        let challenge = match usable {
            None => {
                return Err(unusable(
                    "no challenge that a runtime can answer".to_owned(),
                ));
            }
            Some(challenge) if challenge.scheme == Scheme::Basic => {
                "basic".clone_into(&mut facts.realm);
                let text = "authorization failed: no basic auth credentials";
                return Err(Fault::new(Problem::Unauthorized, text));
            }
            Some(challenge) => challenge,
        };
        let realm = challenge
            .parameter("realm")
            .ok_or_else(|| unusable("no realm specified for token auth challenge".to_owned()))?;
        let mut url = Url::parse(realm).ok_or_else(|| {
            unusable(format!(
                "invalid token auth challenge realm: `{}`",
                show(realm)
            ))
        })?;
        facts.realm = show(&url.without_query());
        let service = challenge.parameter("service").unwrap_or_default();
        facts.service = (!service.is_empty()).then(|| show(service));
        let scopes = pull_scopes(&image.repository, challenge.parameter("scope"));
        facts.scope = Some(show(&scopes.join(" ")));
        "GET".clone_into(&mut facts.method);
        url.query = Some(query(url.query.as_deref(), service, &scopes));
        let mut ask = Ask::new("GET", url);
        ask.most = MOST_TOKEN;
        let answer = match self.asker.follow(&ask, Role::Token).result {
            Ok(answer) => answer,
            Err(lost) => {
                let is_silent = lost.is_unreachable
                    && lost.fault.problem != Problem::RedirectRefused
                    || matches!(
                        lost.fault.problem,
                        Problem::HttpCut | Problem::HttpTimeout | Problem::HttpMalformed
                    );
                return Err(if is_silent {
                    Fault::new(Problem::TokenHostUnreachable, lost.fault.detail)
                } else {
                    lost.fault
                });
            }
        };
        facts.status = Some(answer.status);
        if !answer.is_success() {
            let (fault, said) =
                token_refusal(&facts.method, &facts.realm, answer.status, &answer.body);
            facts.error = Some(said);
            return Err(fault);
        }
        let token = parse_token(&answer.body)
            .map_err(|error| Fault::new(Problem::TokenUnusable, error.to_string()))?;
        facts.granted = token.claims.map(|claims| claims.access);
        Ok(format!("Bearer {}", token.token.expose()))
    }

    /// What the manifest's answer says of asking without a login.
    fn record(&mut self, found: &Resolved, identity: Identity) {
        let mut record = anonymous();
        record.identity = identity;
        record.manifest_status = found.facts.status;
        record.outcome = match found.facts.status {
            Some(200..300 | 404) => CredentialOutcome::Granted,
            Some(401 | 403) => CredentialOutcome::Refused,
            _ => CredentialOutcome::Untested,
        };
        "the registry lets anybody read".clone_into(&mut record.detail);
        if let Some(fault) = &found.fault {
            record.detail.clone_from(&fault.detail);
            if record.outcome != CredentialOutcome::Granted {
                record.problem = Some(fault.problem);
            }
        }
        self.transcript.credentials.push(record);
    }

    /// Ends the stage `manifest`.
    pub(crate) fn end_manifest(
        &mut self,
        since: Instant,
        image: &NodeImage,
        mut facts: ManifestFacts,
        outcome: Result<(), &Fault>,
    ) {
        facts.credential = Some(0);
        let mark = if is_digest(&image.reference) {
            '@'
        } else {
            ':'
        };
        let name = format!(
            "`{}/{}{mark}{}`",
            self.transcript.host, image.repository, image.reference
        );
        let digest = facts.digest.clone().unwrap_or_default();
        let outcome = outcome.map(|()| format!("{name} is {digest}"));
        self.end(StageName::Manifest, since, Facts::Manifest(facts), outcome);
    }
}

fn anonymous() -> CredentialRecord {
    CredentialRecord {
        source: "anonymous".to_owned(),
        username: None,
        outcome: CredentialOutcome::Untested,
        identity: Identity::Unknown,
        problem: None,
        manifest_status: None,
        detail: "not tried".to_owned(),
    }
}

fn query(own: Option<&str>, service: &str, scopes: &[String]) -> String {
    let mut parts: Vec<String> = own
        .filter(|own| !own.is_empty())
        .map(str::to_owned)
        .into_iter()
        .collect();
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    if !service.is_empty() {
        parts.push(format!("service={}", encode(service)));
    }
    for scope in scopes {
        parts.push(format!("scope={}", encode(scope)));
    }
    parts.join("&")
}

/// Unix seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The digest of bytes, by the algorithm of an expected one.
pub(crate) fn digest_of(expected: &str, bytes: &[u8]) -> Option<String> {
    use std::fmt::Write as _;
    let (name, algorithm) = match expected.split_once(':')?.0 {
        "sha256" => ("sha256", &ring::digest::SHA256),
        "sha384" => ("sha384", &ring::digest::SHA384),
        "sha512" => ("sha512", &ring::digest::SHA512),
        _ => return None,
    };
    let mut text = format!("{name}:");
    for byte in ring::digest::digest(algorithm, bytes).as_ref() {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}
