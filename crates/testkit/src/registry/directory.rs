//! All virtual hosts of one process.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::host::VirtualHost;

/// The port on which a name that nobody declared is a stranger. On any other port a lone host
/// answers whatever it is called, so that it can be reached by its address.
const SHARED_PORT: u16 = 443;

type Hosts = BTreeMap<(String, u16), Arc<VirtualHost>>;

/// The hosts by name and port. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    hosts: Arc<RwLock<Hosts>>,
}

impl Directory {
    /// A directory without hosts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a host.
    pub fn insert(&self, host: Arc<VirtualHost>) {
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        hosts.insert((host.name().to_owned(), host.port()), host);
    }

    /// Removes every host of a name, and ends what it still sends slowly; says whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        let before = hosts.len();
        hosts.retain(|(host, _), gone| {
            let stays = host != name;
            if !stays {
                gone.forget();
            }
            stays
        });
        hosts.len() < before
    }

    /// The first host of a name.
    pub fn named(&self, name: &str) -> Option<Arc<VirtualHost>> {
        self.all().into_iter().find(|host| host.name() == name)
    }

    /// Every host in order of name and port.
    pub fn all(&self) -> Vec<Arc<VirtualHost>> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        hosts.values().cloned().collect()
    }

    /// The host that a connection or request to a port means by this name.
    pub(super) fn select(&self, port: u16, name: Option<&str>) -> Option<Arc<VirtualHost>> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = name
            && let Some(host) = hosts.get(&(name.to_ascii_lowercase(), port))
        {
            return Some(Arc::clone(host));
        }
        drop(hosts);
        self.alone(port).filter(|_| port != SHARED_PORT)
    }

    /// The only host of a port.
    pub(super) fn alone(&self, port: u16) -> Option<Arc<VirtualHost>> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        let mut on_port = hosts.values().filter(|host| host.port() == port);
        let first = on_port.next()?;
        on_port.next().is_none().then(|| Arc::clone(first))
    }

    /// The host whose token service lives at this authority and path. `service` decides between
    /// several.
    pub(super) fn token_service(
        &self,
        authority: &str,
        path: &str,
        service: Option<&str>,
    ) -> Option<Arc<VirtualHost>> {
        let mut here: Vec<_> = self
            .all()
            .into_iter()
            .filter(|host| {
                host.realm()
                    .is_some_and(|realm| is_at(&realm, authority, path))
            })
            .collect();
        let by_service = here.iter().position(|host| Some(host.service()) == service);
        (!here.is_empty()).then(|| here.swap_remove(by_service.unwrap_or(0)))
    }
}

fn is_at(realm: &str, authority: &str, path: &str) -> bool {
    let Ok(uri) = realm.parse::<http::Uri>() else {
        return false;
    };
    let usual = if uri.scheme_str() == Some("http") {
        ":80"
    } else {
        ":443"
    };
    let plain = |text: &str| {
        text.strip_suffix(usual)
            .unwrap_or(text)
            .to_ascii_lowercase()
    };
    uri.path() == path
        && uri
            .authority()
            .is_some_and(|own| plain(own.as_str()) == plain(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_is_found_with_and_without_the_usual_port() {
        for (realm, authority, path, expected) in [
            ("https://auth.lab/token", "auth.lab", "/token", true),
            ("https://auth.lab/token", "AUTH.lab:443", "/token", true),
            ("https://auth.lab:443/token", "auth.lab", "/token", true),
            ("http://auth.lab/token", "auth.lab:443", "/token", false),
            ("https://auth.lab/token", "auth.lab", "/other", false),
            ("https://auth.lab:8443/token", "auth.lab", "/token", false),
            ("no url", "auth.lab", "/token", false),
        ] {
            assert_eq!(
                is_at(realm, authority, path),
                expected,
                "{realm} {authority}"
            );
        }
    }
}
