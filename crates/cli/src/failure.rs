//! What ends a command, for the person who typed it.

use pulldoctor_model::ExitCode;

/// A command that could not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: ExitCode,
    /// What stands before the error: library errors are fragments that follow `cannot`.
    pub(crate) lead: &'static str,
    /// What went wrong; its sources are shown below it.
    pub(crate) error: anyhow::Error,
    /// What the person can do about it.
    pub(crate) help: Vec<String>,
}

impl Failure {
    /// A failure with an exit code.
    pub(crate) fn new(exit: ExitCode, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            lead: "",
            error: error.into(),
            help: Vec::new(),
        }
    }

    /// A library could not do something: its text says what, as a fragment.
    pub(crate) fn cannot(exit: ExitCode, error: impl Into<anyhow::Error>) -> Self {
        Self {
            lead: "cannot ",
            ..Self::new(exit, error)
        }
    }

    /// The request itself is wrong.
    pub(crate) fn request(error: impl Into<anyhow::Error>) -> Self {
        Self::new(ExitCode::Request, error)
    }

    /// The request cannot be met: the text says what, as a fragment.
    pub(crate) fn unable(error: impl Into<anyhow::Error>) -> Self {
        Self::cannot(ExitCode::Request, error)
    }

    /// A bug of ours.
    pub(crate) fn bug(error: impl Into<anyhow::Error>) -> Self {
        Self::new(ExitCode::Bug, error)
    }

    /// Adds advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds advice where there is some.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help.extend(help);
        self
    }
}
