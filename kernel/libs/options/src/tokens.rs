//! Cuts an options text into `key=value` pairs.
//!
//! Pairs are separated by white space. `#` outside quotes starts a comment that ends with its line. A value
//! that begins with a double quote ends at the next one and may hold anything between, line ends too.

/// One word of the text: a key and what followed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What stands before the `=`; all of the word if there is none.
    pub key: &'a str,
    /// What stands behind it.
    pub value: RawValue<'a>,
}

/// What follows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawValue<'a> {
    /// A value, without its quotes.
    Text(&'a str),
    /// The word has no `=`.
    Missing,
    /// The closing quote is missing; the rest of the line.
    Unterminated(&'a str),
    /// Something touches the closing quote.
    BehindQuote(&'a str),
}

/// The pairs of a text, in order.
pub(crate) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    /// Starts at the beginning of a text.
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Takes everything before the first character that `ends` accepts.
    fn take_until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Takes one character if it is the next.
    fn take(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                return;
            }
            self.take_until(|c| c == '\n');
        }
    }

    /// Takes a value whose opening quote has been taken.
    fn quoted(&mut self) -> RawValue<'a> {
        let Some((value, behind)) = self.rest.split_once('"') else {
            // Later lines are more likely options than part of this value.
            return RawValue::Unterminated(self.take_until(|c| c == '\n'));
        };
        self.rest = behind;
        match self.take_until(ends_word) {
            "" => RawValue::Text(value),
            touching => RawValue::BehindQuote(touching),
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks_and_comments();
        if self.rest.is_empty() {
            return None;
        }
        let key = self.take_until(|c| ends_word(c) || c == '=');
        let value = if !self.take('=') {
            RawValue::Missing
        } else if self.take('"') {
            self.quoted()
        } else {
            RawValue::Text(self.take_until(ends_word))
        };
        Some(Token { key, value })
    }
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || c == '#'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    fn tokens(text: &str) -> Vec<(&str, RawValue<'_>)> {
        Tokens::new(text).map(|token| (token.key, token.value)).collect()
    }

    #[test]
    fn pairs_comments_and_quotes_are_told_apart() {
        let text = "a=1 b=\"x # y; z\"# note\r\n\t# c=3\nd= e==f\n=g h\"i";
        let expected = [
            ("a", RawValue::Text("1")),
            ("b", RawValue::Text("x # y; z")),
            ("d", RawValue::Text("")),
            ("e", RawValue::Text("=f")),
            ("", RawValue::Text("g")),
            ("h\"i", RawValue::Missing),
        ];
        assert_eq!(tokens(text), expected);
    }

    #[test]
    fn a_quoted_value_may_span_lines() {
        assert_eq!(tokens("script=\"units\ndevices\""), [("script", RawValue::Text("units\ndevices"))]);
    }

    #[test]
    fn a_missing_quote_costs_its_line_only() {
        let expected = [("script", RawValue::Unterminated("units; b=1")), ("c", RawValue::Text("2"))];
        assert_eq!(tokens("script=\"units; b=1\nc=2"), expected);
        assert_eq!(tokens("a=\"1\"2 b=3"), [("a", RawValue::BehindQuote("2")), ("b", RawValue::Text("3"))]);
    }

    proptest! {
        #[test]
        fn every_text_comes_to_an_end(text: String) {
            prop_assert!(Tokens::new(&text).count() <= text.len());
        }
    }
}
