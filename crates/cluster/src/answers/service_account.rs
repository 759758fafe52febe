//! A service account and when its pull secrets changed.

use jiff::Timestamp;
use pulldoctor_model::ServiceAccountFacts;
use serde::Deserialize;

use crate::{
    api::{Api, Form},
    error::ApiError,
    path::ApiPath,
    slim::{nullable, time},
};

/// Reads a service account. A missing one is an answer too.
pub(crate) async fn read(
    api: &Api,
    namespace: &str,
    name: &str,
) -> Result<ServiceAccountFacts, ApiError> {
    let path = ApiPath::core()
        .namespace(Some(namespace))
        .segment("serviceaccounts")
        .segment(name);
    match api
        .object::<ServiceAccountObject>(&path, Form::Full, "a service account")
        .await
    {
        Ok(account) => Ok(account.facts()),
        Err(ApiError::NotFound { .. }) => Ok(ServiceAccountFacts {
            exists: false,
            pull_secrets: Vec::new(),
            pull_secrets_changed: None,
            created: None,
        }),
        Err(error) => Err(error),
    }
}

/// A service account as the API has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ServiceAccountObject {
    pub(crate) metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    image_pull_secrets: Vec<Named>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) namespace: String,
    #[serde(deserialize_with = "time")]
    creation_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "nullable")]
    managed_fields: Vec<Managed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Managed {
    #[serde(deserialize_with = "time")]
    time: Option<Timestamp>,
    fields_v1: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Metadata {
    /// When it was created.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        self.creation_timestamp
    }

    /// When a field was last written, as far as managedFields tell.
    ///
    /// A field manager's time is that of its last write, of whatever field: this one changed at
    /// that time or before.
    pub(crate) fn written(&self, field: &str) -> Option<Timestamp> {
        let holds = |managed: &&Managed| {
            let fields = managed.fields_v1.as_ref();
            fields.is_some_and(|fields| fields.contains_key(field))
        };
        let managed = self.managed_fields.iter().filter(holds);
        managed.filter_map(|managed| managed.time).max()
    }
}

impl ServiceAccountObject {
    /// What is told of a service account that exists.
    pub(crate) fn facts(&self) -> ServiceAccountFacts {
        ServiceAccountFacts {
            exists: true,
            pull_secrets: self
                .image_pull_secrets
                .iter()
                .map(|it| it.name.clone())
                .collect(),
            pull_secrets_changed: self.metadata.written("f:imagePullSecrets"),
            created: self.metadata.creation_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managed_fields_tell_when_the_secrets_changed() {
        let account: ServiceAccountObject = serde_json::from_str(
            r#"{"metadata":{"name":"default","creationTimestamp":"2026-01-01T00:00:00Z",
                "managedFields":[
                 {"manager":"a","time":"2026-01-05T00:00:00Z","fieldsV1":{"f:metadata":{}}},
                 {"manager":"b","time":"2026-01-03T00:00:00Z",
                  "fieldsV1":{"f:imagePullSecrets":{".":{},"k:{\"name\":\"regcred\"}":{}}}}]},
                "imagePullSecrets":[{"name":"regcred"}]}"#,
        )
        .unwrap();
        let facts = account.facts();
        assert_eq!(facts.pull_secrets, ["regcred"]);
        assert_eq!(
            facts.pull_secrets_changed,
            "2026-01-03T00:00:00Z".parse().ok()
        );
    }
}
