//! How full a node's file systems are, from the kubelet's `stats/summary`.

use pulldoctor_model::{Filesystem, NodeFilesystems};
use serde::Deserialize;

use crate::{
    api::{Api, Form},
    error::ApiError,
    path::ApiPath,
};

/// How many bytes the summary may have: it also lists every pod of the node.
const SUMMARY_MOST: usize = 16 << 20;

/// Reads `stats/summary` through the API server.
pub(crate) async fn read(api: &Api, name: &str) -> Result<NodeFilesystems, ApiError> {
    let path = ApiPath::core()
        .segment("nodes")
        .segment(name)
        .segment("proxy")
        .segment("stats")
        .segment("summary");
    let answer = api.get(&path, Form::Full, SUMMARY_MOST).await?;
    let summary: Summary = serde_json::from_slice(&answer.body)
        .map_err(|error| ApiError::malformed("node statistics", &error))?;
    Ok(summary.facts())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Summary {
    node: Node,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Node {
    fs: Option<Raw>,
    runtime: Option<Runtime>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Runtime {
    image_fs: Option<Raw>,
    container_fs: Option<Raw>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    available_bytes: Option<u64>,
    capacity_bytes: Option<u64>,
    inodes_free: Option<u64>,
    inodes: Option<u64>,
}

impl From<Raw> for Filesystem {
    fn from(raw: Raw) -> Self {
        Self {
            available: raw.available_bytes,
            capacity: raw.capacity_bytes,
            inodes_free: raw.inodes_free,
            inodes: raw.inodes,
        }
    }
}

impl Summary {
    fn facts(self) -> NodeFilesystems {
        let runtime = self.node.runtime.unwrap_or_default();
        NodeFilesystems {
            node: self.node.fs.map(Into::into),
            image: runtime.image_fs.map(Into::into),
            container: runtime.container_fs.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_file_systems_are_read() {
        let summary: Summary = serde_json::from_str(
            r#"{"node":{"nodeName":"n1","fs":{"availableBytes":1,"capacityBytes":2,
                "inodesFree":3,"inodes":4},"runtime":{"imageFs":{"availableBytes":5}}},"pods":[]}"#,
        )
        .unwrap();
        let facts = summary.facts();
        assert_eq!(facts.node.unwrap().inodes_free, Some(3));
        assert_eq!(facts.image.unwrap().available, Some(5));
        assert_eq!(facts.container, None);
    }
}
