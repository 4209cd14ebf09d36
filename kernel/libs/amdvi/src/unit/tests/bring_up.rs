//! Taking a unit, from reset and from firmware.

use super::*;
use crate::EnableError;
use crate::spec::features::Features;

#[test]
fn a_unit_from_reset_blocks_every_requester_and_says_so() {
    let machine = Machine::new(FakeConfig::default());
    for source in (0..=u16::MAX).step_by(257).map(SourceId::from_bits).chain([OTHER]) {
        assert_eq!(machine.reads(source, IOVA), None, "{source}");
    }
    assert!(machine.fake.messages() >= 255, "what is blocked is logged");
    let unit = machine.controller.unit().unit();
    assert!(unit.is_enforcing() && !unit.is_dead());
    assert_eq!(unit.queue_errors(), (0, None));
}

#[test]
fn a_unit_that_looks_at_no_entry_untold_is_told_of_every_one() {
    for invalidate_all in [Offer::Yes, Offer::No] {
        let entries = Entries::WhenTold;
        let machine = Machine::new(FakeConfig { entries, invalidate_all, ..FakeConfig::default() });
        let every = (0..=u16::MAX).map(SourceId::from_bits);
        assert_eq!(every.filter(|source| machine.reads(*source, IOVA).is_some()).count(), 0);
    }
}

#[test]
fn translation_that_firmware_left_on_is_on_throughout() {
    let config = FakeConfig::default();
    let mut memory = FakeMemory::new();
    let old = memory.allocate().unwrap();
    for requester in 0..128 {
        memory.write(PhysAddr::new(old.as_u64() + requester * 32), 1);
    }
    let all_on =
        Control::ENFORCING | Control::PAGE_REQUEST_LOG | Control::PAGE_REQUESTS | Control::GUEST_TRANSLATION;
    let left =
        Leftovers { control: all_on, table: DeviceTableBase::new(old, 0), exclusion: (0x7000 | 1, 0x9000) };
    let fake = FakeUnit::left_by_firmware(config, memory.clone(), &left);
    let unit = Unit::probe(fake.clone(), announced(config)).unwrap();
    let found = unit.firmware_state();
    assert!(found.translation && found.commands && found.exclusion);
    assert_eq!(fake.dma(DEVICE, Iova::new(0x8000), Access::Write), Ok(PhysAddr::new(0x8000)));

    let machine = Machine::enabled(config, memory, fake);
    assert!(machine.fake.history().iter().all(|then| then.translation));
    assert_eq!(machine.reads(DEVICE, Iova::new(0x8000)), None, "no range is excluded any more");
    let control: Control = machine.fake.get(crate::spec::registers::CONTROL);
    assert!(
        !control.intersects(Control::PAGE_REQUESTS | Control::PAGE_REQUEST_LOG | Control::GUEST_TRANSLATION)
    );
}

#[test]
fn what_a_unit_remembers_from_before_is_forgotten_with_and_without_the_command_for_all() {
    for invalidate_all in [Offer::Yes, Offer::No] {
        let config = FakeConfig { invalidate_all, ..FakeConfig::default() };
        let mut memory = FakeMemory::new();
        let old = memory.allocate().unwrap();
        let left =
            Leftovers { control: Control::UNIT, table: DeviceTableBase::new(old, 0), ..Leftovers::default() };
        let fake = FakeUnit::left_by_firmware(config, memory.clone(), &left);
        // An entry that is not valid: the requester passes, and that is remembered.
        assert!(fake.dma(DEVICE, IOVA, Access::Write).is_ok());
        let machine = Machine::enabled(config, memory, fake);
        assert_eq!(machine.reads(DEVICE, IOVA), None);
    }
}

#[test]
fn a_window_without_a_unit_is_refused() {
    let short = FakeConfig { window: 0x1000, ..FakeConfig::default() };
    let fake = FakeUnit::new(short, FakeMemory::new());
    assert_eq!(Unit::probe(fake, announced(short)).err(), Some(UnitError::WindowTooShort { bytes: 0x1000 }));

    struct Gone;
    impl Registers for Gone {
        fn len(&self) -> usize {
            0x4000
        }
        fn read32(&self, _: usize) -> u32 {
            u32::MAX
        }
        fn write32(&self, _: usize, _: u32) {}
    }
    let gone = Unit::probe(Gone, announced(short)).err();
    assert!(matches!(gone, Some(UnitError::NotAnswering { .. })));
}

#[test]
fn features_that_only_one_side_promises_are_not_used() {
    let config = FakeConfig::default();
    let fake = FakeUnit::new(config, FakeMemory::new());
    let believed = |features| {
        let announced = Announced { features: Some(Features(features)), ..announced(config) };
        Unit::probe(fake.clone(), announced).map(|unit| unit.features())
    };
    assert!(!believed(0x29d7 & !0x40).unwrap().invalidate_all());
    assert!(believed(0x29d7).unwrap().invalidate_all());
    assert!(!believed(0x29d7).unwrap().x2apic());
}

#[test]
fn a_unit_that_does_not_start_or_forget_is_not_enabled_and_keeps_its_pages() {
    for part in [Stuck::Start, Stuck::Control, Stuck::Commands, Stuck::Answers] {
        let (config, memory) = (FakeConfig::default(), FakeMemory::new());
        let fake = FakeUnit::new(config, memory.clone());
        fake.break_part(part);
        let unit = Unit::probe(fake, announced(config)).unwrap();
        let result = ActiveUnit::enable(unit, Control::empty(), memory.clone(), FakeClock::new());
        let error = result.err().unwrap().error;
        assert!(matches!(error, EnableError::Unit(_)), "{part:?}: {error}");
        assert!(memory.live_pages() >= 513, "{part:?}: the unit may use them");
    }
}

#[test]
fn without_memory_nothing_is_touched() {
    for nth in 0..5 {
        let (config, memory) = (FakeConfig::default(), FakeMemory::new());
        let fake = FakeUnit::new(config, memory.clone());
        memory.fail_allocation(nth);
        let unit = Unit::probe(fake.clone(), announced(config)).unwrap();
        let result = ActiveUnit::enable(unit, Control::empty(), memory, FakeClock::new());
        assert!(result.is_err(), "allocation {nth}");
        assert_eq!(fake.history().len(), 1, "allocation {nth}");
    }
}

#[test]
fn whoever_reaches_the_registers_is_noticed() {
    type Change = fn(&FakeUnit);
    let changes: [(Change, &str); 4] = [
        (|fake| fake.control_by_a_stranger(Control::COMMANDS), "translation is off"),
        (|fake| fake.control_by_a_stranger(Control::UNIT), "the command buffer is off"),
        (|fake| fake.table_by_a_stranger(DeviceTableBase(0x1ff)), "the device table is another one"),
        (|fake| fake.exclude_by_a_stranger(1, 0x5000), "a range of memory passes untranslated"),
    ];
    for (change, words) in changes {
        let machine = Machine::new(FakeConfig::default());
        let port = machine.controller.unit().unit().enforcement_port().unwrap();
        assert!(port.ask().is_ok());
        change(&machine.fake);
        let lost = port.ask().unwrap_err();
        assert_eq!(std::format!("{lost}"), words);
        assert!(!machine.controller.unit().unit().is_enforcing());
    }
}

#[test]
fn a_unit_can_be_brought_up_once_more_and_blocks_all_then() {
    let mut machine = Machine::new(FakeConfig::default());
    let _space = machine.with_device();
    assert_eq!(machine.reads(DEVICE, IOVA), Some(TARGET));
    let config = FakeConfig::default();
    let unit = Unit::probe(machine.fake.clone(), announced(config)).unwrap();
    assert!(unit.firmware_state().translation);
    let before = machine.memory.live_pages();
    let fresh =
        ActiveUnit::enable(unit, Control::empty(), machine.memory.clone(), machine.clock.clone()).unwrap();
    machine.controller.unit_mut().replace(fresh);
    assert_eq!(machine.reads(DEVICE, IOVA), None);
    // The rings of the first one stay taken: the unit used them.
    assert_eq!(machine.memory.live_pages(), before + 3);
}
