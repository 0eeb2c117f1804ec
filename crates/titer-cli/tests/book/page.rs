//! What there is to do on a page.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag};

/// A step of whoever follows a page.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    /// A file to write.
    File { name: String, text: String },
    /// A command to enter.
    Command(Shown),
}

/// A command as a page shows it.
#[derive(Debug, PartialEq)]
pub(crate) struct Shown {
    /// What is entered, in all its lines.
    pub command: String,
    /// The exit code: 0, or that of a first line `? 2`.
    pub code: i32,
    /// The lines that it prints.
    pub output: Vec<String>,
    /// Where in the page these lines stand, in bytes.
    pub at: Range<usize>,
}

impl Part {
    pub(crate) fn is_command(&self) -> bool {
        matches!(self, Self::Command(_))
    }
}

/// The steps of a page, in order.
pub(crate) fn parts(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut named = None;
    for (event, range) in Parser::new(page).into_offset_iter() {
        match event {
            Event::Code(text) => named = Some(text.into_string()),
            Event::Text(text) if &*text == ":" => {}
            Event::End(_) => {}
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let body = body(page, range);
                if &*info == "console" && page[body.clone()].starts_with("$ ") {
                    parts.extend(commands(page, body).into_iter().map(Part::Command));
                } else if let Some(name) = named.take() {
                    parts.push(Part::File { name, text: page[body].to_owned() });
                }
                named = None;
            }
            _ => named = None,
        }
    }
    parts
}

/// What stands between the fences of a block.
fn body(page: &str, block: Range<usize>) -> Range<usize> {
    let text = &page[block.clone()];
    let start = text.find('\n').map_or(text.len(), |end| end + 1);
    let end = text.rfind("```").filter(|end| *end >= start).unwrap_or(text.len());
    block.start + start..block.start + end
}

/// The commands of a block: a line that begins with `$ `, those that a backslash joins to it, and what it prints.
fn commands(page: &str, body: Range<usize>) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    let (mut at, mut goes_on) = (body.start, false);
    for line in page[body].split_inclusive('\n') {
        let text = line.trim_end();
        let end = at + line.len();
        match commands.last_mut() {
            Some(shown) if goes_on => {
                shown.command.push('\n');
                shown.command.push_str(text);
                shown.at = end..end;
            }
            Some(shown) if !text.starts_with("$ ") => {
                match text.strip_prefix("? ").and_then(|code| code.parse().ok()) {
                    Some(code) if shown.output.is_empty() => {
                        shown.code = code;
                        shown.at.start = end;
                    }
                    _ => shown.output.push(text.to_owned()),
                }
                shown.at.end = end;
            }
            _ => {
                let command = text.strip_prefix("$ ").expect("a block of commands begins with one").to_owned();
                commands.push(Shown { command, code: 0, output: Vec::new(), at: end..end });
            }
        }
        goes_on = text.ends_with('\\');
        at = end;
    }
    commands
}

#[test]
fn a_page_is_files_and_commands() {
    let page = "Write `a.toml`:\n\n```toml\nx = 1\n```\n\nNot `this`, though:\n\nbut\n\n```console\n$ one \\\n  two\nsays\n$ three\n? 2\nno\n```\n\
                ```sh\n$ four\n```\n";
    let shown = |command: &str, code, output: &str| {
        let at = page.find(output).unwrap();
        let at = at..at + output.len();
        let output = output.lines().map(str::to_owned).collect();
        Part::Command(Shown { command: command.to_owned(), code, output, at })
    };
    let file = Part::File { name: "a.toml".to_owned(), text: "x = 1\n".to_owned() };
    assert_eq!(parts(page), [file, shown("one \\\n  two", 0, "says\n"), shown("three", 2, "no\n")]);
}
