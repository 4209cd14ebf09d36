//! How much memory is in use, for those who look for a leak.

use ::frames::Owner;
use dma_types::PAGE_SIZE;

use crate::memory::{frames, heap};
use crate::{dma, println};

/// Lists frames and heap, and what each domain takes of them.
pub fn show() {
    let (kernel, devices) = (frames::frames_of(Owner::Kernel), frames::frames_of(Owner::Device));
    println!("frames: {} of {} free", frames::free_frames(), frames::total_frames());
    println!(
        "  {kernel} the kernel's, {devices} devices' buffers and firmware regions, of {PAGE_SIZE} bytes each"
    );
    println!("heap: {} bytes in use of {}", heap::used_bytes(), heap::claimed_bytes());
    dma::domains(|domain| {
        let (size, live) = (domain.space().size(), domain.lock_books().book().live_mappings());
        println!(
            "domain {} of group {}: {} table pages, {live} mappings of {} bytes",
            domain.space().id(),
            domain.group(),
            size.table_pages,
            size.mapped_bytes
        );
    });
}
