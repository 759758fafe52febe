//! What faults need beside commands: waiting until they show, and damage done to a store.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::control_plane;
use crate::exec;
use crate::net::Namespace;
use crate::node::{self, Node};

/// Waits until the kubelet's own statistics show what was done to the disk: it looks every few
/// seconds, and a disk that fills up in real life has been full for longer than that.
pub(super) fn wait_for_statistics(node: &str, figure: &str, most: u64) -> Result<()> {
    let path = format!("/api/v1/nodes/{node}/proxy/stats/summary");
    let shown = exec::wait_until(Duration::from_secs(45), Duration::from_millis(500), || {
        control_plane::get(&path).is_ok_and(|summary| {
            let value = &summary["node"]["runtime"]["imageFs"][figure];
            value.as_u64().is_some_and(|value| value <= most)
        })
    });
    if !shown {
        bail!("the kubelet's statistics of {node} do not show the full disk after 45 s");
    }
    Ok(())
}

/// Downloads an image without unpacking it, and takes the files of its layers away under
/// containerd's feet.
pub(super) fn lose_layers(node: Node, namespace: &Namespace, image: &str) -> Result<()> {
    let fetch = [
        "content",
        "fetch",
        "--hosts-dir",
        "/etc/containerd/certs.d",
        image,
    ];
    node.ctr(namespace, &fetch)
        .timeout(Duration::from_secs(60))
        .run()
        .context("failed to download the image")?;
    let host = image.split('/').next().unwrap_or(image);
    let list = node.ctr(namespace, &["content", "ls"]).run()?;
    // Manifests and configs are small: what is larger than 64 KiB is a layer.
    let script = list
        .lines()
        .filter(|line| line.contains(&format!("distribution.source.{host}=")))
        .filter_map(|line| line.split_whitespace().next()?.strip_prefix("sha256:"))
        .map(|digest| {
            format!("/var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/{digest}")
        })
        .collect::<Vec<_>>()
        .join(" ");
    if script.is_empty() {
        bail!("the store holds nothing of {host}");
    }
    let script = format!("find {script} -size +64k -print -delete");
    if namespace.run(["sh", "-c", &script])?.trim().is_empty() {
        bail!("the image has no layer larger than 64 KiB");
    }
    Ok(())
}

pub(super) fn wait_until_listed(node: &str, image: &str) -> Result<()> {
    let listed = exec::wait_until(Duration::from_secs(60), Duration::from_millis(500), || {
        control_plane::get(&format!("/api/v1/nodes/{node}")).is_ok_and(|object| {
            let images = object["status"]["images"].as_array();
            images.into_iter().flatten().any(|entry| {
                entry["names"]
                    .as_array()
                    .is_some_and(|names| names.iter().any(|name| name == image))
            })
        })
    });
    if !listed {
        bail!("node {node} does not list {image} after 60 s");
    }
    Ok(())
}

pub(super) fn own_disk(name: &str) -> Result<()> {
    if node::by_name(name)?.disk_mib.is_none() {
        bail!("{name} has no disk of its own to fill: only n3 has");
    }
    Ok(())
}

/// An address in 10.78.16.0/20 that the name alone decides; two names of the same run that
/// fell on the same one would be a matter of one in 4,000.
pub(super) fn own_address(name: &str) -> Ipv4Addr {
    let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    let (high, low) = match digest.as_ref() {
        [high, low, ..] => (*high, *low),
        _ => (0, 0),
    };
    Ipv4Addr::new(10, 78, 16 + high % 16, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_stable_and_in_range() {
        let address = own_address("cut-off.example.com");
        assert_eq!(address, own_address("cut-off.example.com"));
        assert!((16..32).contains(&address.octets()[2]));
        assert_ne!(address, own_address("other.example.com"));
    }
}
