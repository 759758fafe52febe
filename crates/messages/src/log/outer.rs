//! What a collector puts around a line: journald, syslog, Docker and containerd as JSON or text.

use jiff::Timestamp;
use serde::Deserialize;

use super::time::{Clock, Day, day, month, rfc3339, unix};
use super::{LogEntry, LogLevel, inner, read};

/// When, as a collector writes it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum When {
    #[default]
    Unsaid,
    Full(Timestamp),
    Yearless(Day),
}

/// What stood before a line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Around<'a> {
    when: When,
    host: Option<&'a str>,
    unit: Option<&'a str>,
}

impl Around<'_> {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn resolve(self, near: Timestamp) -> LogEntry {
        LogEntry {
            host: self.host.map(str::to_owned),
            unit: self.unit.map(str::to_owned),
            is_zoneless: matches!(self.when, When::Yearless(_)),
            time: match self.when {
                When::Unsaid => None,
                When::Full(time) => Some(time),
                When::Yearless(day) => day.near(near),
            },
            ..LogEntry::default()
        }
    }
}

/// Joins what a collector says with what the program says. `is_exact`: the program's time has its
/// year and zone.
pub(super) fn joined(around: LogEntry, within: LogEntry, is_exact: bool) -> LogEntry {
    let (first, second) = if is_exact {
        (&within, &around)
    } else {
        (&around, &within)
    };
    let told = if first.time.is_some() { first } else { second };
    LogEntry {
        time: told.time,
        is_zoneless: told.is_zoneless,
        offset_s: within.offset_s,
        host: around.host.or(within.host),
        unit: around.unit.or(within.unit),
        level: within.level.or(around.level),
        text: within.text,
    }
}

/// Cuts a line into what a collector put before it and the rest.
pub(super) fn split(line: &str) -> (Around<'_>, &str) {
    let Some((when, rest)) = time(syslog_priority(line)) else {
        return (Around::default(), line);
    };
    // `n1 kubelet[12]: text`
    if let Some((host, after)) = rest.split_once(' ')
        && !host.is_empty()
        && !host.ends_with(':')
        && let Some((word, text)) = after.split_once(": ").or_else(|| {
            // The colon of an empty line ends it.
            Some((after.strip_suffix(':')?, ""))
        })
        && let Some(unit) = program(word)
    {
        let around = Around {
            when,
            host: Some(host),
            unit: Some(unit),
        };
        return (around, text);
    }
    // `stderr F text`, as the CRI writes logs of containers.
    for stream in ["stderr F ", "stdout F ", "stderr P ", "stdout P "] {
        if let Some(text) = rest.strip_prefix(stream) {
            let around = Around {
                when,
                ..Around::default()
            };
            return (around, text);
        }
    }
    (
        Around {
            when,
            ..Around::default()
        },
        rest,
    )
}

/// `<30>` before a line of syslog.
fn syslog_priority(line: &str) -> &str {
    let priority = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    match priority {
        Some((number, rest))
            if number.len() <= 3 && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            rest
        }
        _ => line,
    }
}

/// The time that a line begins with, and what follows it and its blank.
fn time(line: &str) -> Option<(When, &str)> {
    let (first, rest) = line.split_once(' ')?;
    if let Some(time) = rfc3339(first).or_else(|| unix(first)) {
        return Some((When::Full(time), rest));
    }
    if let Some(month) = month(first) {
        let (date, rest) = rest.trim_start_matches(' ').split_once(' ')?;
        let date = date.parse().ok().filter(|_| date.len() <= 2)?;
        let (clock, rest) = rest.split_once(' ')?;
        let clock = Clock::read(clock)?;
        return Some((When::Yearless(Day { month, date, clock }), rest));
    }
    // `Mon 2026-11-23 12:00:00 UTC`
    if first.len() == 3 && first.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        let (date, rest) = rest.split_once(' ')?;
        let (clock, rest) = rest.split_once(' ')?;
        let (zone, rest) = rest.split_once(' ')?;
        let time = day(date, Clock::read(clock)?)?;
        let when = match zone {
            "UTC" | "GMT" => When::Full(time),
            _ => When::Unsaid,
        };
        return Some((when, rest));
    }
    None
}

/// The program's name in `kubelet[12]`.
fn program(word: &str) -> Option<&str> {
    let name = match word.split_once('[') {
        Some((name, number)) => {
            let number = number.strip_suffix(']')?;
            number
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then_some(name)?
        }
        None => word,
    };
    let is_name = !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@'));
    is_name.then(|| name.strip_suffix(".service").unwrap_or(name))
}

/// A text, or its bytes: journald writes those as numbers where they are no UTF-8.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    Other(serde::de::IgnoredAny),
}

impl Message {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Self::Other(_) => None,
        }
    }
}

/// What is read of a line of JSON, whoever wrote it.
#[derive(Deserialize)]
struct Json {
    // journald
    #[serde(rename = "MESSAGE")]
    journal: Option<Message>,
    #[serde(rename = "_HOSTNAME")]
    host: Option<Message>,
    #[serde(rename = "SYSLOG_IDENTIFIER")]
    identifier: Option<Message>,
    #[serde(rename = "_SYSTEMD_UNIT")]
    unit: Option<Message>,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    microseconds: Option<Message>,
    #[serde(rename = "PRIORITY")]
    priority: Option<Message>,
    // Docker
    log: Option<Message>,
    // the kubelet and logrus
    msg: Option<Message>,
    message: Option<Message>,
    err: Option<Message>,
    error: Option<Message>,
    image: Option<Message>,
    pod: Option<Message>,
    level: Option<Message>,
    time: Option<Message>,
    ts: Option<serde_json::Number>,
}

/// A line of JSON; none where it is not one of those that are known.
pub(super) fn json(line: &str, near: Timestamp, depth: usize) -> Option<LogEntry> {
    let json: Json = serde_json::from_str(line).ok()?;
    let text = |message: Option<Message>| message.and_then(Message::text);
    let around = LogEntry {
        host: text(json.host),
        unit: text(json.identifier).or_else(|| {
            let unit = text(json.unit)?;
            Some(unit.strip_suffix(".service").unwrap_or(&unit).to_owned())
        }),
        time: text(json.microseconds)
            .and_then(|it| Timestamp::from_microsecond(it.parse().ok()?).ok())
            .or_else(|| rfc3339(&text(json.time)?))
            .or_else(|| milliseconds(&json.ts?)),
        level: text(json.level)
            .and_then(|level| inner::level(&level))
            .or_else(|| syslog_level(&text(json.priority)?)),
        ..LogEntry::default()
    };
    if let Some(said) = text(json.journal).or_else(|| text(json.log)) {
        let within = read(said.trim_end_matches(['\n', '\r']), near, depth);
        return Some(joined(around, within, false));
    }
    let message = text(json.msg).or_else(|| text(json.message))?;
    let error = text(json.err).or_else(|| text(json.error));
    let level = around
        .level
        .or_else(|| error.is_some().then_some(LogLevel::Error));
    let mut fields = inner::Fields::default();
    fields.take("image", text(json.image));
    fields.take("pod", text(json.pod));
    fields.take("err", error);
    Some(LogEntry {
        level,
        text: fields.around(&message),
        ..around
    })
}

/// The kubelet's `ts`: milliseconds since 1970, with a fraction.
fn milliseconds(number: &serde_json::Number) -> Option<Timestamp> {
    let milliseconds = number.as_f64().filter(|it| (1e11..1e14).contains(it))?;
    #[expect(clippy::cast_possible_truncation, reason = "it was compared before")]
    let microseconds = (milliseconds * 1000.0) as i64;
    Timestamp::from_microsecond(microseconds).ok()
}

/// syslog's priority: 0 to 3 are errors, 4 is a warning. What a program writes to its standard
/// output gets 6, whatever it is, so that only the others say something.
fn syslog_level(priority: &str) -> Option<LogLevel> {
    match priority {
        "0" | "1" | "2" | "3" => Some(LogLevel::Error),
        "4" => Some(LogLevel::Warning),
        _ => None,
    }
}
