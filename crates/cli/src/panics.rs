//! A bug of ours ends with exit code 70 and with what to report.

use std::panic::{self, PanicHookInfo};

use pulldoctor_model::{ExitCode, clean_line, shorten};

/// Replaces the panic message and its exit code.
pub(crate) fn install() {
    panic::set_hook(Box::new(|information| {
        crate::terminal::print_error(&report(information));
        // From a thread of the runtime nothing else would end the process.
        #[expect(
            clippy::exit,
            reason = "a panic has no caller that could return the code"
        )]
        std::process::exit(i32::from(ExitCode::Bug.code()));
    }));
}

/// What to say. The message is kept short: it may quote what was being read.
fn report(information: &PanicHookInfo<'_>) -> String {
    let payload = information.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let message = clean_line(message);
    let place = information.location().map_or_else(String::new, |place| {
        format!(" ({}:{})", place.file(), place.line())
    });
    format!(
        "error: this is a bug in pulldoctor: {}{place}\n\
         help: please report it at {}/issues with this line, the command, and\n      \
         `pulldoctor --version`: {}\n",
        shorten(&message, 200),
        env!("CARGO_PKG_REPOSITORY"),
        crate::command().get_version().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    const INSIDE: &str = "PULLDOCTOR_TEST_PANIC";

    #[test]
    fn a_bug_ends_with_seventy_and_what_to_report() {
        if std::env::var_os(INSIDE).is_some() {
            super::install();
            panic!("an invariant\u{1b}[31m is broken");
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "panics::tests::a_bug_ends_with_seventy_and_what_to_report",
            ])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(70), "{text}");
        assert!(
            text.contains("error: this is a bug in pulldoctor: an invariant\\u{1b}[31m is broken"),
            "{text}"
        );
        assert!(
            text.contains("help: please report it at https://"),
            "{text}"
        );
    }
}
