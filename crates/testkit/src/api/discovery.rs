//! `/version`, `/api`, `/apis` and the lists of resources.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::resources::{RESOURCES, Resource};

/// The answer to a discovery path.
pub(super) fn answer(path: &str, git_version: &str) -> Option<Value> {
    let path = path.trim_end_matches('/');
    match path {
        "/version" => Some(version(git_version)),
        "/api" => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => Some(groups()),
        "/api/v1" => Some(resources("", "v1")),
        _ => {
            let (group, version) = path.strip_prefix("/apis/")?.split_once('/')?;
            let known = RESOURCES
                .iter()
                .any(|resource| resource.group == group && resource.version == version);
            known.then(|| resources(group, version))
        }
    }
}

fn version(git_version: &str) -> Value {
    let mut numbers = git_version.trim_start_matches('v').split('.');
    json!({
        "major": numbers.next().unwrap_or_default(),
        "minor": numbers.next().unwrap_or_default(),
        "gitVersion": git_version, "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.26",
        "compiler": "gc", "platform": "linux/amd64",
    })
}

fn groups() -> Value {
    let named: BTreeSet<(&str, &str)> = RESOURCES
        .iter()
        .filter(|resource| !resource.group.is_empty())
        .map(|resource| (resource.group, resource.version))
        .collect();
    let groups: Vec<Value> = named
        .into_iter()
        .map(|(group, version)| {
            let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
            json!({"name": group, "versions": [version], "preferredVersion": version})
        })
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn resources(group: &str, version: &str) -> Value {
    let of_group: Vec<&Resource> = RESOURCES
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
        .collect();
    let list: Vec<Value> = of_group
        .iter()
        .map(|resource| {
            let mut entry = json!({
                "name": resource.plural, "singularName": resource.singular,
                "namespaced": resource.namespaced, "kind": resource.kind,
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            });
            if !resource.short.is_empty() {
                entry["shortNames"] = json!([resource.short]);
            }
            entry
        })
        .collect();
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
           "resources": list})
}
