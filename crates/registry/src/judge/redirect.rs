//! Where a registry may send its clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::{Fault, Problem};

/// The addresses that matter to the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressClass {
    /// Anything else, private networks included: registries redirect to stores beside them.
    Other,
    /// This host.
    Loopback,
    /// This link.
    LinkLocal,
    /// A cloud's metadata service, which hands out credentials to whoever asks from here.
    Metadata,
    /// Unspecified, multicast or broadcast.
    Unusable,
}

/// Metadata services that are not link-local, or are and must not pass even where a registry is.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254), // AWS, Azure, Google, most others
    Ipv4Addr::new(169, 254, 170, 2),   // AWS ECS task credentials
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle, older
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254), // AWS
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254), // Google
];

/// Sorts an address, also one that is hidden in an IPv6 form of an IPv4 address.
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => {
            if METADATA_V4.contains(&address) {
                AddressClass::Metadata
            } else if address.is_loopback() {
                AddressClass::Loopback
            } else if address.is_link_local() {
                AddressClass::LinkLocal
            } else if address.octets()[0] == 0 || address.is_multicast() || address.is_broadcast() {
                AddressClass::Unusable
            } else {
                AddressClass::Other
            }
        }
        IpAddr::V6(address) => {
            if let Some(embedded) = embedded(address) {
                return classify(IpAddr::V4(embedded));
            }
            if METADATA_V6.contains(&address) {
                AddressClass::Metadata
            } else if address.is_loopback() {
                AddressClass::Loopback
            } else if address.is_unicast_link_local() {
                AddressClass::LinkLocal
            } else if address.is_unspecified() || address.is_multicast() {
                AddressClass::Unusable
            } else {
                AddressClass::Other
            }
        }
    }
}

/// The IPv4 address in a mapped (`::ffff:0:0/96`), compatible (`::/96`), NAT64 (`64:ff9b::/96`) or
/// 6to4 (`2002::/16`) address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = address.segments();
    let [.., high, low] = parts;
    let from = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    let is_compatible = parts[..6] == [0; 6] && (high != 0 || low > 1);
    if parts[..6] == [0, 0, 0, 0, 0, 0xffff]
        || parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0]
        || is_compatible
    {
        return Some(from(high, low));
    }
    (parts[0] == 0x2002).then(|| from(parts[1], parts[2]))
}

/// Why an address must not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedirectRefusal {
    /// The address.
    pub address: IpAddr,
    /// What it is.
    pub class: AddressClass,
}

/// Tells whether a redirect or a token URL of a registry that is at `registry` may be asked at
/// `target`. A registry on loopback or on this link may send there; nobody may send to a metadata
/// service but one that is there itself.
pub fn may_redirect_to(target: IpAddr, registry: Option<IpAddr>) -> Result<(), RedirectRefusal> {
    let class = classify(target);
    let allowed = match class {
        AddressClass::Other => true,
        AddressClass::Unusable => false,
        AddressClass::Metadata => registry == Some(target),
        AddressClass::Loopback | AddressClass::LinkLocal => {
            registry.is_some_and(|registry| classify(registry) == class)
        }
    };
    if allowed {
        Ok(())
    } else {
        Err(RedirectRefusal {
            address: target,
            class,
        })
    }
}

/// The addresses of `authority` that may be asked (see [`may_redirect_to`]); the refusal of the first
/// one where none may.
pub fn allowed_addresses(
    addresses: &[IpAddr],
    registry: Option<IpAddr>,
    authority: &str,
) -> Result<Vec<IpAddr>, Fault> {
    let mut refusal = None;
    let mut good = Vec::new();
    for address in addresses {
        match may_redirect_to(*address, registry) {
            Ok(()) => good.push(*address),
            Err(found) => {
                refusal.get_or_insert(found);
            }
        }
    }
    match refusal {
        Some(refusal) if good.is_empty() => Err(Fault::new(
            Problem::RedirectRefused,
            format!(
                "the registry sends its clients to `{authority}`, which is at {}: no registry may do that",
                refusal.address
            ),
        )),
        _ => Ok(good),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> AddressClass {
        classify(text.parse().unwrap())
    }

    #[test]
    fn addresses_are_sorted_in_every_disguise() {
        use AddressClass::{LinkLocal, Loopback, Metadata, Other, Unusable};
        for (text, expected) in [
            ("127.8.9.1", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("::7f00:1", Loopback),
            ("64:ff9b::7f00:1", Loopback),
            ("2002:7f00:1::", Loopback),
            ("169.254.1.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("::ffff:169.254.169.254", Metadata),
            ("fd00:ec2::254", Metadata),
            ("100.100.100.200", Metadata),
            ("0.0.0.0", Unusable),
            ("0.1.2.3", Unusable),
            ("::", Unusable),
            ("224.0.0.1", Unusable),
            ("ff02::1", Unusable),
            ("255.255.255.255", Unusable),
            ("10.0.0.1", Other),
            ("fd12::1", Other),
            ("2001:db8::1", Other),
        ] {
            assert_eq!(class(text), expected, "{text}");
        }
    }

    #[test]
    fn a_registry_may_send_only_to_its_own_kind() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let public = Some(ip("203.0.113.9"));
        assert!(may_redirect_to(ip("10.1.1.1"), public).is_ok());
        assert!(may_redirect_to(ip("127.0.0.1"), public).is_err());
        assert!(may_redirect_to(ip("127.0.0.1"), None).is_err());
        assert!(may_redirect_to(ip("127.0.0.1"), Some(ip("::1"))).is_ok());
        assert!(may_redirect_to(ip("169.254.169.254"), Some(ip("169.254.9.9"))).is_err());
        assert!(may_redirect_to(ip("169.254.9.8"), Some(ip("169.254.9.9"))).is_ok());
        assert!(may_redirect_to(ip("0.0.0.0"), Some(ip("127.0.0.1"))).is_err());
    }
}
