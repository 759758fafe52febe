//! The nodes of the cluster, as far as choices between them need them.

use pulldoctor_model::NodeFacts;
use pulldoctor_reference::Reference;
use serde::Deserialize;

use crate::{
    answers::NodeObject,
    api::{Api, Form},
    error::ApiError,
    path::ApiPath,
    slim::nullable,
};

/// Most bytes of the list.
const MOST_NODES: usize = 64 << 20;

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct NodeRow {
    pub(crate) name: String,
    pub(crate) facts: NodeFacts,
}

/// Lists them, from the server's memory.
pub(crate) async fn list(api: &Api) -> Result<Vec<NodeRow>, ApiError> {
    let path = ApiPath::core()
        .segment("nodes")
        .query("resourceVersion", "0");
    let answer = api.get(&path, Form::Compressed, MOST_NODES).await?;
    let list: NodeList = serde_json::from_slice(&answer.body)
        .map_err(|error| ApiError::malformed("a list of nodes", &error))?;
    Ok(list.items.into_iter().map(NodeRow::from).collect())
}

impl From<NodeObject> for NodeRow {
    fn from(object: NodeObject) -> Self {
        Self {
            name: object.metadata.name.clone(),
            facts: object.facts(),
        }
    }
}

impl NodeRow {
    /// Whether pods may be sent there: Ready, not cordoned, no pressure on its disk.
    pub(crate) fn takes_pods(&self) -> bool {
        let is = |kind: &str| {
            let mut conditions = self.facts.conditions.iter();
            conditions.any(|condition| condition.kind == kind && condition.status == "True")
        };
        is("Ready") && !is("DiskPressure") && !self.facts.unschedulable
    }

    /// Whether something keeps ordinary pods away: it may be unlike the others.
    pub(crate) fn is_special(&self) -> bool {
        let mut taints = self.facts.taints.iter();
        taints.any(|taint| taint.effect != "PreferNoSchedule")
    }

    /// The bytes of an image that the node lists.
    pub(crate) fn size_of(&self, image: &Reference) -> Option<u64> {
        let mut images = self.facts.images.iter();
        let row = images.find(|row| row.names.iter().any(|name| image.is_written_as(name)))?;
        Some(row.size)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeList {
    #[serde(deserialize_with = "nullable")]
    items: Vec<NodeObject>,
}
