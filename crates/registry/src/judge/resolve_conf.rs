//! `/etc/resolv.conf`, and which names its search path makes of one.

use std::net::SocketAddr;

/// Servers and search path.
#[derive(Debug, Clone, Default)]
pub struct ResolveConf {
    /// In order of preference.
    pub servers: Vec<SocketAddr>,
    /// The search path.
    pub search: Vec<String>,
    /// Names with fewer dots are tried with the search path first.
    pub ndots: u32,
}

/// Most servers that resolvers look at (glibc's MAXNS).
const MOST_SERVERS: usize = 3;

impl ResolveConf {
    /// Reads the file; one that cannot be read names no servers.
    pub fn parse(text: &[u8]) -> Self {
        let Ok(config) = resolv_conf::Config::parse(text) else {
            return Self::default();
        };
        let servers = config
            .nameservers
            .iter()
            .take(MOST_SERVERS)
            .map(|server| SocketAddr::new(server.into(), 53))
            .collect();
        Self {
            servers,
            search: config
                .get_last_search_or_domain()
                .filter(|domain| domain.as_str() != ".")
                .cloned()
                .collect(),
            ndots: config.ndots,
        }
    }

    /// The whole names to ask for, in order, as Go's `dnsConfig.nameList` has them.
    pub fn names(&self, name: &str) -> Vec<String> {
        if let Some(rooted) = name.strip_suffix('.') {
            return vec![format!("{rooted}.")];
        }
        let dots = u32::try_from(name.matches('.').count()).unwrap_or(u32::MAX);
        let whole = format!("{name}.");
        let searched = self
            .search
            .iter()
            .map(|domain| format!("{name}.{}.", domain.trim_end_matches('.')))
            .filter(|name| name.len() <= 254);
        if dots >= self.ndots {
            std::iter::once(whole).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(whole)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_path_comes_first_for_names_with_few_dots() {
        let conf = ResolveConf::parse(
            b"search shop.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\nnameserver fe80::1\noptions ndots:5\n",
        );
        assert_eq!(conf.servers[0].to_string(), "10.96.0.10:53");
        assert_eq!(
            conf.names("registry.example.com"),
            [
                "registry.example.com.shop.svc.cluster.local.",
                "registry.example.com.svc.cluster.local.",
                "registry.example.com."
            ]
        );
        assert_eq!(conf.names("a.b.c.d.e.f")[0], "a.b.c.d.e.f.");
        assert_eq!(conf.names("rooted.")[..], ["rooted."]);
    }
}
