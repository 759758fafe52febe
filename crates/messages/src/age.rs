//! How long ago the event of a row was, as kubectl prints it.

/// The age in seconds of a row of `kubectl describe` or `kubectl get events`: the newest one where
/// the event came several times (`21s (x3 over 60s)`). None for any other line.
pub(crate) fn of_row(row: &str) -> Option<u64> {
    let words: Vec<&str> = row.split_whitespace().take(5).collect();
    let kind = words
        .iter()
        .position(|word| matches!(*word, "Normal" | "Warning"))?;
    // `describe` has it behind type and reason, `get events` before the type.
    let age = match kind {
        0 => words.get(2),
        _ => words.get(kind - 1),
    };
    seconds(age?)
}

/// A duration as `k8s.io/apimachinery/pkg/util/duration` (`HumanDuration`, 1.37) prints it: `3m3s`,
/// `2h`, `5d4h`, `3y`.
fn seconds(age: &str) -> Option<u64> {
    let mut sum: u64 = 0;
    let mut rest = age;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..end].parse().ok()?;
        let unit = match rest.as_bytes()[end] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'y' => 31_536_000,
            _ => return None,
        };
        sum = sum.checked_add(count.checked_mul(unit)?)?;
        rest = &rest[end + 1..];
    }
    (!age.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_both_lists() {
        for (row, age) in [
            (
                "  Warning  Failed   3m3s (x3 over 3m56s)   kubelet  Failed",
                Some(183),
            ),
            ("5d4h  Warning  Failed  pod/a  Failed", Some(446_400)),
            (
                "shop  20s  Warning  Failed  pod/a  Failed to pull",
                Some(20),
            ),
            ("  Normal  Pulling  <invalid>  kubelet  Pulling", None),
            ("  Warning  Failed", None),
            ("Warning", None),
            ("  Warning  Failed  99999999999999999999y  kubelet", None),
            ("  Warning  Failed  3ä  kubelet", None),
            ("Failed to pull image \"x\": 20s", None),
        ] {
            assert_eq!(of_row(row), age, "{row}");
        }
    }
}
