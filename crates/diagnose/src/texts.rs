//! The texts that tell why a symptom's pull failed, and which of them is judged.

use std::{cell::RefCell, cmp::Reverse, collections::HashMap, rc::Rc};

use pulldoctor_messages::{Fault, Reading, read};
use pulldoctor_model::{ContainerKind, Event, Symptom, Timestamp};

/// What texts say, each read once: the replicas of a workload fail with the same words.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    known: RefCell<HashMap<String, Rc<Reading>>>,
}

impl Readings {
    /// What a text says.
    pub(crate) fn of(&self, text: &str) -> Rc<Reading> {
        if let Some(reading) = self.known.borrow().get(text) {
            return Rc::clone(reading);
        }
        let reading = Rc::new(read(text));
        self.known
            .borrow_mut()
            .insert(text.to_owned(), Rc::clone(&reading));
        reading
    }
}

/// A text about a symptom, and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The text as it came.
    pub(crate) text: String,
    /// What it says.
    pub(crate) reading: Rc<Reading>,
    /// When it was last said; none for the container's status, which is always the newest.
    pub(crate) at: Option<Timestamp>,
    /// It is a line of the node's logs.
    pub(crate) is_log: bool,
}

impl Told {
    fn new(text: &str, at: Option<Timestamp>, readings: &Readings) -> Self {
        Self {
            text: text.to_owned(),
            reading: readings.of(text),
            at,
            is_log: false,
        }
    }

    /// A text that was read before.
    pub(crate) fn of(text: &str, reading: Reading) -> Self {
        Self {
            text: text.to_owned(),
            reading: Rc::new(reading),
            at: None,
            is_log: false,
        }
    }

    /// A line of the node's logs.
    pub(crate) fn of_log(text: &str, reading: Rc<Reading>, at: Option<Timestamp>) -> Self {
        Self {
            text: text.to_owned(),
            reading,
            at,
            is_log: true,
        }
    }

    /// Whether the text carries a cause.
    pub(crate) fn has_cause(&self) -> bool {
        !matches!(
            self.reading.fault,
            Fault::BackOffOnly | Fault::Unknown | Fault::NotAPullProblem
        )
    }
}

/// Collects the texts about a symptom, the one to judge first.
///
/// The container's status is the newest text there is, and on kubelets from 1.32 on it carries
/// the cause also during back-off (`pkg/kubelet/images/image_manager.go`). Where it carries none
/// the events of the container are read, newest first: the first text of a pull may be wrong
/// about the credentials (the kubelet may pull once before it has seen the secret).
pub(crate) fn collect(symptom: &Symptom, events: &[Event], readings: &Readings) -> Vec<Told> {
    let mut told = Vec::new();
    if !symptom.message.trim().is_empty() {
        told.push(Told::new(&symptom.message, None, readings));
    } else if is_free_text(&symptom.reason) {
        told.push(Told::new(&symptom.reason, None, readings));
    }
    let status_is_enough =
        symptom.kind != ContainerKind::Sandbox && told.first().is_some_and(Told::has_cause);
    if !status_is_enough {
        let mut from_events: Vec<Told> = events
            .iter()
            .filter(|event| is_about(event, symptom))
            .map(|event| Told::new(&event.message, event.last.or(event.first), readings))
            .collect();
        from_events.sort_by_key(|text| Reverse(text.at));
        told.extend(from_events);
        // A text with a cause comes before one without; otherwise the order stays.
        told.sort_by_key(|text| !text.has_cause());
    }
    told
}

/// Whether a waiting reason is an error text of its own (kubelets from 1.33 on return some errors
/// as their own reason).
pub(crate) fn is_free_text(reason: &str) -> bool {
    reason.contains([' ', ':'])
}

fn is_about(event: &Event, symptom: &Symptom) -> bool {
    if symptom.kind == ContainerKind::Sandbox {
        return event.reason == "FailedCreatePodSandBox";
    }
    let reason_fits = match event.reason.as_str() {
        // `Error: ImagePullBackOff` repeats the reason and nothing else.
        "Failed" => {
            !event.message.starts_with("Error: Err")
                && !event.message.starts_with("Error: ImagePull")
        }
        "InspectFailed" | "ErrImageNeverPull" => true,
        _ => false,
    };
    let names_container = match (&event.field_path, symptom.event_field_path()) {
        (Some(path), Some(wanted)) => *path == wanted,
        // Pulls of image volumes are filed under the bare pod; they name the image.
        (None, _) => event.message.contains(&symptom.image),
        (Some(path), None) => path.is_empty() && event.message.contains(&symptom.image),
    };
    reason_fits && names_container
}
