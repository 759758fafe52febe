//! What other pods tell about an image or a registry: fine elsewhere, or failing everywhere.

use std::collections::BTreeSet;

use pulldoctor_model::{Object, Timestamp};

use crate::{case::Case, causes::here::fails_here_alike, node_sight::only_this_node};

/// How far back before the symptom a start elsewhere still counts as "at the same time".
const RECENT: i64 = 120;

/// Where the same image, or the same registry, fails and works.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Nodes on which containers wait for it.
    pub(crate) failing: BTreeSet<String>,
    /// Nodes on which containers have it.
    pub(crate) pulled: BTreeSet<String>,
    /// Nodes on which a container started with it since the symptom began.
    pub(crate) recent: BTreeSet<String>,
}

impl Places {
    /// Where this image fails and works, if that was seen.
    pub(crate) fn of_image(case: &Case<'_>) -> Option<Self> {
        Some(Self::new(case, case.image_elsewhere().seen()?))
    }

    /// Where images of this registry fail and work, if that was seen.
    pub(crate) fn of_registry(case: &Case<'_>) -> Option<Self> {
        Some(Self::new(case, case.registry_elsewhere().seen()?))
    }

    fn new(case: &Case<'_>, places: &[pulldoctor_model::ImagePlace]) -> Self {
        let since = case
            .symptom
            .since
            .or(case.symptom.created)
            .map(Timestamp::as_second);
        let mut all = Self::default();
        for place in places {
            let Some(node) = &place.node else { continue };
            if place.usage.waiting > 0 {
                all.failing.insert(node.clone());
            }
            if place.usage.pulled > 0 {
                all.pulled.insert(node.clone());
                let latest = place.latest.map(Timestamp::as_second);
                if since
                    .zip(latest)
                    .is_some_and(|(since, latest)| latest >= since - RECENT)
                {
                    all.recent.insert(node.clone());
                }
            }
        }
        all
    }

    /// Whether it fails on this symptom's node only, while a container on another node started
    /// with it since.
    pub(crate) fn only_this_node(&self, case: &Case<'_>) -> bool {
        let Some(node) = &case.symptom.node else {
            return false;
        };
        self.failing.len() == 1
            && self.failing.contains(node)
            && !self.recent.contains(node)
            && self.recent.iter().any(|other| other != node)
    }
}

/// The object of a network or TLS cause: the host that failed, or the node where only this node
/// sees the fault while others reach the same host.
pub(crate) fn network_object(case: &Case<'_>) -> Object {
    let places = Places::of_registry(case);
    let is_alone = places.is_some_and(|places| places.only_this_node(case));
    if (is_alone && !fails_here_alike(case)) || only_this_node(case) {
        return case.node_object();
    }
    Object::registry(case.failed_host())
}
