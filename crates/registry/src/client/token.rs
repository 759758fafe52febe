//! Answers to a challenge, as containerd gives them: a token by POST, by GET where POST is not
//! served, or the login itself.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method};
use url::Url;
use url::form_urlencoded::Serializer;

use super::config::Login;
use super::connect::Guard;
use super::exchange::{Answer, Ask, Failure, exchange};
use super::fault::{Fault, show};
use super::origin::Origin;
use super::redirects::follow;
use super::shared::{CachedAuthorization, Shared, TokenKey};
use crate::judge::{
    Challenge, Destination, Identity, Problem, Scheme, Stage, TokenFacts, is_redirect,
    judge_destination, parse_token, pull_scopes, token_refusal,
};
use crate::secret::SecretText;

/// Containerd's, since some services know their clients by it (`authorizer.go`, 2.4.2).
const CLIENT_ID: &str = "containerd-client";
/// Most bytes of a token service's answer.
const MOST_ANSWER: usize = 256 * 1024;
/// A token is not used in the last moments of its life.
const MARGIN: u64 = 5;

/// What became of one credential at the token service.
pub(super) struct Authorized {
    pub(super) facts: TokenFacts,
    /// The header to send, or why there is none. Nothing where none is needed.
    pub(super) result: Result<Option<HeaderValue>, Fault>,
    pub(super) requests: u32,
    pub(super) other_hosts: Vec<(String, Vec<Stage>)>,
}

/// Whom the credential is for.
#[derive(Clone, Copy)]
pub(super) struct Realm<'a> {
    pub(super) shared: &'a Shared,
    pub(super) registry: &'a Origin,
    /// `host[:port]` as the image has it.
    pub(super) authority: &'a str,
    pub(super) repository: &'a str,
    pub(super) guard: Guard,
}

/// A header that no log shows.
pub(super) fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The form of containerd's POST.
fn form(service: &str, scopes: &[String], login: &Login) -> String {
    let mut form = Serializer::new(String::new());
    if !scopes.is_empty() {
        form.append_pair("scope", &scopes.join(" "));
    }
    form.append_pair("service", service);
    form.append_pair("client_id", CLIENT_ID);
    if login.username.is_empty() {
        form.append_pair("grant_type", "refresh_token");
        form.append_pair("refresh_token", login.password.expose());
    } else {
        form.append_pair("grant_type", "password");
        form.append_pair("username", &login.username);
        form.append_pair("password", login.password.expose());
    }
    form.finish()
}

/// The query of a GET.
fn query(url: &Url, service: &str, scopes: &[String]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(url.query_pairs());
    if !service.is_empty() {
        query.append_pair("service", service);
    }
    for scope in scopes {
        query.append_pair("scope", scope);
    }
    query.finish()
}

/// The header of HTTP Basic.
pub(super) fn basic_header(login: &Login) -> Option<HeaderValue> {
    let pair = format!("{}:{}", login.username, login.password.expose());
    secret_header(&format!("Basic {}", STANDARD.encode(pair)))
}

impl Realm<'_> {
    pub(super) fn key(&self, login: Option<&Login>) -> TokenKey {
        TokenKey {
            registry: self.registry.clone(),
            repository: self.repository.to_owned(),
            login: login.map(|login| (login.username.clone(), login.password.clone())),
        }
    }

    /// The header that worked the last time, if it still holds.
    pub(super) fn remembered(&self, login: Option<&Login>) -> Option<HeaderValue> {
        match self.shared.authorization(&self.key(login))? {
            CachedAuthorization::Bearer(token, _) => bearer_header(&token),
            CachedAuthorization::Basic => basic_header(login?),
        }
    }

    /// Answers the challenges with one credential, or without.
    pub(super) async fn authorize(
        &self,
        challenges: &[Challenge],
        login: Option<&Login>,
    ) -> Authorized {
        let mut out = Authorized {
            facts: TokenFacts {
                source: login
                    .map_or("anonymous", |login| login.source.as_str())
                    .to_owned(),
                ..TokenFacts::default()
            },
            result: Ok(None),
            requests: 0,
            other_hosts: Vec::new(),
        };
        let usable = challenges
            .iter()
            .find(|challenge| matches!(challenge.scheme, Scheme::Bearer | Scheme::Basic));
        out.result = match usable {
            Some(challenge) if challenge.scheme == Scheme::Bearer => {
                self.token(challenge, login, &mut out).await
            }
            Some(_) => self.basic(login, &mut out.facts),
            None => {
                let schemes: Vec<&str> = challenges
                    .iter()
                    .map(|challenge| challenge.scheme_text.as_str())
                    .collect();
                Err(Fault::new(
                    Problem::ChallengeUnusable,
                    if schemes.is_empty() {
                        "401 without a challenge".to_owned()
                    } else {
                        format!(
                            "failed to find supported auth scheme: {}",
                            schemes.join(", ")
                        )
                    },
                ))
            }
        };
        out
    }

    fn basic(
        &self,
        login: Option<&Login>,
        facts: &mut TokenFacts,
    ) -> Result<Option<HeaderValue>, Fault> {
        "basic".clone_into(&mut facts.realm);
        let login = login.filter(|login| !login.username.is_empty() && !login.password.is_empty());
        let Some(login) = login else {
            return Err(Fault::new(
                Problem::Unauthorized,
                "authorization failed: no basic auth credentials",
            ));
        };
        let header = basic_header(login).ok_or_else(|| {
            Fault::new(
                Problem::Unauthorized,
                "the login does not fit into a header",
            )
        })?;
        self.shared
            .remember_authorization(self.key(Some(login)), CachedAuthorization::Basic);
        Ok(Some(header))
    }

    async fn token(
        &self,
        challenge: &Challenge,
        login: Option<&Login>,
        out: &mut Authorized,
    ) -> Result<Option<HeaderValue>, Fault> {
        let unusable = |text: String| Fault::new(Problem::ChallengeUnusable, text);
        let realm = challenge
            .parameter("realm")
            .ok_or_else(|| unusable("no realm specified for token auth challenge".to_owned()))?;
        let url = Url::parse(realm)
            .ok()
            .filter(|url| Origin::of(url).is_some())
            .ok_or_else(|| {
                unusable(format!(
                    "invalid token auth challenge realm: `{}`",
                    show(realm)
                ))
            })?;
        out.facts.realm = show(&format!(
            "{}{}",
            url.origin().ascii_serialization(),
            url.path()
        ));
        let service = challenge.parameter("service").unwrap_or_default();
        out.facts.service = (!service.is_empty()).then(|| show(service));
        let scopes = pull_scopes(self.repository, challenge.parameter("scope"));
        out.facts.scope = Some(show(&scopes.join(" ")));
        if login.is_some() {
            self.check_destination(&url)?;
        }
        let granted = self.fetch(&url, service, &scopes, login, out).await;
        match granted {
            Ok(answer) => {
                let answer = parse_token(&answer.body)
                    .map_err(|error| Fault::new(Problem::TokenUnusable, error.to_string()))?;
                if login.is_some() {
                    out.facts.identity = Identity::Accepted;
                }
                out.facts.granted = answer.claims.map(|claims| claims.access);
                let life = answer.expires_in.max(60).saturating_sub(MARGIN).min(86_400);
                let until = Instant::now() + Duration::from_secs(life);
                let header = bearer_header(&answer.token).ok_or_else(|| {
                    Fault::new(
                        Problem::TokenUnusable,
                        "the token does not fit into a header",
                    )
                })?;
                self.shared.remember_authorization(
                    self.key(login),
                    CachedAuthorization::Bearer(answer.token, until),
                );
                Ok(Some(header))
            }
            Err(fault) => {
                if let Some(login) = login
                    && fault.problem == Problem::TokenRefused
                {
                    out.facts.identity = self.identity(&url, service, login, out).await;
                }
                Err(fault)
            }
        }
    }

    /// The rule of where a credential may go.
    fn check_destination(&self, url: &Url) -> Result<(), Fault> {
        match judge_destination(self.authority, url, &self.shared.config.realms) {
            Destination::Allowed => Ok(()),
            Destination::NeedsConsent { host } => Err(Fault::new(
                Problem::RealmNotAllowed,
                format!(
                    "the token service `{host}` is on another domain than `{}`: no credential goes there unasked",
                    self.authority
                ),
            )),
            Destination::Insecure { host } => Err(Fault::new(
                Problem::CredentialWithheld,
                format!("the token service `{host}` is asked in plain HTTP"),
            )),
            Destination::Unusable => Err(Fault::new(
                Problem::ChallengeUnusable,
                "the realm is no URL that a credential may go to",
            )),
        }
    }

    /// POST first where there is a login, then GET (`doBearerAuth`).
    async fn fetch(
        &self,
        url: &Url,
        service: &str,
        scopes: &[String],
        login: Option<&Login>,
        out: &mut Authorized,
    ) -> Result<Answer, Fault> {
        if let Some(login) = login {
            let answer = self.post(url, service, scopes, login, out).await?;
            let falls_back = match answer.status {
                400 | 401 | 404 => true,
                405 => !login.username.is_empty(),
                _ => false,
            };
            if !falls_back {
                return judge_answer(answer, out);
            }
        }
        let answer = self.get(url, service, scopes, login, out).await?;
        judge_answer(answer, out)
    }

    fn ask(&self, method: Method, url: &Url, query: Option<&str>) -> Result<Ask, Fault> {
        let origin = Origin::of(url)
            .ok_or_else(|| Fault::new(Problem::ChallengeUnusable, "the realm has no host"))?;
        let target = match query {
            Some(query) if !query.is_empty() => format!("{}?{query}", url.path()),
            _ => url.path().to_owned(),
        };
        let mut ask = Ask::new(method, &origin, target);
        ask.most = MOST_ANSWER;
        if origin != *self.registry {
            ask.guard = self.guard;
        }
        Ok(ask)
    }

    async fn post(
        &self,
        url: &Url,
        service: &str,
        scopes: &[String],
        login: &Login,
        out: &mut Authorized,
    ) -> Result<Answer, Fault> {
        let mut ask = self.ask(Method::POST, url, url.query())?;
        ask.form = Some(form(service, scopes, login).into());
        "POST".clone_into(&mut out.facts.method);
        self.send(&ask, out).await
    }

    async fn get(
        &self,
        url: &Url,
        service: &str,
        scopes: &[String],
        login: Option<&Login>,
        out: &mut Authorized,
    ) -> Result<Answer, Fault> {
        let mut ask = self.ask(Method::GET, url, Some(&query(url, service, scopes)))?;
        if let Some(login) = login {
            ask.authorization = basic_header(login);
        }
        "GET".clone_into(&mut out.facts.method);
        self.send(&ask, out).await
    }

    async fn send(&self, ask: &Ask, out: &mut Authorized) -> Result<Answer, Fault> {
        let mut stages = Vec::new();
        let is_own_host = ask.origin == *self.registry;
        let is_secret = ask.authorization.is_some() || ask.form.is_some();
        let result = if is_secret {
            out.requests += 1;
            exchange(self.shared, ask, &mut |stage| stages.push(stage)).await
        } else {
            let trail = follow(self.shared, ask, self.guard, &mut |stage| {
                stages.push(stage);
            })
            .await;
            out.requests += trail.requests;
            out.other_hosts.extend(trail.other_hosts);
            trail.result.map(|followed| followed.answer)
        };
        if !stages.is_empty() && !is_own_host {
            out.other_hosts.insert(0, (ask.origin.authority(), stages));
        }
        match result {
            Ok(answer) if is_secret && is_redirect(answer.status) => Err(Fault::new(
                Problem::TokenUnusable,
                format!(
                    "the token service answered {} to another place, where no credential follows",
                    answer.status
                ),
            )),
            Ok(answer) => Ok(answer),
            Err(Failure::Connect(failure)) => {
                let inner = &failure.fault;
                let problem = match inner.problem {
                    Problem::RedirectRefused => Problem::RedirectRefused,
                    _ => Problem::TokenHostUnreachable,
                };
                Err(Fault::new(problem, &inner.detail))
            }
            Err(Failure::Exchange(fault)) => Err(match fault.problem {
                Problem::HttpCut | Problem::HttpTimeout | Problem::HttpMalformed => {
                    Fault::new(Problem::TokenHostUnreachable, &fault.detail)
                }
                _ => fault,
            }),
        }
    }

    /// After a refusal: is it the login, or what it may do? The service without a scope tells.
    async fn identity(
        &self,
        url: &Url,
        service: &str,
        login: &Login,
        out: &mut Authorized,
    ) -> Identity {
        let method = out.facts.method.clone();
        let answer = self.get(url, service, &[], Some(login), out).await;
        out.facts.method = method;
        match answer {
            Ok(answer) if answer.is_success() && parse_token(&answer.body).is_ok() => {
                Identity::Accepted
            }
            Ok(answer) if answer.status == 401 => Identity::Rejected,
            _ => Identity::Unknown,
        }
    }
}

fn judge_answer(answer: Answer, out: &mut Authorized) -> Result<Answer, Fault> {
    out.facts.status = Some(answer.status);
    if answer.is_success() {
        return Ok(answer);
    }
    let (fault, said) = token_refusal(
        &out.facts.method,
        &out.facts.realm,
        answer.status,
        &answer.body,
    );
    out.facts.error = Some(said);
    Err(fault)
}

fn bearer_header(token: &SecretText) -> Option<HeaderValue> {
    secret_header(&format!("Bearer {}", token.expose()))
}
