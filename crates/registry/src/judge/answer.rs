//! What an answer's head and body say, whoever brought them.

use super::{
    Challenge, Fault, HttpFacts, ManifestFacts, Problem, is_digest, parse_challenges,
    parse_error_body, show,
};

/// As containerd's, and without its `*/*`: what is not one of these is no image.
pub const MANIFEST_TYPES: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";

/// An answer to a request for a manifest.
pub struct ManifestAnswer<'a> {
    /// GET or HEAD.
    pub method: &'a str,
    /// The tag or digest that was asked for.
    pub reference: &'a str,
    /// The status.
    pub status: u16,
    /// Finds a header by its lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
    /// The body went on beyond its bound.
    pub is_cut_short: bool,
}

/// Reads the first answer of a registry: the facts of the stage `http`, and the challenges. `now` is
/// in Unix seconds.
pub fn read_first_answer<'a>(
    status: u16,
    header: &dyn Fn(&str) -> Option<&'a str>,
    challenges: impl IntoIterator<Item = &'a str>,
    now: i64,
) -> (HttpFacts, Vec<Challenge>) {
    let challenges = parse_challenges(challenges);
    let facts = HttpFacts {
        status: Some(status),
        server: header("server").map(show),
        clock_ahead_s: header("date").and_then(|text| clock_ahead(text, now)),
        challenges: challenges
            .iter()
            .map(|challenge| {
                let realm = challenge.parameter("realm").unwrap_or_default();
                show(&format!("{} {realm}", challenge.scheme_text))
            })
            .collect(),
        ..HttpFacts::default()
    };
    (facts, challenges)
}

/// Seconds by which the clock behind a Date header is ahead of `now`, in Unix seconds.
fn clock_ahead(text: &str, now: i64) -> Option<i64> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()?;
    Some(date.as_second().saturating_sub(now))
}

/// One sentence about the stage `http`.
pub fn first_answer_text(facts: &HttpFacts) -> String {
    match facts.status {
        Some(401) => format!("401: a login is wanted ({})", facts.challenges.join("; ")),
        Some(status) => format!("answered {status}"),
        None => String::new(),
    }
}

/// Tells whether a status redirects a GET or HEAD.
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Whether a HEAD that answered so is to be repeated as GET: it is not served (405), says too
/// little, or is a refusal, which containerd 2.3 repeats to learn why. 401 and 404 say enough, and
/// after 429 nobody asks again.
pub fn wants_get(facts: &ManifestFacts) -> bool {
    match facts.status {
        Some(400 | 402..=403 | 405..=428 | 430..=499 | 501) => true,
        Some(200..300) => facts.digest.is_none(),
        _ => false,
    }
}

/// What a status means where content was asked for.
pub fn problem_of_status(status: u16) -> Problem {
    match status {
        401 => Problem::Unauthorized,
        403 => Problem::Forbidden,
        404 => Problem::NotFound,
        429 => Problem::RateLimited,
        500.. => Problem::ServerError,
        _ => Problem::UnexpectedStatus,
    }
}

/// What a status that is neither success nor a redirect says where a blob was asked for: `missing`
/// where it is gone. A host of its own that serves blobs (`is_elsewhere`) refuses by its own rules,
/// with the address that the registry signed; no login of the pod's goes there.
pub fn problem_of_blob_status(status: u16, is_elsewhere: bool, missing: Problem) -> Problem {
    match problem_of_status(status) {
        Problem::NotFound => missing,
        Problem::Unauthorized | Problem::Forbidden | Problem::UnexpectedStatus if is_elsewhere => {
            Problem::BlobRefused
        }
        problem => problem,
    }
}

/// Fills in the facts; says what is wrong with the answer. `digest_of` makes the digest of bytes by
/// the algorithm of an expected one.
pub fn read_manifest_answer(
    answer: &ManifestAnswer<'_>,
    digest_of: impl Fn(&str, &[u8]) -> Option<String>,
    facts: &mut ManifestFacts,
) -> Option<Fault> {
    let (method, reference) = (answer.method, answer.reference);
    facts.status = Some(answer.status);
    if !(200..300).contains(&answer.status) {
        let said = parse_error_body(answer.body);
        let text = said
            .summary()
            .map_or_else(String::new, |text| format!(": {text}"));
        facts.error = (method == "GET").then_some(said);
        let is_plain_400 = answer.status == 400 && text.contains("HTTP request to an HTTPS server");
        let problem = if is_plain_400 {
            Problem::HttpsExpected
        } else {
            problem_of_status(answer.status)
        };
        return Some(Fault::new(
            problem,
            format!("{method} answered {}{text}", answer.status),
        ));
    }
    facts.media_type = (answer.header)("content-type")
        .map(|text| show(text.split(';').next().unwrap_or(text).trim()));
    facts.digest = (answer.header)("docker-content-digest")
        .filter(|digest| is_digest(digest))
        .map(str::to_owned);
    if method == "HEAD" {
        facts.size = (answer.header)("content-length").and_then(|text| text.parse().ok());
        let is_page = facts.media_type.as_deref() == Some("text/html");
        return is_page.then(|| {
            Fault::new(
                Problem::ManifestMalformed,
                "a web page stands in place of the manifest",
            )
        });
    }
    facts.size = u64::try_from(answer.body.len()).ok();
    if answer.is_cut_short {
        return Some(Fault::new(
            Problem::HttpTooLarge,
            "the manifest is too large",
        ));
    }
    if (answer.header)("content-encoding").is_some() {
        return Some(Fault::new(
            Problem::ManifestMalformed,
            "the manifest is encoded (Content-Encoding), which was not asked for",
        ));
    }
    let expected = if is_digest(reference) {
        Some(reference.to_owned())
    } else {
        facts.digest.clone()
    };
    let actual = digest_of(expected.as_deref().unwrap_or("sha256:"), answer.body);
    match (expected, actual) {
        (Some(expected), Some(actual)) if expected != actual => Some(Fault::new(
            Problem::ManifestDigest,
            format!("the manifest's bytes have digest {actual}, expected {expected}"),
        )),
        (_, actual) => {
            facts.digest = actual;
            None
        }
    }
}
