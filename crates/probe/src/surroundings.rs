//! What the place says of names: `/etc/resolv.conf` and `/etc/hosts`.

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;

use pulldoctor_registry::judge::{NodeResolvers, ResolveConf};

/// Most bytes of such a file.
const MOST_FILE: u64 = 256 * 1024;
/// Most addresses of one name.
const MOST_ADDRESSES: usize = 16;

/// Resolvers and the hosts file.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Who resolves names.
    pub resolvers: ResolveConf,
    /// The text of the hosts file. For a pod on the host's network the kubelet copies the node's.
    pub hosts: String,
}

impl Surroundings {
    /// Reads both files; one that cannot be read is empty.
    pub fn read() -> Self {
        Self {
            resolvers: ResolveConf::parse(file("/etc/resolv.conf").as_bytes()),
            hosts: file("/etc/hosts"),
        }
    }

    /// The addresses of a name in the hosts file, as Go reads it: names fold case, a comment ends
    /// the line.
    pub(crate) fn hosts_file(&self, name: &str) -> Vec<IpAddr> {
        let name = name.trim_end_matches('.');
        let mut found = Vec::new();
        for line in self.hosts.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else {
                continue;
            };
            let is_named = words.any(|word| word.trim_end_matches('.').eq_ignore_ascii_case(name));
            if is_named && !found.contains(&address) && found.len() < MOST_ADDRESSES {
                found.push(address);
            }
        }
        found
    }

    pub(crate) fn for_answer(&self) -> NodeResolvers {
        NodeResolvers {
            servers: self.resolvers.servers.clone(),
            search: self.resolvers.search.clone(),
            ndots: self.resolvers.ndots,
        }
    }
}

fn file(path: &str) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_FILE).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_is_read_as_go_reads_it() {
        let place = Surroundings {
            hosts:
                "# comment\n127.0.0.1 localhost\n10.0.0.5\tRegistry.Lab  other # registry.lab2\n\
                    10.0.0.6 registry.lab\n10.0.0.6 registry.lab\nnonsense registry.lab\n"
                    .to_owned(),
            ..Surroundings::default()
        };
        let found = |name: &str| -> Vec<String> {
            place
                .hosts_file(name)
                .iter()
                .map(IpAddr::to_string)
                .collect()
        };
        assert_eq!(found("registry.lab"), ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(found("registry.lab."), ["10.0.0.5", "10.0.0.6"]);
        assert!(found("registry.lab2").is_empty());
    }
}
