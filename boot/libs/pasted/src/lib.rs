//! Text as people paste it: out of mails, web pages, chats and terminals, back to what the machine wrote.
//!
//! [`PastedText`] is a stream. Line by line it undoes what the text went through on its way, in this order:
//! the encoding (`plain_text`), mail's quoted-printable (`quoted_printable`), colours, HTML, Markdown and blanks
//! that are none (`markup`), quote marks (`quote`), and line ends in the middle of a word or number (`rejoin`).
//! A line that went through none of it is handed on as it stands, at little cost.
//!
//! ```
//! use std::io::Read;
//!
//! let mut text = String::new();
//! pasted::PastedText::new(&b"> fault addr 0x7c\n> 346000 [fault reason 0x06]"[..]).read_to_string(&mut text)?;
//! assert_eq!(text, " fault addr 0x7c346000 [fault reason 0x06]\n");
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod hex;
mod markup;
mod plain_text;
mod quote;
mod quoted_printable;
mod rejoin;
#[cfg(test)]
mod tests;

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memrchr};
use plain_text::PlainText;

/// How much is read at once.
const BLOCK: usize = 128 << 10;
/// A longer line is taken in parts.
const LONGEST_LINE: usize = 64 << 10;
/// How much of a line's end is kept to see whether the next line goes on with it.
const TAIL: usize = 256;

/// A stream of lines as a machine wrote them, made from what was pasted.
#[derive(Debug)]
pub struct PastedText<R> {
    source: PlainText<R>,
    state: SourceState,
    /// What was read and is still to be undone.
    input: Vec<u8>,
    /// What was undone, and how much of it was handed on.
    output: Vec<u8>,
    handed_on: usize,
    last: Last,
}

/// Whether more can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceState {
    Open,
    Ended,
}

/// What the output ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// A place where a line begins.
    LineStart,
    /// A line whose end is written once it is known that the next line does not go on with it.
    Line,
    /// Part of a line too long to be held.
    Part,
}

impl<R: Read> PastedText<R> {
    /// Reads from the start of `source`.
    pub fn new(source: R) -> Self {
        Self {
            source: PlainText::new(source),
            state: SourceState::Open,
            input: Vec::new(),
            output: Vec::new(),
            handed_on: 0,
            last: Last::LineStart,
        }
    }

    /// Reads on until there is output, or no more input.
    fn fill(&mut self) -> io::Result<()> {
        let kept = self.output.len() - self.last_line().len();
        self.output.drain(..kept);
        self.handed_on = self.output.len();
        while self.output.len() == self.handed_on && self.state == SourceState::Open {
            if (&mut self.source).take(BLOCK as u64).read_to_end(&mut self.input)? == 0 {
                self.state = SourceState::Ended;
            }
            let input = std::mem::take(&mut self.input);
            let done = self.undo(&input);
            self.input = input;
            self.input.drain(..done);
        }
        if self.state == SourceState::Ended && self.last == Last::Line {
            self.output.push(b'\n');
            self.last = Last::LineStart;
        }
        Ok(())
    }

    /// The end of the line that the output ends with.
    fn last_line(&self) -> &[u8] {
        let near = &self.output[self.output.len().saturating_sub(TAIL)..];
        memrchr(b'\n', near).map_or(near, |end| &near[end + 1..])
    }

    /// Undoes the lines that are all there, and tells how much of `input` they took.
    fn undo(&mut self, input: &[u8]) -> usize {
        let mut changed = Vec::new();
        let mut at = 0;
        while let Some(line) = RawLine::first(&input[at..], self.state) {
            at += line.end;
            if line.is_plain {
                self.write(line.text, line.last);
                continue;
            }
            let decoded = quoted_printable::decode(line.text, &input[at..], self.state == SourceState::Ended);
            let text = match &decoded {
                quoted_printable::Decoded::No => line.text,
                quoted_printable::Decoded::Yes { text, more } => {
                    at += more;
                    text
                }
                quoted_printable::Decoded::Unfinished => return at - line.end,
            };
            changed.clear();
            markup::undo(text, &mut changed);
            self.write(&changed, line.last);
        }
        at
    }

    /// Writes a line, or part of one.
    fn write(&mut self, text: &[u8], how: Last) {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = if self.last == Last::Part { text } else { quote::without_marks(text) };
        let text = match self.last {
            Last::Line => match rejoin::joint(self.last_line(), text) {
                Some(skipped) => &text[skipped..],
                None => {
                    self.output.push(b'\n');
                    text
                }
            },
            Last::LineStart | Last::Part => text,
        };
        self.output.extend_from_slice(text);
        self.last = how;
    }
}

impl<R: Read> Read for PastedText<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.handed_on == self.output.len() {
            self.fill()?;
        }
        let rest = &self.output[self.handed_on..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.handed_on += count;
        Ok(count)
    }
}

/// A line as it was pasted.
struct RawLine<'t> {
    text: &'t [u8],
    /// Where the next one begins.
    end: usize,
    /// Whether it is a line or part of one.
    last: Last,
    /// Nothing in it calls for being undone.
    is_plain: bool,
}

impl<'t> RawLine<'t> {
    /// The first line of `text`; `None` if its end is still to come.
    fn first(text: &'t [u8], state: SourceState) -> Option<Self> {
        if let Some(length) = memchr(b'\n', text) {
            let line = &text[..length];
            return Some(Self { text: line, end: length + 1, last: Last::Line, is_plain: is_plain(line) });
        }
        if text.len() <= LONGEST_LINE {
            let is_all = state == SourceState::Ended && !text.is_empty();
            return is_all.then(|| Self {
                text,
                end: text.len(),
                last: Last::Line,
                is_plain: is_plain(text),
            });
        }
        let part = &text[..LONGEST_LINE];
        // What is undone has no blanks in it.
        let end = memrchr(b' ', part).map_or(LONGEST_LINE, |last| last + 1);
        let part = &text[..end];
        Some(Self { text: part, end, last: Last::Part, is_plain: is_plain(part) })
    }
}

/// Tells whether nothing in a line calls for being undone.
fn is_plain(line: &[u8]) -> bool {
    // Without a way out of the loop, the compiler looks at many bytes at once.
    let stands_out = line.iter().fold(false, |found, byte| {
        found | (*byte >= 0x80) | matches!(byte, 0x1b | b'&' | b'<' | b'\\' | b'`' | b'*')
    });
    !stands_out && memchr_iter(b'=', line).all(|at| !quoted_printable::tells(&line[at..]))
}
