//! An assessment for people: the verdict, the tree, the findings.

use std::cmp::Reverse;
use std::io::{self, Write};

use acpi_tables::Dmar;
use acpi_tables::ivrs::Ivrs;
use acpi_tables::lint::{LintFinding, Severity, Verdict};

use super::assessment::{Assessment, Judged};
use super::{Tally, dmar_tree, ivrs_tree, tree};
use printed::{Colours, Printable, Tone};

/// Writes all there is to say of a table.
pub(super) fn write(output: &mut dyn Write, assessment: &Assessment, colours: Colours) -> io::Result<()> {
    let verdict = assessment.verdict();
    let tone = match verdict {
        Verdict::Protected => Tone::Good,
        Verdict::Gaps => Tone::Doubtful,
        Verdict::Broken => Tone::Bad,
    };
    let file = Printable(&assessment.file);
    let painted = colours.paint(tone, verdict);
    match &assessment.content {
        Err(problem) => writeln!(output, "{file}: {}: {problem}\n", colours.paint(tone, problem.word())),
        Ok(judged) => {
            writeln!(output, "{file}: {painted}: {}", sentence(verdict))?;
            write_table(output, judged)?;
            write_findings(output, &judged.findings, colours)?;
            writeln!(output)
        }
    }
}

/// What a verdict means.
const fn sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Protected => "nothing in this table stands in the way of DMA protection",
        Verdict::Gaps => "with this table DMA protection has gaps, or may have some",
        Verdict::Broken => "this table contradicts itself; protection cannot rest on it",
    }
}

fn write_table(output: &mut dyn Write, judged: &Judged) -> io::Result<()> {
    let bytes = judged.bytes.as_slice();
    let header = &judged.header;
    let (platform, nodes) = match (Dmar::parse(bytes), Ivrs::parse(bytes)) {
        (Ok(dmar), _) => (dmar_tree::platform(&dmar), dmar_tree::structures(&dmar)),
        (_, Ok(ivrs)) => (ivrs_tree::platform(&ivrs), ivrs_tree::blocks(&ivrs)),
        _ => ("nothing but a header".into(), Vec::new()),
    };
    writeln!(
        output,
        "{} of {} {}, revision {}, {} bytes: {platform}",
        header.signature.escape_ascii(),
        Padded(&header.oem_id),
        Padded(&header.oem_table_id),
        header.revision,
        bytes.len(),
    )?;
    tree::write(output, &nodes)
}

/// A name of fixed width, without the blanks and zeros behind it.
struct Padded<'a>(&'a [u8]);

impl std::fmt::Display for Padded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = self.0.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
        write!(f, "{}", self.0[..end].escape_ascii())
    }
}

/// The findings, the gravest first.
fn write_findings(output: &mut dyn Write, findings: &[LintFinding], colours: Colours) -> io::Result<()> {
    let mut findings: Vec<_> = findings.iter().collect();
    findings.sort_by_key(|finding| Reverse(finding.severity()));
    for finding in findings {
        let tone = match finding.severity() {
            Severity::Error => Tone::Bad,
            Severity::Warning => Tone::Doubtful,
            Severity::Note => Tone::Quiet,
        };
        let severity = colours.paint(tone, finding.severity());
        writeln!(output, "{severity} {} at {:#x}: {finding}", finding.id(), finding.offset)?;
        writeln!(output, "    {} {}", finding.meaning(), finding.remedy())?;
    }
    Ok(())
}

/// Writes how many tables came to which verdict, if there were several.
pub(super) fn write_summary(output: &mut dyn Write, tally: &Tally, colours: Colours) -> io::Result<()> {
    let Tally { protected, gaps, broken, passed_over, unreadable } = *tally;
    if tally.tables() + unreadable < 2 && passed_over == 0 {
        return Ok(());
    }
    write!(
        output,
        "{}: {protected} protected, {gaps} gaps, {broken} broken",
        colours.paint(Tone::Strong, Count(tally.tables(), "table"))
    )?;
    if unreadable > 0 {
        write!(output, "; {unreadable} could not be read as a table")?;
    }
    match passed_over {
        0 => writeln!(output),
        files => writeln!(output, "; {} passed over", Count(files, "other file")),
    }
}

/// A number with its noun.
struct Count(usize, &'static str);

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(number, noun) = self;
        write!(f, "{number} {noun}{}", if *number == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Problem;
    use acpi_tables::testing::DmarBuilder;
    use acpi_tables::{DmarFlags, DrhdFlags};
    use dma_types::{PhysAddr, Segment};

    fn text(assessment: &Assessment, colours: Colours) -> String {
        let mut output = Vec::new();
        write(&mut output, assessment, colours).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn the_verdict_stands_first_and_the_gravest_finding_before_others() {
        let unit = PhysAddr::new(0);
        let table = DmarBuilder::new()
            .flags(DmarFlags::empty())
            .drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), unit, &[])
            .build();
        let assessment = Assessment::of_table("evil\x1b.bin".into(), table);
        let said = text(&assessment, Colours::Off);
        assert!(said.starts_with("evil\\u{1b}.bin: broken: "), "{said}");
        let place = |word: &str| said.find(word).unwrap_or_else(|| panic!("{word} in {said}"));
        assert!(place("└─ unit at 0x0") < place("error drhd-base-zero at "));
        assert!(place("error drhd-base-zero") < place("warning no-intr-remap"));
        assert!(place("warning no-intr-remap") < place("note no-opt-in"));
        assert!(!said.contains('\x1b'));
        assert!(text(&assessment, Colours::On).contains("\x1b[31mbroken\x1b[0m"));
    }

    #[test]
    fn what_is_no_table_is_one_line() {
        let said = text(&Assessment::unreadable("x".into(), Problem::NoTable), Colours::Off);
        assert_eq!(said, "x: no table: holds neither a DMAR nor an IVRS table\n\n");
        let denied = Problem::File(io::ErrorKind::PermissionDenied.into());
        let said = text(&Assessment::unreadable("x".into(), denied), Colours::Off);
        assert_eq!(said, "x: cannot be read: permission denied: use sudo\n\n");
        let said = text(&Assessment::unreadable("x".into(), Problem::NoIommu), Colours::Off);
        assert!(said.starts_with("x: no IOMMU table here: DMA is not protected"), "{said}");
    }
}
