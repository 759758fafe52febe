//! The order of checks of `Certificate.Verify`: dates of the leaf, its name, then the way to an
//! authority.

use pulldoctor_model::{Timestamp, clean_line};

use super::certificate::{Anchor, Certificate};
use super::names;
use super::signature::{self, SignatureFault};
use crate::judge::Problem;

/// As in Go: a chain is not worth more signature checks.
const MOST_SIGNATURES: usize = 100;
/// Most certificates of a chain that are read.
const MOST_CERTIFICATES: usize = 32;

/// What is wrong with a chain, in Go's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainFault {
    /// The kind.
    pub problem: Problem,
    /// Go's words, safe to show.
    pub go_text: String,
}

/// A judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainJudgement {
    /// What Go would say; nothing where it would accept the chain.
    pub fault: Option<ChainFault>,
    /// Where the missing intermediate can be had, as the last certificate says.
    pub issuer_url: Option<String>,
    /// A signature was of a kind that cannot be checked here, so the verdict may be too harsh.
    pub is_uncertain: bool,
}

/// Judges a chain as it was sent, leaf first, for a host name or address, at a time in Unix
/// seconds.
pub fn judge_chain(chain: &[&[u8]], host: &str, now: i64, anchors: &[Anchor]) -> ChainJudgement {
    let parsed: Vec<Option<Certificate>> = chain
        .iter()
        .take(MOST_CERTIFICATES)
        .map(|der| Certificate::parse(der))
        .collect();
    let Some(Some(leaf)) = parsed.first() else {
        return ChainJudgement {
            fault: Some(ChainFault {
                problem: Problem::TlsCertificate,
                go_text: "tls: failed to parse certificate from server".to_owned(),
            }),
            issuer_url: None,
            is_uncertain: false,
        };
    };
    let intermediates: Vec<Anchor> = parsed
        .iter()
        .skip(1)
        .flatten()
        .map(|certificate| Anchor {
            subject: certificate.subject.clone(),
            key: certificate.key.clone(),
            certificate: Some(Box::new(certificate.clone())),
        })
        .collect();
    let mut search = Search {
        anchors,
        intermediates: &intermediates,
        now,
        checks: 0,
        is_uncertain: false,
        hint: None,
        fault: None,
    };
    let fault = search.verify(leaf, host);
    let last = search.last_of(leaf);
    ChainJudgement {
        issuer_url: fault.as_ref().and(last.issuer_url.clone()),
        fault,
        is_uncertain: search.is_uncertain,
    }
}

struct Search<'a> {
    anchors: &'a [Anchor],
    intermediates: &'a [Anchor],
    now: i64,
    checks: usize,
    is_uncertain: bool,
    /// Why the first candidate would not do, and its subject.
    hint: Option<(String, String)>,
    /// What is wrong with a certificate on the way, which Go reports rather than the missing end.
    fault: Option<ChainFault>,
}

impl Search<'_> {
    fn verify(&mut self, leaf: &Certificate, host: &str) -> Option<ChainFault> {
        if let Some(fault) = self.is_valid(leaf, false, 0) {
            return Some(fault);
        }
        if let Err(fault) = names::check(leaf, host) {
            return Some(ChainFault {
                problem: if fault.is_legacy_common_name {
                    Problem::TlsLegacyCommonName
                } else {
                    Problem::TlsNameMismatch
                },
                go_text: fault.go_text,
            });
        }
        let trusted_itself = self.anchors.iter().any(|anchor| {
            anchor
                .certificate
                .as_ref()
                .is_some_and(|own| own.der == leaf.der)
        });
        if trusted_itself || self.leads_to_anchor(leaf, &mut vec![leaf.clone()]) {
            return usage(leaf);
        }
        if let Some(fault) = self.fault.take() {
            return Some(fault);
        }
        Some(self.unknown_authority(leaf))
    }

    /// Whether a way leads from `child` to an authority; `path` is the way so far.
    fn leads_to_anchor(&mut self, child: &Certificate, path: &mut Vec<Certificate>) -> bool {
        let (anchors, intermediates) = (self.anchors, self.intermediates);
        for (candidates, is_anchor) in [(anchors, true), (intermediates, false)] {
            let mut parents: Vec<&Anchor> = candidates
                .iter()
                .filter(|parent| parent.subject == child.issuer)
                .collect();
            parents.sort_by_key(|parent| key_id_rank(child, parent));
            for parent in parents {
                self.checks += 1;
                if self.checks > MOST_SIGNATURES {
                    return false;
                }
                let known = parent.certificate.as_deref();
                if path
                    .iter()
                    .any(|seen| seen.key == parent.key && seen.subject == parent.subject)
                {
                    continue;
                }
                if let Err(fault) = signature::check(child, parent) {
                    self.is_uncertain |= fault == SignatureFault::Unsupported;
                    let name = known.map_or_else(String::new, |known| known.common_name.clone());
                    self.hint.get_or_insert((signature_text(fault), name));
                    continue;
                }
                if let Some(known) = known
                    && let Some(fault) = self.is_valid(known, !is_anchor, path.len() - 1)
                {
                    self.hint
                        .get_or_insert((fault.go_text.clone(), known.common_name.clone()));
                    self.fault.get_or_insert(fault);
                    continue;
                }
                if is_anchor {
                    return true;
                }
                if let Some(known) = known {
                    path.push(known.clone());
                    if self.leads_to_anchor(known, path) {
                        return true;
                    }
                    path.pop();
                }
            }
        }
        false
    }

    fn is_valid(
        &self,
        certificate: &Certificate,
        is_intermediate: bool,
        intermediates_below: usize,
    ) -> Option<ChainFault> {
        let fault = |problem, go_text: String| Some(ChainFault { problem, go_text });
        if certificate.unknown_critical {
            return fault(
                Problem::TlsCertificate,
                "x509: unhandled critical extension".to_owned(),
            );
        }
        let invalid = "x509: certificate has expired or is not yet valid: current time";
        if self.now < certificate.not_before {
            return fault(
                Problem::TlsNotYetValid,
                format!(
                    "{invalid} {} is before {}",
                    date(self.now),
                    date(certificate.not_before)
                ),
            );
        }
        if self.now > certificate.not_after {
            return fault(
                Problem::TlsExpired,
                format!(
                    "{invalid} {} is after {}",
                    date(self.now),
                    date(certificate.not_after)
                ),
            );
        }
        let constraints = certificate.constraints;
        if is_intermediate && !constraints.is_some_and(|(authority, _)| authority) {
            return fault(
                Problem::TlsCertificate,
                "x509: certificate is not authorized to sign other certificates".to_owned(),
            );
        }
        if let Some((_, Some(most))) = constraints
            && intermediates_below > usize::try_from(most).unwrap_or(usize::MAX)
        {
            return fault(
                Problem::TlsCertificate,
                "x509: too many intermediates for path length constraint".to_owned(),
            );
        }
        None
    }

    /// The end of the chain as far as the certificates that were sent lead.
    fn last_of(&self, leaf: &Certificate) -> Certificate {
        let mut last = leaf.clone();
        for _ in 0..self.intermediates.len() {
            let parent = self.intermediates.iter().find_map(|parent| {
                let own = parent.certificate.as_deref()?;
                (own.subject == last.issuer && own.der != last.der && !last.is_self_issued())
                    .then(|| own.clone())
            });
            match parent {
                Some(parent) => last = parent,
                None => break,
            }
        }
        last
    }

    fn unknown_authority(&self, leaf: &Certificate) -> ChainFault {
        let mut go_text = "x509: certificate signed by unknown authority".to_owned();
        if let Some((hint, candidate)) = &self.hint {
            let candidate = if candidate.is_empty() {
                "serial"
            } else {
                candidate
            };
            go_text = format!(
                "{go_text} (possibly because of {hint:?} while trying to verify candidate \
                 authority certificate {candidate:?})"
            );
        }
        ChainFault {
            problem: if self.lacks_intermediate(leaf) {
                Problem::TlsIncompleteChain
            } else {
                Problem::TlsUnknownAuthority
            },
            go_text: clean_line(&go_text).into_owned(),
        }
    }

    /// The chain ends below its authority: its last certificate is no authority, nothing that is
    /// trusted has its issuer's name, and that issuer is no root going by its name, while the
    /// certificate says where it can be had, or a root of the same organisation is trusted. A
    /// server that sends only a leaf which an unknown root signed directly looks much alike, so
    /// both are each other's rival.
    fn lacks_intermediate(&self, leaf: &Certificate) -> bool {
        let last = self.last_of(leaf);
        let is_authority = last.constraints.is_some_and(|(authority, _)| authority);
        if last.is_self_issued() || is_authority || last.issuer_is_root_by_name() {
            return false;
        }
        if self
            .anchors
            .iter()
            .any(|anchor| anchor.subject == last.issuer)
        {
            return false;
        }
        last.issuer_url.is_some() || self.trusts_kin_of(&last)
    }

    /// A trusted authority of the same organisation suggests that the missing issuer is below it.
    fn trusts_kin_of(&self, last: &Certificate) -> bool {
        let Some(wanted) = organisation(&last.issuer) else {
            return false;
        };
        self.anchors
            .iter()
            .any(|anchor| organisation(&anchor.subject).is_some_and(|own| own == wanted))
    }
}

/// The organisation of a name in DER.
fn organisation(name: &[u8]) -> Option<String> {
    use x509_parser::prelude::FromDer as _;
    let (_, name) = x509_parser::x509::X509Name::from_der(name).ok()?;
    name.iter_organization()
        .next()
        .and_then(|part| part.as_str().ok())
        .map(str::to_owned)
}

/// `checkChainForKeyUsage` for the leaf. Authorities with other usages are rare and left to the
/// registry's own clients.
fn usage(leaf: &Certificate) -> Option<ChainFault> {
    (leaf.for_servers == Some(false)).then(|| ChainFault {
        problem: Problem::TlsCertificate,
        go_text: "x509: certificate specifies an incompatible key usage".to_owned(),
    })
}

/// As in `findPotentialParents`: same key identifiers first.
fn key_id_rank(child: &Certificate, parent: &Anchor) -> u8 {
    let own = parent
        .certificate
        .as_ref()
        .and_then(|own| own.subject_key_id.as_ref());
    match (own, child.authority_key_id.as_ref()) {
        (Some(own), Some(wanted)) if own == wanted => 0,
        (Some(_), Some(_)) => 2,
        (None, None) => 0,
        _ => 1,
    }
}

fn signature_text(fault: SignatureFault) -> String {
    match fault {
        SignatureFault::ParentMayNotSign => {
            "x509: invalid signature: parent certificate cannot sign this kind of certificate"
        }
        SignatureFault::Insecure => "x509: cannot verify signature: insecure algorithm",
        SignatureFault::Wrong => "x509: signature does not match the authority's key",
        SignatureFault::Unsupported => "x509: cannot verify signature: algorithm unimplemented",
    }
    .to_owned()
}

fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
