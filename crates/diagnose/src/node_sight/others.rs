//! How other nodes see what this one fails to reach.

use std::collections::BTreeSet;

use pulldoctor_model::{Answer, Question};

use super::{Agreement, FromNode, agreement::compare, reproduced};
use crate::case::Case;

/// How other nodes see the host of the failed request, each from its own network.
#[derive(Debug, Default)]
pub(crate) struct OtherNodes<'a> {
    /// Those that come farther.
    pub(crate) reaching: BTreeSet<&'a str>,
    /// Those that fail alike.
    pub(crate) failing: BTreeSet<&'a str>,
}

/// Looks through the views of other nodes.
pub(crate) fn other_nodes<'a>(case: &Case<'a>) -> OtherNodes<'a> {
    let mut others = OtherNodes::default();
    let wanted = case.registry();
    for answered in &case.evidence.answers {
        let (Question::NodeView { node, registry, .. }, Answer::NodeView(view)) =
            (&answered.question, &answered.answer)
        else {
            continue;
        };
        let is_other = *registry == wanted && case.symptom.node.as_deref() != Some(node);
        let look = FromNode { view, answered };
        if !is_other || !look.is_nodes_own() {
            continue;
        }
        match compare(case, &look) {
            Agreement::Same => others.failing.insert(node),
            Agreement::Beyond | Agreement::Trusted => others.reaching.insert(node),
            _ => false,
        };
    }
    others
}

/// Whether this node's own network fails, and that of every other node that was asked does not.
pub(crate) fn only_this_node(case: &Case<'_>) -> bool {
    if !reproduced(case) {
        return false;
    }
    let others = other_nodes(case);
    !others.reaching.is_empty() && others.failing.is_empty()
}
