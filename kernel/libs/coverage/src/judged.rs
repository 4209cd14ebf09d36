//! All that is to be said about the firmware's table, with the machine at hand.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use acpi_tables::lint::{LintFinding, Rule};

use crate::finding::TableFinding;
use crate::plan::{Plan, Unit};

/// Findings of one kind that are kept; a table made to have more of them is shown by these well enough.
const MOST: usize = 256;

/// One finding, whoever made it.
#[derive(Clone, Debug)]
pub struct JudgedFinding {
    /// What it means, how grave it is, and what to do about it.
    pub rule: Rule,
    /// Where in the table.
    pub offset: Option<usize>,
    /// The unit that the table describes there.
    pub unit: Option<usize>,
    /// The sentence on what is wrong.
    pub what: String,
    /// What it rests on.
    pub source: Source,
}

/// What a finding rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The table's bytes alone.
    Table,
    /// The machine, which says otherwise.
    Machine,
}

/// What a unit says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitAnswer {
    /// Nothing, or not what a unit says.
    Silent,
    /// Its capabilities.
    Capable {
        /// Address bits that it translates.
        address_bits: u8,
        /// It remaps interrupts.
        remaps_interrupts: bool,
    },
}

impl Plan {
    /// Judges the table that the plan was made of: by its bytes, as `lint` hands them on; by what was found on joining it
    /// with the buses, and `also` on granting its regions; and by what its units, in their order, say of themselves.
    pub fn judge(
        &self,
        lint: impl FnOnce(&mut dyn FnMut(LintFinding)),
        also: &[TableFinding],
        answers: &[UnitAnswer],
    ) -> Vec<JudgedFinding> {
        let mut judged = Vec::new();
        let mut note = |source, rule, offset: Option<usize>, what: &dyn ToString| {
            let unit =
                offset.and_then(|offset| self.units.iter().position(|unit| unit.described.contains(&offset)));
            judged.push(JudgedFinding { rule, offset, unit, what: what.to_string(), source });
        };
        let mut of_bytes = 0..MOST;
        lint(&mut |finding| {
            if of_bytes.next().is_some() {
                note(Source::Table, finding.problem.rule(), Some(finding.offset), &finding);
            }
        });
        let live = self.findings.iter().chain(also).filter(|finding| !finding.is_of_the_table()).copied();
        let live = live.chain(self.contradictions(answers));
        live.take(MOST).for_each(|finding| note(Source::Machine, finding.rule(), finding.offset(), &finding));
        judged
    }

    /// Where the units say other than the table.
    fn contradictions<'a>(&'a self, answers: &'a [UnitAnswer]) -> impl Iterator<Item = TableFinding> + 'a {
        self.units.iter().zip(answers).flat_map(|(unit, answer)| self.contradictions_of(unit, *answer))
    }

    fn contradictions_of(
        &self,
        unit: &Unit,
        answer: UnitAnswer,
    ) -> impl Iterator<Item = TableFinding> + use<> {
        let (offset, base) = (unit.described.start, unit.base);
        let platform = self.platform.address_bits;
        let (first, second) = match answer {
            // A base that cannot be one is told by the table's bytes.
            UnitAnswer::Silent => {
                (unit.problem.is_none().then_some(TableFinding::UnitSilent { offset, base }), None)
            }
            UnitAnswer::Capable { address_bits, remaps_interrupts } => {
                let lacks = self.platform.remaps_interrupts && !remaps_interrupts;
                let narrow = platform > u16::from(address_bits);
                (
                    lacks.then_some(TableFinding::NoInterruptRemapping { offset, base }),
                    narrow.then_some(TableFinding::Narrow { offset, platform, unit: address_bits }),
                )
            }
        };
        first.into_iter().chain(second)
    }
}
