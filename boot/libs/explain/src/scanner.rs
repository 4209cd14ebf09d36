//! Finds faults in a stream of text.
//!
//! Words that every message of its kind contains are looked for (`triggers`); where one stands, the message is read. Of
//! the stream no more than a window is held.

use std::io::{self, Read};

use super::bugcheck::{self, Mention};
use super::context::Context;
use super::crashes::{Crashes, News};
use super::fault::Fault;
use super::repeated::{self, Repeated};
use super::triggers::{Found, Places, Trigger};
use super::{amd, cper, ghes, notice, raw, report_line, request, status, stop, suppressed, systems};

/// How much before a word may belong to its message.
const LOOK_BACK: usize = 512;
/// How much behind a word may belong to its message.
const LOOK_AHEAD: usize = 16 << 10;
/// How much is read at once.
const BLOCK: usize = 256 << 10;
/// How far behind a message the line may stand that says how often it was repeated.
const NEXT_LINE: usize = 512;

/// A stream of text of which the faults are taken one after the other.
#[derive(Debug)]
pub(super) struct Scanner<R> {
    source: R,
    window: Vec<u8>,
    /// Where in the stream the window begins.
    start: u64,
    /// Where in the window to go on.
    at: usize,
    places: Places,
    input: More,
    crashes: Crashes,
    context: Context,
    left_out: u64,
    /// Where in the stream a message ends that came several times, and how often.
    quoted: Option<(u64, u64)>,
    /// The last fault, and where in the stream its message ended.
    last: Option<(Fault, u64)>,
}

/// What was found in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    /// A fault, and how often it came.
    Fault(Fault, u64),
    /// A fault of which less was known when it was found.
    Details {
        /// As it was found.
        before: Fault,
        /// As it is known now.
        now: Fault,
    },
    /// A fault that was counted elsewhere: so often it came at least, all in all.
    Total(Fault, u64),
}

/// Whether the stream goes on behind the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    MayCome,
    Ended,
}

impl<R: Read> Scanner<R> {
    /// At the start of `source`.
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            window: Vec::new(),
            start: 0,
            at: 0,
            places: Places::default(),
            input: More::MayCome,
            crashes: Crashes::default(),
            context: Context::default(),
            left_out: 0,
            quoted: None,
            last: None,
        }
    }

    /// The next fault; `None` at the end of the text.
    ///
    /// # Errors
    /// If the stream fails.
    pub(super) fn next_sighting(&mut self) -> io::Result<Option<Sighting>> {
        loop {
            let known = self.places.next().unwrap_or(self.window.len());
            if self.input == More::MayCome && self.window.len() - known < LOOK_AHEAD {
                // No message that begins before the last few bytes can be missed.
                self.at = known.min(self.window.len().saturating_sub(LOOK_BACK)).max(self.at);
                self.read_on()?;
                continue;
            }
            if self.places.next().is_none() {
                return Ok(None);
            }
            let Some(Found { trigger, start, end }) = self.places.word(&self.window, self.at) else {
                continue;
            };
            self.at = end;
            if let Some(sighting) = self.read_message(trigger, start, end) {
                return Ok(Some(sighting));
            }
        }
    }

    /// How many messages the log says that it left out, as far as it was read.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What else the text told, as far as it was read.
    pub(super) fn into_context(self) -> Context {
        self.context
    }

    /// All of the text; `None` if it is longer than a window, or has not been read to its end.
    pub(super) fn whole_text(&self) -> Option<&[u8]> {
        (self.start == 0 && self.input == More::Ended).then_some(&self.window)
    }

    /// Drops what is behind and reads the next block.
    fn read_on(&mut self) -> io::Result<()> {
        if self.window.len() >= BLOCK {
            let behind = self.at.saturating_sub(LOOK_BACK);
            self.window.drain(..behind);
            self.places.forget(behind);
            self.start += behind as u64;
            self.at -= behind;
        }
        let wanted = self.window.len() + BLOCK;
        self.window.reserve(BLOCK);
        let block = (wanted - self.window.len()) as u64;
        if (&mut self.source).take(block).read_to_end(&mut self.window)? < BLOCK {
            self.input = More::Ended;
        }
        self.places.look_on(&self.window);
        Ok(())
    }

    /// Reads the message that has `trigger` from `at` to `behind`, and goes on behind the message.
    fn read_message(&mut self, trigger: Trigger, at: usize, behind: usize) -> Option<Sighting> {
        let text = self.window.as_slice();
        let (fault, end) = match trigger {
            Trigger::Request => request::read(text, at)?,
            Trigger::OldXen => request::read_old_xen(text, at)?,
            Trigger::Status => status::read(text, at)?,
            Trigger::Event(kind) => amd::read(text, at, kind)?,
            Trigger::Halves => raw::read_halves(text, at)?,
            Trigger::Register => raw::read_register(text, at)?,
            Trigger::Stop => stop::read(text, at)?,
            Trigger::Cper => cper::read(text, at)?,
            Trigger::Section => ghes::read(text, at)?,
            Trigger::Qemu => systems::read_qemu(text, at)?,
            Trigger::Esxi => systems::read_esxi(text, at)?,
            Trigger::FreeBsd => systems::read_freebsd(text, at)?,
            Trigger::Notice(kind) => notice::read(text, at, behind, kind)?,
            Trigger::Suppressed => {
                self.left_out = self.left_out.saturating_add(suppressed::read(text, at)?);
                return None;
            }
            Trigger::Context(clue) => {
                self.context.learn(clue, text, at, behind);
                return None;
            }
            Trigger::Repeated => return self.repeat(at),
            Trigger::Report => return self.take_report(at),
            Trigger::BugCheckName(code) => return self.take(bugcheck::read_name(text, at, code)?),
            Trigger::BugCheckMisread => return self.take(bugcheck::read_misread_name(text, at)?),
            Trigger::BugCheckCode(code) => return self.take(bugcheck::read_code(text, at, code)?),
            Trigger::BugCheckDecimal => return self.take(bugcheck::read_decimal(text, at)?),
        };
        self.at = self.at.max(end);
        let end = self.start + end as u64;
        let count = self.quoted.take().filter(|(line_end, _)| end <= *line_end).map_or(1, |(_, count)| count);
        self.last = Some((fault.clone(), end));
        Some(Sighting::Fault(fault, count))
    }

    /// Takes a line that says how often a message came; its word "repeated" stands at `at`.
    fn repeat(&mut self, at: usize) -> Option<Sighting> {
        let text = self.window.as_slice();
        match repeated::read(text, at)? {
            Repeated::Quoted(count) => {
                let near = &text[at..text.len().min(at + LOOK_BACK)];
                let length = near.iter().position(|byte| *byte == b'\n').unwrap_or(near.len());
                self.quoted = Some((self.start + (at + length) as u64, count));
                None
            }
            Repeated::Before(count) => {
                let (fault, end) = self.last.take()?;
                let end = usize::try_from(end.checked_sub(self.start)?).ok()?;
                let between = text.get(end..at).filter(|between| between.len() <= NEXT_LINE)?;
                let is_next = between.iter().filter(|byte| **byte == b'\n').count() == 1;
                is_next.then_some(Sighting::Fault(fault, count))
            }
        }
    }

    /// Takes a line of a report of ivt, whose mark stands at `at`.
    fn take_report(&mut self, at: usize) -> Option<Sighting> {
        let (reported, end) = report_line::read(&self.window, at)?;
        self.at = self.at.max(end);
        match reported {
            report_line::Reported::Stop(stop) => Some(Sighting::Fault(Fault::Stop(stop), 1)),
            report_line::Reported::Fault { request, count, words } => {
                self.context.tell(request, words);
                Some(Sighting::Total(Fault::Request(request), count))
            }
            report_line::Reported::Announced => {
                self.context.announced += 1;
                None
            }
        }
    }

    /// Goes on behind a mention of a bug check; `None` if it is about the same crash as one before, or as a line that
    /// follows and says more.
    fn take(&mut self, mention: Mention) -> Option<Sighting> {
        self.at = self.at.max(mention.end);
        let news = self.crashes.take(&mention);
        if stop::follows(&self.window, &mention) {
            return None;
        }
        match news {
            News::Nothing => None,
            News::Crash(bugcheck) => Some(Sighting::Fault(Fault::BugCheck(bugcheck), 1)),
            News::Details { before, now } => {
                Some(Sighting::Details { before: Fault::BugCheck(before), now: Fault::BugCheck(now) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "[    1.0] DMAR: [DMA Read] Request device [00:02.0] fault addr 5a3f1000 [fault reason 06] PTE\n";

    fn count(text: &[u8]) -> usize {
        let mut scanner = Scanner::new(text);
        std::iter::from_fn(|| scanner.next_sighting().unwrap()).count()
    }

    #[test]
    fn no_fault_is_lost_where_two_blocks_meet() {
        for filler in (BLOCK - LINE.len() - 40..BLOCK + 40).step_by(7) {
            let text = format!("{}\n{LINE}{LINE}", "x".repeat(filler));
            assert_eq!(count(text.as_bytes()), 2, "{filler}");
        }
    }

    #[test]
    fn the_window_stays_small() {
        let text = LINE.repeat(5 * BLOCK / LINE.len());
        let mut scanner = Scanner::new(text.as_bytes());
        let mut widest = 0;
        let mut found = 0;
        while scanner.next_sighting().unwrap().is_some() {
            widest = widest.max(scanner.window.len());
            found += 1;
        }
        assert_eq!(found, 5 * BLOCK / LINE.len());
        assert!(widest <= 2 * BLOCK + LOOK_AHEAD, "{widest}");
    }

    #[test]
    fn a_line_without_end_is_no_problem() {
        let text = vec![b'e'; 3 * BLOCK];
        assert_eq!(count(&text), 0);
        for piece in ["e6", "e6 ", "43 50 45 52 ", "43504552 ", "callbacks", "request device ["] {
            assert_eq!(count(piece.repeat(2 * BLOCK / piece.len()).as_bytes()), 0, "{piece}");
        }
        let piece = LINE.trim_end();
        assert_eq!(count(piece.repeat(1000).as_bytes()), 1000);
        assert_eq!(count(b""), 0);
    }
}
