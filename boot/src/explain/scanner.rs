//! Finds faults in a stream of text.
//!
//! Words that every message of its kind contains are looked for in one pass; where one stands, the message is
//! read. Of the stream no more than a window is held.

use std::io::{self, Read};
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use report::DIGEST_MARK;

use super::bugcheck::{self, Mention, Standing};
use super::event::EventKind;
use super::fault::Fault;
use super::{amd, cper, raw, request, status, stop, suppressed};

/// How much before a word may belong to its message.
const LOOK_BACK: usize = 512;
/// How much behind a word may belong to its message.
const LOOK_AHEAD: usize = 8192;
/// How much is read at once.
const BLOCK: usize = 256 << 10;
/// How far behind a bug check a further mention may be about the same crash.
const SAME_CRASH: u64 = 16 << 10;

/// A word that a message contains.
#[derive(Clone, Copy)]
enum Trigger {
    Request,
    OldXen,
    Status,
    Event(EventKind),
    BugCheckName,
    BugCheckCode,
    BugCheckDecimal,
    Halves,
    Register,
    Suppressed,
    Stop,
    Cper,
}

/// The words, in upper or lower case.
static TRIGGERS: LazyLock<(AhoCorasick, Vec<Trigger>)> = LazyLock::new(|| {
    let mut words = Vec::from([
        ("request", Trigger::Request),
        ("drhd", Trigger::Status),
        (bugcheck::NAME, Trigger::BugCheckName),
        (bugcheck::SPOKEN_NAME, Trigger::BugCheckName),
        ("e6", Trigger::BugCheckCode),
        (bugcheck::DECIMAL_LABEL, Trigger::BugCheckDecimal),
        ("hi=", Trigger::Halves),
        ("high=", Trigger::Halves),
        ("frcd", Trigger::Register),
        (request::OLD_XEN, Trigger::OldXen),
        ("callbacks", Trigger::Suppressed),
        (DIGEST_MARK, Trigger::Stop),
        ("43 50 45 52", Trigger::Cper),
        ("4350 4552", Trigger::Cper),
        ("43504552", Trigger::Cper),
    ]);
    for kind in EventKind::ALL {
        words.extend(kind.spellings().map(|name| (name, Trigger::Event(kind))));
    }
    let (texts, triggers): (Vec<_>, Vec<_>) = words.into_iter().unzip();
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostFirst)
        .build(texts)
        .expect("a few short words");
    (automaton, triggers)
});

/// A stream of text of which the faults are taken one after the other.
#[derive(Debug)]
pub(super) struct Scanner<R> {
    source: R,
    window: Vec<u8>,
    /// Where in the stream the window begins.
    start: u64,
    /// Where in the window to go on.
    at: usize,
    input: More,
    last_bugcheck: Option<BugCheckSeen>,
    left_out: u64,
}

/// Whether the stream goes on behind the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    MayCome,
    Ended,
}

/// The last bug check: where in the stream it ended, and its parameters.
#[derive(Clone, Copy, Debug)]
struct BugCheckSeen {
    end: u64,
    parameters: [Option<u64>; 4],
}

impl<R: Read> Scanner<R> {
    /// At the start of `source`.
    pub(super) const fn new(source: R) -> Self {
        Self {
            source,
            window: Vec::new(),
            start: 0,
            at: 0,
            input: More::MayCome,
            last_bugcheck: None,
            left_out: 0,
        }
    }

    /// The next fault; `None` at the end of the text.
    ///
    /// # Errors
    /// If the stream fails.
    pub(super) fn next_fault(&mut self) -> io::Result<Option<Fault>> {
        loop {
            let (automaton, triggers) = &*TRIGGERS;
            let found = automaton.find(Input::new(&self.window).range(self.at..));
            let known = found.map_or(self.window.len(), |found| found.start());
            if self.input == More::MayCome && self.window.len() - known < LOOK_AHEAD {
                // No message that begins before the last few bytes can be missed.
                self.at = known.min(self.window.len().saturating_sub(LOOK_BACK)).max(self.at);
                self.read_on()?;
                continue;
            }
            let Some(found) = found else { return Ok(None) };
            let trigger = triggers[found.pattern().as_usize()];
            self.at = found.end();
            if let Some(fault) = self.read_message(trigger, found.start()) {
                return Ok(Some(fault));
            }
        }
    }

    /// How many messages the log says that it left out, as far as it was read.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
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
            self.start += behind as u64;
            self.at -= behind;
        }
        let wanted = self.window.len() + BLOCK;
        self.window.reserve(BLOCK);
        let block = (wanted - self.window.len()) as u64;
        if (&mut self.source).take(block).read_to_end(&mut self.window)? < BLOCK {
            self.input = More::Ended;
        }
        Ok(())
    }

    /// Reads the message that has `trigger` at `at`, and goes on behind it.
    fn read_message(&mut self, trigger: Trigger, at: usize) -> Option<Fault> {
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
            Trigger::Suppressed => {
                self.left_out = self.left_out.saturating_add(suppressed::read(text, at)?);
                return None;
            }
            Trigger::BugCheckName => return self.take(bugcheck::read_name(text, at)?),
            Trigger::BugCheckCode => return self.take(bugcheck::read_code(text, at)?),
            Trigger::BugCheckDecimal => return self.take(bugcheck::read_decimal(text, at)?),
        };
        self.at = self.at.max(end);
        Some(fault)
    }

    /// Goes on behind a mention of a bug check; `None` if it is about the same crash as the one before, or as a
    /// line that follows and says more.
    fn take(&mut self, mention: Mention) -> Option<Fault> {
        let Mention { parameters, standing, end } = mention;
        self.at = self.at.max(end);
        let end = self.start + end as u64;
        let before = self.last_bugcheck.filter(|before| end.saturating_sub(before.end) < SAME_CRASH);
        let repeats = before.is_some_and(|before| {
            parameters == [None; 4] || standing == Standing::Summary && agrees(parameters, before.parameters)
        });
        if repeats {
            return None;
        }
        let says_more = stop::follows(&self.window, &mention);
        self.last_bugcheck = Some(BugCheckSeen { end, parameters });
        (!says_more).then_some(Fault::BugCheck(parameters))
    }
}

/// Tells whether all parameters that a summary gives are those of its report.
fn agrees(summary: [Option<u64>; 4], report: [Option<u64>; 4]) -> bool {
    summary.iter().zip(report).all(|(given, reported)| given.is_none() || *given == reported)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "[    1.0] DMAR: [DMA Read] Request device [00:02.0] fault addr 5a3f1000 [fault reason 06] PTE\n";

    fn count(text: &[u8]) -> usize {
        let mut scanner = Scanner::new(text);
        std::iter::from_fn(|| scanner.next_fault().unwrap()).count()
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
        while scanner.next_fault().unwrap().is_some() {
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
