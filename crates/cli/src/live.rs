//! A registry with a fault, on a loopback port of this process, and the real probe against it:
//! what `demo` shows beside the recorded cases.

mod certificate;
mod image;
mod registry;

use pulldoctor_diagnose::probe::judge_probe;
use pulldoctor_model::CauseId;
use pulldoctor_reference::Reference;
use pulldoctor_registry::judge::{Platform, ProxyRules};
use pulldoctor_registry::{
    Login, Probe, ProbeConfig, ProbeDepth, ProbeRequest, Resolvers, SecretText,
};
use pulldoctor_report::ProbeDocument;

use crate::{collect, commands::probe, failure::Failure, logins::Logins};
use image::Kind;
use registry::{Access, Server, Site, Tls};

/// The tag that is there. Others near it are listed.
const TAG: &str = "v1.4.1";
/// The password that the registry knows. It opens nothing but this demo.
const PASSWORD: &str = "correct-horse";
/// The platform that all of it is for, so that every machine shows the same.
const PLATFORM: &str = "amd64";

/// A fault that can be shown live.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Its name.
    pub(crate) name: &'static str,
    /// What happened.
    pub(crate) story: &'static str,
    /// The cause that the probe finds; none where it finds nothing, or must not look.
    cause: Option<CauseId>,
    tag: &'static str,
    site: Site,
    /// The password of `ci-bot`, where it logs in.
    password: Option<&'static str>,
    verify: bool,
}

impl Scenario {
    /// What it shows, in a few words.
    pub(crate) fn shows(&self) -> &'static str {
        match (self.cause, self.site.access) {
            (Some(cause), _) => cause.as_str(),
            (None, Access::Foreign) => "a credential that is held back",
            (None, _) => "nothing wrong",
        }
    }
}

/// A registry without fault, which the others differ from.
const GOOD: Scenario = Scenario {
    name: "live-good",
    story: "Nothing is wrong: every stage, and every byte of the layers.",
    cause: None,
    tag: TAG,
    site: Site {
        access: Access::Open,
        tls: Tls::None,
        kind: Kind::Good,
        status: None,
    },
    password: None,
    verify: true,
};

/// With a token service that knows `ci-bot`.
const fn with_login(access: Access, password: Option<&'static str>) -> Scenario {
    Scenario {
        site: Site {
            access,
            ..GOOD.site
        },
        password,
        verify: false,
        ..GOOD
    }
}

/// Every live fault.
pub(crate) static ALL: &[Scenario] = &[
    Scenario {
        name: "live-missing-tag",
        story: "A tag that was never pushed. The registry lists those that were.",
        cause: Some(CauseId::ImageNotFoundTag),
        tag: "v1.4.2",
        verify: false,
        ..GOOD
    },
    Scenario {
        name: "live-login-wanted",
        story: "A private image, asked for without a login.",
        cause: Some(CauseId::AuthMissingCredentials),
        ..with_login(Access::Private, None)
    },
    Scenario {
        name: "live-bad-login",
        story: "The password of ci-bot was changed, and the old one is still sent.",
        cause: Some(CauseId::AuthBadCredentials),
        ..with_login(Access::Private, Some("last-years-password"))
    },
    Scenario {
        name: "live-bad-login-public-image",
        story: "A public image. A stale login is sent along, and nobody's would do.",
        cause: Some(CauseId::PublicImageWrongCredential),
        ..with_login(Access::Public, Some("last-years-password"))
    },
    Scenario {
        name: "live-no-right",
        story: "A good login that may not pull this repository.",
        cause: Some(CauseId::AuthForbidden),
        ..with_login(Access::Forbidden, Some(PASSWORD))
    },
    Scenario {
        name: "live-foreign-token-service",
        story: "The registry names a token service on another host. No credential goes there \
                until `--allow-realm` consents.",
        cause: None,
        ..with_login(Access::Foreign, Some(PASSWORD))
    },
    Scenario {
        name: "live-expired-certificate",
        story: "The registry's certificate ran out.",
        cause: Some(CauseId::TlsExpired),
        site: Site {
            tls: Tls::Expired,
            ..GOOD.site
        },
        ..GOOD
    },
    Scenario {
        name: "live-unknown-authority",
        story: "The registry's certificate was issued by an authority that nobody trusts.",
        cause: Some(CauseId::TlsUnknownAuthority),
        site: Site {
            tls: Tls::UnknownAuthority,
            ..GOOD.site
        },
        ..GOOD
    },
    Scenario {
        name: "live-damaged-layer",
        story: "One byte of a layer is not what was pushed. Only reading all of it shows that.",
        cause: Some(CauseId::CorruptedContent),
        site: Site {
            kind: Kind::DamagedLayer,
            ..GOOD.site
        },
        ..GOOD
    },
    Scenario {
        name: "live-other-platform",
        story: "An image for arm64, wanted on amd64.",
        cause: Some(CauseId::PlatformMismatch),
        site: Site {
            kind: Kind::OtherPlatform,
            ..GOOD.site
        },
        ..GOOD
    },
    Scenario {
        name: "live-chart",
        story: "A Helm chart was pushed where an image is expected.",
        cause: Some(CauseId::UnsupportedManifest),
        site: Site {
            kind: Kind::Chart,
            ..GOOD.site
        },
        ..GOOD
    },
    Scenario {
        name: "live-rate-limited",
        story: "Too many pulls: the registry says when to come back.",
        cause: Some(CauseId::RateLimited),
        site: Site {
            status: Some(429),
            ..GOOD.site
        },
        ..GOOD
    },
    Scenario {
        name: "live-server-error",
        story: "The registry is up, and its storage is not.",
        cause: Some(CauseId::RegistryServerError),
        site: Site {
            status: Some(503),
            ..GOOD.site
        },
        ..GOOD
    },
    GOOD,
];

/// The live fault with a name.
pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

/// What was seen, and as whom it was asked.
pub(crate) struct Shown {
    /// The probe.
    pub(crate) document: ProbeDocument,
    /// Whose login, for people.
    pub(crate) who: &'static str,
}

/// Starts the registry, probes it, and ends it.
pub(crate) fn run(scenario: &Scenario) -> Result<Shown, Failure> {
    let runtime = collect::runtime()?;
    let result = runtime.block_on(show(scenario));
    runtime.shutdown_background();
    result
}

async fn show(scenario: &Scenario) -> Result<Shown, Failure> {
    let server = Server::start(scenario.site).await?;
    // Nothing of this machine's own: no resolver, no proxy, no trust.
    let config = ProbeConfig {
        proxies: ProxyRules::default(),
        resolvers: Resolvers::Servers {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
        },
        system_authorities: false,
        ..ProbeConfig::default()
    };
    let probe = Probe::new(config).map_err(Failure::bug)?;
    let name = format!(
        "{}/{}:{}",
        server.authority(),
        image::REPOSITORY,
        scenario.tag
    );
    let image = Reference::parse(&name).map_err(Failure::bug)?;
    let platform = Platform::linux(PLATFORM);
    let login = scenario.password.map(|password| Login {
        source: "the demo".to_owned(),
        username: registry::USER.to_owned(),
        password: SecretText::new(password),
    });
    let who = if login.is_some() {
        "with a login"
    } else {
        "without a login"
    };
    let request = ProbeRequest {
        logins: login.into_iter().collect(),
        // A foreign token service is not asked at all.
        try_anonymous: scenario.site.access != Access::Foreign,
        platform: Some(platform.clone()),
        depth: if scenario.verify {
            ProbeDepth::Verify
        } else {
            ProbeDepth::Layers
        },
        ..ProbeRequest::new(image)
    };
    let transcript = probe.run(&request, &mut |_| {}).await;
    let verdict = judge_probe(&transcript, &request.image, None);
    let document = probe::document(&transcript, verdict, &platform, Logins::default());
    Ok(Shown { document, who })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_live_fault_is_found() {
        for scenario in ALL {
            let shown = run(scenario).unwrap();
            assert_eq!(
                shown.document.cause(),
                scenario.cause,
                "{}: {:#?}",
                scenario.name,
                shown.document
            );
            assert!(scenario.name.starts_with("live-"));
        }
    }
}
