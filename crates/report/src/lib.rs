//! Renderers of what the engine found, side by side: for people ([`human`]), for programs
//! ([`json`], [`yaml`], [`ndjson`]), and for the knowledge base ([`markdown`]).
//!
//! Everything here is a function from data to text. Nothing reads the clock, the environment or
//! the terminal: the caller says how wide the page is, what time it is and whether there is
//! colour. Texts from outside are made safe by `pulldoctor_model::clean` on their way in.

mod command;
mod excerpt;
mod failure;
mod human;
mod isolate;
mod knowledge;
mod machine;
mod markdown;
mod message;
mod page;
mod probe;
mod reading;
mod style;
mod words;
mod wrap;

pub use excerpt::pointed;
pub use failure::failure_line;
pub use human::{HumanOptions, human};
pub use isolate::{IsolateDocument, IsolatePod, IsolateTrial, human_isolate};
pub use knowledge::cause_list;
pub use machine::{YamlError, json, ndjson, ndjson_end, ndjson_gap, ndjson_incident, yaml};
pub use markdown::{markdown, section};
pub use message::decisive;
pub use probe::{
    ProbeBeside, ProbeDocument, ProbeJudgement, ProbeKubelet, ProbeStage, ProbeView,
    UntestedCredential, human_probe_heading, human_probe_result, human_probe_stage,
    human_probe_stages,
};
pub use reading::{Facts, ReadingDocument, human_reading};
pub use style::{Label, Stylesheet};
pub use words::{count, duration};
