//! Who may do what: challenges, Basic logins, tokens and the token service.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde_json::json;

use crate::spec::{AuthSpec, ScopeRefusal, TokenRefusal, UserSpec};

use super::answer::{Answer, ErrorCode};
use super::log::Authorization;
use super::token::{self, Access, Claims};
use crate::glob;
use crate::query;

/// What a request wants.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// `/v2/`: a valid login, if logins exist.
    Ping,
    /// `/v2/_catalog`: a login.
    Catalog,
    /// Reading a repository.
    Pull(&'a str),
}

impl Wanted<'_> {
    fn scope(self) -> Option<String> {
        match self {
            Self::Ping => None,
            Self::Catalog => Some("registry:catalog:*".to_owned()),
            Self::Pull(repository) => Some(format!("repository:{repository}:pull")),
        }
    }
}

/// The text that AWS answers with once its twelve hours are over (pull-facts 6.5).
const EXPIRED: &str = "Your authorization token has expired. Reauthenticate and try again.";

/// The scheme of an Authorization header.
pub(super) fn scheme(header: Option<&str>) -> Authorization {
    match header.map(|header| header.split_once(' ').map_or(header, |(scheme, _)| scheme)) {
        None => Authorization::None,
        Some(scheme) if scheme.eq_ignore_ascii_case("basic") => Authorization::Basic,
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer") => Authorization::Bearer,
        Some(_) => Authorization::Other,
    }
}

/// Lets a request through, or says how the registry refuses it. `realm` and `service` are what a
/// Bearer challenge names.
pub(super) fn authorize(
    spec: &AuthSpec,
    realm: &str,
    service: &str,
    header: Option<&str>,
    wanted: Wanted<'_>,
) -> Result<(), Box<Answer>> {
    match spec {
        AuthSpec::None => Ok(()),
        AuthSpec::Basic {
            users,
            anonymous_pull,
        } => basic(users, anonymous_pull, header, wanted),
        AuthSpec::Bearer { scope_refusal, .. } => {
            bearer(realm, service, *scope_refusal, header, wanted)
        }
    }
}

fn basic(
    users: &[UserSpec],
    anonymous_pull: &[String],
    header: Option<&str>,
    wanted: Wanted<'_>,
) -> Result<(), Box<Answer>> {
    let challenge = || {
        Answer::error(ErrorCode::Unauthorized).header(WWW_AUTHENTICATE, "Basic realm=\"testkit\"")
    };
    let Some((name, password)) = header.and_then(login) else {
        return match wanted {
            Wanted::Pull(repository) if covers(anonymous_pull, repository) => Ok(()),
            _ => Err(Box::new(challenge())),
        };
    };
    let Some(user) = find(users, &name, &password) else {
        return Err(Box::new(challenge()));
    };
    if user.expired {
        return Err(Box::new(Answer::error_with(ErrorCode::Denied, EXPIRED)));
    }
    match wanted {
        Wanted::Pull(repository)
            if !covers(&user.pull, repository) && !covers(anonymous_pull, repository) =>
        {
            Err(Box::new(Answer::error(ErrorCode::Denied)))
        }
        _ => Ok(()),
    }
}

fn bearer(
    realm: &str,
    service: &str,
    refusal: ScopeRefusal,
    header: Option<&str>,
    wanted: Wanted<'_>,
) -> Result<(), Box<Answer>> {
    // Writing to a String cannot fail.
    let challenge = |error: Option<&str>| {
        let mut text = format!("Bearer realm=\"{realm}\",service=\"{service}\"");
        if let Some(scope) = wanted.scope() {
            let _ = write!(text, ",scope=\"{scope}\"");
        }
        if let Some(error) = error {
            let _ = write!(text, ",error=\"{error}\"");
        }
        text
    };
    let unauthorized =
        |error| Answer::error(ErrorCode::Unauthorized).header(WWW_AUTHENTICATE, &challenge(error));
    if scheme(header) != Authorization::Bearer {
        return Err(Box::new(unauthorized(None)));
    }
    let text = header
        .and_then(|header| header.split_once(' '))
        .map_or("", |(_, token)| token);
    let Some(claims) = token::check(text.trim(), service) else {
        return Err(Box::new(unauthorized(Some("invalid_token"))));
    };
    let allowed = match wanted {
        Wanted::Ping => true,
        Wanted::Catalog => claims.access.iter().any(|access| access.kind == "registry"),
        Wanted::Pull(repository) => claims.access.iter().any(|access| {
            access.kind == "repository"
                && access.name == repository
                && access.actions.iter().any(|action| action == "pull")
        }),
    };
    match (allowed, refusal) {
        (true, _) => Ok(()),
        (false, ScopeRefusal::Unauthorized) => {
            Err(Box::new(unauthorized(Some("insufficient_scope"))))
        }
        (false, ScopeRefusal::Forbidden) => Err(Box::new(Answer::error(ErrorCode::Denied))),
    }
}

/// The token service's answer. `form` is the body of a POST.
pub(super) fn token(
    spec: &AuthSpec,
    service: &str,
    method: &http::Method,
    header: Option<&str>,
    query: &str,
    form: &[u8],
) -> Answer {
    let AuthSpec::Bearer {
        users,
        anonymous_pull,
        anonymous_refusal,
        user_refusal,
        token_seconds,
        no_post,
        ..
    } = spec
    else {
        return Answer::error(ErrorCode::NameUnknown);
    };
    let is_post = method == http::Method::POST;
    if is_post && *no_post {
        return Answer::error(ErrorCode::Unsupported);
    }
    let mut pairs = query::pairs(query);
    if is_post {
        pairs.extend(query::pairs(&String::from_utf8_lossy(form)));
    }
    let login = if is_post {
        form_login(users, &pairs)
    } else {
        header.and_then(login)
    };
    let user = match &login {
        Some((name, password)) => match find(users, name, password) {
            Some(user) if !user.expired => Some(user),
            _ => {
                return Answer::error_with(
                    ErrorCode::Unauthorized,
                    "incorrect username or password",
                );
            }
        },
        None => None,
    };
    let rights: Vec<&String> = user
        .map_or(&[][..], |user| &user.pull)
        .iter()
        .chain(anonymous_pull)
        .collect();
    let mut access = Vec::new();
    let mut refused = false;
    for scope in pairs.iter().filter(|(name, _)| name == "scope") {
        for scope in scope.1.split(' ').filter(|scope| !scope.is_empty()) {
            match grant(scope, &rights, user.is_some()) {
                Some(granted) => access.push(granted),
                None => refused = true,
            }
        }
    }
    if refused {
        let refusal = if user.is_some() {
            user_refusal
        } else {
            anonymous_refusal
        };
        match refusal {
            TokenRefusal::EmptyScope => {}
            TokenRefusal::Unauthorized => return Answer::error(ErrorCode::Unauthorized),
            TokenRefusal::Forbidden => {
                return Answer::error_with(ErrorCode::Denied, "access forbidden");
            }
        }
    }
    let now = token::now();
    let token = token::issue(&Claims {
        iss: token::ISSUER.to_owned(),
        sub: user.map_or_else(String::new, |user| user.name.clone()),
        aud: service.to_owned(),
        iat: now,
        exp: now + token_seconds,
        access,
    });
    let Some(token) = token else {
        return Answer::error(ErrorCode::Unknown);
    };
    // A client that honours `expires_in` would not send a dead token; this one is to be sent.
    let stated = if *token_seconds == 0 {
        300
    } else {
        *token_seconds
    };
    Answer::json(
        StatusCode::OK,
        &json!({"token": token, "access_token": token, "expires_in": stated}),
    )
}

/// What is granted of one requested scope, if anything.
fn grant(scope: &str, rights: &[&String], logged_in: bool) -> Option<Access> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let granted: Vec<String> = match kind {
        "repository" if rights.iter().any(|pattern| glob::matches(pattern, name)) => actions
            .split(',')
            .filter(|action| *action == "pull")
            .map(str::to_owned)
            .collect(),
        "registry" if logged_in => vec!["*".to_owned()],
        _ => Vec::new(),
    };
    (!granted.is_empty()).then(|| Access {
        kind: kind.to_owned(),
        name: name.to_owned(),
        actions: granted,
    })
}

/// The user of an OAuth2 form: a password, or a refresh (identity) token, which is the password
/// of any account here.
fn form_login(users: &[UserSpec], pairs: &[(String, String)]) -> Option<(String, String)> {
    let field = |name| query::first(pairs, name).map(str::to_owned);
    if query::first(pairs, "grant_type") == Some("refresh_token") {
        let refresh = field("refresh_token").unwrap_or_default();
        let owner = users.iter().find(|user| user.password == refresh);
        return Some((
            owner.map_or_else(String::new, |user| user.name.clone()),
            refresh,
        ));
    }
    Some((field("username")?, field("password").unwrap_or_default()))
}

/// The login of a Basic header. An unreadable one is a login that no account has.
fn login(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).unwrap_or_default();
    let text = String::from_utf8_lossy(&decoded).into_owned();
    let (name, password) = text.split_once(':').unwrap_or((&text, ""));
    Some((name.to_owned(), password.to_owned()))
}

fn find<'a>(users: &'a [UserSpec], name: &str, password: &str) -> Option<&'a UserSpec> {
    users
        .iter()
        .find(|user| user.name == name && user.password == password)
}

fn covers(patterns: &[String], repository: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| glob::matches(pattern, repository))
}
