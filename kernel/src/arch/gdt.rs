//! Segments, and the stacks that exceptions with their own stack use.
#![expect(unsafe_code, reason = "UNSAFETY: loads segment registers and the task register")]

use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, FS, GS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, DescriptorFlags, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

use super::stacks;

/// Index in the interrupt stack table, from 0, of the stack for NMIs.
pub const NMI_STACK: u16 = 0;
/// The same for double faults.
pub const DOUBLE_FAULT_STACK: u16 = 1;
/// The same for machine checks.
pub const MACHINE_CHECK_STACK: u16 = 2;

static TASK: Once<TaskStateSegment> = Once::new();
static TABLE: Once<(GlobalDescriptorTable, Selectors)> = Once::new();

struct Selectors {
    code: SegmentSelector,
    data: SegmentSelector,
    task: SegmentSelector,
    absent: SegmentSelector,
}

/// A data segment that is marked absent: a self-test shows what comes of loading it.
pub fn absent_segment() -> Option<SegmentSelector> {
    Some(TABLE.get()?.1.absent)
}

/// Where the stack under an index, from 0, of the interrupt stack table starts; `None` if there is none.
pub fn interrupt_stack(index: u16) -> Option<u64> {
    // The segment is packed: its table has to be copied out.
    let stacks = TASK.get()?.interrupt_stack_table;
    let top = stacks.get(usize::from(index))?.as_u64();
    (top != 0).then_some(top)
}

/// Replaces the loader's segments by the kernel's.
pub fn load() {
    let task = TASK.call_once(|| {
        let mut task = TaskStateSegment::new();
        for (index, top) in [
            (NMI_STACK, stacks::NMI.top()),
            (DOUBLE_FAULT_STACK, stacks::DOUBLE_FAULT.top()),
            (MACHINE_CHECK_STACK, stacks::MACHINE_CHECK.top()),
        ] {
            task.interrupt_stack_table[usize::from(index)] = VirtAddr::new(top);
        }
        task
    });
    let (table, selectors) = TABLE.call_once(|| {
        let mut table = GlobalDescriptorTable::new();
        let code = table.append(Descriptor::kernel_code_segment());
        let data = table.append(Descriptor::kernel_data_segment());
        let task = table.append(Descriptor::tss_segment(task));
        let absent = DescriptorFlags::KERNEL_DATA.difference(DescriptorFlags::PRESENT);
        let absent = table.append(Descriptor::UserSegment(absent.bits()));
        (table, Selectors { code, data, task, absent })
    });
    table.load();
    // SAFETY: the selector names the 64-bit code segment of the table just loaded.
    unsafe { CS::set_reg(selectors.code) };
    // SAFETY: the selector names the writable data segment of that table.
    unsafe { SS::set_reg(selectors.data) };
    for set in [DS::set_reg, ES::set_reg, FS::set_reg, GS::set_reg] {
        // SAFETY: the null selector is valid for these registers in 64-bit mode, and nothing uses FS or GS.
        unsafe { set(SegmentSelector::NULL) };
    }
    // SAFETY: the selector names the task state segment, which lives for ever and is loaded once.
    unsafe { load_tss(selectors.task) };
}
