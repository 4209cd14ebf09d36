//! JSON objects, one a line, in ASCII.
//!
//! Some readers take more than a line feed for the end of a line (U+0085, U+2028), and names in tables and paths
//! may hold any character: all beyond ASCII are escaped.

use std::io::{self, Write};

use serde_json::Value;

/// Writes an object and the line's end.
pub fn write(output: &mut dyn Write, object: &Value) -> io::Result<()> {
    writeln!(output, "{}", ascii(&object.to_string()))
}

/// Escapes what is not ASCII, which in JSON stands in strings alone.
fn ascii(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut line, character| {
        if character.is_ascii() {
            line.push(character);
        } else {
            line.extend(character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_is_ascii_and_reads_back() {
        let object = json!({"file": "a\u{85}\u{2028}\u{fc}\u{1f600}\"\n", "n": 1});
        let mut line = Vec::new();
        write(&mut line, &object).unwrap();
        assert!(line.is_ascii() && line.strip_suffix(b"\n").is_some_and(|text| !text.contains(&b'\n')));
        assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), object);
    }
}
