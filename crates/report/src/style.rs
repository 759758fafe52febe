//! The one stylesheet: which label is shown in which colour.

use anstyle::{AnsiColor, Style};

/// What a piece of text is. How it looks is the stylesheet's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// Running text.
    Plain,
    /// The word `error` and the cause in brackets.
    Error,
    /// The word `warning`.
    Warning,
    /// The sentence that says the cause.
    Summary,
    /// `proven`.
    Proven,
    /// `likely`.
    Likely,
    /// `possible` and `unknown`.
    Unsure,
    /// Arrows, bars and equal signs at the left.
    Frame,
    /// The carets under a fault, and what is said there.
    Caret,
    /// The word before a fact.
    Key,
    /// The word `help`.
    Help,
    /// A command that can be pasted.
    Command,
    /// A heading.
    Heading,
    /// A literal inside running text.
    Literal,
    /// What may be passed over.
    Faint,
}

/// Colours by label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stylesheet {
    coloured: bool,
}

impl Stylesheet {
    /// No colour at all.
    pub const PLAIN: Self = Self { coloured: false };
    /// The sixteen colours that every terminal theme sets itself.
    pub const COLOURED: Self = Self { coloured: true };

    /// The style of a label.
    pub fn style(self, label: Label) -> Style {
        if !self.coloured {
            return Style::new();
        }
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match label {
            Label::Plain => Style::new(),
            Label::Error | Label::Caret => colour(AnsiColor::Red).bold(),
            Label::Warning => colour(AnsiColor::Yellow).bold(),
            Label::Summary | Label::Key => Style::new().bold(),
            Label::Proven => colour(AnsiColor::Green).bold(),
            Label::Likely | Label::Command => colour(AnsiColor::Green),
            Label::Unsure => colour(AnsiColor::Yellow),
            Label::Frame => colour(AnsiColor::Blue).bold(),
            Label::Help => colour(AnsiColor::Cyan).bold(),
            Label::Heading => Style::new().bold().underline(),
            Label::Literal => colour(AnsiColor::Cyan),
            Label::Faint => Style::new().dimmed(),
        }
    }
}
