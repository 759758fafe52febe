//! `pulldoctor explain`: the knowledge base, and pasted error messages.

use std::{
    fmt::Write as _,
    io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Read, Write},
};

use pulldoctor_diagnose::TextVerdict;
use pulldoctor_model::{CauseId, ExitCode, Family, clean_line};
use pulldoctor_report::{
    Facts, Label, ReadingDocument, cause_list, human_reading, markdown, section,
};
use serde::Serialize;

use crate::{
    args::{self, ExplainFormat},
    failure::Failure,
    suggest,
    terminal::{self, Terminal},
};

const FAQ: &str = include_str!("../../../../docs/faq.md");
const METHOD: &str = include_str!("../../../../docs/method.md");

/// Bytes that are kept of one message. More is passed over: no error message is that long.
const MOST: u64 = 16 << 20;

/// Lines of a pasted text among which the telling one is looked for.
const LINES: usize = 2_000;

/// What is asked for.
enum Asked {
    List,
    Page(&'static str),
    Cause(CauseId),
    Status,
    Message(String),
    Input,
}

/// Runs `explain`.
pub(crate) fn run(options: &args::Explain, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let json = options.format == ExplainFormat::Json;
    match asked(&options.text, terminal)? {
        Asked::Input if json => {
            let input = io::stdin().lock();
            let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
            stream(input, out)?;
        }
        Asked::Input => {
            if terminal.watched && io::stdin().is_terminal() {
                terminal::print_error("paste the text, then press Ctrl-D\n");
            }
            let mut text = Vec::new();
            io::stdin()
                .lock()
                .take(MOST)
                .read_to_end(&mut text)
                .map_err(|error| {
                    Failure::unable(anyhow::Error::new(error).context("read standard input"))
                })?;
            let text = String::from_utf8_lossy(&text);
            if text.trim().is_empty() {
                return Err(Failure::unable(anyhow::anyhow!(
                    "read a message: there is none on standard input"
                )));
            }
            // Colours of the terminal that it was copied from.
            let text = anstream::adapter::strip_str(&text).to_string();
            let verdicts = pulldoctor_diagnose::read_paste(&text);
            terminal::print(&readings(&text, verdicts, options, terminal))?;
        }
        Asked::Message(text) if json => {
            let document = document(&text, pulldoctor_diagnose::read_text(&text));
            terminal::print(&pulldoctor_report::json(&document).map_err(Failure::bug)?)?;
        }
        Asked::Message(text) => {
            let verdicts = vec![pulldoctor_diagnose::read_text(&text)];
            terminal::print(&readings(&text, verdicts, options, terminal))?;
        }
        Asked::Cause(id) if json => {
            let page = page(id);
            let document = pulldoctor_report::json(&CauseDocument::new(id, &page));
            terminal::print(&document.map_err(Failure::bug)?)?;
        }
        Asked::Cause(id) => {
            terminal::print(&markdown(&page(id), terminal.width, terminal.style))?;
        }
        Asked::List if json => {
            let pages: Vec<(CauseId, String)> =
                CauseId::ALL.iter().map(|id| (*id, page(*id))).collect();
            let causes: Vec<CauseDocument<'_>> = pages
                .iter()
                .map(|(id, page)| CauseDocument::new(*id, page))
                .collect();
            terminal::print(&pulldoctor_report::json(&causes).map_err(Failure::bug)?)?;
        }
        Asked::List => terminal::print(&list(terminal))?,
        Asked::Page(text) => {
            terminal::print(&markdown(text, terminal.width, terminal.style))?;
        }
        Asked::Status => {
            let text = section(FAQ, STATUS).unwrap_or(FAQ);
            let mut out = markdown(text, terminal.width, terminal.style);
            let _ = writeln!(
                out,
                "\n`{} explain faq` answers more questions.",
                terminal.program
            );
            terminal::print(&out)?;
        }
    }
    Ok(ExitCode::Fine)
}

/// The section of the FAQ that says what the two best known words mean.
const STATUS: &str = "What do ErrImagePull and ImagePullBackOff mean?";

/// Tells an id from a message.
fn asked(text: &[String], terminal: &Terminal) -> Result<Asked, Failure> {
    let [word] = text else {
        return Ok(if text.is_empty() {
            Asked::List
        } else {
            Asked::Message(text.join(" "))
        });
    };
    match word.trim() {
        "-" => return Ok(Asked::Input),
        "faq" => return Ok(Asked::Page(FAQ)),
        "method" => return Ok(Asked::Page(METHOD)),
        "ErrImagePull" | "ImagePullBackOff" => return Ok(Asked::Status),
        _ => {}
    }
    if let Ok(id) = word.trim().parse() {
        return Ok(Asked::Cause(id));
    }
    // One word with dashes that is nearly an id is a slip of the finger, not a message.
    let is_id_like = word.contains('-')
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    let ids = CauseId::ALL.iter().map(|id| id.as_str());
    match is_id_like
        .then(|| suggest::nearest(&word.replace('_', "-"), ids))
        .flatten()
    {
        Some(near) => Err(
            Failure::request(anyhow::anyhow!("`{word}` is not the id of a cause"))
                .help(format!(
                    "did you mean `{} explain {near}`?",
                    terminal.program
                ))
                .help(format!("`{} explain` lists all ids", terminal.program)),
        ),
        None => Ok(Asked::Message(word.clone())),
    }
}

/// The page of a cause.
fn page(id: CauseId) -> String {
    pulldoctor_diagnose::cause(id).map_or_else(
        || format!("# {id}\n\n{}\n", id.title()),
        pulldoctor_diagnose::Cause::page,
    )
}

/// A page of the knowledge base for programs.
#[derive(Serialize)]
struct CauseDocument<'a> {
    schema: &'static str,
    cause: CauseId,
    family: Family,
    title: &'static str,
    page: &'a str,
}

impl<'a> CauseDocument<'a> {
    fn new(cause: CauseId, page: &'a str) -> Self {
        Self {
            schema: "pulldoctor.dev/cause/v1",
            cause,
            family: cause.family(),
            title: cause.title(),
            page,
        }
    }
}

/// The ids by family, and what else there is.
fn list(terminal: &Terminal) -> String {
    let mut text = cause_list(terminal.width, terminal.style);
    let command = terminal.style.style(Label::Command);
    for (arguments, does) in [
        ("explain ID", "what a cause means, and what to do"),
        ("explain 'MESSAGE'", "what an error message says"),
        ("explain faq", "common questions"),
        ("explain method", "the order in which pulldoctor asks"),
    ] {
        let typed = format!("{} {arguments}", terminal.program);
        let width = terminal.program.len() + 19;
        let _ = writeln!(text, "{command}{typed:width$}{command:#}  {does}");
    }
    text
}

/// What a message says, for programs.
fn document(message: &str, verdict: TextVerdict) -> ReadingDocument {
    let rivals = verdict.rivals();
    let TextVerdict { finding, reading } = verdict;
    let facts = Facts {
        runtime: word(reading.runtime.as_ref()),
        operation: word(reading.operation.as_ref()),
        registry: reading.registry,
        status: reading.status,
    };
    ReadingDocument::new(
        message,
        finding.cause,
        finding.confidence,
        rivals,
        facts,
        finding.summary,
    )
}

/// The word by which a fact is known in documents.
fn word<T: Serialize>(fact: Option<&T>) -> Option<String> {
    match serde_json::to_value(fact?).ok()? {
        serde_json::Value::String(word) => Some(word),
        _ => None,
    }
}

/// Reads one message a line and writes one document a line, as they come.
fn stream(input: impl Read, mut out: impl Write) -> Result<(), Failure> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = read_line(&mut input, &mut line).map_err(|error| {
            Failure::unable(anyhow::Error::new(error).context("read standard input"))
        })?;
        if !read {
            break;
        }
        let message = String::from_utf8_lossy(&line);
        let document = document(&message, pulldoctor_diagnose::read_text(&message));
        let text = pulldoctor_report::ndjson(&document).map_err(Failure::bug)?;
        let written = out.write_all(text.as_bytes()).and_then(|()| {
            // Whoever waits for the answer to the last line gets it; a pile is written at once.
            if input.buffer().is_empty() {
                out.flush()
            } else {
                Ok(())
            }
        });
        if written
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        {
            return Ok(());
        }
        terminal::finish(written)?;
    }
    terminal::finish(out.flush())
}

/// Reads one line without its end, at most [`MOST`] bytes of it; what is longer is passed over.
/// Gives whether there was one.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    if (&mut *input).take(MOST).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else {
        input.skip_until(b'\n')?;
    }
    Ok(true)
}

/// The line of a pasted text that says what was read; all of it where no line says so alone.
fn telling<'t>(text: &'t str, verdict: &TextVerdict) -> &'t str {
    let line = text
        .lines()
        .take(LINES)
        .find(|line| pulldoctor_messages::read(line).fault == verdict.reading.fault);
    line.map_or(text, str::trim)
}

/// What messages say, for a person: each with what to do about it.
fn readings(
    text: &str,
    verdicts: Vec<TextVerdict>,
    options: &args::Explain,
    terminal: &Terminal,
) -> String {
    let mut out = String::new();
    for (at, verdict) in verdicts.into_iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let document = document(telling(text, &verdict), verdict);
        out.push_str(&human_reading(
            &document,
            terminal.width,
            terminal.style,
            options.verbose,
        ));
        out.push_str(&advice(document.cause(), terminal));
    }
    out
}

/// What to do about a cause, and where to read more.
pub(super) fn advice(cause: CauseId, terminal: &Terminal) -> String {
    let page = page(cause);
    let help = terminal.style.style(Label::Help);
    let command = terminal.style.style(Label::Command);
    let mut out = String::new();
    if let Some(text) = section(&page, "What to do") {
        let _ = writeln!(out, "{help}help{help:#}:");
        out.push_str(&markdown(text, terminal.width, terminal.style));
        out.push('\n');
    }
    let more = format!(
        "{} explain {}",
        terminal.program,
        clean_line(cause.as_str())
    );
    let _ = writeln!(
        out,
        "{command}{more}{command:#} says how it is told from others"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_have_their_sections() {
        assert!(section(FAQ, STATUS).is_some());
        assert!(METHOD.starts_with("# "));
    }

    #[test]
    fn every_line_has_its_document_also_an_empty_one() {
        let mut out = Vec::new();
        stream(&b"pull QPS exceeded\n\nfoo\r\nno end"[..], &mut out).unwrap();
        let messages: Vec<String> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|line| {
                let document: serde_json::Value = serde_json::from_str(line).unwrap();
                document["message"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(messages, ["pull QPS exceeded", "", "foo", "no end"]);
    }

    #[test]
    fn a_line_longer_than_is_kept_is_one_document() {
        let long = vec![b'x'; usize::try_from(MOST).unwrap() + 10];
        let input = [&long[..], b"\nnext\n"].concat();
        let mut out = Vec::new();
        stream(&input[..], &mut out).unwrap();
        assert_eq!(out.split(|byte| *byte == b'\n').count(), 3);
    }
}
