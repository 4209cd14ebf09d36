//! What a table means for the protection of its machine.
//!
//! A finding has a stable id, a severity, a place in the table, and three sentences: what is wrong, what it
//! means for protection, and the remedy. Everything here is decided from the table's bytes alone; what takes a
//! look at the machine is the kernel's to find.
//!
//! Time is linear in the table's length: structures are compared with each other among the first
//! [`COMPARED`] only, many times what the largest machine has.

mod dmar;
mod ivrs;
mod ivrs_problem;
mod problem;
mod relations;
mod rules;
#[cfg(test)]
mod tests;

use core::fmt;

use crate::damage::Damage;
use crate::dmar::Dmar;
use crate::ivrs::Ivrs;
use crate::table::{Header, TableError};

pub use ivrs_problem::IvrsProblem;
pub use problem::Problem;
pub use rules::Rule;

/// How many structures, and how many scope entries, are compared with each other.
pub const COMPARED: usize = 1024;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; not held against the table.
    Note,
    /// Protection has, or may have, a gap.
    Warning,
    /// The table contradicts itself or cannot be what the machine is.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What a table's findings come to. The worst of several is the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing but notes.
    #[default]
    Protected,
    /// A warning, but no error.
    Gaps,
    /// An error, or no table that can be read.
    Broken,
}

impl From<Severity> for Verdict {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Note => Self::Protected,
            Severity::Warning => Self::Gaps,
            Severity::Error => Self::Broken,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protected => "protected",
            Self::Gaps => "gaps",
            Self::Broken => "broken",
        })
    }
}

/// One thing that a table says or leaves out. Shown, it is the sentence on what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LintFinding {
    /// What was found, with the facts.
    pub problem: Problem,
    /// Where in the table.
    pub offset: usize,
}

impl LintFinding {
    /// The stable name of this kind of finding.
    pub const fn id(&self) -> &'static str {
        self.problem.rule().id
    }

    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        self.problem.rule().severity
    }

    /// One sentence on what it means for protection.
    pub const fn meaning(&self) -> &'static str {
        self.problem.rule().meaning
    }

    /// One sentence on what to do about it.
    pub const fn remedy(&self) -> &'static str {
        self.problem.rule().remedy
    }
}

impl fmt::Display for LintFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

/// Where findings go, in the order in which they are made: the table as a whole, each structure, then
/// structures against each other.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(LintFinding);

/// Judges a table of either kind by its bytes.
///
/// # Errors
/// If the bytes hold neither kind. A table that ends before its first structure could begin is judged: that
/// it does is its one finding.
pub fn lint(bytes: &[u8], mut found: impl FnMut(LintFinding)) -> Result<(), TableError> {
    let signature = Header::read(bytes).map(|header| header.signature);
    let parsed = match signature {
        Some(Ivrs::SIGNATURE) => Ivrs::parse(bytes).map(|table| lint_ivrs(&table, &mut found)),
        _ => Dmar::parse(bytes).map(|table| lint_dmar(&table, &mut found)),
    };
    match parsed {
        Err(TableError::NoFixedPart { readable, .. }) => {
            found(LintFinding { problem: Problem::TableTooShort { readable }, offset: 4 });
            Ok(())
        }
        other => other,
    }
}

/// Judges a DMAR table.
pub fn lint_dmar(dmar: &Dmar<'_>, mut found: impl FnMut(LintFinding)) {
    damage(dmar.damage(), &mut found);
    dmar::check(dmar, &mut found);
    relations::check(dmar, &mut found);
}

/// Judges an IVRS table.
pub fn lint_ivrs(table: &Ivrs<'_>, mut found: impl FnMut(LintFinding)) {
    damage(table.damage(), &mut found);
    ivrs::check(table, &mut found);
}

/// Reports what kept a table from being read in full.
fn damage(list: impl Iterator<Item = Damage>, found: Sink<'_>) {
    for damage in list {
        found(LintFinding { problem: Problem::Damage(damage), offset: damage.offset() });
    }
}
