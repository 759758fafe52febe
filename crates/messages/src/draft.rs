//! What the phrases of one text add up to while it is scanned.

use crate::text::{Clean, keep};
use crate::{
    CredentialUse, DnsFault, Facts, Fault, GrpcCode, Layer, Method, MissingBy, Operation,
    ProxyFault, Runtime, UrlFacts, image, url,
};

/// How exactly a phrase names the mechanism. Of several faults in one text the weightiest wins,
/// of equals the innermost, that is the last.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Weight {
    /// Tells that something failed.
    Nothing,
    /// A class suffix or a generic word: `not found`, `context canceled`.
    Hint,
    /// A refusal in a client's words.
    Access,
    /// An HTTP status.
    Status,
    /// The registry's class of error, without more words.
    Class,
    /// The registry's own words.
    Server,
    /// Network, TLS, proxy.
    Wire,
    /// Words that only one mechanism has.
    Exact,
}

/// A wrapper that gives its meaning to the next network fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wrapper {
    Lookup,
    Socket,
}

/// Whether the text is about a pod's sandbox, and whether about its image.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Sandbox {
    No,
    Starting,
    PauseImage,
}

/// A reading in the making.
#[derive(Debug)]
pub(crate) struct Draft<'t> {
    pub(crate) text: &'t str,
    pub(crate) lower: &'t str,
    /// Bounds of the phrase that is being applied, and the end of the one before.
    start: usize,
    end: usize,
    before: usize,
    /// Where the scan shall go on, if not at the end of the phrase.
    pub(crate) resume: Option<usize>,

    pub(crate) reason: Option<String>,
    pub(crate) code: Option<GrpcCode>,
    pub(crate) runtime: Option<Runtime>,
    pub(crate) operation: Option<Operation>,
    pub(crate) images: Vec<String>,
    pub(crate) method: Option<Method>,
    pub(crate) url: Option<UrlFacts>,
    pub(crate) status: Option<u16>,
    pub(crate) credential: Option<CredentialUse>,
    pub(crate) server_message: Option<String>,
    pub(crate) facts: Facts,
    pub(crate) layers: Vec<Layer>,
    pub(crate) sandbox: Sandbox,
    request_end: Option<usize>,
    read_stage: bool,
    wrapper: Option<Wrapper>,
    proxy: bool,
    faults: Vec<(Weight, Fault)>,
}

impl<'t> Draft<'t> {
    pub(crate) fn new(clean: &'t Clean) -> Self {
        Self {
            text: &clean.text,
            lower: &clean.lower,
            start: 0,
            end: 0,
            before: 0,
            resume: None,
            reason: None,
            code: None,
            runtime: None,
            operation: None,
            images: Vec::new(),
            method: None,
            url: None,
            status: None,
            credential: None,
            server_message: None,
            facts: Facts::default(),
            layers: Vec::new(),
            sandbox: Sandbox::No,
            request_end: None,
            read_stage: false,
            wrapper: None,
            proxy: false,
            faults: Vec::new(),
        }
    }

    pub(crate) fn enter(&mut self, start: usize, end: usize, before: usize) {
        self.start = start;
        self.end = end;
        self.before = before;
    }

    /// The text of the phrase, in lower case.
    pub(crate) fn phrase(&self) -> &'t str {
        &self.lower[self.start..self.end]
    }

    /// The text of the phrase.
    pub(crate) fn phrase_text(&self) -> &'t str {
        &self.text[self.start..self.end]
    }

    /// What follows the phrase, in lower case.
    pub(crate) fn after(&self) -> &'t str {
        &self.lower[self.end..]
    }

    /// What precedes the phrase, in lower case.
    pub(crate) fn preceding(&self) -> &'t str {
        &self.lower[..self.start]
    }

    /// Lets the scan go on inside the phrase, `offset` bytes after its start.
    pub(crate) fn resume_at(&mut self, offset: usize) {
        self.resume = Some((self.start + offset).min(self.end).max(self.start + 1));
    }

    /// Lets the scan go on behind the line of the phrase: what stands there is told of something
    /// else than a pull.
    pub(crate) fn skip_line(&mut self) {
        let line = self.after();
        self.resume = Some(self.end + line.find('\n').unwrap_or(line.len()));
    }

    pub(crate) fn layer(&mut self, layer: Layer) {
        self.wrapper = None;
        if self.layers.last() != Some(&layer) && self.layers.len() < 64 {
            self.layers.push(layer);
        }
    }

    pub(crate) fn has(&self, layer: Layer) -> bool {
        self.layers.contains(&layer)
    }

    /// Whether something in the text says that an image is pulled.
    fn has_pull(&self) -> bool {
        self.layers.iter().any(|layer| layer.is_of_a_pull())
    }

    pub(crate) fn sandbox(&mut self, sandbox: Sandbox) {
        self.layer(Layer::PodSandbox);
        self.sandbox = self.sandbox.max(sandbox);
    }

    pub(crate) fn runtime(&mut self, runtime: Runtime) {
        self.runtime = self.runtime.or(Some(runtime));
    }

    /// Sets the stage; an inner one is the more exact one.
    pub(crate) fn operation(&mut self, operation: Operation) {
        self.operation = Some(operation);
    }

    pub(crate) fn image(&mut self, name: &str) {
        let name = image::tidy(name);
        if !name.is_empty() && self.images.len() < 32 {
            self.images.push(name);
        }
    }

    pub(crate) fn reason(&mut self, reason: &str) {
        if self.reason.is_none() {
            self.reason = Some(reason.to_owned());
        }
    }

    pub(crate) fn fault(&mut self, weight: Weight, fault: Fault) {
        if self.faults.len() < 256 {
            self.faults.push((weight, fault));
        }
    }

    pub(crate) fn exact(&mut self, fault: Fault) {
        self.fault(Weight::Exact, fault);
    }

    pub(crate) fn server(&mut self, fault: Fault) {
        self.fault(Weight::Server, fault);
        self.take_server_message();
    }

    /// Keeps what stands from the phrase on as the registry's words.
    pub(crate) fn take_server_message(&mut self) {
        if self.server_message.is_some() {
            return;
        }
        let rest = &self.text[self.start..];
        let lower = &self.lower[self.start..];
        let end = [
            "; artifact err",
            "\" image=",
            "\"}",
            ", failed to pull",
            ", rpc error",
            "\" host=",
            "\" name=",
            "\n warning",
            "\n normal",
        ]
        .iter()
        .filter_map(|stop| lower.find(stop))
        .min()
        .unwrap_or(rest.len());
        let words = keep(
            rest[..end].trim_end_matches(['"', ']', '}', '\'', '\n', ' ']),
            600,
        );
        if !words.is_empty() {
            self.server_message = Some(words);
        }
    }

    pub(crate) fn request(&mut self, method: Option<Method>, url: &str) {
        self.wrapper = None;
        self.read_stage = false;
        let Some(parsed) = url::parse(url) else {
            return;
        };
        // A text that breaks off inside a host names another one.
        if parsed.facts.path.is_empty() && self.after().trim_matches(['.', '…', ' ']).is_empty() {
            return;
        }
        if parsed.facts.is_token_endpoint {
            self.operation(Operation::Authorize);
        } else if parsed.facts.is_blob {
            self.operation(Operation::Blob);
        } else if parsed.facts.is_registry_root() {
            self.operation(Operation::Ping);
        } else if parsed.facts.is_manifest && self.operation.is_none() {
            self.operation(Operation::Manifest);
        }
        if parsed.mirrored.is_some() {
            self.facts.mirrored_registry = parsed.mirrored;
        }
        self.method = method.or(self.method);
        self.url = Some(parsed.facts);
        self.request_end = Some(self.end);
    }

    /// Whether the phrase stands right behind a request, as Go prints a proxy's refusal.
    pub(crate) fn behind_request(&self) -> bool {
        self.request_end
            .is_some_and(|end| end == self.start && self.before == end)
    }

    /// Whether nothing but closing marks follows the phrase.
    pub(crate) fn ends_here(&self) -> bool {
        self.after()
            .trim_start_matches(['.', ' '])
            .chars()
            .next()
            .is_none_or(|c| matches!(c, '"' | '\'' | '\n' | ']' | ')' | '}' | ';' | ',' | '`'))
    }

    /// Whether the text breaks off behind the phrase, so that what it would have said is not there.
    pub(crate) fn breaks_off(&self) -> bool {
        let rest = self.after();
        rest.len() < 64
            && rest
                .trim_matches(['.', '…', ' ', '\n', '"', '\'', '`'])
                .len()
                < 12
    }

    pub(crate) fn lookup(&mut self, name: &str, server: Option<&str>) {
        self.wrapper = Some(Wrapper::Lookup);
        self.facts.dns_name = Some(keep(name, 255));
        self.facts.dns_server = server.map(|s| keep(s, 255));
        self.fault(
            Weight::Status,
            Fault::Dns {
                failure: DnsFault::Other,
            },
        );
    }

    pub(crate) fn socket(&mut self, path: &str) {
        self.wrapper = Some(Wrapper::Socket);
        self.facts.socket = Some(keep(path, 255));
        self.exact(Fault::RuntimeUnavailable);
    }

    /// Whether what failed was the way to a proxy.
    pub(crate) fn is_proxied(&self) -> bool {
        self.proxy
    }

    pub(crate) fn proxy(&mut self) {
        self.proxy = true;
        self.fault(
            Weight::Wire,
            Fault::Proxy {
                failure: ProxyFault::Connect {
                    inner: Box::new(Fault::Unknown),
                },
            },
        );
    }

    pub(crate) fn dial(&mut self, address: &str) {
        if self.wrapper == Some(Wrapper::Lookup) {
            return;
        }
        self.read_stage = false;
        self.facts.dial_address = Some(keep(address, 255));
    }

    pub(crate) fn read_stage(&mut self) {
        if self.wrapper != Some(Wrapper::Lookup) {
            self.read_stage = true;
        }
    }

    /// A network fault, seen through the wrappers before it.
    pub(crate) fn net(&mut self, fault: Fault) {
        let fault = match self.wrapper.take() {
            Some(Wrapper::Socket) => {
                self.exact(Fault::RuntimeUnavailable);
                return;
            }
            Some(Wrapper::Lookup) => Fault::Dns {
                failure: match fault {
                    Fault::Refused | Fault::Interrupted => DnsFault::ServerRefused,
                    Fault::DialTimeout | Fault::HeaderTimeout => DnsFault::Timeout,
                    Fault::NoRoute | Fault::NetworkUnreachable => DnsFault::Unreachable,
                    Fault::Dns { failure } => failure,
                    _ => DnsFault::Other,
                },
            },
            None if self.read_stage && fault == Fault::DialTimeout => Fault::HeaderTimeout,
            None => fault,
        };
        let fault = if self.proxy {
            Fault::Proxy {
                failure: ProxyFault::Connect {
                    inner: Box::new(fault),
                },
            }
        } else {
            fault
        };
        self.fault(Weight::Wire, fault);
    }

    /// An HTTP status, seen in the light of the request before it.
    pub(crate) fn status(&mut self, status: u16) {
        self.status = Some(status);
        let at_token = self.url.as_ref().is_some_and(|u| u.is_token_endpoint)
            || self.has(Layer::AnonymousToken)
            || self.has(Layer::OauthToken);
        let fault = match status {
            400 | 401 | 403 | 404 if at_token => Fault::TokenRefused {
                status: Some(status),
                anonymous: match self.credential {
                    Some(CredentialUse::Anonymous) => Some(true),
                    Some(CredentialUse::WithCredentials) => Some(false),
                    _ => None,
                },
            },
            401 => Fault::Unauthorized,
            403 => Fault::Forbidden,
            404 if self.url.as_ref().is_some_and(|u| u.is_blob) => Fault::BlobMissing,
            404 if self.operation == Some(Operation::Ping) => {
                Fault::UnexpectedAnswer { status: Some(404) }
            }
            404 => Fault::ManifestMissing {
                by: self.missing_by(),
            },
            407 => Fault::Proxy {
                failure: ProxyFault::LoginRequired,
            },
            429 => Fault::RateLimited,
            402 => Fault::BlockedByPolicy {
                policy: crate::PolicyKind::Quota,
            },
            412 => Fault::BlockedByPolicy {
                policy: crate::PolicyKind::Scan,
            },
            451 => Fault::BlockedByPolicy {
                policy: crate::PolicyKind::Legal,
            },
            500..=599 => Fault::ServerError {
                status: Some(status),
            },
            _ => Fault::HttpStatus { status },
        };
        self.fault(Weight::Status, fault);
    }

    /// What the image was named by; the innermost spelling counts, since containerd drops a tag
    /// that stands beside a digest.
    pub(crate) fn missing_by(&self) -> MissingBy {
        self.images
            .last()
            .map_or(MissingBy::Unknown, |name| image::missing_by(name))
    }

    pub(crate) fn take_fault(&mut self) -> Option<(Weight, Fault)> {
        // Rows about other things may stand beside the one about a pull that failed.
        let pull_failed = self.has_pull()
            && self.faults.iter().any(|(weight, fault)| {
                *weight > Weight::Nothing && *fault != Fault::NotAPullProblem
            });
        if pull_failed {
            self.faults
                .retain(|(_, fault)| *fault != Fault::NotAPullProblem);
        }
        // `max_by_key` gives the last of equals: the innermost.
        self.faults.drain(..).max_by_key(|(weight, _)| *weight)
    }
}
