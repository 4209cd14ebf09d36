//! The screen that firmware and boot loader set up.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: a stopped kernel takes the screen from code that never runs again"
)]

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::sync::{IrqLock, rank};
use bootloader_api::info::{FrameBuffer, PixelFormat as LoaderFormat};
use dma_types::PAGE_SIZE;
use screen::{Geometry, PixelBuffer, PixelFormat, StopText};
use spin::Once;

static SCREEN: IrqLock<Option<PixelBuffer<'static>>, rank::Pixels> = IrqLock::new(None);

/// Where the pixels are, for a stop that finds the lock held.
struct Memory {
    start: AtomicPtr<u8>,
    bytes: usize,
    geometry: Geometry,
}

static MEMORY: Once<Memory> = Once::new();

/// Takes the screen over. Without one, or with one that cannot be drawn on, drawing does nothing.
///
/// The buffer must stay mapped where the boot loader mapped it.
pub fn init(framebuffer: FrameBuffer) {
    let info = framebuffer.info();
    let geometry = Geometry {
        width: info.width,
        height: info.height,
        stride: info.stride,
        bytes_per_pixel: info.bytes_per_pixel,
        format: format(info.pixel_format),
    };
    let bytes = framebuffer.into_buffer();
    let memory = Memory { start: AtomicPtr::new(bytes.as_mut_ptr()), bytes: bytes.len(), geometry };
    match PixelBuffer::new(bytes, geometry) {
        Some(pixels) => {
            *SCREEN.lock() = Some(pixels);
            MEMORY.call_once(|| memory);
        }
        None => log::warn!("the screen cannot be used: {geometry:?}"),
    }
}

/// Draws on the screen, with interrupts off meanwhile; `None` if there is no screen.
pub fn with_pixels<R>(draw: impl FnOnce(&mut PixelBuffer<'static>) -> R) -> Option<R> {
    SCREEN.lock().as_mut().map(draw)
}

/// Draws a stop screen over everything. Only for a kernel that has stopped: it waits for no lock.
pub fn draw_stop_screen(text: &StopText<'_>) {
    if let Some(mut screen) = SCREEN.try_lock() {
        if let Some(pixels) = screen.as_mut() {
            screen::draw_stop_screen(pixels, text);
        }
        return;
    }
    let Some(Memory { start, bytes, geometry }) = MEMORY.get() else { return };
    // SAFETY: start and length are those of the loader's buffer, which stays mapped for ever. Whoever holds
    // the lock was interrupted by this stop and never runs again: a stop does not return.
    let bytes = unsafe { core::slice::from_raw_parts_mut(start.load(Ordering::Acquire), *bytes) };
    if let Some(mut pixels) = PixelBuffer::new(bytes, *geometry) {
        screen::draw_stop_screen(&mut pixels, text);
    }
}

/// Takes the screen away, for a test of the stop: it stays locked, and what is drawn without the lock faults.
pub fn lose() {
    SCREEN.hold_for_ever();
    if let Some(memory) = MEMORY.get() {
        // The lower half of the address space is empty.
        memory.start.store(ptr::without_provenance_mut(PAGE_SIZE as usize), Ordering::Release);
    }
}

fn format(format: LoaderFormat) -> PixelFormat {
    match format {
        LoaderFormat::Rgb => PixelFormat::Rgb,
        LoaderFormat::U8 => PixelFormat::Grey,
        LoaderFormat::Unknown { red_position, green_position, blue_position } => {
            PixelFormat::Shifted { red: red_position, green: green_position, blue: blue_position }
        }
        // The format of nearly all PCs, and the best guess for one that a later loader may name.
        _ => PixelFormat::Bgr,
    }
}
