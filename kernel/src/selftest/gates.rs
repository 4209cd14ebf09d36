//! The interrupt descriptor table as the processor sees it.

use core::fmt;

use exceptions::{Gate, Vector};
use x86_64::instructions::segmentation::{CS, Segment};

use super::check;
use crate::arch::{gdt, idt, stacks};
use crate::memory::image;
use crate::text::Text;

const NAME: &str = "idt";

/// Vectors with a stack of their own, and the stack's name.
const OWN_STACKS: [(Vector, &str); 3] =
    [(Vector::NMI, "NMI"), (Vector::DOUBLE_FAULT, "double fault"), (Vector::MACHINE_CHECK, "machine check")];

/// Looks at every gate: present, an interrupt gate for the kernel alone, into the kernel's code, on the right
/// stack.
pub(super) fn run() {
    let flaw = (0..=u8::MAX).find_map(|vector| Some(Flaw { vector, what: flaw(vector)? }));
    let detail = flaw.as_ref().map(Text::<128>::of);
    check(NAME, detail.as_ref().map_or(Ok(()), |detail| Err(detail.as_str())));
}

/// What is wrong with which gate.
struct Flaw {
    vector: u8,
    what: What,
}

enum What {
    OtherTable,
    Absent,
    Kind(u8),
    Privilege(u8),
    Selector(u16),
    Handler(u64),
    Stack(Option<u8>),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gate {:#x}: ", self.vector)?;
        match &self.what {
            What::OtherTable => f.write_str("the processor uses another table"),
            What::Absent => f.write_str("absent"),
            What::Kind(kind) => write!(f, "of type {kind:#x}"),
            What::Privilege(level) => write!(f, "open to level {level}"),
            What::Selector(selector) => write!(f, "into segment {selector:#x}"),
            What::Handler(address) => write!(f, "to {address:#x}, where no code of the kernel is"),
            What::Stack(stack) => write!(f, "on interrupt stack {stack:?}"),
        }
    }
}

fn flaw(vector: u8) -> Option<What> {
    let Some(gate) = idt::gate(vector) else { return Some(What::OtherTable) };
    let code = image::text().unwrap_or_default();
    if !gate.is_present() {
        return Some(What::Absent);
    }
    if gate.kind() != Gate::INTERRUPT {
        return Some(What::Kind(gate.kind()));
    }
    if gate.privilege() != 0 {
        return Some(What::Privilege(gate.privilege()));
    }
    if gate.selector() != CS::get_reg().0 {
        return Some(What::Selector(gate.selector()));
    }
    if !code.contains(&gate.handler()) {
        return Some(What::Handler(gate.handler()));
    }
    (stack_of(gate) != expected_stack(vector)).then(|| What::Stack(gate.stack()))
}

/// The name of the stack that a gate's handler starts on; `None` for the interrupted one.
fn stack_of(gate: Gate) -> Option<&'static str> {
    let index = u16::from(gate.stack()?) - 1;
    let top = gdt::interrupt_stack(index);
    Some(
        stacks::all().into_iter().find(|stack| Some(stack.top) == top).map_or("no stack", |stack| stack.name),
    )
}

fn expected_stack(vector: u8) -> Option<&'static str> {
    OWN_STACKS.into_iter().find(|(own, _)| own.0 == vector).map(|(_, name)| name)
}
