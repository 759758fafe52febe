//! What a registry says of its limits.

use pulldoctor_model::{clean_line, registry::RateLimit, shorten};

/// Reads `ratelimit-limit: 100;w=21600` (Docker Hub), its `x-` spellings, `retry-after` and
/// `docker-ratelimit-source`. `get` finds a header by its lower-case name; `now` is in Unix
/// seconds, for dates. Nothing where there is none.
pub fn parse_rate_limit<'a>(get: impl Fn(&str) -> Option<&'a str>, now: i64) -> Option<RateLimit> {
    let any = |names: [&str; 2]| names.into_iter().find_map(&get);
    let limit = any(["ratelimit-limit", "x-ratelimit-limit"]);
    let remaining = any(["ratelimit-remaining", "x-ratelimit-remaining"]);
    let found = RateLimit {
        limit: limit.and_then(number),
        remaining: remaining.and_then(number),
        window_s: [limit, remaining].into_iter().flatten().find_map(window),
        source: get("docker-ratelimit-source")
            .map(|text| shorten(&clean_line(text), 100).into_owned()),
        retry_after_s: get("retry-after").and_then(|text| parse_retry_after(text, now)),
    };
    (found != RateLimit::default()).then_some(found)
}

fn number(text: &str) -> Option<u64> {
    text.split([';', ',']).next()?.trim().parse().ok()
}

fn window(text: &str) -> Option<u64> {
    text.split(';')
        .find_map(|part| part.trim().strip_prefix("w="))
        .and_then(number)
}

/// Seconds to wait, from a number or an HTTP date; `now` in Unix seconds. At most a day.
pub fn parse_retry_after(text: &str, now: i64) -> Option<u64> {
    let text = text.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let date = jiff::fmt::rfc2822::DateTimeParser::new()
                .parse_timestamp(text)
                .ok()?;
            u64::try_from(date.as_second().saturating_sub(now)).unwrap_or(0)
        }
    };
    Some(seconds.min(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hubs_headers() {
        let headers = [
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "20;w=21600"),
            ("docker-ratelimit-source", "192.0.2.1"),
            ("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT"),
        ];
        let get = |name: &str| {
            headers
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        };
        assert_eq!(
            parse_rate_limit(get, 30),
            Some(RateLimit {
                limit: Some(100),
                remaining: Some(20),
                window_s: Some(21600),
                source: Some("192.0.2.1".to_owned()),
                retry_after_s: Some(30),
            })
        );
        assert_eq!(parse_rate_limit(|_| None, 0), None);
    }

    #[test]
    fn waiting_has_a_bound_and_nonsense_is_none() {
        assert_eq!(parse_retry_after("99999999999", 0), Some(86_400));
        assert_eq!(
            parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 900),
            Some(0)
        );
        assert_eq!(parse_retry_after("soon", 0), None);
        assert_eq!(parse_retry_after("-5", 0), None);
    }
}
