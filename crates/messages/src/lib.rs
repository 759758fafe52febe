//! Reads the error texts of kubelet, containerd, CRI-O, Docker and the tools around them into
//! structured facts.
//!
//! The grammar works in three steps, each linear in the (capped) length of the text:
//!
//! 1. `text` undoes what transport did to the message: escaped quotes several levels deep,
//!    line wraps, Markdown links, HTML entities, `%!F(MISSING)`.
//! 2. `scan` walks over the words and recognises *phrases* (`grammar/`), each a pattern that
//!    names a wrapping layer, a fact or a fault. Unknown words between them are skipped, so an
//!    unknown wrapper never hides a known cause.
//! 3. `assemble` folds the phrases, outermost first, into one [`Reading`]: a wrapper such as
//!    `lookup HOST on SERVER` gives its meaning to what follows it, and of several faults the
//!    one that names the mechanism most exactly wins.
//!
//! Lines of logs lose what their writers put around a message first (`log`).
//!
//! No I/O, no panic, no regular expressions.

mod age;
mod assemble;
mod draft;
mod facts;
mod fault;
mod grammar;
mod image;
mod log;
mod paste;
mod pattern;
mod reading;
mod scan;
mod split;
mod text;
mod url;

pub use assemble::read;
pub use facts::Facts;
pub use fault::{DnsFault, Fault, MissingBy, PolicyKind, ProxyFault};
pub use log::{LogEntry, LogLevel, log_line_body, read_log_line};
pub use paste::{Paste, read_paste, read_rows};
pub use reading::{
    CredentialUse, ForeignHost, GrpcCode, HostRole, Layer, Method, Operation, Reading, Runtime,
    UrlFacts,
};
