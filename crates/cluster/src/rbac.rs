//! RBAC rules to add, as YAML.

/// A rule for one resource, as it stands in a Role or a ClusterRole.
pub(crate) fn rule(group: &str, resource: &str, verbs: &[&str]) -> String {
    let verbs: Vec<String> = verbs.iter().map(|verb| format!("\"{verb}\"")).collect();
    format!(
        "- apiGroups: [\"{group}\"]\n  resources: [\"{resource}\"]\n  verbs: [{}]",
        verbs.join(", ")
    )
}

/// As [`rule`], for the object of this name only.
pub(crate) fn rule_for(group: &str, resource: &str, verbs: &[&str], name: &str) -> String {
    format!(
        "{}\n  resourceNames: [\"{name}\"]",
        rule(group, resource, verbs)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_can_be_pasted() {
        assert_eq!(
            rule("apps", "replicasets", &["get", "list"]),
            "- apiGroups: [\"apps\"]\n  resources: [\"replicasets\"]\n  verbs: [\"get\", \"list\"]"
        );
    }
}
