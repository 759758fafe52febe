//! What a program's logger puts around a message: klog of the kubelet, logrus of the runtimes.

use jiff::Timestamp;

use super::fields::{self, Pair};
use super::time::{Clock, Day, offset, rfc3339};
use super::{LogEntry, LogLevel};

/// Reads a line as the program wrote it; true where its time has its year and zone.
pub(super) fn read(line: &str, near: Timestamp) -> (LogEntry, bool) {
    if let Some(entry) = klog(line, near) {
        return (entry, false);
    }
    if let Some(entry) = logrus(line) {
        let is_exact = entry.time.is_some();
        return (entry, is_exact);
    }
    let entry = LogEntry {
        text: without_specification(line),
        ..LogEntry::default()
    };
    (entry, false)
}

/// `E1123 12:00:00.123456    1234 file.go:12] text`, or `… ] "message" key="value"`.
fn klog(line: &str, near: Timestamp) -> Option<LogEntry> {
    let level = match line.as_bytes().first()? {
        b'I' | b'D' => LogLevel::Info,
        b'W' => LogLevel::Warning,
        b'E' | b'F' => LogLevel::Error,
        _ => return None,
    };
    let (head, rest) = line.split_once("] ")?;
    let mut words = head.get(1..)?.split_ascii_whitespace();
    let (digits, clock) = (words.next()?, Clock::read(words.next()?)?);
    let thread = words.next()?;
    if digits.len() != 4 || !thread.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let day = Day::of_digits(digits, clock)?;
    words.next().filter(|place| place.contains(':'))?;
    let text = match fields::quoted(rest) {
        Some((message, after)) => {
            let mut found = Fields::default();
            found.take_all(after);
            found.around(&message)
        }
        None => without_specification(rest),
    };
    Some(LogEntry {
        time: day.near(near),
        is_zoneless: true,
        level: Some(level),
        text,
        ..LogEntry::default()
    })
}

/// `time="…" level=error msg="…" error="…"`.
fn logrus(line: &str) -> Option<LogEntry> {
    if !["time=", "level=", "ts=", "msg="]
        .iter()
        .any(|start| line.starts_with(start))
    {
        return None;
    }
    let mut entry = LogEntry::default();
    let mut message = None;
    let mut found = Fields::default();
    let mut rest = line;
    while let Some((Pair { key, value }, after)) = fields::pair(rest) {
        match key {
            "time" | "ts" => {
                entry.time = rfc3339(&value);
                entry.offset_s = entry.time.and_then(|_| offset(&value));
            }
            "level" => entry.level = level(&value),
            "msg" => message = Some(value),
            _ => found.take(key, Some(value)),
        }
        rest = after;
    }
    entry.text = found.around(&message?);
    Some(entry)
}

/// A level by its name, as logrus and others write it.
pub(super) fn level(name: &str) -> Option<LogLevel> {
    match name.to_ascii_lowercase().as_str() {
        "trace" | "debug" | "info" | "notice" => Some(LogLevel::Info),
        "warn" | "warning" => Some(LogLevel::Warning),
        "error" | "err" | "fatal" | "panic" | "crit" | "critical" => Some(LogLevel::Error),
        _ => None,
    }
}

/// The fields that belong to the message.
#[derive(Debug, Default)]
pub(super) struct Fields {
    told: String,
    error: Option<String>,
}

impl Fields {
    pub(super) fn take(&mut self, key: &str, value: Option<String>) {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return;
        };
        match key {
            "err" | "error" => self.error = Some(value),
            // containerd names the host that it turns to or from.
            "image" | "pod" | "host" | "url" => {
                let comma = if self.told.is_empty() { "" } else { ", " };
                self.told.push_str(comma);
                self.told.push_str(key);
                self.told.push_str("=\"");
                self.told.push_str(&value);
                self.told.push('"');
            }
            _ => {}
        }
    }

    fn take_all(&mut self, text: &str) {
        let mut rest = text;
        while let Some((Pair { key, value }, after)) = fields::pair(rest) {
            self.take(key, Some(value));
            rest = after;
        }
    }

    /// The message with its fields: the error last, as the grammar of errors has the cause last.
    pub(super) fn around(&self, message: &str) -> String {
        let mut text = without_specification(message.trim_end());
        if !self.told.is_empty() {
            text.push_str(" (");
            text.push_str(&self.told);
            text.push(')');
        }
        if let Some(error) = &self.error {
            let error = without_specification(error);
            if !text.contains(&error) {
                text.push_str(": ");
                text.push_str(&error);
            }
        }
        text
    }
}

/// A text without the specification of a container that older kubelets (to 1.36) print with the
/// error of its start: its environment may hold secrets.
fn without_specification(text: &str) -> String {
    let Some(start) = text.find("&Container{") else {
        return text.to_owned();
    };
    let before = text[..start].trim_end();
    // Where the specification ends cannot be told from braces: values may hold them.
    match text[start..].rfind("} start failed in pod ") {
        Some(end) => format!("{before}{}", &text[start + end + 1..]),
        None => before.to_owned(),
    }
}
