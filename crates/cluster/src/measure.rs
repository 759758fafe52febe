//! A door for benchmarks and fuzz targets to what reads one page, one kubeconfig, one log and one
//! answer of a probe.

use jiff::Timestamp;
use kube::config::Kubeconfig;
use pulldoctor_model::{NodeLogs, NodeView};

use crate::{
    connect::ConnectOptions,
    error::ConnectError,
    index::ImageIndex,
    kubeconfig,
    logs::{Place, Sieve},
    node_probe,
    slim::{self, Pod},
    symptoms,
};

/// Reads a page of a pod list as a scan does. Gives how many pods it holds and how many of their
/// containers wait for an image; none where it is no such page.
pub fn read_page(page: &[u8], observed: Timestamp) -> Option<(usize, usize)> {
    let (mut pods, mut stuck) = (0, 0);
    let mut index = ImageIndex::default();
    slim::walk(page, |pod: Pod<'_>| {
        let reading = symptoms::read(&pod, observed);
        symptoms::tally(&pod, &reading.drafts, &mut index);
        pods += 1;
        stuck += reading.drafts.len();
    })
    .ok()?;
    Some((pods, stuck))
}

/// Reads a log as the answer of a probe that was to look at this host, and judges it.
pub fn read_node_answer(log: &[u8], host: &str) -> Option<NodeView> {
    node_probe::read_answer(log, host)
}

/// The token of the next page, as it is read before the items.
pub fn peek_token(page: &[u8]) -> Option<String> {
    slim::peek_meta(page).map(|meta| meta.resume)
}

/// Sifts the log of a node, in pieces of this length: what it says of images, by node and image.
pub fn sift_log(
    log: &[u8],
    piece: usize,
    images: &[&str],
    nodes: &[&str],
    near: Timestamp,
) -> Vec<(Option<String>, String, NodeLogs)> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut sieve = Sieve::new(owned(images), owned(nodes), near);
    let mut lines = sieve.begin(Place::Hosts, "log");
    for part in log.chunks(piece.max(1)) {
        lines.push(part, &mut |line| sieve.take(line));
    }
    lines.finish(&mut |line| sieve.take(line));
    let found = sieve.finish();
    found
        .into_iter()
        .map(|found| (found.node, found.image, found.logs))
        .collect()
}

/// Chooses the current context of a kubeconfig; gives its name and the server's address. Files
/// that it names are not opened.
pub fn read_kubeconfig(text: &str) -> Option<Result<(String, String), ConnectError>> {
    let mut kubeconfig = Kubeconfig::from_yaml(text).ok()?;
    for named in &mut kubeconfig.clusters {
        if let Some(cluster) = &mut named.cluster {
            cluster.certificate_authority = None;
        }
    }
    let chosen = kubeconfig::choose(&kubeconfig, &ConnectOptions::default());
    Some(chosen.map(|chosen| (chosen.context, chosen.config.cluster_url.to_string())))
}
