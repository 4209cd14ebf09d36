//! An assessment as a JSON object on a line.

use std::io::{self, Write};

use acpi_tables::ivrs::Ivrs;
use acpi_tables::{Dmar, json};
use serde_json::{Value, json};

use printed::json_line;

use super::assessment::{Assessment, Judged};

/// Writes the line of a table.
pub(super) fn write(output: &mut dyn Write, assessment: &Assessment) -> io::Result<()> {
    let judged = assessment.content.as_ref();
    let findings = judged.map(|judged| judged.findings.iter().map(json::finding).collect::<Vec<_>>());
    let line = json!({
        "file": assessment.file,
        "signature": judged.ok().map(|judged| judged.header.signature.escape_ascii().to_string()),
        "verdict": assessment.verdict().to_string(),
        "structures": judged.map(structures).unwrap_or_default(),
        "findings": findings.unwrap_or_default(),
        "unreadable": judged.err().map(ToString::to_string),
    });
    json_line::write(output, &line)
}

/// What the table holds, in order; nothing if it ends before it could hold any.
fn structures(judged: &Judged) -> Vec<Value> {
    let bytes = judged.bytes.as_slice();
    let dmar = Dmar::parse(bytes).map(|dmar| json::dmar_structures(&dmar));
    dmar.or_else(|_| Ivrs::parse(bytes).map(|ivrs| json::ivrs_structures(&ivrs))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Problem;
    use acpi_tables::DrhdFlags;
    use acpi_tables::testing::DmarBuilder;
    use dma_types::{PhysAddr, Segment};

    fn line(assessment: &Assessment) -> Value {
        let mut output = Vec::new();
        write(&mut output, assessment).unwrap();
        serde_json::from_slice(&output).unwrap()
    }

    #[test]
    fn a_table_has_structures_and_findings() {
        let unit = PhysAddr::new(0);
        let table = DmarBuilder::new().drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(3), unit, &[]).build();
        let line = line(&Assessment::of_table("a.bin".into(), table));
        assert_eq!((&line["file"], &line["signature"]), (&"a.bin".into(), &"DMAR".into()));
        assert_eq!(line["verdict"], "broken");
        assert_eq!(line["structures"][0]["segment"], 3);
        assert_eq!(line["findings"][0]["id"], "drhd-base-zero");
        assert_eq!(line["unreadable"], Value::Null);
    }

    #[test]
    fn what_is_no_table_has_neither() {
        let line = line(&Assessment::unreadable("b".into(), Problem::NoTable));
        assert_eq!((&line["signature"], &line["verdict"]), (&Value::Null, &"broken".into()));
        assert_eq!((&line["structures"], &line["findings"]), (&json!([]), &json!([])));
    }

    #[test]
    fn a_header_alone_is_a_broken_table() {
        let table = DmarBuilder::new().build();
        let line = line(&Assessment::of_table("c".into(), table[..40].to_vec()));
        assert_eq!((&line["signature"], &line["structures"]), (&"DMAR".into(), &json!([])));
        assert_eq!(line["findings"][0]["id"], "length");
    }
}
