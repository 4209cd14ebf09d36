//! One of several DMAR tables; firmware should have one.

use acpi_tables::Dmar;

/// How much of a table can be used; the best is the least.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Sound,
    Readable,
    Unreadable,
}

/// Which of several tables is used: the first sound one, else the first that can be read at all, else the first. `None` if
/// there is none.
pub fn choose_dmar<'t>(tables: impl IntoIterator<Item = &'t [u8]>) -> Option<usize> {
    let worth = |bytes| match Dmar::parse(bytes) {
        Ok(dmar) if dmar.damage().next().is_none() => Worth::Sound,
        Ok(_) => Worth::Readable,
        Err(_) => Worth::Unreadable,
    };
    // Of equals the first.
    let best = tables.into_iter().map(worth).enumerate().min_by_key(|(_, worth)| *worth);
    best.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use acpi_tables::DrhdFlags;
    use acpi_tables::testing::DmarBuilder;
    use dma_types::{PhysAddr, Segment};

    use super::choose_dmar;

    #[test]
    fn a_sound_table_is_better_than_a_readable_one_and_that_than_none() {
        let unit = PhysAddr::new(0xfed9_0000);
        let sound = DmarBuilder::new().drhd(DrhdFlags::INCLUDE_PCI_ALL, Segment(0), unit, &[]).build();
        let mut damaged = sound.clone();
        damaged[9] ^= 1;
        let (sound, damaged, nothing) = (sound.as_slice(), damaged.as_slice(), [0; 8].as_slice());
        for (tables, chosen) in [
            (&[nothing, damaged, sound, sound][..], Some(2)),
            (&[damaged, nothing, sound], Some(2)),
            (&[nothing, damaged, damaged], Some(1)),
            (&[nothing, nothing], Some(0)),
            (&[], None),
        ] {
            assert_eq!(choose_dmar(tables.iter().copied()), chosen);
        }
    }
}
