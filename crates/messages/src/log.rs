//! Reads lines of the logs of kubelets and runtimes: what was said, and what the log's writers
//! put around it.
//!
//! Around a line may stand what a collector adds (`outer`: journald's and syslog's prefix, JSON),
//! and within it what the program's own logger adds (`inner`: klog, logrus, JSON). Each part that
//! is not recognised stays in the text.

mod fields;
mod inner;
mod outer;
mod time;

use jiff::Timestamp;

/// How often JSON is looked into: journald may hold Docker's JSON, which may hold a kubelet's.
const DEPTH_MOST: usize = 3;

/// How grave a line is, to its writer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Debugging included.
    Info,
    /// A warning.
    Warning,
    /// An error, or worse.
    Error,
}

/// One line of a log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LogEntry {
    /// The computer that it was written on, where a collector says so.
    pub host: Option<String>,
    /// The program, where a collector says so: `kubelet`, `containerd`, `dockerd`.
    pub unit: Option<String>,
    /// When. A line that names no zone is taken to be in UTC, one that names no year to be of the
    /// year that brings it nearest to the time it is read with.
    pub time: Option<Timestamp>,
    /// The time names no zone: it may be off by what a zone makes.
    pub is_zoneless: bool,
    /// Seconds by which the program's clock is east of UTC, where its own time says so.
    pub offset_s: Option<i32>,
    /// How grave it is.
    pub level: Option<LogLevel>,
    /// What was said: the message, the fields `image` and `pod`, the error.
    pub text: String,
}

/// Reads a line of a log that was written about the time `near`. Never fails: what is not
/// recognised is the text.
pub fn read_log_line(line: &str, near: Timestamp) -> LogEntry {
    read(line, near, DEPTH_MOST)
}

/// What a line says without a collector's prefix: what goes on an entry that spans lines has one
/// on each of them.
pub fn log_line_body(line: &str) -> &str {
    outer::split(line).1
}

fn read(line: &str, near: Timestamp, depth: usize) -> LogEntry {
    if depth > 0
        && line.starts_with('{')
        && let Some(entry) = outer::json(line, near, depth - 1)
    {
        return entry;
    }
    let (around, body) = outer::split(line);
    if depth > 0
        && !around.is_empty()
        && body.starts_with('{')
        && let Some(entry) = outer::json(body, near, depth - 1)
    {
        return outer::joined(around.resolve(near), entry, false);
    }
    let (entry, is_exact) = inner::read(body, near);
    outer::joined(around.resolve(near), entry, is_exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str) -> LogEntry {
        read_log_line(line, "2026-11-28T00:00:00Z".parse().unwrap())
    }

    fn time(text: &str) -> Option<Timestamp> {
        text.parse().ok()
    }

    #[test]
    fn the_kubelets_structured_lines() {
        let read = entry(
            r#"E1123 12:00:01.250000    1234 log.go:32] "PullImage from image service failed" err="rpc error: code = NotFound desc = failed to pull and unpack image \"reg.lab/x:1\": reg.lab/x:1: not found" image="reg.lab/x:1""#,
        );
        assert_eq!(read.level, Some(LogLevel::Error));
        assert_eq!(read.time, time("2026-11-23T12:00:01.25Z"));
        assert_eq!(
            read.text,
            "PullImage from image service failed (image=\"reg.lab/x:1\"): rpc error: code = NotFound desc = failed to pull and unpack image \"reg.lab/x:1\": reg.lab/x:1: not found"
        );
        assert!(read.is_zoneless);
        let plain =
            entry("W0102 03:04:05.000006       1 reflector.go:539] watch of *v1.Node ended");
        assert_eq!(plain.text, "watch of *v1.Node ended");
        assert_eq!(plain.level, Some(LogLevel::Warning));
        assert_eq!(
            plain.time,
            time("2027-01-02T03:04:05.000006Z"),
            "the nearest year"
        );
    }

    #[test]
    fn a_value_over_several_lines() {
        let read = entry(
            "E1123 12:00:01.250000    1234 pod_workers.go:1301] \"Error syncing pod, skipping\" err=<\n\tfailed to \"StartContainer\": ErrImagePull: \"toomanyrequests:\n\tslow down\"\n > pod=\"shop/api\" podUID=\"u\"",
        );
        assert_eq!(
            read.text,
            "Error syncing pod, skipping (pod=\"shop/api\"): failed to \"StartContainer\": ErrImagePull: \"toomanyrequests:\nslow down\""
        );
        assert_eq!(
            log_line_body("Nov 23 12:00:01 n1 kubelet[7]: \tslow down"),
            "\tslow down"
        );
    }

    #[test]
    fn logrus_of_every_runtime() {
        for (line, text, level) in [
            (
                r#"time="2026-11-23T12:00:00.123456789Z" level=error msg="PullImage \"reg.lab/x:1\" failed" error="failed to pull and unpack image \"reg.lab/x:1\": x509: unknown""#,
                "PullImage \"reg.lab/x:1\" failed: failed to pull and unpack image \"reg.lab/x:1\": x509: unknown",
                LogLevel::Error,
            ),
            (
                r#"time="2026-11-23T12:00:00.123456789Z" level=info msg="trying next host" error="dial tcp: i/o timeout" host=mirror.lab spanID=1"#,
                "trying next host (host=\"mirror.lab\"): dial tcp: i/o timeout",
                LogLevel::Info,
            ),
            (
                r#"time="2026-11-23 12:00:00.123456789Z" level=warning msg="Pulling image: reg.lab/x:1" id=0 name=/runtime.v1.ImageService/PullImage"#,
                "Pulling image: reg.lab/x:1",
                LogLevel::Warning,
            ),
        ] {
            let read = entry(line);
            assert_eq!((read.text.as_str(), read.level), (text, Some(level)));
            assert_eq!(read.time, time("2026-11-23T12:00:00.123456789Z"), "{line}");
        }
    }

    #[test]
    fn journalds_prefixes() {
        let text = "Handler for POST /images/create returned error: x";
        for (prefix, at) in [
            (
                "Nov 23 12:00:00 n1 dockerd[12]: ",
                Some("2026-11-23T12:00:00Z"),
            ),
            (
                "Nov  3 12:00:00.250000 n1 dockerd[12]: ",
                Some("2026-11-03T12:00:00.25Z"),
            ),
            (
                "2026-11-23T12:00:00+0100 n1 dockerd[12]: ",
                Some("2026-11-23T11:00:00Z"),
            ),
            (
                "2026-11-23T12:00:00.5+01:00 n1 dockerd[12]: ",
                Some("2026-11-23T11:00:00.5Z"),
            ),
            (
                "Mon 2026-11-23 12:00:00 UTC n1 dockerd[12]: ",
                Some("2026-11-23T12:00:00Z"),
            ),
            (
                "1795435200.250000 n1 dockerd[12]: ",
                Some("2026-11-23T12:00:00.25Z"),
            ),
            (
                "<30>Nov 23 12:00:00 n1 dockerd: ",
                Some("2026-11-23T12:00:00Z"),
            ),
        ] {
            let read = entry(&format!("{prefix}{text}"));
            assert_eq!(read.text, text, "{prefix}");
            assert_eq!(read.host.as_deref(), Some("n1"), "{prefix}");
            assert_eq!(read.unit.as_deref(), Some("dockerd"), "{prefix}");
            assert_eq!(read.time, at.and_then(time), "{prefix}");
        }
        // The program's own time is finer, and has its zone.
        let read = entry(
            r#"Nov 23 13:00:00 n1 containerd[9]: time="2026-11-23T12:00:00.5Z" level=error msg="a""#,
        );
        assert_eq!(read.time, time("2026-11-23T12:00:00.5Z"));
        assert_eq!(read.unit.as_deref(), Some("containerd"));
        assert_eq!((read.is_zoneless, read.offset_s), (false, Some(0)));
        let read = entry(r#"time="2026-11-23T12:00:00.5-03:30" level=error msg="a""#);
        assert_eq!((read.is_zoneless, read.offset_s), (false, Some(-12_600)));
        // journald's has a zone, where klog's has none. It is that of whoever reads the journal.
        let read =
            entry("2026-11-23T12:00:00+0100 n1 kubelet[9]: E1123 12:00:00.100000 9 a.go:1] b");
        assert_eq!(read.time, time("2026-11-23T11:00:00Z"));
        assert_eq!((read.is_zoneless, read.offset_s), (false, None));
        let read = entry("Nov 23 12:00:00 n1 kubelet[9]: E1123 12:00:00.100000 9 a.go:1] b");
        assert!(read.is_zoneless);
    }

    #[test]
    fn json_of_journald_the_kubelet_containerd_and_docker() {
        let journald = r#"{"_HOSTNAME":"n1","SYSLOG_IDENTIFIER":"kubelet","_SYSTEMD_UNIT":"kubelet.service","__REALTIME_TIMESTAMP":"1795435200250000","PRIORITY":"6","MESSAGE":"E1123 12:00:00.250000 9 a.go:1] \"b\" err=\"c \\\"d\\\"\""}"#;
        let read = entry(journald);
        assert_eq!(read.text, "b: c \"d\"");
        assert_eq!(read.host.as_deref(), Some("n1"));
        assert_eq!(read.unit.as_deref(), Some("kubelet"));
        assert_eq!(read.time, time("2026-11-23T12:00:00.25Z"));
        assert_eq!(read.level, Some(LogLevel::Error));
        let bytes = r#"{"_HOSTNAME":"n1","MESSAGE":[97,98,255]}"#;
        assert_eq!(entry(bytes).text, "ab\u{fffd}");
        let kubelet = r#"{"ts":1795435200250.5,"caller":"a.go:1","msg":"Failed to pull image","v":0,"err":"no such host","image":"x"}"#;
        let read = entry(kubelet);
        assert_eq!(
            read.text,
            "Failed to pull image (image=\"x\"): no such host"
        );
        assert_eq!(read.time, time("2026-11-23T12:00:00.2505Z"));
        let containerd = r#"{"error":"EOF","level":"error","msg":"PullImage failed","time":"2026-11-23T12:00:00Z"}"#;
        assert_eq!(entry(containerd).text, "PullImage failed: EOF");
        let docker = r#"{"log":"E1123 12:00:00.250000 9 a.go:1] b\n","stream":"stderr","time":"2026-11-23T12:00:00.3Z"}"#;
        assert_eq!(entry(docker).text, "b");
        assert_eq!(entry(docker).time, time("2026-11-23T12:00:00.3Z"));
        let cri = "2026-11-23T12:00:00.3Z stderr F E1123 12:00:00.250000 9 a.go:1] b";
        assert_eq!(entry(cri).text, "b");
    }

    #[test]
    fn the_containers_specification_is_left_out() {
        let read = entry(
            "E1123 12:00:00.250000 9 a.go:1] \"Unhandled Error\" err=\"container &Container{Name:api,Image:reg.lab/x:1,Command:[],Env:[]EnvVar{EnvVar{Name:PIN,Value:0000,},},} start failed in pod api_shop(u): ErrImagePull: not found\"",
        );
        assert_eq!(
            read.text,
            "Unhandled Error: container start failed in pod api_shop(u): ErrImagePull: not found"
        );
        let broken = entry("E1123 12:00:00.250000 9 a.go:1] container &Container{Name:api,Env:x");
        assert_eq!(broken.text, "container");
    }

    #[test]
    fn anything_else_is_the_text() {
        for line in [
            "",
            "hello: world",
            "{\"a\":1}",
            "{broken",
            "E1123 nothing",
            "level=",
            "12 a: b",
        ] {
            let read = entry(line);
            assert!(
                read.text == line || line.starts_with("level"),
                "{line}: {read:?}"
            );
        }
        assert_eq!(entry("msg without = \"a").text, "msg without = \"a");
    }
}
