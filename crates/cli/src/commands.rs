//! One file per subcommand.

pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod diagnose;
pub(crate) mod explain;
pub(crate) mod isolate;
pub(crate) mod probe;
