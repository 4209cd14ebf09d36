//! Any bytes as what a person pastes for `ivt explain`.

use std::io::Read;

use explain::{Format, Outcome};
use printed::Colours;

/// Both ways of writing find the same; what people see holds no order to their terminal, what programs see is an object
/// a line; and it does not matter in which pieces the text comes.
pub fn check(bytes: &[u8]) {
    let (told, for_people) = explained(bytes, Format::Text(Colours::Off));
    let (counted, for_programs) = explained(bytes, Format::Json);
    assert_eq!(told, counted);
    assert_eq!(told == Outcome::NoFault, for_people.is_empty());
    assert_eq!(for_people.is_empty(), for_programs.is_empty());
    assert!(!for_people.chars().any(|shown| shown.is_control() && shown != '\n'), "{for_people:?}");
    for line in for_programs.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(object.is_object(), "{line}");
    }
    let mut output = Vec::new();
    let outcome = explain::run(&mut Trickle(bytes), Format::Json, &mut output).expect("memory does not fail");
    assert_eq!((outcome, output), (counted, for_programs.into_bytes()));
}

fn explained(mut bytes: &[u8], format: Format) -> (Outcome, String) {
    let mut output = Vec::new();
    let outcome = explain::run(&mut bytes, format, &mut output).expect("memory does not fail");
    (outcome, String::from_utf8(output).expect("text"))
}

/// Gives its bytes three at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(3);
        self.0.read(buffer.get_mut(..most).unwrap_or_default())
    }
}
