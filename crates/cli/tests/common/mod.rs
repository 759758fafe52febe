//! The real binary in a hermetic environment: nothing of the caller's, eighty columns.
#![allow(
    dead_code,
    reason = "every test crate uses some of these helpers, none uses all"
)]

use std::process::Output;

use assert_cmd::cargo::cargo_bin_cmd;

/// A run with a cleared environment.
pub(crate) struct Run {
    command: assert_cmd::Command,
    _home: tempfile::TempDir,
}

impl Run {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let mut command = cargo_bin_cmd!("pulldoctor");
        command
            .env_clear()
            .env("HOME", home.path())
            .env("COLUMNS", "80")
            .current_dir(home.path())
            .args(arguments);
        Self {
            command,
            _home: home,
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.command.write_stdin(text);
        self
    }

    #[must_use]
    pub(crate) fn done(mut self) -> Done {
        Done(self.command.output().expect("the binary runs"))
    }
}

pub(crate) struct Done(Output);

impl Done {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().expect("it was not killed")
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("UTF-8")
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).expect("UTF-8")
    }

    /// The request was wrong: exit 3, nothing on standard output.
    pub(crate) fn refused(&self) -> String {
        assert_eq!(self.code(), 3, "{}", self.err());
        assert_eq!(self.out(), "");
        self.err()
    }
}

pub(crate) fn run(arguments: &[&str]) -> Done {
    Run::new(arguments).done()
}
