//! The kernel's stacks, each with a page below it that is never mapped.
#![expect(unsafe_code, reason = "UNSAFETY: shares memory that only the processor's stack pointer reaches")]

use core::cell::UnsafeCell;
use core::mem::offset_of;

use dma_types::PAGE_SIZE;

/// A stack and the page that a too deep call runs into.
#[repr(C, align(4096))]
pub struct GuardedStack<const BYTES: usize> {
    guard: [u8; PAGE_SIZE as usize],
    bytes: UnsafeCell<[u8; BYTES]>,
}

// SAFETY: nothing makes a reference to the bytes; they are reached through the stack pointer of the one
// processor that runs on them.
unsafe impl<const BYTES: usize> Sync for GuardedStack<BYTES> {}

impl<const BYTES: usize> GuardedStack<BYTES> {
    const fn new() -> Self {
        assert!(BYTES.is_multiple_of(PAGE_SIZE as usize));
        Self { guard: [0; PAGE_SIZE as usize], bytes: UnsafeCell::new([0; BYTES]) }
    }

    /// The address at which a stack pointer starts.
    pub fn top(&self) -> u64 {
        self.bytes.get() as u64 + BYTES as u64
    }

    fn extent(&self, name: &'static str) -> StackExtent {
        let guard = &raw const *self as u64 + offset_of!(Self, guard) as u64;
        StackExtent { name, guard, bottom: self.bytes.get() as u64, top: self.top() }
    }
}

/// What the kernel runs on once it has its own page tables.
pub static KERNEL: GuardedStack<{ 128 << 10 }> = GuardedStack::new();
/// Non-maskable interrupts.
pub static NMI: GuardedStack<{ 32 << 10 }> = GuardedStack::new();
/// Double faults, which a stack overflow ends in.
pub static DOUBLE_FAULT: GuardedStack<{ 32 << 10 }> = GuardedStack::new();
/// Machine checks.
pub static MACHINE_CHECK: GuardedStack<{ 32 << 10 }> = GuardedStack::new();

/// Where a stack lies.
#[derive(Clone, Copy, Debug)]
pub struct StackExtent {
    /// What it is for.
    pub name: &'static str,
    /// Address of its guard page.
    pub guard: u64,
    /// Its lowest address.
    pub bottom: u64,
    /// The address behind it.
    pub top: u64,
}

/// All stacks.
pub fn all() -> [StackExtent; 4] {
    [
        KERNEL.extent("kernel"),
        NMI.extent("NMI"),
        DOUBLE_FAULT.extent("double fault"),
        MACHINE_CHECK.extent("machine check"),
    ]
}

/// The stack that a stack pointer lies in.
pub fn containing(address: u64) -> Option<StackExtent> {
    // An empty stack's pointer is the address behind it.
    all().into_iter().find(|stack| (stack.bottom..=stack.top).contains(&address))
}

/// The stack whose guard page an address lies in.
pub fn guarded_at(address: u64) -> Option<StackExtent> {
    all().into_iter().find(|stack| (stack.guard..stack.bottom).contains(&address))
}
