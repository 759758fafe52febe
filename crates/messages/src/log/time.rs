//! Times as logs write them.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A time of day: `12:00:00` or `12:00:00.123456`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Clock {
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
}

impl Clock {
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 8 || bytes[2] != b':' || bytes[5] != b':' {
            return None;
        }
        let fraction = match text.get(8..)? {
            "" => 0,
            rest => {
                let digits = rest.strip_prefix(['.', ','])?;
                if digits.is_empty() || digits.len() > 9 || !all_digits(digits) {
                    return None;
                }
                let scale = u32::try_from(9 - digits.len()).ok()?;
                digits.parse::<i32>().ok()? * 10_i32.pow(scale)
            }
        };
        Some(Self {
            hour: two(text.get(0..2)?)?,
            minute: two(text.get(3..5)?)?,
            second: two(text.get(6..8)?)?,
            nanosecond: fraction,
        })
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn two(text: &str) -> Option<i8> {
    all_digits(text).then(|| text.parse().ok())?
}

/// The month of `Nov`, from 1.
pub(super) fn month(text: &str) -> Option<i8> {
    let at = MONTHS.iter().position(|month| *month == text)?;
    i8::try_from(at + 1).ok()
}

/// A day without its year, in UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Day {
    pub(super) month: i8,
    pub(super) date: i8,
    pub(super) clock: Clock,
}

impl Day {
    /// Reads `1123`.
    pub(super) fn of_digits(digits: &str, clock: Clock) -> Option<Self> {
        Some(Self {
            month: two(digits.get(0..2)?)?,
            date: two(digits.get(2..4)?)?,
            clock,
        })
    }

    /// The time in the year that brings it nearest to `near`.
    pub(super) fn near(self, near: Timestamp) -> Option<Timestamp> {
        let year = TimeZone::UTC.to_datetime(near).year();
        (year.saturating_sub(1)..=year.saturating_add(1))
            .filter_map(|year| in_utc(year, self.month, self.date, self.clock))
            .min_by_key(|time| (time.as_millisecond() - near.as_millisecond()).abs())
    }
}

/// A day in UTC: `2026-11-23`.
pub(super) fn day(text: &str, clock: Clock) -> Option<Timestamp> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || !all_digits(year) {
        return None;
    }
    in_utc(year.parse().ok()?, two(month)?, two(day)?, clock)
}

fn in_utc(year: i16, month: i8, day: i8, clock: Clock) -> Option<Timestamp> {
    let civil = DateTime::new(
        year,
        month,
        day,
        clock.hour,
        clock.minute,
        clock.second.min(59),
        clock.nanosecond,
    )
    .ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// RFC 3339, also with a space in the middle and with the zone as `+0100`.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    if text.len() < 19 || text.len() > 40 || !text.as_bytes()[0].is_ascii_digit() {
        return None;
    }
    text.parse().ok()
}

/// Seconds east of UTC of a time in RFC 3339.
pub(super) fn offset(text: &str) -> Option<i32> {
    if text.ends_with(['Z', 'z']) {
        return Some(0);
    }
    let at = text.rfind(['+', '-']).filter(|at| *at >= 19)?;
    let digits = text[at + 1..].replace(':', "");
    if digits.len() != 4 {
        return None;
    }
    let (hours, minutes) = (two(&digits[..2])?, two(&digits[2..])?);
    let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
    Some(if text[at..].starts_with('-') {
        -seconds
    } else {
        seconds
    })
}

/// Seconds since 1970 with a fraction: `1795435200.25`.
pub(super) fn unix(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.')?;
    if seconds.len() < 9 || seconds.len() > 11 || fraction.len() > 9 || fraction.is_empty() {
        return None;
    }
    if !all_digits(seconds) || !all_digits(fraction) {
        return None;
    }
    let scale = u32::try_from(9 - fraction.len()).ok()?;
    let nanoseconds = fraction.parse::<i32>().ok()? * 10_i32.pow(scale);
    Timestamp::new(seconds.parse().ok()?, nanoseconds).ok()
}
