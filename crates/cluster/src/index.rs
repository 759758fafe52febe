//! Which images run and which wait on which nodes: a compact tally of the scanned pods.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use pulldoctor_model::{ImagePlace, RegistryUse, Usage};
use pulldoctor_reference::Reference;

/// How many places one answer holds at most; those where something waits come first.
const MOST: usize = 500;

/// A tally by image and node. Names are kept once, however many pods share them.
#[derive(Debug, Default)]
pub(crate) struct ImageIndex {
    names: Vec<Box<str>>,
    ids: HashMap<Box<str>, u32>,
    places: HashMap<(u32, Option<u32>), Place>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Place {
    usage: Usage,
    /// The newest start, in seconds since 1970.
    latest: Option<i64>,
}

/// How one container fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fares {
    /// It runs or ran: the image was pulled. With the newest start that is known.
    Pulled(Option<Timestamp>),
    /// It waits for the image.
    Waits,
}

impl ImageIndex {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Counts one container.
    pub(crate) fn count(&mut self, image: &str, node: Option<&str>, fares: Fares) {
        if image.is_empty() {
            return;
        }
        let image = self.intern(image);
        let node = node.map(|node| self.intern(node));
        let place = self.places.entry((image, node)).or_default();
        match fares {
            Fares::Pulled(started) => {
                place.usage.pulled = place.usage.pulled.saturating_add(1);
                place.latest = place.latest.max(started.map(Timestamp::as_second));
            }
            Fares::Waits => place.usage.waiting = place.usage.waiting.saturating_add(1),
        }
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        self.ids.insert(name.into(), id);
        id
    }

    fn name(&self, id: u32) -> &str {
        usize::try_from(id)
            .ok()
            .and_then(|at| self.names.get(at))
            .map_or("", |name| name)
    }

    /// How an image, as written, fares on each node.
    pub(crate) fn image(&self, image: &str) -> Vec<ImagePlace> {
        let Some(wanted) = self.ids.get(image) else {
            return Vec::new();
        };
        self.collect(|image| image == *wanted)
    }

    /// How the images of a registry fare on each node.
    pub(crate) fn registry(&self, registry: &str) -> Vec<ImagePlace> {
        let mut of_registry: HashMap<u32, bool> = HashMap::new();
        self.collect(|image| {
            *of_registry
                .entry(image)
                .or_insert_with(|| registry_of(self.name(image)).as_deref() == Some(registry))
        })
    }

    /// Tells every image, as written, that was pulled somewhere.
    pub(crate) fn pulled(&self, mut tell: impl FnMut(&str)) {
        let mut told: HashSet<u32> = HashSet::new();
        for ((image, _), place) in &self.places {
            if place.usage.pulled > 0 && told.insert(*image) {
                tell(self.name(*image));
            }
        }
    }

    /// The registries in use, by host.
    pub(crate) fn registries(&self) -> Vec<RegistryUse> {
        let mut hosts: HashMap<u32, Option<String>> = HashMap::new();
        let mut tally: std::collections::BTreeMap<String, Usage> =
            std::collections::BTreeMap::new();
        for ((image, _), place) in &self.places {
            let host = hosts
                .entry(*image)
                .or_insert_with(|| registry_of(self.name(*image)));
            if let Some(host) = host {
                let usage = tally.entry(host.clone()).or_default();
                usage.pulled = usage.pulled.saturating_add(place.usage.pulled);
                usage.waiting = usage.waiting.saturating_add(place.usage.waiting);
            }
        }
        tally
            .into_iter()
            .map(|(host, usage)| RegistryUse { host, usage })
            .collect()
    }

    fn collect(&self, mut wanted: impl FnMut(u32) -> bool) -> Vec<ImagePlace> {
        let mut places: Vec<ImagePlace> = self
            .places
            .iter()
            .filter(|((image, _), _)| wanted(*image))
            .map(|((image, node), place)| ImagePlace {
                image: self.name(*image).to_owned(),
                node: node.map(|node| self.name(node).to_owned()),
                usage: place.usage,
                latest: place
                    .latest
                    .and_then(|second| Timestamp::from_second(second).ok()),
            })
            .collect();
        if places.len() > MOST {
            places.sort_by(|a, b| {
                (b.usage.waiting, b.usage.pulled, &a.image, &a.node).cmp(&(
                    a.usage.waiting,
                    a.usage.pulled,
                    &b.image,
                    &b.node,
                ))
            });
            places.truncate(MOST);
        }
        places.sort_by(|a, b| (&a.image, &a.node).cmp(&(&b.image, &b.node)));
        places
    }
}

fn registry_of(image: &str) -> Option<String> {
    Reference::parse(image)
        .ok()
        .map(|reference| reference.registry().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_tallied_by_image_and_node() {
        let mut index = ImageIndex::default();
        let early = "2026-01-01T00:00:00Z".parse().ok();
        let late = "2026-01-02T00:00:00Z".parse().ok();
        index.count("nginx:1", Some("n1"), Fares::Pulled(late));
        index.count("nginx:1", Some("n1"), Fares::Pulled(early));
        index.count("nginx:1", Some("n2"), Fares::Waits);
        index.count("ghcr.io/o/x:1", Some("n1"), Fares::Waits);
        index.count("redis", None, Fares::Waits);
        index.count("BAD/x y", Some("n1"), Fares::Waits);

        let image = index.image("nginx:1");
        assert_eq!(image.len(), 2);
        assert_eq!((image[0].usage.pulled, image[0].latest), (2, late));
        assert_eq!(
            (image[1].node.as_deref(), image[1].usage.waiting),
            (Some("n2"), 1)
        );
        assert!(index.image("nginx").is_empty());

        let hub = index.registry("docker.io");
        assert_eq!(hub.len(), 3);
        let registries = index.registries();
        let hosts: Vec<_> = registries.iter().map(|it| it.host.as_str()).collect();
        assert_eq!(hosts, ["docker.io", "ghcr.io"]);
        assert_eq!(
            (registries[0].usage.pulled, registries[0].usage.waiting),
            (2, 2)
        );
    }

    #[test]
    fn a_capped_answer_keeps_the_places_that_wait() {
        let mut index = ImageIndex::default();
        for number in 0..MOST + 50 {
            index.count("nginx:1", Some(&format!("n{number}")), Fares::Pulled(None));
        }
        index.count("nginx:1", Some("zz"), Fares::Waits);
        let places = index.image("nginx:1");
        assert_eq!(places.len(), MOST);
        assert!(
            places
                .iter()
                .any(|place| place.node.as_deref() == Some("zz"))
        );
    }
}
