//! The firmware's table about its remapping units: chosen, read once, and handed on as what it means.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use acpi_tables::lint::{LintFinding, lint_dmar};
use acpi_tables::{Dmar, TableError};
use coverage::{Description, choose_dmar};
use report::DmarSource;

/// The table in use, and what it is worth.
pub struct FirmwareTable {
    /// Its bytes; they stay for as long as the kernel runs. None where there is no table.
    pub bytes: &'static [u8],
    /// Where it came from.
    pub source: DmarSource,
    /// Whether it could be read in full.
    pub soundness: Soundness,
    dmar: Option<Dmar<'static>>,
}

/// Whether a table could be read in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soundness {
    /// Every byte of it was understood.
    Sound,
    /// Part of it is missing or makes no sense; the log says what.
    Damaged,
}

impl FirmwareTable {
    /// Takes the table that the user gave in place of the firmware's.
    pub fn given(bytes: Vec<u8>) -> Self {
        Self::chosen(Candidate::read(bytes.leak()), DmarSource::FwCfg)
    }

    /// Chooses among the firmware's tables: the first sound one, else the first that can be read at all, else the first.
    pub fn of_firmware(found: &[Vec<u8>]) -> Self {
        if found.len() > 1 {
            log::warn!("the firmware has {} DMAR tables; the first sound one is used", found.len());
        }
        let chosen = choose_dmar(found.iter().map(Vec::as_slice)).and_then(|place| found.get(place));
        let chosen = Candidate::read(chosen.cloned().unwrap_or_default().leak());
        Self::chosen(chosen, DmarSource::Firmware)
    }

    fn chosen(candidate: Candidate, source: DmarSource) -> Self {
        let Candidate { bytes, dmar, damage } = candidate;
        if bytes.is_empty() {
            return Self { bytes, source: DmarSource::None, soundness: Soundness::Sound, dmar: None };
        }
        damage.iter().for_each(|damage| log::error!("DMAR is damaged: {damage}"));
        let soundness = if damage.is_empty() { Soundness::Sound } else { Soundness::Damaged };
        Self { bytes, source, soundness, dmar: dmar.ok() }
    }

    /// What it says of units, of whom they serve, and of reserved regions; `None` if it cannot be read.
    pub fn describe(&self) -> Option<Description<'static>> {
        self.dmar.as_ref().map(Description::from)
    }

    /// Judges it by its bytes alone, in the words of `ivt audit`.
    pub fn lint(&self, found: impl FnMut(LintFinding)) {
        if let Some(dmar) = &self.dmar {
            lint_dmar(dmar, found);
        }
    }
}

/// A table that may be used.
struct Candidate {
    bytes: &'static [u8],
    dmar: Result<Dmar<'static>, TableError>,
    /// Everything that kept it from being read in full, in words.
    damage: Vec<String>,
}

impl Candidate {
    fn read(bytes: &'static [u8]) -> Self {
        let dmar = Dmar::parse(bytes);
        let damage = match &dmar {
            Ok(dmar) => dmar.damage().map(|damage| damage.to_string()).collect(),
            Err(error) => vec![error.to_string()],
        };
        Self { bytes, dmar, damage }
    }
}
