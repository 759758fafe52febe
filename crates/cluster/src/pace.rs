//! How large the pages of a list are, and whether they come compressed.

use std::time::Duration;

use crate::api::Form;

/// How many pods the first page holds: few enough that something is seen early.
pub(crate) const FIRST: u32 = 500;

/// How many pods a page holds at most.
const LARGEST: u32 = 1_000;

/// How many pods a page holds at least, however large they are.
const SMALLEST: u32 = 50;

/// About how many bytes a page should have: two of them are in memory at a time.
const AIM: u64 = 6 << 20;

/// A body smaller than this says nothing about the way to the server, in bytes.
const TELLING: u64 = 256 << 10;

/// Slower than this, in bytes per second, a list is asked for compressed. Compression saves nine
/// bytes in ten but costs the server and us more time than a fast network does.
const SLOW: u64 = 16 << 20;

/// How many pods the next page should hold, after a page of `size` pods in `bytes`.
pub(crate) fn next_size(size: u32, bytes: usize) -> u32 {
    let per_pod = (bytes as u64 / u64::from(size.max(1))).max(1);
    let fitting = u32::try_from(AIM / per_pod).unwrap_or(LARGEST);
    fitting.clamp(SMALLEST, LARGEST)
}

/// The form of the next page, after a body of `bytes` that took so long on its way.
pub(crate) fn next_form(form: Form, bytes: usize, took: Duration) -> Form {
    let bytes = bytes as u64;
    let is_slow = u128::from(bytes) * 1_000_000 < u128::from(SLOW) * took.as_micros();
    if form == Form::Full && bytes >= TELLING && is_slow {
        Form::Compressed
    } else {
        form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_as_large_as_memory_allows() {
        assert_eq!(next_size(500, 500 * 6_500), 967);
        assert_eq!(next_size(500, 500 * 2_000), 1_000);
        assert_eq!(next_size(500, 500 * 40_000), 157);
        assert_eq!(next_size(500, 500 * 1_000_000), 50);
        assert_eq!(next_size(500, 0), 1_000);
        assert_eq!(next_size(0, 10), 1_000);
    }

    #[test]
    fn a_slow_way_is_worth_compression() {
        let of = |bytes, millis| next_form(Form::Full, bytes, Duration::from_millis(millis));
        assert_eq!(of(3 << 20, 20), Form::Full);
        assert_eq!(of(3 << 20, 300), Form::Compressed);
        // What is small takes no time either way.
        assert_eq!(of(100 << 10, 300), Form::Full);
        assert_eq!(of(3 << 20, 0), Form::Full);
        // It stays compressed: what is small then says nothing about the way.
        let stays = next_form(Form::Compressed, 3 << 20, Duration::from_millis(1));
        assert_eq!(stays, Form::Compressed);
    }
}
