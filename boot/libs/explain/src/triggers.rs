//! Finds the words that messages contain.
//!
//! What decides is one automaton for all words. It goes byte by byte, so it is shown no more of a text than the places
//! that have a part of a word: those are found many bytes at a time, and an ordinary line has none.

use std::collections::VecDeque;
use std::sync::LazyLock;

use aho_corasick::packed::{self, Searcher};
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use memchr::memmem::Finder;
use report::DIGEST_MARK;

use super::bugcheck::{self, StopCode};
use super::context::{self, Clue};
use super::event::EventKind;
use super::notice::{self, NoticeKind};
use super::{ghes, report_line, request, systems};

/// The shortest part of a word that is looked for together with others.
const SHORTEST: usize = 4;
/// How much the automaton is shown at once where nothing tells where to look.
const PIECE: usize = 1024;
/// Parts that many words share.
const SHARED: [&str; 8] =
    ["iommu", "invalid", "bios is broken", "_fault", "_error", "{\"event\":\"", "remapping", "_timeout"];

/// A word that a message contains.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trigger {
    Request,
    OldXen,
    Status,
    Event(EventKind),
    BugCheckName(StopCode),
    BugCheckMisread,
    BugCheckCode(StopCode),
    BugCheckDecimal,
    Halves,
    Register,
    Suppressed,
    Stop,
    Cper,
    Section,
    Notice(NoticeKind),
    Qemu,
    Esxi,
    FreeBsd,
    Repeated,
    Report,
    Context(Clue),
}

/// A word in a text, from one offset to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Which.
    pub(super) trigger: Trigger,
    /// Where it begins.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
}

/// What words are found with.
struct Words {
    /// All of them, in upper or lower case.
    automaton: AhoCorasick,
    triggers: Vec<Trigger>,
    longest: usize,
    /// Parts of the longer words, in lower case; `None` where the processor cannot look for many at once.
    parts: Option<Searcher>,
    /// The short words.
    short: Vec<Finder<'static>>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut words = Vec::from([
        ("request", Trigger::Request),
        ("drhd", Trigger::Status),
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
        (ghes::GENERIC, Trigger::Section),
        (systems::QEMU, Trigger::Qemu),
        (systems::FREEBSD, Trigger::FreeBsd),
        ("repeated", Trigger::Repeated),
    ]);
    for code in StopCode::ALL {
        let names = [code.name(), code.spoken_name()].map(|name| (name, Trigger::BugCheckName(code)));
        words.extend(names.into_iter().chain([(code.digits(), Trigger::BugCheckCode(code))]));
    }
    words.extend(bugcheck::MISREAD_MARK.map(|mark| (mark, Trigger::BugCheckMisread)));
    words.extend(systems::ESXI.map(|mark| (mark, Trigger::Esxi)));
    words.extend(report_line::MARKS.map(|mark| (mark, Trigger::Report)));
    words.extend(notice::PHRASES.map(|(phrase, kind)| (phrase, Trigger::Notice(kind))));
    words.extend(context::CLUES.map(|(word, clue)| (word, Trigger::Context(clue))));
    for kind in EventKind::ALL {
        words.extend(kind.spellings().map(|name| (name, Trigger::Event(kind))));
    }
    let (texts, triggers): (Vec<&str>, Vec<_>) = words.into_iter().unzip();
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostFirst)
        .kind(Some(AhoCorasickKind::DFA))
        .build(&texts)
        .expect("a few short words");
    let longest = texts.iter().map(|text| text.len()).max().unwrap_or_default();
    let lower = texts.iter().map(|text| text.to_ascii_lowercase());
    let (short, long): (Vec<_>, Vec<_>) = lower.partition(|text| text.len() < SHORTEST);
    let short = short.iter().map(|text| Finder::new(text).into_owned()).collect();
    Words { automaton, triggers, longest, parts: searcher(&long), short }
});

/// A search for parts of all of these words.
fn searcher(words: &[String]) -> Option<Searcher> {
    let mut parts: Vec<&str> = SHARED.into_iter().chain(words.iter().map(String::as_str)).collect();
    parts.sort_by_key(|part| part.len());
    let mut needed: Vec<&str> = Vec::new();
    for part in parts {
        if !needed.iter().any(|shorter| part.contains(shorter)) {
            needed.push(part);
        }
    }
    packed::Config::new().heuristic_pattern_limits(false).only_teddy(true).builder().extend(needed).build()
}

/// The places in a text, as far as it was shown, where there may be a word; as offsets into what is shown.
#[derive(Debug, Default)]
pub(super) struct Places {
    ahead: VecDeque<(usize, usize)>,
    /// How much was looked at.
    seen: usize,
    lower: Vec<u8>,
}

impl Places {
    /// Looks at what has been added to `text`.
    pub(super) fn look_on(&mut self, text: &[u8]) {
        self.look_on_with(WORDS.parts.as_ref(), text);
    }

    fn look_on_with(&mut self, parts: Option<&Searcher>, text: &[u8]) {
        let Words { short, longest, .. } = &*WORDS;
        // A part may have begun in what was seen.
        let from = self.seen.saturating_sub(*longest);
        while self.ahead.back().is_some_and(|(start, _)| *start >= from) {
            self.ahead.pop_back();
        }
        self.seen = text.len();
        let Some(parts) = parts else {
            let pieces = (from..text.len()).step_by(PIECE);
            self.ahead.extend(pieces.map(|start| (start, text.len().min(start + PIECE))));
            return;
        };
        self.lower.clear();
        self.lower.extend_from_slice(&text[from..]);
        self.lower.make_ascii_lowercase();
        let mut found: Vec<_> = parts.find_iter(&self.lower).map(|part| (part.start(), part.end())).collect();
        for word in short {
            found.extend(word.find_iter(&self.lower).map(|start| (start, start + word.needle().len())));
        }
        found.sort_unstable();
        self.ahead.extend(found.into_iter().map(|(start, end)| (from + start, from + end)));
    }

    /// Forgets the first bytes of the text, which are shown no more.
    pub(super) fn forget(&mut self, bytes: usize) {
        self.seen -= bytes;
        for (start, end) in &mut self.ahead {
            *start = start.saturating_sub(bytes);
            *end = end.saturating_sub(bytes);
        }
    }

    /// Where the next word may begin at the earliest; `None` if there is none in what was seen.
    pub(super) fn next(&self) -> Option<usize> {
        self.ahead.front().map(|(start, _)| start.saturating_sub(WORDS.longest))
    }

    /// The first word from `at` on that begins in the next place; `None` if there is none, and then the place is
    /// passed by.
    pub(super) fn word(&mut self, text: &[u8], at: usize) -> Option<Found> {
        let Words { automaton, triggers, longest, .. } = &*WORDS;
        let (start, end) = *self.ahead.front()?;
        // Around each place lies all of every word that has a part there, or that begins in it.
        let range = at.max(start.saturating_sub(*longest))..text.len().min(end + longest);
        let found = if range.is_empty() { None } else { automaton.find(Input::new(text).range(range)) };
        let Some(found) = found.filter(|found| found.start() < end) else {
            self.ahead.pop_front();
            return None;
        };
        let trigger = triggers[found.pattern().as_usize()];
        Some(Found { trigger, start: found.start(), end: found.end() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All words in a text that is shown in pieces of some bytes.
    fn words(text: &[u8], piece: usize, parts: Option<&Searcher>) -> Vec<(usize, usize)> {
        let mut places = Places::default();
        let mut found = Vec::new();
        let mut at = 0;
        let mut shown = 0;
        loop {
            let may_come = shown < text.len();
            match places.next() {
                Some(next) if !may_come || shown - next > PIECE + 3 * WORDS.longest => {
                    if let Some(word) = places.word(&text[..shown], at) {
                        found.push((word.start, word.end));
                        at = word.end;
                    }
                }
                _ if may_come => {
                    shown = text.len().min(shown + piece);
                    places.look_on_with(parts, &text[..shown]);
                }
                _ => return found,
            }
        }
    }

    #[test]
    fn places_miss_no_word_that_the_automaton_finds() {
        let Words { automaton, triggers, .. } = &*WORDS;
        let lines = "0xE6 IO_PAGE_FAULT_ERROR fault acc request hi=high= 158159 iommu fault detected for IOMMUe6 \
            43 50 45 524350 455243504552 BIOS is broken; bad RMRR INVALID_DEVICE_REQUEST interrupt remapping enabled \
            {\"event\":\"fault\" ILLEGAL IOMMU PAGE FAULT dma_vDMA V pci 0000:00:02.0: [mem 0x kdump: x";
        let text = lines.repeat(3);
        let all: Vec<_> =
            automaton.find_iter(text.as_bytes()).map(|found| (found.start(), found.end())).collect();
        assert!(all.len() > 60 && triggers.len() > 60);
        for piece in [1, 7, 64, 1000, 1 << 20] {
            assert_eq!(words(text.as_bytes(), piece, WORDS.parts.as_ref()), all, "{piece}");
            assert_eq!(words(text.as_bytes(), piece, None), all, "{piece}, one by one");
        }
    }
}
