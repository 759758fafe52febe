//! Every password of the lab and of its cases begins with the same word, so that one that got out
//! is found wherever it went: in a report, in a recording, in what the tool logged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How every password begins.
pub const CANARY: &str = "lab-only-";

/// The forms in which a password is found in a text: as it is, and within base64 at each of the
/// three places where it may begin there.
pub fn leaks(text: &str) -> Vec<String> {
    let mut forms = vec![CANARY.to_owned()];
    forms.extend((0..3).map(encoded));
    forms.retain(|form| text.contains(form.as_str()));
    forms
}

/// What base64 makes of the canary after so many other bytes: those characters only that depend
/// on nothing else.
fn encoded(before: usize) -> String {
    let bytes = [vec![0; before], CANARY.as_bytes().to_vec()].concat();
    let first = (before * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    let text = STANDARD.encode(&bytes);
    text.get(first..last).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_in_every_form() {
        for plain in ["ci-bot:", "robot:", "web-bot1:"] {
            let login = format!("{plain}{CANARY}password");
            assert_eq!(leaks(&format!("sent {login} along")), [CANARY]);
            let encoded = STANDARD.encode(&login);
            assert_eq!(leaks(&encoded).len(), 1, "{plain}");
        }
        assert_eq!(leaks("the lab only, and its registry.lab"), [""; 0]);
    }
}
