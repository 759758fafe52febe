//! What a node's kubelet counted of pulls, from its `/metrics`.
//!
//! The names are those of `pkg/kubelet/metrics/metrics.go`
//! (`kubelet_image_pull_duration_seconds`, from 1.30 on, only pulls that ended well are observed;
//! `kubelet_runtime_operations_total` and `…_errors_total`), of
//! `pkg/kubelet/kuberuntime/instrumented_services.go` (`operation_type="pull_image"`) and of
//! `pkg/credentialprovider/plugin/metrics.go`
//! (`kubelet_credential_provider_plugin_errors_total{plugin_name}`), read in 1.37.2.

use std::collections::BTreeMap;

use pulldoctor_model::{NodeMetrics, clean_line, shorten};

use crate::{
    api::{Api, Wish},
    error::ApiError,
    lines::Lines,
    path::ApiPath,
};

/// How many bytes of metrics are read: a busy node has a few megabytes.
const METRICS_MOST: u64 = 32 << 20;

/// How many bytes a line may have; longer ones are none of ours.
const LINE_MOST: usize = 4 << 10;

/// How many plugins are told.
const PLUGINS_MOST: usize = 32;

const PULLS: &str = "kubelet_image_pull_duration_seconds_count";
const PULLS_TOOK: &str = "kubelet_image_pull_duration_seconds_sum";
const ERRORS: &str = "kubelet_runtime_operations_errors_total";
const PLUGIN_ERRORS: &str = "kubelet_credential_provider_plugin_errors_total";

/// Reads `/metrics` through the API server, line by line.
pub(crate) async fn read(api: &Api, name: &str) -> Result<NodeMetrics, ApiError> {
    let path = ApiPath::core()
        .segment("nodes")
        .segment(name)
        .segment("proxy")
        .segment("metrics");
    let mut counted = Counted::default();
    let mut lines = Lines::new(LINE_MOST);
    let wish = Wish {
        most: METRICS_MOST,
        ..Wish::default()
    };
    let read = api
        .stream(&path, &wish, &mut |bytes| {
            lines.push(bytes, &mut |line| counted.take(line));
        })
        .await?;
    lines.finish(&mut |line| counted.take(line));
    if !read.is_whole {
        return Err(ApiError::TooLarge {
            most: usize::try_from(METRICS_MOST).unwrap_or(usize::MAX),
        });
    }
    Ok(counted.facts())
}

/// The sums so far.
#[derive(Debug, Default)]
struct Counted {
    /// Whether any metric of a kubelet was met: without, what has not been counted is unknown.
    is_kubelet: bool,
    pulls: Option<f64>,
    pulls_took: Option<f64>,
    errors: Option<f64>,
    plugins: BTreeMap<String, f64>,
}

impl Counted {
    fn take(&mut self, line: &[u8]) {
        if !line.starts_with(b"kubelet_") {
            return;
        }
        self.is_kubelet = true;
        let Ok(line) = std::str::from_utf8(line) else {
            return;
        };
        let Some(sample) = Sample::read(line) else {
            return;
        };
        match sample.name {
            PULLS => add(&mut self.pulls, sample.value),
            PULLS_TOOK => add(&mut self.pulls_took, sample.value),
            ERRORS if sample.label("operation_type").as_deref() == Some("pull_image") => {
                add(&mut self.errors, sample.value);
            }
            PLUGIN_ERRORS => {
                let Some(plugin) = sample.label("plugin_name") else {
                    return;
                };
                let plugin = shorten(&clean_line(&plugin), 100).into_owned();
                if self.plugins.len() < PLUGINS_MOST || self.plugins.contains_key(&plugin) {
                    *self.plugins.entry(plugin).or_default() += sample.value;
                }
            }
            _ => {}
        }
    }

    fn facts(self) -> NodeMetrics {
        // A counter with labels is not there before it counts: that is none, where the kubelet
        // told others.
        let errors = self.errors.or_else(|| self.is_kubelet.then_some(0.0));
        NodeMetrics {
            pulls: self.pulls.and_then(whole),
            pulls_took_ms: self.pulls_took.and_then(|took| whole(took * 1000.0)),
            pull_errors: errors.and_then(whole),
            credential_provider_errors: self
                .plugins
                .into_iter()
                .filter_map(|(plugin, count)| Some((plugin, whole(count)?)))
                .collect(),
        }
    }
}

fn add(sum: &mut Option<f64>, value: f64) {
    *sum = Some(sum.unwrap_or_default() + value);
}

/// A count; none where it is none.
fn whole(value: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was compared before"
    )]
    (0.0..9e15).contains(&value).then_some(value.round() as u64)
}

/// One line of the text format.
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            // A label's value may hold a brace: the last one ends them.
            Some(rest) => rest.rsplit_once('}')?,
            None => ("", rest),
        };
        // A time may follow the value.
        let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Self {
            name,
            labels,
            value,
        })
    }

    /// A label's value, with its escapes undone.
    fn label(&self, wanted: &str) -> Option<String> {
        let mut rest = self.labels;
        loop {
            let (name, after) = rest.split_once("=\"")?;
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => match characters.next()?.1 {
                        'n' => value.push('\n'),
                        other => value.push(other),
                    },
                    (_, other) => value.push(other),
                }
            };
            if name.trim_start_matches([',', ' ']) == wanted {
                return Some(value);
            }
            rest = &after[end + 1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> NodeMetrics {
        let mut counted = Counted::default();
        for line in text.lines() {
            counted.take(line.as_bytes());
        }
        counted.facts()
    }

    #[test]
    fn only_what_is_about_pulls_is_counted() {
        let facts = read(
            r#"# HELP kubelet_image_pull_duration_seconds [ALPHA] Duration in seconds to pull an image.
# TYPE kubelet_image_pull_duration_seconds histogram
kubelet_image_pull_duration_seconds_bucket{image_size_in_bytes="0-10MB",le="1"} 2
kubelet_image_pull_duration_seconds_sum{image_size_in_bytes="0-10MB"} 1.25
kubelet_image_pull_duration_seconds_count{image_size_in_bytes="0-10MB"} 2
kubelet_image_pull_duration_seconds_sum{image_size_in_bytes="10MB-100MB"} 10
kubelet_image_pull_duration_seconds_count{image_size_in_bytes="10MB-100MB"} 1
kubelet_runtime_operations_errors_total{operation_type="image_status"} 7
kubelet_runtime_operations_errors_total{operation_type="pull_image"} 1.2e+01
kubelet_credential_provider_plugin_errors_total{plugin_name="ecr \"x\" {1}"} 3
apiserver_x 1
"#,
        );
        assert_eq!(facts.pulls, Some(3));
        assert_eq!(facts.pulls_took_ms, Some(11_250));
        assert_eq!(facts.pull_errors, Some(12));
        assert_eq!(
            facts.credential_provider_errors,
            [("ecr \"x\" {1}".to_owned(), 3)]
        );
    }

    #[test]
    fn a_counter_that_is_not_there_has_not_counted_but_not_where_no_kubelet_speaks() {
        let facts = read("kubelet_running_pods 3\n");
        assert_eq!((facts.pulls, facts.pull_errors), (None, Some(0)));
        assert_eq!(read("go_goroutines 1\n"), NodeMetrics::default());
        assert_eq!(read("kubelet_x{a=\"\n").pull_errors, Some(0));
        assert_eq!(
            read("kubelet_image_pull_duration_seconds_count NaN\n").pulls,
            None
        );
    }
}
