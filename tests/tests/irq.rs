//! Who may interrupt the processor: vectors with their owners.
//!
//! Machine: the default one, and some with other processors. What `interrupts` prints is held against what was done, and
//! against the chips as QEMU's monitor shows them.

use tests::Run;

/// A line of the table of vectors.
#[derive(Debug, PartialEq)]
struct Line<'a> {
    vector: u32,
    count: u64,
    owner: &'a str,
}

/// What one of the commands `interrupts` of a script has printed: from its prompt to the next.
fn table(serial: &str, which: usize) -> Vec<Line<'_>> {
    let printed = serial.split("ivt> ").filter(|part| part.starts_with("interrupts")).nth(which).unwrap();
    printed.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line<'_>> {
    let (vector, rest) = text.strip_prefix("vector 0x")?.split_once(": ")?;
    let (count, owner) = rest.split_once(' ')?;
    Some(Line {
        vector: u32::from_str_radix(vector, 16).ok()?,
        count: count.parse().ok()?,
        owner: owner.trim_end(),
    })
}

fn of<'a, 'b>(table: &'a [Line<'b>], owner: &str) -> &'a Line<'b> {
    table.iter().find(|line| line.owner.contains(owner)).unwrap_or_else(|| panic!("{owner}: {table:?}"))
}

/// A disk that works interrupts, one that rests does not. The kernel's own vectors outrank both, and no vector has two owners.
#[test]
fn every_drivers_vector_is_listed_with_a_count_that_grows_as_it_works() {
    const DRIVEN: [&str; 4] = ["00:05.0", "00:06.0", "00:07.0", "00:08.0"];
    let script = "interrupts; disk read 00:05.0 1 0 8; attack 00:03.0 write; interrupts; report";
    let outcome = Run::new().options("policy=log drill=off").script(script).go();
    outcome.assert_status(0);
    let (before, after) = (table(&outcome.serial, 0), table(&outcome.serial, 1));
    for bdf in DRIVEN {
        let line = of(&before, &format!("message 0 of 0000:{bdf}, to processor 0, open"));
        assert!((0x30..0xf0).contains(&line.vector), "{line:?}");
        assert_eq!(line.vector, of(&after, bdf).vector);
        assert_eq!(after.iter().filter(|other| other.vector == line.vector).count(), 1);
    }
    assert!(of(&after, "00:05.0").count > of(&before, "00:05.0").count, "{before:?} {after:?}");
    assert_eq!(of(&after, "00:07.0").count, of(&before, "00:07.0").count, "it was asked for nothing");
    let units = (of(&before, "the remapping units"), of(&after, "the remapping units"));
    assert!(units.0.vector >= 0xf0 && units.1.count == units.0.count + 1, "{units:?}");
    assert!(of(&after, "the APIC's timer").vector >= 0xf0);
    let report = outcome.serial.rsplit("ivt> report").next().unwrap();
    assert_eq!(report.lines().filter_map(line).count(), after.len());
}
