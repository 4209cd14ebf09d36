//! Discovery on tables that firmware could have damaged in any way, without touching hardware.

use alloc::vec::Vec;

use acpi_tables::Dmar;
use coverage::{Description, Plan};

use super::{check, skip};
use crate::arch::cpu;
use crate::firmware;
use crate::platform::clock;

const NAME: &str = "tables";

/// Tables tried.
const TABLES: u32 = 2000;

/// Most bytes changed in one table.
const MOST_CHANGES: u64 = 8;

/// Runs discovery on this machine's own table with random bytes changed, cut or lengthened. It must come to an
/// end with a plan that names only what is there.
pub(super) fn run() {
    let Some((table, topology)) = firmware::discovered() else {
        return skip(NAME, "this machine has no table to start from");
    };
    let mut random = Random(clock::now_ns() | 1);
    for _ in 0..TABLES {
        let mutated = mutate(table, &mut random);
        let Ok(dmar) = Dmar::parse(&mutated) else { continue };
        let damage = dmar.damage().count();
        let plan = Plan::new(&Description::from(&dmar), topology, cpu::physical_address_bits());
        let units = plan.units.len();
        let sound = plan.unit_of.len() == topology.functions().len()
            && plan.unit_of.iter().flatten().all(|unit| *unit < units)
            && damage <= mutated.len();
        if !sound {
            return check(NAME, Err("a plan names what is not there"));
        }
    }
    check(NAME, Ok(()));
}

fn mutate(table: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = table.to_vec();
    for _ in 0..=random.below(MOST_CHANGES) {
        let at = random.below(bytes.len() as u64) as usize;
        if let Some(byte) = bytes.get_mut(at) {
            *byte = random.next() as u8;
        }
    }
    match random.below(8) {
        0 => bytes.truncate(random.below(bytes.len() as u64) as usize),
        1 => bytes.extend_from_within(..),
        _ => {}
    }
    bytes
}

/// Numbers without a pattern (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `limit`, or 0.
    fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }
}
