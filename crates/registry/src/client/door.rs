//! A door for the fuzz targets to the readers of what comes over the network.

use std::time::Duration;

use bytes::Bytes;
use hickory_proto::op::Message;
use http::{HeaderValue, Method};
use tokio::io::{join, sink};
use url::Url;

use super::connect::Guard;
use super::exchange::Ask;
use super::origin::Origin;
use super::{check, dns, redirects, tunnel, verify};
use crate::judge::ResolveConf;
use crate::judge::{Descriptor, DnsResult, Problem, ProxyFacts, ProxyUrl};
use crate::text::hex;

/// How long a proxy's answer, which is all there, may take to be read.
const MOMENT: Duration = Duration::from_secs(5);

/// The names that a `resolv.conf` makes of one, and how many servers it names.
pub fn search_names(conf: &[u8], name: &str) -> (Vec<String>, usize) {
    let conf = ResolveConf::parse(conf);
    (conf.names(name), conf.servers.len())
}

/// What a server's packet says; nothing where it is no DNS message.
pub fn dns_answer(packet: &[u8]) -> Option<DnsResult> {
    Message::from_vec(packet)
        .ok()
        .map(|message| dns::read(&message))
}

/// Has a proxy answer CONNECT, or a SOCKS 5 request, with these bytes. Gives the problem and its
/// text, if there is one.
pub async fn ask_proxy(answer: &[u8], proxy: &ProxyUrl, is_socks: bool) -> Option<String> {
    let target = Origin {
        is_https: true,
        host: "registry.example.com".to_owned(),
        port: 443,
    };
    let mut stream = join(answer, sink());
    let asked = if is_socks {
        tunnel::socks(&mut stream, proxy, &target, MOMENT).await
    } else {
        let mut facts = ProxyFacts::default();
        tunnel::connect(&mut stream, proxy, &target, "door", MOMENT, &mut facts).await
    };
    asked.err().map(|fault| fault.detail)
}

/// Where a `Location` leads from `https://registry.example.com/v2/`, and whether a credential goes
/// along.
pub fn redirect(location: &str) -> Option<(Url, String, bool)> {
    let origin = Origin::of_registry("registry.example.com", true)?;
    let mut ask = Ask::new(Method::GET, &origin, "/v2/");
    ask.authorization = Some(HeaderValue::from_static("Bearer secret"));
    let target = redirects::resolve(Some(location), &ask).ok()?;
    let next = redirects::at_target(&ask, &target, Guard::Registry)?;
    let shown = format!("{}{}", next.origin, next.target);
    Some((target, shown, next.authorization.is_some()))
}

/// The first byte of a `Content-Range`.
pub fn range_start(header: &str) -> Option<u64> {
    verify::range_start(header)
}

/// What a check of a layer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerCheck {
    /// Bytes read.
    pub read: u64,
    /// Bytes that they unpacked to.
    pub unpacked: u64,
    /// What is wrong.
    pub problem: Option<Problem>,
    /// What is wrong, in words.
    pub detail: Option<String>,
}

/// Checks a layer whose digest is right and whose size lacks some bytes, in pieces of this size.
/// Blocks; not within a runtime.
pub fn check_layer(
    stored: &[u8],
    media_type: &str,
    lacking: u64,
    piece: usize,
    most: u64,
) -> LayerCheck {
    let digest = ring::digest::digest(&ring::digest::SHA256, stored);
    let layer = Descriptor {
        media_type: media_type.to_owned(),
        digest: format!("sha256:{}", hex(digest.as_ref())),
        size: stored.len() as u64 + lacking,
    };
    let pieces = stored.chunks(piece.max(1));
    let (sender, receiver) = tokio::sync::mpsc::channel(pieces.len().max(1));
    for bytes in pieces {
        // There is room for all of them.
        let _ = sender.try_send(Bytes::copy_from_slice(bytes));
    }
    drop(sender);
    let checked = check::check(receiver, &layer, "", most);
    let (problem, detail) = checked.fault.map_or((None, None), |fault| {
        (Some(fault.problem), Some(fault.detail))
    });
    LayerCheck {
        read: checked.read,
        unpacked: checked.unpacked,
        problem,
        detail,
    }
}
