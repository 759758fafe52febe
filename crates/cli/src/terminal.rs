//! Standard output and standard error.

use std::io::{self, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use clap::error::ErrorKind;
use pulldoctor_model::ExitCode;
use pulldoctor_report::{Label, Stylesheet};

use crate::failure::Failure;

/// Columns where there is no terminal.
const WIDTH: usize = 80;
/// Wider lines are hard to read.
const WIDEST: usize = 120;

/// What is known of where the output goes.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    /// Columns of the page.
    pub(crate) width: usize,
    /// Colours of standard output.
    pub(crate) style: Stylesheet,
    /// Whether a person watches standard error.
    pub(crate) watched: bool,
    /// What a person types to call us.
    pub(crate) program: &'static str,
}

impl Terminal {
    /// Looks at the environment and at the two streams.
    pub(crate) fn detect(program: &'static str) -> Self {
        Self {
            width: width(terminal_size::terminal_size_of(io::stdout())),
            style: stylesheet(AutoStream::choice(&io::stdout())),
            watched: io::stderr().is_terminal(),
            program,
        }
    }
}

/// Columns of the page: what COLUMNS says, else what the terminal has.
fn width(terminal: Option<(terminal_size::Width, terminal_size::Height)>) -> usize {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let measured = || terminal.map(|(width, _)| width.0.into());
    let width: usize = columns.or_else(measured).unwrap_or(WIDTH);
    width.clamp(40, WIDEST)
}

fn stylesheet(choice: ColorChoice) -> Stylesheet {
    match choice {
        ColorChoice::Never => Stylesheet::PLAIN,
        _ => Stylesheet::COLOURED,
    }
}

/// Writes to standard output. A reader that has gone away is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    finish(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Whether somebody still reads what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    There,
    /// It has gone away, as `head -1` does.
    Gone,
}

/// As [`print`], and tells whether there is still a reader: more need not be found out for none.
pub(crate) fn print_to_reader(text: &str) -> Result<Reader, Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let is_gone = matches!(&written, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
    finish(written)?;
    Ok(if is_gone { Reader::Gone } else { Reader::There })
}

/// Turns the result of writing into that of a command.
pub(crate) fn finish(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::unable(
            anyhow::Error::new(error).context("write to standard output"),
        )),
        _ => Ok(()),
    }
}

/// Writes to standard error. There is nowhere left to say that this failed.
pub(crate) fn print_error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// `note:`, beside what goes to standard output.
pub(crate) fn print_note(text: &str) {
    let style = stylesheet(AutoStream::choice(&io::stderr()));
    let width = width(terminal_size::terminal_size_of(io::stderr()));
    print_error(&pulldoctor_report::failure_line(
        Label::Key,
        "note",
        text,
        width,
        style,
    ));
}

/// `error:`, `caused by:` and `help:`.
pub(crate) fn print_failure(failure: &Failure) {
    let style = stylesheet(AutoStream::choice(&io::stderr()));
    let width = width(terminal_size::terminal_size_of(io::stderr()));
    let mut out = String::new();
    let mut line = |label: Label, word: &str, text: &str| {
        out.push_str(&pulldoctor_report::failure_line(
            label, word, text, width, style,
        ));
    };
    let mut chain = failure.error.chain().map(ToString::to_string);
    let mut before = chain.next().unwrap_or_default();
    line(Label::Error, "error", &format!("{}{before}", failure.lead));
    for cause in chain {
        // Some libraries repeat their source in their own text.
        if !before.contains(&cause) {
            line(Label::Error, "caused by", &cause);
        }
        before = cause;
    }
    for help in &failure.help {
        line(Label::Help, "help", help);
    }
    print_error(&out);
}

/// What clap says: help and version on standard output, a wrong command line on standard error in
/// our own form.
pub(crate) fn print_usage(error: &clap::Error, program: &str) -> Result<ExitCode, Failure> {
    let rendered = error.render();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let coloured = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        let text = if coloured {
            rendered.ansi().to_string()
        } else {
            rendered.to_string()
        };
        print(&text)?;
        return Ok(ExitCode::Fine);
    }
    Err(usage(&rendered.to_string(), program))
}

/// A wrong command line: clap's words, with its tips and its usage as help.
fn usage(rendered: &str, program: &str) -> Failure {
    let mut message = Vec::new();
    let mut help = Vec::new();
    for line in rendered.lines() {
        let line = line.trim();
        if let Some(tip) = line.strip_prefix("tip: ") {
            // A flag is hardly ever meant as a value.
            if !tip.contains("as a value, use") {
                help.push(tip.to_owned());
            }
        } else if let Some(values) = line.strip_prefix("[possible values: ") {
            help.push(format!("choose one of {}", values.trim_end_matches(']')));
        } else if let Some(usage) = line.strip_prefix("Usage: ") {
            help.push(format!("usage: {usage}"));
        } else if line.starts_with("For more information") {
            help.push(format!(
                "`{program} --help` shows the commands and their flags"
            ));
        } else if !line.is_empty() {
            message.push(line.strip_prefix("error: ").unwrap_or(line).to_owned());
        }
    }
    let mut failure = Failure::request(anyhow::anyhow!(message.join("\n")));
    failure.help = help;
    failure
}
