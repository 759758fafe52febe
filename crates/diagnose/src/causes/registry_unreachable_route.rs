//! `registry-unreachable-route`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::network::{ask_others, bare, is_own, route, subject, unreachable, with_places};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::network_object,
};

cause! {
    /// # registry-unreachable-route
    ///
    /// ## What it means
    ///
    /// The node has no way to the registry's address: no route, no network of that kind (IPv4 or
    /// IPv6), or its own firewall forbids the connection.
    ///
    /// ## How we know
    ///
    /// - `network is unreachable`, `cannot assign requested address`: the node itself has no
    ///   route. On a node without IPv6 the address is then often an IPv6 one.
    /// - `no route to host`: a router, or a firewall that rejects, answered for the address, or
    ///   nobody on the node's own network has it.
    ///
    /// `pulldoctor diagnose --node-view` (or `pulldoctor probe IMAGE --from node/NODE`) looks from
    /// the node itself. What fails there in the same way is *proven*; where it comes farther, the
    /// fault is over or lies in what a pod does not see: the runtime's mirrors, proxy and
    /// authorities. It is then *possible* only. What only the network of pods meets proves nothing
    /// for the node.
    ///
    /// ## What to do
    ///
    /// - Ask the node for its route to the address: `ip route get ADDRESS`.
    /// - Where only one kind of address works, have the name resolve to that kind, or give the
    ///   node the other kind.
    ///
    /// ## What it is not
    ///
    /// - Behind `lookup` the name server has no route (`registry-unreachable-dns`).
    /// - An address that is reached and says no is `registry-unreachable-refused`; one that stays
    ///   silent is `registry-unreachable-timeout`.
    ///
    /// ## Sources
    ///
    /// - Go `syscall` (`ENETUNREACH`, `EHOSTUNREACH`, `EADDRNOTAVAIL`, `EPERM`), Linux ip(7).
    RegistryUnreachableRoute
}

fn is_route(fault: &Fault) -> bool {
    matches!(fault, Fault::NoRoute | Fault::NetworkUnreachable)
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if is_route(case.pull_fault()) {
        ask_others(case)
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_route(case.fault()) || !is_own(route(case)) {
        return None;
    }
    let (how, _) = unreachable(case.fault())?;
    let address = case.reading().facts.dial_address.as_deref();
    let mut finding = case.finding(
        CauseId::RegistryUnreachableRoute,
        Confidence::Likely,
        network_object(case),
        format!("{} {how}", subject(case)),
    );
    if address.is_some_and(|address| address.starts_with('[')) {
        finding = finding.note(
            "address",
            "it is an IPv6 address: the name has one, and the node has no IPv6 way out",
        );
    }
    let target = address.map_or_else(|| "ADDRESS".to_owned(), |address| bare(address).to_owned());
    Some(
        with_places(finding, case)
            .remedy(
                "mend-route",
                Applicability::Advice,
                "give the node a route to that address; ask it for the one that it takes",
                Some(format!("ip route get {}", super::support::quote(&target))),
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence};

    use crate::fixture::stuck;

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn text(end: &str) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": {end}"
        )
    }

    #[test]
    fn no_route_and_no_network() {
        for end in [
            "dial tcp 10.9.0.4:443: connect: no route to host",
            "dial tcp [fd00::4]:443: connect: network is unreachable",
        ] {
            let finding = stuck(IMAGE, "ErrImagePull", &text(end)).judge();
            assert_eq!(finding.cause, CauseId::RegistryUnreachableRoute, "{end}");
            assert_eq!(finding.confidence, Confidence::Likely);
        }
    }

    #[test]
    fn an_ipv6_address_is_said_to_be_one() {
        let end = "dial tcp [fd00::4]:443: connect: network is unreachable";
        let finding = stuck(IMAGE, "ErrImagePull", &text(end)).judge();
        assert!(finding.notes.iter().any(|(_, text)| text.contains("IPv6")));
        assert_eq!(
            finding.remedies[0].command.as_deref(),
            Some("ip route get fd00::4")
        );
    }

    #[test]
    fn an_unreachable_name_server_is_dns() {
        let end = "dial tcp: lookup registry.example.com on [fd00::1]:53: dial udp [fd00::1]:53: connect: network is unreachable";
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &text(end)).cause(),
            CauseId::RegistryUnreachableDns
        );
    }
}
