//! A whole probe, stage after stage.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::config::{Login, ProbeConfig, ProbeDepth, ProbeRequest, SetupError};
use super::connect::{Guard, Link, connect, stage};
use super::exchange::{Answer, Ask};
use super::fault::{Fault, show};
use super::manifest::Resolved;
use super::origin::Origin;
use super::redirects::{Followed, Lost, follow};
use super::shared::Shared;
use super::tls;
use super::token::Realm;
use crate::judge::{
    Challenge, CredentialOutcome, CredentialRecord, Facts, Gap, HttpFacts, Identity, OtherHost,
    Problem, Role, Stage, StageName, StageOutcome, TokenFacts, TokensFacts, Transcript,
    first_answer_text, parse_rate_limit, read_first_answer,
};

/// Most other hosts whose stages are kept.
const MOST_OTHER_HOSTS: usize = 16;

/// Asks registries. Clones share connections, tokens and what was learnt; one is meant to serve a
/// whole process.
#[derive(Debug, Clone)]
pub struct Probe {
    shared: Arc<Shared>,
}

/// One probe under way.
pub(super) struct Run<'a> {
    pub(super) shared: &'a Shared,
    pub(super) request: &'a ProbeRequest,
    pub(super) origin: Origin,
    /// `host[:port]` as the API is asked.
    pub(super) authority: String,
    pub(super) repository: String,
    /// The tag or digest.
    pub(super) reference: String,
    pub(super) transcript: Transcript,
    peer: Option<IpAddr>,
    is_safe: bool,
    on_stage: &'a mut (dyn FnMut(&Stage) + Send),
}

/// One credential that is tried: a login, or none.
struct Candidate<'a> {
    login: Option<&'a Login>,
    authorization: Option<HeaderValue>,
    record: CredentialRecord,
    /// There is something to ask the manifest with.
    is_ready: bool,
}

impl Probe {
    /// Makes a prober; reads the authorities that are trusted.
    pub fn new(config: ProbeConfig) -> Result<Self, SetupError> {
        Ok(Self {
            shared: Arc::new(Shared::new(config)?),
        })
    }

    /// Asks one question. `on_stage` sees every stage as it ends. Never fails: what went wrong is
    /// in the transcript.
    ///
    /// Cancel-safe: dropping the future ends its requests.
    pub async fn run(
        &self,
        request: &ProbeRequest,
        on_stage: &mut (dyn FnMut(&Stage) + Send),
    ) -> Transcript {
        let start = Instant::now();
        let image = &request.image;
        let authority = image.registry_api_host().to_owned();
        let reference = image.manifest_reference();
        let transcript = Transcript {
            image: image.as_written().to_owned(),
            repository: image.repository().to_owned(),
            reference: reference.clone(),
            ..Transcript::new(&authority)
        };
        let told_plain = self.shared.config.realms.plain_http.iter();
        let is_https = !told_plain.clone().any(|entry| *entry == authority);
        let Some(origin) = Origin::of_registry(&authority, is_https) else {
            let fault = Fault::new(Problem::DnsOther, format!("`{authority}` is no host"));
            let failed = stage(StageName::Dns, start, Facts::None, Err(&fault));
            on_stage(&failed);
            return Transcript {
                stages: vec![failed],
                ..transcript
            };
        };
        let mut run = Run {
            shared: &self.shared,
            request,
            origin,
            authority,
            repository: image.repository().to_owned(),
            reference,
            transcript,
            peer: None,
            is_safe: false,
            on_stage,
        };
        let limits = &self.shared.config.limits;
        let total = match request.depth {
            ProbeDepth::Verify => limits.total_verify.unwrap_or(Duration::MAX),
            _ => limits.total,
        };
        let span =
            tracing::info_span!("probe", registry = %run.authority, repository = %run.repository);
        let steps = Box::pin(run.steps().instrument(span));
        if timeout(total, steps).await.is_err() {
            run.out_of_time(start);
        }
        run.transcript.took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        run.transcript
    }
}

impl Run<'_> {
    /// Adds a stage to the transcript.
    pub(super) fn emit(&mut self, stage: Stage) {
        note(&stage);
        (self.on_stage)(&stage);
        self.transcript.stages.push(stage);
    }

    pub(super) fn skip(&mut self, name: StageName, why: &str) {
        let mut skipped = stage(name, Instant::now(), Facts::None, Ok(why.to_owned()));
        skipped.outcome = StageOutcome::Skipped;
        self.emit(skipped);
    }

    fn out_of_time(&mut self, start: Instant) {
        let last = self.transcript.stages.last().map(|stage| stage.stage);
        let next = match last {
            None => StageName::Dns,
            Some(StageName::Dns | StageName::Proxy) => StageName::Tcp,
            Some(StageName::Tcp) => StageName::Tls,
            Some(StageName::Tls) => StageName::Http,
            Some(StageName::Http) => StageName::Token,
            Some(StageName::Token) => StageName::Manifest,
            Some(StageName::Manifest) => StageName::Platform,
            Some(StageName::Platform) => StageName::Config,
            Some(StageName::Config | StageName::Layers) => StageName::Layers,
        };
        let fault = Fault::new(Problem::HttpTimeout, "the probe ran out of time");
        self.emit(stage(next, start, Facts::None, Err(&fault)));
    }

    /// Where this registry may send its clients.
    pub(super) fn guard(&self) -> Guard {
        Guard::SentBy(self.peer)
    }

    fn realm(&self) -> Realm<'_> {
        Realm {
            shared: self.shared,
            registry: &self.origin,
            authority: &self.authority,
            repository: &self.repository,
            guard: self.guard(),
        }
    }

    /// Asks and follows redirects; notes the ways to other hosts.
    pub(super) async fn follow(&mut self, ask: &Ask, role: Role) -> Result<Followed, Lost> {
        // Stages of a further connection to the registry itself say nothing new.
        let trail = follow(self.shared, ask, self.guard(), &mut |_| {}).await;
        self.transcript.requests += trail.requests;
        self.note_hosts(trail.other_hosts, role);
        let host = trail.last_host;
        trail.result.map_err(|failure| Lost { failure, host })
    }

    pub(super) fn note_hosts(&mut self, hosts: Vec<(String, Vec<Stage>)>, role: Role) {
        for (host, stages) in hosts {
            let known = self
                .transcript
                .other_hosts
                .iter()
                .any(|known| known.host == host && known.role == role);
            if !known && self.transcript.other_hosts.len() < MOST_OTHER_HOSTS {
                self.transcript
                    .other_hosts
                    .push(OtherHost { host, role, stages });
            }
        }
    }

    pub(super) fn note_limits(&mut self, answer: &Answer) {
        if let Some(limit) = parse_rate_limit(|name| answer.header(name), tls::now()) {
            self.transcript.rate_limit = Some(limit);
        }
    }

    async fn steps(&mut self) {
        if !self.reach().await {
            return;
        }
        if self.request.depth == ProbeDepth::Exists && Box::pin(self.warm()).await {
            return;
        }
        let since = Instant::now();
        let first = self.head_manifest(None).await;
        let challenges = self.end_http(since, &first);
        let Some(challenges) = challenges else {
            return;
        };
        let since = Instant::now();
        if first.facts.status != Some(401) {
            Box::pin(self.without_login(since, first)).await;
            return;
        }
        Box::pin(self.with_credentials(&challenges)).await;
    }

    /// Connects, or takes a connection that is there, and reports its stages.
    async fn reach(&mut self) -> bool {
        if self.origin.is_https && self.origin.is_loopback() && self.shared.is_plain(&self.origin) {
            self.origin = self.origin.with_http();
        }
        if let Some(link) = self.shared.take_idle(&self.origin) {
            for stage in &link.info.stages {
                let mut stage = stage.clone();
                stage.took_ms = 0;
                if let Facts::Tcp(facts) = &mut stage.facts {
                    facts.reused = true;
                }
                self.emit(stage);
            }
            self.keep(link);
            return true;
        }
        let mut stages = Vec::new();
        let is_quiet = self.origin.is_https && self.origin.is_loopback();
        let connected = {
            let (transcript, on_stage) = (&mut self.transcript, &mut *self.on_stage);
            connect(
                self.shared,
                &self.origin,
                Guard::Registry,
                &mut |stage: Stage| {
                    // On loopback plain HTTP may take over, and then the handshake is no failure.
                    if is_quiet {
                        stages.push(stage);
                    } else {
                        on_stage(&stage);
                        transcript.stages.push(stage);
                    }
                },
            )
            .await
        };
        let is_plain = is_quiet
            && connected
                .as_ref()
                .is_err_and(|failure| failure.fault.problem == Problem::TlsPlainHttp);
        if is_plain {
            // As the runtimes do for localhost.
            self.shared.remember_plain(&self.origin);
            self.origin = self.origin.with_http();
            let (transcript, on_stage) = (&mut self.transcript, &mut *self.on_stage);
            let connected = connect(
                self.shared,
                &self.origin,
                Guard::Registry,
                &mut |stage: Stage| {
                    note(&stage);
                    on_stage(&stage);
                    transcript.stages.push(stage);
                },
            )
            .await;
            return match connected {
                Ok(link) => {
                    self.keep(link);
                    true
                }
                Err(_) => false,
            };
        }
        for stage in stages {
            self.emit(stage);
        }
        match connected {
            Ok(link) => {
                self.keep(link);
                true
            }
            Err(_) => false,
        }
    }

    fn keep(&mut self, link: Link) {
        self.peer = link.info.peer;
        self.is_safe = link.info.is_safe;
        self.shared.put_idle(&self.origin, link);
    }

    /// One request where the way is warm: the credential that worked the last time, the first in
    /// the kubelet's order.
    async fn warm(&mut self) -> bool {
        let request = self.request;
        let mut logins: Vec<Option<&Login>> = request.logins.iter().map(Some).collect();
        if logins.is_empty() {
            logins.push(None);
        }
        let known = logins
            .into_iter()
            .enumerate()
            .find_map(|(place, login)| Some((place, login, self.realm().remembered(login)?)));
        let Some((place, login, header)) = known else {
            return false;
        };
        let since = Instant::now();
        let found = self.head_manifest(Some(header.clone())).await;
        let is_settled = matches!(found.facts.status, Some(200..300 | 404));
        if !is_settled {
            let key = self.realm().key(login);
            self.shared.forget_authorization(&key);
            return false;
        }
        self.skip(StageName::Http, "the challenge is known");
        self.skip(
            StageName::Token,
            "the answer to an earlier challenge still holds",
        );
        for (other, login) in request.logins.iter().enumerate() {
            if other != place {
                self.transcript.credentials.push(record_of(Some(login)));
            }
        }
        let mut record = record_of(login);
        record.outcome = CredentialOutcome::Granted;
        record.manifest_status = found.facts.status;
        "the registry lets it read".clone_into(&mut record.detail);
        self.transcript.credentials.insert(place, record);
        self.finish(since, found, place, Some(header)).await;
        true
    }

    /// Ends the stage `http`: an answer came, whatever it says. Returns the challenges, or nothing
    /// where the probe ends here.
    fn end_http(&mut self, since: Instant, first: &Resolved) -> Option<Vec<Challenge>> {
        let (mut facts, mut challenges) = (HttpFacts::default(), Vec::new());
        if let Some(answer) = &first.answer {
            let wanted = answer.headers.get_all("www-authenticate").iter();
            (facts, challenges) = read_first_answer(
                answer.status,
                &|name| answer.header(name),
                wanted.filter_map(|value| value.to_str().ok()),
                tls::now(),
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
                self.emit(stage(StageName::Http, since, facts, Err(&fault)));
                for login in &self.request.logins {
                    let record = record_of(Some(login));
                    self.transcript.credentials.push(record);
                }
                None
            }
            None => {
                self.emit(stage(StageName::Http, since, facts, Ok(text)));
                Some(challenges)
            }
        }
    }

    /// The registry answered without wanting a login.
    async fn without_login(&mut self, since: Instant, first: Resolved) {
        self.skip(StageName::Token, "the registry wants no login for this");
        for login in &self.request.logins {
            let mut record = record_of(Some(login));
            "the registry did not ask for it".clone_into(&mut record.detail);
            self.transcript.credentials.push(record);
        }
        let mut record = record_of(None);
        record.manifest_status = first.facts.status;
        let is_granted = matches!(first.facts.status, Some(200..300 | 404));
        record.outcome = if is_granted {
            CredentialOutcome::Granted
        } else {
            CredentialOutcome::Refused
        };
        record.problem = first
            .fault
            .as_ref()
            .map(|fault| fault.problem)
            .filter(|_| !is_granted);
        record.detail = first.fault.as_ref().map_or_else(
            || "the registry lets anybody read".to_owned(),
            |fault| fault.detail.clone(),
        );
        self.transcript.credentials.push(record);
        let place = self.transcript.credentials.len() - 1;
        self.finish(since, first, place, None).await;
    }

    /// Every credential for itself: token, then manifest.
    async fn with_credentials(&mut self, challenges: &[Challenge]) {
        let since = Instant::now();
        let request = self.request;
        let most = self.shared.config.limits.logins;
        let mut logins: Vec<Option<&Login>> = request.logins.iter().take(most).map(Some).collect();
        let has_logins = !logins.is_empty();
        if !has_logins || request.try_anonymous {
            logins.push(None);
        }
        let mut candidates = Vec::new();
        let mut attempts = Vec::new();
        for login in logins {
            let (candidate, facts) = self.authorize(challenges, login).await;
            candidates.push(candidate);
            attempts.push(facts);
        }
        self.end_tokens(since, &candidates, attempts, has_logins);
        let since = Instant::now();
        let mut chosen: Option<(usize, Resolved, Option<HeaderValue>)> = None;
        let mut failed: Option<(usize, Resolved)> = None;
        let is_quick = request.depth == ProbeDepth::Exists;
        for (place, candidate) in candidates.iter_mut().enumerate() {
            let decides = candidate.login.is_some() || !has_logins;
            if !candidate.is_ready || (is_quick && chosen.is_some()) {
                continue;
            }
            let found = self.head_manifest(candidate.authorization.clone()).await;
            self.judge_candidate(candidate, &found).await;
            let is_granted = candidate.record.outcome == CredentialOutcome::Granted;
            if is_granted && decides && chosen.is_none() {
                chosen = Some((place, found, candidate.authorization.clone()));
            } else if decides && failed.is_none() {
                failed = Some((place, found));
            }
        }
        self.transcript
            .credentials
            .extend(candidates.into_iter().map(|candidate| candidate.record));
        match (chosen, failed) {
            (Some((place, found, authorization)), _) => {
                self.finish(since, found, place, authorization).await;
            }
            (None, Some((place, found))) => {
                let fault = found
                    .fault
                    .clone()
                    .unwrap_or_else(|| Fault::new(Problem::Unauthorized, "no credential is good"));
                let mut facts = found.facts;
                facts.credential = Some(place);
                self.end_manifest(since, facts, Err(&fault));
            }
            (None, None) => {}
        }
    }

    /// Gets what one credential needs for the manifest.
    async fn authorize<'c>(
        &mut self,
        challenges: &[Challenge],
        login: Option<&'c Login>,
    ) -> (Candidate<'c>, TokenFacts) {
        let mut record = record_of(login);
        if login.is_some() && !self.is_safe {
            let fault = Fault::new(
                Problem::CredentialWithheld,
                format!(
                    "held back: the way to `{}` is not safe for a credential",
                    self.authority
                ),
            );
            record.problem = Some(fault.problem);
            record.detail.clone_from(&fault.detail);
            self.gap(&fault, &self.authority.clone(), &record.source.clone());
            let facts = TokenFacts {
                source: record.source.clone(),
                ..TokenFacts::default()
            };
            let candidate = Candidate {
                login,
                authorization: None,
                record,
                is_ready: false,
            };
            return (candidate, facts);
        }
        let authorized = self.realm().authorize(challenges, login).await;
        self.transcript.requests += authorized.requests;
        self.note_hosts(authorized.other_hosts, Role::Token);
        record.identity = authorized.facts.identity;
        let mut candidate = Candidate {
            login,
            authorization: None,
            is_ready: false,
            record,
        };
        match authorized.result {
            Ok(header) => {
                candidate.authorization = header;
                candidate.is_ready = true;
            }
            Err(fault) => {
                let record = &mut candidate.record;
                record.problem = Some(fault.problem);
                record.detail.clone_from(&fault.detail);
                record.outcome = match fault.problem {
                    Problem::TokenRefused | Problem::Unauthorized => CredentialOutcome::Refused,
                    _ => CredentialOutcome::Untested,
                };
                if matches!(
                    fault.problem,
                    Problem::RealmNotAllowed
                        | Problem::CredentialWithheld
                        | Problem::RedirectRefused
                ) {
                    let source = record.source.clone();
                    self.gap(&fault, &authorized.facts.realm, &source);
                }
            }
        }
        (candidate, authorized.facts)
    }

    fn gap(&mut self, fault: &Fault, host: &str, source: &str) {
        let host = url::Url::parse(host)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_else(|| host.to_owned());
        let remedy =
            (fault.problem == Problem::RealmNotAllowed).then(|| format!("--allow-realm {host}"));
        self.transcript.gaps.push(Gap {
            what: format!("credential of {source}: {}", fault.detail),
            problem: fault.problem,
            host,
            remedy,
        });
    }

    /// Ends the stage `token`. It is good if one of the credentials that count got what it asked
    /// for: the kubelet goes on to the next one after a refusal.
    fn end_tokens(
        &mut self,
        since: Instant,
        candidates: &[Candidate<'_>],
        attempts: Vec<TokenFacts>,
        has_logins: bool,
    ) {
        let counts = |candidate: &&Candidate<'_>| candidate.login.is_some() || !has_logins;
        let ready = candidates
            .iter()
            .filter(counts)
            .filter(|candidate| candidate.is_ready)
            .count();
        let facts = Facts::Token(TokensFacts { attempts });
        if ready > 0 {
            let text = format!(
                "{ready} of {} got an answer to the challenge",
                candidates.len()
            );
            self.emit(stage(StageName::Token, since, facts, Ok(text)));
            return;
        }
        let first = candidates.iter().find(counts);
        let fault = first.map_or_else(
            || Fault::new(Problem::Unauthorized, "nothing to log in with"),
            |candidate| {
                let problem = candidate.record.problem.unwrap_or(Problem::Unauthorized);
                Fault::new(problem, &candidate.record.detail)
            },
        );
        self.emit(stage(StageName::Token, since, facts, Err(&fault)));
    }

    /// What the manifest's answer says of the credential that it was asked with.
    async fn judge_candidate(&mut self, candidate: &mut Candidate<'_>, found: &Resolved) {
        let record = &mut candidate.record;
        record.manifest_status = found.facts.status;
        match found.facts.status {
            Some(200..300) => {
                record.outcome = CredentialOutcome::Granted;
                "the registry lets it read".clone_into(&mut record.detail);
                if candidate.login.is_some() {
                    record.identity = Identity::Accepted;
                }
            }
            Some(404) => {
                record.outcome = CredentialOutcome::Granted;
                "the registry lets it read, and the image is not there"
                    .clone_into(&mut record.detail);
            }
            Some(401 | 403) => {
                record.outcome = CredentialOutcome::Refused;
                if let Some(fault) = &found.fault {
                    record.problem = Some(fault.problem);
                    record.detail.clone_from(&fault.detail);
                }
                let key = self.realm().key(candidate.login);
                self.shared.forget_authorization(&key);
                // With Basic nothing has been said of the login yet.
                if candidate.login.is_some() && record.identity == Identity::Unknown {
                    record.identity = self.ping(candidate.authorization.clone()).await;
                }
            }
            _ => {
                record.outcome = CredentialOutcome::Untested;
                if let Some(fault) = &found.fault {
                    record.problem = Some(fault.problem);
                    record.detail.clone_from(&fault.detail);
                }
            }
        }
    }

    /// Is the login good at all? `GET /v2/` tells without a repository.
    async fn ping(&mut self, authorization: Option<HeaderValue>) -> Identity {
        let mut ask = Ask::new(http::Method::GET, &self.origin, "/v2/");
        ask.authorization = authorization;
        match self.follow(&ask, Role::Manifest).await {
            Ok(followed) if followed.answer.is_success() => Identity::Accepted,
            Ok(followed) if followed.answer.status == 401 => Identity::Rejected,
            _ => Identity::Unknown,
        }
    }

    /// Goes on with a manifest that was found or is missing.
    async fn finish(
        &mut self,
        since: Instant,
        mut found: Resolved,
        place: usize,
        authorization: Option<HeaderValue>,
    ) {
        found.facts.credential = Some(place);
        if let Some(fault) = found.fault.take() {
            let is_missing = fault.problem == Problem::NotFound;
            self.end_manifest(since, found.facts, Err(&fault));
            if is_missing && self.request.list_tags {
                self.look_around(authorization).await;
            }
            return;
        }
        if self.request.depth == ProbeDepth::Exists {
            self.end_manifest(since, found.facts, Ok(()));
            return;
        }
        let image = self.read_image(since, found, authorization.clone()).await;
        let Some((manifest, config)) = image else {
            return;
        };
        match self.request.depth {
            ProbeDepth::Layers => self.see_layers(&manifest, authorization).await,
            ProbeDepth::Verify => self.verify_layers(&manifest, &config, authorization).await,
            ProbeDepth::Exists | ProbeDepth::Image => {}
        }
    }
}

/// An engineer's log of a stage. Details are left to the transcript.
fn note(stage: &Stage) {
    tracing::debug!(
        stage = stage.stage.as_str(),
        outcome = ?stage.outcome,
        problem = ?stage.problem,
        took_ms = stage.took_ms,
        "stage ended"
    );
}

fn record_of(login: Option<&Login>) -> CredentialRecord {
    CredentialRecord {
        source: login
            .map_or("anonymous", |login| login.source.as_str())
            .to_owned(),
        username: login.map(|login| show(&login.username)),
        outcome: CredentialOutcome::Untested,
        identity: Identity::Unknown,
        problem: None,
        manifest_status: None,
        detail: "not tried".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_may_run_on_any_thread() {
        fn is_send<T: Send>(_: &T) {}
        let image = pulldoctor_reference::Reference::parse("127.0.0.1:1/x").unwrap();
        let request = ProbeRequest::new(image);
        let config = ProbeConfig {
            system_authorities: false,
            ..ProbeConfig::default()
        };
        let probe = Probe::new(config).unwrap();
        is_send(&probe.run(&request, &mut |_| {}));
    }
}
