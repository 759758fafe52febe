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
