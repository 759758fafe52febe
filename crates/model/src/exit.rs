//! The exit codes of every command.

/// What the process ends with. When several apply, the first in this order wins:
/// bug, unreachable, request, partial, problems, fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Nothing wrong found, or only knowledge was shown.
    Fine = 0,
    /// Problems were found.
    Problems = 1,
    /// A gap could change which pods are reported or the first cause of an incident.
    Partial = 2,
    /// The request itself is wrong: bad flag, no such object, unreadable file.
    Request = 3,
    /// The cluster could not be reached or refuses us altogether.
    Unreachable = 4,
    /// A bug of ours.
    Bug = 70,
}

impl ExitCode {
    /// The number that the process exits with.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}
