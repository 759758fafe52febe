//! Pods as far as a diagnosis needs them, borrowed from the text of a list page.
//!
//! A pod of the API is 6 to 60 kB, most of it `managedFields`, environment and probes. These
//! rows name only what is read; everything else is skipped while parsing, and nothing is kept
//! of a pod that is well.

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A text that is borrowed where the input holds it without escapes.
///
/// serde borrows a plain `Cow` only as a direct field, not inside an `Option`; hence this type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, unless it is empty.
    pub(crate) fn non_empty(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&*self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text)))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// Reads `null` as the default: Go writes an empty list so.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a time; one that does not parse is none.
pub(crate) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<Text<'de>>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.0.parse().ok()))
}

/// A pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Pod<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) spec: Spec<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct Metadata<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) namespace: Text<'a>,
    pub(crate) uid: Text<'a>,
    #[serde(deserialize_with = "time")]
    pub(crate) creation_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub(crate) deletion_timestamp: Option<Timestamp>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) owner_references: Vec<OwnerReference<'a>>,
    /// Whether the pod is the mirror of a static pod.
    #[serde(rename = "annotations", deserialize_with = "is_mirror")]
    pub(crate) is_mirror: bool,
}

impl Metadata<'_> {
    /// The owner that controls the object.
    pub(crate) fn controller(&self) -> Option<&OwnerReference<'_>> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct OwnerReference<'a> {
    pub(crate) api_version: Text<'a>,
    pub(crate) kind: Text<'a>,
    pub(crate) name: Text<'a>,
    pub(crate) uid: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) controller: bool,
}

/// Reads one value out of a map of texts, and none of the rest.
struct OneKey(&'static str);

impl<'de> Visitor<'de> for OneKey {
    type Value = Option<Text<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of texts")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if key.as_str() == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// The annotation of a mirror pod (`pkg/kubelet/types/pod_update.go`, 1.36).
fn is_mirror<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(deserializer
        .deserialize_any(OneKey("kubernetes.io/config.mirror"))?
        .is_some())
}

/// The architecture that a `nodeSelector` asks for.
fn architecture<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text<'de>>, D::Error> {
    deserializer.deserialize_any(OneKey("kubernetes.io/arch"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct Spec<'a> {
    pub(crate) node_name: Text<'a>,
    pub(crate) service_account_name: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) image_pull_secrets: Vec<Named<'a>>,
    #[serde(borrow, rename = "nodeSelector", deserialize_with = "architecture")]
    pub(crate) wanted_arch: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) init_containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) ephemeral_containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) volumes: Vec<Volume<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Named<'a> {
    pub(crate) name: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct Container<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) image: Text<'a>,
    pub(crate) image_pull_policy: Text<'a>,
    /// `Always` makes an init container a sidecar.
    pub(crate) restart_policy: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) volume_mounts: Vec<Named<'a>>,
}

impl Container<'_> {
    pub(crate) fn is_sidecar(&self) -> bool {
        self.restart_policy.as_str() == "Always"
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Volume<'a> {
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) image: Option<ImageSource<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct ImageSource<'a> {
    pub(crate) reference: Text<'a>,
    pub(crate) pull_policy: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct Status<'a> {
    pub(crate) phase: Text<'a>,
    #[serde(deserialize_with = "time")]
    pub(crate) start_time: Option<Timestamp>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) conditions: Vec<Condition<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) init_container_statuses: Vec<ContainerStatus<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) container_statuses: Vec<ContainerStatus<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) ephemeral_container_statuses: Vec<ContainerStatus<'a>>,
}

impl Status<'_> {
    /// A condition of this type.
    pub(crate) fn condition(&self, kind: &str) -> Option<&Condition<'_>> {
        self.conditions
            .iter()
            .find(|condition| condition.kind.as_str() == kind)
    }

    /// Every container's status.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ContainerStatus<'_>> {
        self.init_container_statuses
            .iter()
            .chain(&self.container_statuses)
            .chain(&self.ephemeral_container_statuses)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct Condition<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    pub(crate) status: Text<'a>,
    #[serde(deserialize_with = "time")]
    pub(crate) last_transition_time: Option<Timestamp>,
}

impl Condition<'_> {
    pub(crate) fn is_true(&self) -> bool {
        self.status.as_str() == "True"
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct ContainerStatus<'a> {
    pub(crate) name: Text<'a>,
    #[serde(rename = "containerID")]
    pub(crate) container_id: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) restart_count: u32,
    pub(crate) started: Option<bool>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) state: State<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) last_state: State<'a>,
}

impl ContainerStatus<'_> {
    /// Whether a container was ever made from the image: it is running, or ran before.
    pub(crate) fn has_run(&self) -> bool {
        self.state.running.is_some()
            || self.state.terminated.is_some()
            || self.ran_before()
            || !self.container_id.as_str().is_empty()
    }

    /// Whether an earlier start of the container ended.
    pub(crate) fn ran_before(&self) -> bool {
        self.last_state.terminated.is_some() || self.restart_count > 0
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(crate) struct State<'a> {
    #[serde(borrow)]
    pub(crate) waiting: Option<Waiting<'a>>,
    pub(crate) running: Option<Running>,
    pub(crate) terminated: Option<Terminated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Waiting<'a> {
    pub(crate) reason: Text<'a>,
    pub(crate) message: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Running {
    #[serde(deserialize_with = "time")]
    pub(crate) started_at: Option<Timestamp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Terminated {
    #[serde(deserialize_with = "nullable")]
    pub(crate) exit_code: i32,
    #[serde(deserialize_with = "time")]
    pub(crate) started_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub(crate) finished_at: Option<Timestamp>,
}

/// What a list says of itself.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ListMeta {
    /// The token of the next page; empty at the end.
    #[serde(rename = "continue", deserialize_with = "nullable")]
    pub(crate) resume: String,
    /// How many objects are left, where the server knows.
    pub(crate) remaining_item_count: Option<u64>,
}

/// What became of a page.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// What the list says of itself.
    pub(crate) meta: ListMeta,
    /// Items that could not be read.
    pub(crate) skipped: usize,
}

/// Walks a page of a list and hands over one item after the other; none is kept.
///
/// An item that is not what the API promises is skipped and counted.
pub(crate) fn walk<'a, T, F>(page: &'a [u8], mut each: F) -> Result<Walked, serde_json::Error>
where
    T: Deserialize<'a>,
    F: FnMut(T),
{
    let mut count = 0_usize;
    let mut counting = |item: T| {
        count += 1;
        each(item);
    };
    let mut deserializer = serde_json::Deserializer::from_slice(page);
    let direct = Page {
        each: &mut counting,
        item: std::marker::PhantomData::<T>,
    }
    .deserialize(&mut deserializer);
    match direct {
        Ok(meta) => Ok(Walked { meta, skipped: 0 }),
        Err(error) if error.is_data() => {
            // One bad item must not hide the others: item by item, past those already seen.
            let mut skipped = 0;
            let mut place = 0_usize;
            let mut leniently = |item: &'a RawValue| {
                place += 1;
                if place > count {
                    match serde_json::from_str::<T>(item.get()) {
                        Ok(item) => each(item),
                        Err(_) => skipped += 1,
                    }
                }
            };
            let mut deserializer = serde_json::Deserializer::from_slice(page);
            let meta = Page {
                each: &mut leniently,
                item: std::marker::PhantomData,
            }
            .deserialize(&mut deserializer)?;
            Ok(Walked { meta, skipped })
        }
        Err(error) => Err(error),
    }
}

/// The continue token of a page whose metadata come first, as the API server writes them,
/// without reading the items.
pub(crate) fn peek_meta(page: &[u8]) -> Option<ListMeta> {
    struct Head<'m>(&'m mut Option<ListMeta>);
    impl<'de> Visitor<'de> for Head<'_> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Text<'de>>()? {
                match key.as_str() {
                    "metadata" => {
                        *self.0 = Some(map.next_value()?);
                        return Ok(());
                    }
                    "items" => return Ok(()),
                    _ => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
            Ok(())
        }
    }
    let mut meta = None;
    let mut deserializer = serde_json::Deserializer::from_slice(page);
    // The visitor leaves in the middle of the map, which the parser reports as an error.
    let _ = deserializer.deserialize_map(Head(&mut meta));
    meta
}

struct Page<'f, T, F> {
    each: &'f mut F,
    item: std::marker::PhantomData<T>,
}

impl<'de, T, F> DeserializeSeed<'de> for Page<'_, T, F>
where
    T: Deserialize<'de>,
    F: FnMut(T),
{
    type Value = ListMeta;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ListMeta, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T, F> Visitor<'de> for Page<'_, T, F>
where
    T: Deserialize<'de>,
    F: FnMut(T),
{
    type Value = ListMeta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListMeta, A::Error> {
        let mut meta = ListMeta::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "metadata" => meta = map.next_value()?,
                "items" => map.next_value_seed(Items {
                    each: &mut *self.each,
                    item: self.item,
                })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(meta)
    }
}

struct Items<'f, T, F> {
    each: &'f mut F,
    item: std::marker::PhantomData<T>,
}

impl<'de, T, F> DeserializeSeed<'de> for Items<'_, T, F>
where
    T: Deserialize<'de>,
    F: FnMut(T),
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T, F> Visitor<'de> for Items<'_, T, F>
where
    T: Deserialize<'de>,
    F: FnMut(T),
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    /// An empty list is `null`.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.each)(item);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"kind":"PodList","apiVersion":"v1",
      "metadata":{"resourceVersion":"7","continue":"next","remainingItemCount":3},
      "items":[
        {"metadata":{"name":"a","namespace":"shop","managedFields":[{"x":[1,2]}],
          "annotations":{"kubernetes.io/config.mirror":"h","other":"\u00e9"},
          "ownerReferences":null},
         "spec":{"nodeName":"n1","nodeSelector":{"kubernetes.io/arch":"arm64"},
          "containers":[{"name":"c","image":"x\/y:1","env":[{"name":"a","value":"b"}]}],
          "volumes":[{"name":"v","image":{"reference":"r:1","pullPolicy":"Always"}},{"name":"w"}]},
         "status":{"phase":"Pending","containerStatuses":[
          {"name":"c","restartCount":0,"state":{"waiting":{"reason":"ErrImagePull","message":"m"}}}]}},
        {"metadata":{"name":7}},
        {"metadata":{"name":"b"},"spec":null}
      ]}"#;

    #[test]
    fn a_page_is_walked_past_a_bad_item() {
        let mut seen = Vec::new();
        let walked = walk(PAGE.as_bytes(), |pod: Pod<'_>| {
            seen.push(pod.metadata.name.as_str().to_owned());
            if pod.metadata.name.as_str() == "a" {
                assert!(pod.metadata.is_mirror);
                assert_eq!(
                    pod.spec.wanted_arch.as_ref().map(Text::as_str),
                    Some("arm64")
                );
                assert_eq!(pod.spec.containers[0].image.as_str(), "x/y:1");
                assert!(matches!(pod.spec.node_name.0, Cow::Borrowed("n1")));
                let volume = pod.spec.volumes[0].image.as_ref().unwrap();
                assert_eq!(volume.reference.as_str(), "r:1");
                let waiting = pod.status.container_statuses[0]
                    .state
                    .waiting
                    .as_ref()
                    .unwrap();
                assert!(matches!(waiting.reason.0, Cow::Borrowed("ErrImagePull")));
            }
        })
        .unwrap();
        assert_eq!(seen, ["a", "b"]);
        assert_eq!(walked.skipped, 1);
        assert_eq!(walked.meta.resume, "next");
        assert_eq!(walked.meta.remaining_item_count, Some(3));
    }

    #[test]
    fn the_token_is_found_before_the_items() {
        assert_eq!(peek_meta(PAGE.as_bytes()).unwrap().resume, "next");
        assert!(peek_meta(br#"{"items":[],"metadata":{"continue":"x"}}"#).is_none());
        assert!(peek_meta(b"no json").is_none());
    }

    #[test]
    fn a_cut_page_is_an_error() {
        let cut = &PAGE.as_bytes()[..PAGE.len() - 40];
        assert!(walk(cut, |_: Pod<'_>| ()).is_err());
        assert!(walk(br#"{"items":null}"#, |_: Pod<'_>| ()).is_ok());
    }
}
