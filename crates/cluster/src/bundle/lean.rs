//! A JSON value without what must not or need not be kept: the values of secrets that are no
//! Docker config, applied configurations (which repeat them) and environments.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::answers::may_be_config;

/// Keys under which only the names are kept, and what may be a Docker config.
const NAMES_ONLY: [&str; 3] = ["data", "stringData", "binaryData"];

/// Keys that are dropped.
const DROPPED: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "env",
    "args",
];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lean(pub(super) Value);

impl<'de> Deserialize<'de> for Lean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LeanVisitor).map(Self)
    }
}

struct LeanVisitor;

impl<'de> Visitor<'de> for LeanVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Lean(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if DROPPED.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
            } else if NAMES_ONLY.contains(&key.as_str()) {
                object.insert(key, map.next_value::<NamesOnly>()?.0);
            } else {
                object.insert(key, map.next_value::<Lean>()?.0);
            }
        }
        Ok(Value::Object(object))
    }
}

/// A map of names with nothing behind them but what may be a Docker config; a map of maps (a
/// ControllerRevision's `data`) as it is.
struct NamesOnly(Value);

impl<'de> Deserialize<'de> for NamesOnly {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Lean(mut value) = Lean::deserialize(deserializer)?;
        match &mut value {
            Value::Object(map) => {
                for value in map.values_mut().filter(|value| !is_kept(value)) {
                    *value = Value::Null;
                }
            }
            other => *other = Value::Null,
        }
        Ok(Self(value))
    }
}

fn is_kept(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::String(text) => may_be_config(text) || text.trim_start().starts_with('{'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_dropped_and_revisions_kept() {
        let text = r#"{"data":{"a":"c4n4ry","b":["c4n4ry"]},"stringData":{"c":"c4n4ry"},
            "metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"c4n4ry",
              "x":"y"}},
            "revision":{"data":{"spec":{"x":1}}},"spec":{"env":[{"value":"c4n4ry"}],"n":1.5}}"#;
        let Lean(value) = serde_json::from_str(text).unwrap();
        let lean = value.to_string();
        assert!(!lean.contains("c4n4ry"), "{lean}");
        assert_eq!(value["data"], serde_json::json!({"a": null, "b": null}));
        assert_eq!(value["revision"]["data"]["spec"]["x"], 1);
        assert_eq!(value["metadata"]["annotations"]["x"], "y");
    }
}
