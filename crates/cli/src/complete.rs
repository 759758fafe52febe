//! Completions of `kubectl pulldoctor`. kubectl runs the executable `kubectl_complete-pulldoctor`
//! with the words so far and expects cobra's answer: one candidate a line, a tab before its
//! description, and `:4` (no file names) or `:0` at the end.
//! (`k8s.io/kubectl/pkg/cmd/plugin/plugin_completion.go`, 1.36.)

use std::fmt::Write as _;

use clap::{ArgAction, Command};
use pulldoctor_model::CauseId;

use crate::{cases, live};

/// The executable `kubectl_complete-pulldoctor`, which kubectl asks for the plugin's completions.
pub const KUBECTL_SCRIPT: &str = "\
#!/usr/bin/env sh
# Put this on PATH as kubectl_complete-pulldoctor, executable.
exec kubectl-pulldoctor __complete -- \"$@\"
";

/// Cobra's directive: no file names.
const NO_FILES: u8 = 4;
/// Cobra's directive: file names, where there is no candidate.
const FILES: u8 = 0;

/// The answer to a command line whose last word is being completed.
pub(crate) fn answer(root: &Command, words: &[String]) -> String {
    let (typed, before) = words
        .split_last()
        .map_or(("", &[][..]), |(last, before)| (last, before));
    let named = before.iter().find(|word| !word.starts_with('-'));
    let subcommand = named.and_then(|name| root.find_subcommand(name));
    let command = subcommand
        .or_else(|| root.find_subcommand("diagnose"))
        .unwrap_or(root);

    let mut out = String::new();
    let mut directive = NO_FILES;
    let mut offer = |candidate: &str, about: &str| {
        if candidate.starts_with(typed) {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{candidate}\t{about}");
        }
    };
    if let Some(flag) = before.last().and_then(|word| flag(command, word)) {
        for value in flag.get_possible_values() {
            offer(value.get_name(), &help(value.get_help()));
        }
        if flag
            .get_value_names()
            .is_some_and(|names| names[0].contains("FILE"))
        {
            directive = FILES;
        }
    } else if typed.starts_with('-') {
        for argument in command
            .get_arguments()
            .filter(|argument| !argument.is_hide_set())
        {
            if let Some(long) = argument.get_long() {
                offer(&format!("--{long}"), &help(argument.get_help()));
            }
        }
    } else if subcommand.is_none() && named.is_none() {
        for subcommand in root
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            offer(subcommand.get_name(), &help(subcommand.get_about()));
        }
    } else if command.get_name() == "explain" {
        for id in CauseId::ALL {
            offer(id.as_str(), id.title());
        }
        offer("faq", "common questions");
        offer("method", "the order in which pulldoctor asks");
    } else if command.get_name() == "demo" {
        for case in cases::ALL.iter() {
            offer(&case.name, "");
        }
        for scenario in live::ALL {
            offer(scenario.name, "");
        }
    }
    let _ = writeln!(out, ":{directive}");
    out
}

/// The first line of a help text.
fn help(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string)
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The flag that a word names, if it takes a value.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a clap::Arg> {
    command.get_arguments().find(|argument| {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
            && (long.as_deref() == Some(word) || short.as_deref() == Some(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        answer(&crate::command(), &words)
            .lines()
            .map(|line| line.split('\t').next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn commands_flags_values_and_ids_are_offered() {
        assert_eq!(candidates(&["ex"]), ["explain", ":4"]);
        assert_eq!(candidates(&["-o", "ya"]), ["yaml", ":4"]);
        assert_eq!(
            candidates(&["explain", "disk-"]),
            ["disk-full", "disk-io-error", ":4"]
        );
        assert_eq!(
            candidates(&["diagnose", "--all"]),
            ["--all-namespaces", "--allow-realm", ":4"]
        );
        assert_eq!(candidates(&["--record", ""]), [":0"]);
        assert!(candidates(&[""]).contains(&"demo".to_owned()));
        assert!(!candidates(&[""]).contains(&"__complete".to_owned()));
    }
}
