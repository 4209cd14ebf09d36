//! What stands behind a mention of the bug check: its parameters, in a list or labelled.

use super::super::cursor::{Cursor, is_word_byte};
use super::{Bugcheck, DECIMAL_LABEL, Mention, Standing, StopCode, context, ends_with_word};
use pasted::hex;

/// How far behind the code its parameters may stand.
const WITHIN: usize = 1024;

/// How many words may stand between the code and a list of all parameters.
const WORDS_BETWEEN: usize = 12;

/// What stands directly before a parameter's number, without blanks.
const LABELS: [&str; 7] = ["bugcheckparameter", "parameter", "argument", "bugcheck_p", "arg", "bcp", "p"];

/// The parameters behind a mention.
pub(super) struct Parameters {
    /// Those that are given.
    pub(super) values: [Option<u64>; 4],
    /// What follows with nothing but punctuation between.
    pub(super) found: Option<Found>,
    pub(super) end: usize,
}

/// How parameters are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All four in one bracket.
    WholeList,
    /// Fewer in a bracket.
    List,
    /// The first behind a slash.
    Slash,
    /// One number after the other.
    Series,
    /// With labels.
    Label,
}

impl Parameters {
    /// Collects what follows at `at` up to the next mention.
    pub(super) fn after(text: &[u8], at: usize, mut seen: Seen) -> Self {
        let text = &text[..text.len().min(at + WITHIN)];
        let mut found = Self { values: [None; 4], found: None, end: at };
        let mut cursor = Cursor::new(text, at);
        let mut words = 0;
        while found.values.contains(&None) {
            let Some(byte) = cursor.peek() else { break };
            if seen.reach == Reach::Directly && words > 0 && found.found.is_none() {
                break;
            }
            let is_word_start = is_word_byte(byte) && !ends_with_word(&text[..cursor.at()]);
            let taken = match byte {
                b'(' | b'{' | b'[' => found.list(cursor, &mut seen, words),
                b'/' if words == 0 => found.slash(cursor),
                b'0' if words == 0 && is_word_start && seen.code && found.values == [None; 4] => {
                    found.series(cursor)
                }
                b'0' if words == 0 && is_word_start && found.values == [None; 4] => {
                    found.word(cursor, text, &mut seen).or_else(|| found.series(cursor))
                }
                _ if is_word_start => found.word(cursor, text, &mut seen),
                _ => None,
            };
            match taken {
                Some(Taken::Again) => break,
                Some(Taken::To(end)) => {
                    if words == 0 && found.found.is_none() && found.values != [None; 4] {
                        found.found = Some(match byte {
                            b'(' | b'{' | b'[' if !found.values.contains(&None) => Found::WholeList,
                            b'(' | b'{' | b'[' => Found::List,
                            b'/' => Found::Slash,
                            b'0' => Found::Series,
                            _ => Found::Label,
                        });
                    }
                    found.end = end;
                    cursor = Cursor::new(text, end);
                }
                None => {
                    words += usize::from(is_word_start);
                    cursor.skip(if is_word_start { word_length(&text[cursor.at()..]) } else { 1 });
                }
            }
        }
        found
    }

    /// A list in brackets: the code, or the parameters; all four where words stand between.
    fn list(&mut self, cursor: Cursor<'_>, seen: &mut Seen, words_between: usize) -> Option<Taken> {
        let list = List::read(cursor)?;
        if list.is(seen.stop) {
            return Some(seen.code(list.end));
        }
        let is_near = words_between == 0 || words_between <= WORDS_BETWEEN && list.count == 4;
        if !is_near || self.values != [None; 4] {
            return None;
        }
        self.values = list.values;
        Some(Taken::To(list.end))
    }

    /// Numbers one after the other, marked as hex, behind the code or its name.
    fn series(&mut self, mut cursor: Cursor<'_>) -> Option<Taken> {
        let mut values = [None; 4];
        let mut end = cursor.at();
        for value in &mut values {
            let token = cursor.token();
            let token = token.strip_prefix(b"`").unwrap_or(token);
            if !is_marked_hex(token) {
                break;
            }
            *value = hex::parse(token);
            end = cursor.at();
            let _ = cursor.mark(b',');
        }
        values[1]?;
        self.values = values;
        Some(Taken::To(end))
    }

    /// A word: the name, the code, or a label with its parameter.
    fn word(&mut self, mut cursor: Cursor<'_>, text: &[u8], seen: &mut Seen) -> Option<Taken> {
        if cursor.word(seen.stop.name()).is_some() {
            // Behind the parameters of a bare code a mention of its own begins.
            let is_other = seen.reach == Reach::Directly && self.found.is_some();
            return Some(if is_other { Taken::Again } else { seen.name(cursor.at()) });
        }
        if let Some(taken) = self.label(cursor, seen.shift).or_else(|| self.arguments(cursor)) {
            return Some(taken);
        }
        code(&mut cursor, text, seen.stop).map(|()| seen.code(cursor.at()))
    }

    pub(super) fn mention(self, code: StopCode, standing: Standing) -> Mention {
        let bugcheck = Bugcheck { parameters: self.values, ..Bugcheck::of(code) };
        Mention { bugcheck, standing, end: self.end }
    }

    /// `/0x26` behind the code.
    fn slash(&mut self, mut cursor: Cursor<'_>) -> Option<Taken> {
        cursor.skip(1);
        let token = cursor.token();
        if !begins_as_hex(token) {
            return None;
        }
        self.values[0] = Some(hex::parse(token)?);
        Some(Taken::To(cursor.at()))
    }

    /// `Arg1: 26` and the like.
    fn label(&mut self, mut cursor: Cursor<'_>, shift: usize) -> Option<Taken> {
        let label = LABELS.into_iter().find(|label| {
            let mut next = cursor;
            take_prefix(&mut next, label).is_some()
        })?;
        take_prefix(&mut cursor, label)?;
        if cursor.peek() == Some(b' ') {
            cursor.skip(1);
        }
        let digit = char::from(cursor.peek()?).to_digit(10)?;
        cursor.skip(1);
        let shift = if label == "p" { shift } else { 0 };
        let index = usize::try_from(digit).ok()?.checked_sub(1 + shift)?;
        if cursor.peek().is_some_and(is_word_byte) {
            return None;
        }
        skip_punctuation(&mut cursor);
        let value = number(&mut cursor)?;
        let place = self.values.get_mut(index)?;
        if place.is_some() {
            return Some(Taken::Again);
        }
        *place = Some(value);
        Some(Taken::To(cursor.at()))
    }

    /// `Arguments` with all four behind it.
    fn arguments(&mut self, mut cursor: Cursor<'_>) -> Option<Taken> {
        cursor.word("arguments")?;
        let mut values = [None; 4];
        for value in &mut values {
            skip_punctuation(&mut cursor);
            *value = Some(number(&mut cursor)?);
        }
        self.values = values;
        Some(Taken::To(cursor.at()))
    }
}

/// What of the bug check's spelling has been met.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) stop: StopCode,
    pub(super) name: bool,
    pub(super) code: bool,
    /// How many places the numbers of bare `P` labels are ahead: in error reports P1 is the code.
    pub(super) shift: usize,
    pub(super) reach: Reach,
}

/// Where the first parameter may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Behind nothing but punctuation: without it the number before is not known to be the code.
    Directly,
    /// Behind other words.
    Onwards,
}

impl Seen {
    /// Meets the name, which ends at `end`.
    fn name(&mut self, end: usize) -> Taken {
        if std::mem::replace(&mut self.name, true) { Taken::Again } else { Taken::To(end) }
    }

    /// Meets the code, which ends at `end`.
    fn code(&mut self, end: usize) -> Taken {
        if std::mem::replace(&mut self.code, true) { Taken::Again } else { Taken::To(end) }
    }
}

/// What came of a part of a mention.
enum Taken {
    /// It was taken, and ends there.
    To(usize),
    /// It was met before: another mention begins.
    Again,
}

/// Parameters in brackets.
struct List {
    values: [Option<u64>; 4],
    count: usize,
    end: usize,
}

impl List {
    /// Reads a list whose first element is a number.
    fn read(mut cursor: Cursor<'_>) -> Option<Self> {
        cursor.skip(1);
        let mut list = Self { values: [None; 4], count: 0, end: cursor.at() };
        for value in &mut list.values {
            let token = cursor.token();
            if token.is_empty() {
                break;
            }
            *value = hex::parse(token);
            list.count += 1;
            let _ = cursor.mark(b',');
        }
        list.end = cursor.at();
        list.values[0].is_some().then_some(list)
    }

    fn is(&self, code: StopCode) -> bool {
        self.count == 1 && self.values[0] == Some(code.number())
    }
}

/// Takes the code where it is spelled so that it cannot be another number.
fn code(cursor: &mut Cursor<'_>, text: &[u8], code: StopCode) -> Option<()> {
    let start = cursor.at();
    let mut next = *cursor;
    if next.word(DECIMAL_LABEL).is_none() {
        let word = &text[start..start + word_length(&text[start..])];
        let is_marked = begins_as_hex(word) || context(&text[..start]).is_some();
        if hex::parse(word) != Some(code.number()) || !is_marked {
            return None;
        }
        next.skip(word.len());
    }
    *cursor = next;
    Some(())
}

fn begins_as_hex(token: &[u8]) -> bool {
    token.starts_with(b"0x") || token.starts_with(b"0X")
}

/// Tells whether a token is spelled so that it must be a number in hex: `0x26`, or 00000000`00000026.
fn is_marked_hex(token: &[u8]) -> bool {
    begins_as_hex(token) || token.len() == 17 && token[8] == b'`'
}

fn take_prefix(cursor: &mut Cursor<'_>, prefix: &str) -> Option<()> {
    for expected in prefix.bytes() {
        if !cursor.peek()?.eq_ignore_ascii_case(&expected) {
            return None;
        }
        cursor.skip(1);
    }
    Some(())
}

/// Takes a number; the place is left as it is if there is none.
fn number(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut next = *cursor;
    let token = next.token();
    let token = token.strip_suffix(b".").or_else(|| token.strip_suffix(b":")).unwrap_or(token);
    let value = hex::parse(token)?;
    *cursor = next;
    Some(value)
}

pub(super) fn skip_punctuation(cursor: &mut Cursor<'_>) {
    loop {
        cursor.skip_gap();
        match cursor.peek() {
            Some(b':' | b'=' | b'"' | b'\'' | b'>' | b'\\' | b'-') => cursor.skip(1),
            _ => return,
        }
    }
}

fn word_length(text: &[u8]) -> usize {
    text.iter().position(|byte| !is_word_byte(*byte)).unwrap_or(text.len())
}
