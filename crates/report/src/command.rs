//! Commands that can be pasted, also where they are wider than the page.

use unicode_width::UnicodeWidthStr as _;

/// Splits a command at the spaces that a shell would split it at, quotes left in place.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, ' ') => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), '\\') => {
                word.push(character);
                word.extend(characters.next());
                continue;
            }
            _ => {}
        }
        word.push(character);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Words that are read as one: a flag and its value, an operator and what follows it.
fn groups(command: &str) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    let mut open = false;
    for word in shell_words(command) {
        let is_flag = word.starts_with('-') && !word.contains('=');
        let opens = is_flag || matches!(word.as_str(), ">" | ">>" | "<" | "|" | "&&" | "||");
        match groups.last_mut() {
            Some(last) if open && !(is_flag && last.starts_with('-')) => {
                last.push(' ');
                last.push_str(&word);
            }
            _ => groups.push(word),
        }
        open = opens;
    }
    groups
}

/// Breaks a command into lines of at most `width` columns, each but the last ending in ` \`, and
/// the later ones indented by two columns: what is copied still runs. A word is never broken.
pub(crate) fn lines(command: &str, width: usize) -> Vec<String> {
    if command.width() <= width {
        return vec![command.to_owned()];
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in groups(command) {
        if !line.trim().is_empty() && line.width() + 1 + word.width() + 2 > width {
            line.push_str(" \\");
            lines.push(std::mem::replace(&mut line, "  ".to_owned()));
            line.push_str(&word);
        } else {
            if !line.trim().is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_stays_a_command() {
        let command = "kubectl patch serviceaccount default -n shop -p '{\"imagePullSecrets\": [{\"name\": \"regcred\"}]}' --dry-run=server";
        assert_eq!(
            lines(command, 60),
            [
                "kubectl patch serviceaccount default -n shop \\",
                "  -p '{\"imagePullSecrets\": [{\"name\": \"regcred\"}]}' \\",
                "  --dry-run=server",
            ]
        );
        assert_eq!(
            lines("pulldoctor explain faq", 60),
            ["pulldoctor explain faq"]
        );
    }
}
