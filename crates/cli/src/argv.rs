//! `diagnose` is what is meant where no subcommand is named.

use std::{collections::HashSet, ffi::OsString};

use clap::{ArgAction, Command};

/// Flags that take a value, in any subcommand.
struct Valued {
    long: HashSet<String>,
    short: HashSet<char>,
}

impl Valued {
    fn of(command: &Command) -> Self {
        let mut valued = Self {
            long: HashSet::new(),
            short: HashSet::new(),
        };
        for command in std::iter::once(command).chain(command.get_subcommands()) {
            for argument in command.get_arguments() {
                if matches!(argument.get_action(), ArgAction::Set | ArgAction::Append) {
                    valued.long.extend(argument.get_long().map(str::to_owned));
                    valued.short.extend(argument.get_short());
                }
            }
        }
        valued
    }

    /// Whether the value of this flag is the next argument.
    fn takes_next(&self, flag: &str) -> bool {
        if let Some(long) = flag.strip_prefix("--") {
            return self.long.contains(long);
        }
        let mut characters = flag.chars().skip(1);
        while let Some(character) = characters.next() {
            if self.short.contains(&character) {
                return characters.next().is_none();
            }
        }
        false
    }
}

/// Puts the subcommand first: the one that is named, with the flags before it behind it, else
/// `diagnose`. `--help` and `--version` without a subcommand stay the program's own.
pub(crate) fn with_subcommand(command: &Command, arguments: Vec<OsString>) -> Vec<OsString> {
    let valued = Valued::of(command);
    let mut arguments = arguments.into_iter();
    let program = arguments
        .next()
        .unwrap_or_else(|| command.get_name().into());
    let arguments: Vec<OsString> = arguments.collect();

    let mut at = 0;
    let mut own = None;
    let mut named = None;
    while let Some(argument) = arguments.get(at) {
        let text = argument.to_string_lossy();
        match text.as_ref() {
            "--" => break,
            "-h" | "--help" | "-V" | "--version" => own = own.or(Some(at)),
            flag if flag.len() > 1 && flag.starts_with('-') => {
                at += usize::from(valued.takes_next(flag));
            }
            word => {
                let is_subcommand = word == "help" || command.find_subcommand(word).is_some();
                named = is_subcommand.then_some(at);
                break;
            }
        }
        at += 1;
    }

    let mut out = vec![program];
    match (named, own) {
        (Some(at), _) => {
            out.push(arguments[at].clone());
            out.extend_from_slice(&arguments[..at]);
            out.extend_from_slice(&arguments[at + 1..]);
        }
        (None, Some(at)) => out.push(arguments[at].clone()),
        (None, None) => {
            out.push("diagnose".into());
            out.extend(arguments);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(arguments: &str) -> String {
        let arguments = arguments
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(OsString::from);
        let all = std::iter::once("pulldoctor".into())
            .chain(arguments)
            .collect();
        let out = with_subcommand(&crate::command(), all);
        out[1..]
            .iter()
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn diagnose_is_meant_where_nothing_is_named() {
        let cases = [
            ("", "diagnose"),
            ("-A", "diagnose -A"),
            ("deploy/api -n shop", "diagnose deploy/api -n shop"),
            ("-n demo", "diagnose -n demo"),
            ("-n demo demo", "demo -n demo"),
            ("-ndemo", "diagnose -ndemo"),
            ("-Ao json", "diagnose -Ao json"),
            ("--namespace=demo", "diagnose --namespace=demo"),
            ("--namespace explain", "diagnose --namespace explain"),
            ("--record demo", "diagnose --record demo"),
            ("--bundle -", "diagnose --bundle -"),
            ("-- demo", "diagnose -- demo"),
            ("diagnose explain", "diagnose explain"),
            ("--no-such-flag", "diagnose --no-such-flag"),
        ];
        for (typed, meant) in cases {
            assert_eq!(rewritten(typed), meant, "{typed}");
        }
    }

    #[test]
    fn a_named_subcommand_takes_the_flags_before_it() {
        assert_eq!(rewritten("-o json explain - x"), "explain -o json - x");
        assert_eq!(
            rewritten("-n shop diagnose deploy/api"),
            "diagnose -n shop deploy/api"
        );
        assert_eq!(rewritten("explain -o json"), "explain -o json");
        assert_eq!(rewritten("help demo"), "help demo");
    }

    #[test]
    fn help_and_version_stay_the_programs_own() {
        assert_eq!(rewritten("--help"), "--help");
        assert_eq!(rewritten("-n shop -h"), "-h");
        assert_eq!(rewritten("--version"), "--version");
        assert_eq!(rewritten("demo --help"), "demo --help");
        assert_eq!(rewritten("--help demo"), "demo --help");
    }
}
