//! Which fault a request meets.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::spec::FaultSpec;

use crate::glob;

/// The faults of a host with their counters.
#[derive(Debug)]
pub(crate) struct Faults {
    list: Vec<(FaultSpec, AtomicU64)>,
}

/// What a fault is matched against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Without port.
    pub(crate) host: &'a str,
    pub(crate) authenticated: bool,
}

impl Faults {
    pub(crate) fn new(list: &[FaultSpec]) -> Self {
        Self {
            list: list
                .iter()
                .map(|fault| (fault.clone(), AtomicU64::new(0)))
                .collect(),
        }
    }

    /// The first fault that matches and is neither still waiting nor used up, and its number.
    pub(crate) fn pick(&self, asked: Asked<'_>) -> Option<(usize, &FaultSpec)> {
        self.list
            .iter()
            .enumerate()
            .find_map(|(index, (fault, count))| {
                if !applies(fault, asked) {
                    return None;
                }
                let seen = count.fetch_add(1, Ordering::Relaxed);
                let active =
                    seen >= fault.skip && fault.times.is_none_or(|times| seen - fault.skip < times);
                active.then_some((index, fault))
            })
    }
}

fn applies(fault: &FaultSpec, asked: Asked<'_>) -> bool {
    let method = fault.method.as_deref();
    method.is_none_or(|method| method == "*" || method.eq_ignore_ascii_case(asked.method))
        && fault
            .path
            .as_deref()
            .is_none_or(|path| glob::matches(path, asked.path))
        && fault
            .host
            .as_deref()
            .is_none_or(|host| glob::matches(host, asked.host))
        && fault
            .authenticated
            .is_none_or(|wanted| wanted == asked.authenticated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str) -> Asked<'_> {
        Asked {
            method: "GET",
            path,
            host: "a.lab",
            authenticated: false,
        }
    }

    #[test]
    fn skip_and_times_bound_a_fault_and_the_next_one_takes_over() {
        let faults = Faults::new(&[
            FaultSpec {
                path: Some("/v2/**".to_owned()),
                skip: 1,
                times: Some(2),
                ..FaultSpec::default()
            },
            FaultSpec {
                method: Some("get".to_owned()),
                skip: 2,
                ..FaultSpec::default()
            },
        ]);
        let picked: Vec<Option<usize>> = (0..6)
            .map(|_| faults.pick(asked("/v2/")).map(|(index, _)| index))
            .collect();
        assert_eq!(picked, [None, Some(0), Some(0), None, Some(1), Some(1)]);
    }

    #[test]
    fn every_condition_must_hold() {
        let faults = Faults::new(&[FaultSpec {
            method: Some("GET".to_owned()),
            host: Some("*.lab".to_owned()),
            authenticated: Some(true),
            ..FaultSpec::default()
        }]);
        assert!(faults.pick(asked("/")).is_none());
        assert!(
            faults
                .pick(Asked {
                    authenticated: true,
                    ..asked("/")
                })
                .is_some()
        );
        assert!(
            faults
                .pick(Asked {
                    authenticated: true,
                    host: "a.com",
                    ..asked("/")
                })
                .is_none()
        );
        assert!(
            faults
                .pick(Asked {
                    authenticated: true,
                    method: "HEAD",
                    ..asked("/")
                })
                .is_none()
        );
    }
}
