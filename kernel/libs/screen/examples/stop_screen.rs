//! Draws a stop screen into PNG files, to look at: `cargo run -p screen --example stop_screen -- FOLDER`.

use std::error::Error;
use std::path::Path;

use screen::{
    Field, Geometry, PixelBuffer, PixelFormat, Register, StopCode, StopText, TextLine, TextScreen,
    draw_stop_screen,
};

const SIZES: [(usize, usize); 5] = [(640, 480), (800, 600), (1280, 720), (1920, 1080), (3840, 2160)];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("expected a folder")?;
    for (width, height) in SIZES {
        let file = Path::new(&folder).join(format!("stop-{width}x{height}.png"));
        draw(&file, width, height, |pixels| draw_stop_screen(pixels, &stop_text()))?;
        let file = Path::new(&folder).join(format!("text-{width}x{height}.png"));
        draw(&file, width, height, draw_text)?;
    }
    Ok(())
}

/// Draws into a buffer and writes it to a file.
fn draw(
    file: &Path,
    width: usize,
    height: usize,
    content: impl FnOnce(&mut PixelBuffer<'_>),
) -> Result<(), Box<dyn Error>> {
    let geometry = Geometry { width, height, stride: width, bytes_per_pixel: 3, format: PixelFormat::Rgb };
    let mut bytes = vec![0; width * height * 3];
    content(&mut PixelBuffer::new(&mut bytes, geometry).ok_or("no pixels")?);
    let mut encoder =
        png::Encoder::new(std::fs::File::create(file)?, u32::try_from(width)?, u32::try_from(height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&bytes)?;
    Ok(())
}

fn stop_text() -> StopText<'static> {
    StopText {
        headline: &"A device tried to write to memory that it was not given. The access was blocked, and the \
            machine was stopped before anything else could happen.",
        code: StopCode { code: 0xe6, parameters: [0x26, 0xffff_8000_0012_3450, 0x1f3_7000, 0x5] },
        name: "DRIVER_VERIFIER_DMA_VIOLATION",
        fields: &[
            Field { label: "device", value: &"0000:00:03.0  QEMU edu device (1234:11e8), driver edu" },
            Field { label: "access", value: &"write" },
            Field { label: "address", value: &"0x1f37000" },
            Field { label: "reason", value: &"0x5: no write permission in the page table entry" },
            Field {
                label: "explanation",
                value: &"No mapping of this device ever covered the address. The nearest live one is 0x1f35000 to \
                    0x1f36000, 'edu buffer', mapped by kernel/src/devices/edu.rs:97 for reading and writing.",
            },
            Field {
                label: "what next",
                value: &"Look for a wrong address in the driver at the line named above.",
            },
        ],
        registers: &REGISTERS,
        digest: "IVT1:stop=e6,26,ffff800000123450,1f37000,5;ver=0.1.0;req=0000:00:03.0;dev=0000:00:03.0;\
            id=1234:11e8;drv=edu;op=write;at=1f37000;why=5;is=overrun;near=edu+buffer;site=devices/edu.rs:97;n=1;",
        closing: &"The machine is halted. No device can reach memory any more. It is safe to switch it off.",
    }
}

const NAMES: [&str; 22] = [
    "rip", "rflags", "rsp", "rbp", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
    "r13", "r14", "r15", "cr0", "cr2", "cr3", "cr4",
];

static REGISTERS: [Register<'static>; 22] = {
    let mut registers = [Register { name: "", value: 0 }; 22];
    let mut index = 0;
    while index < registers.len() {
        registers[index] =
            Register { name: NAMES[index], value: 0xffff_8000_0000_1000 + index as u64 * 0x10_0010 };
        index += 1;
    }
    registers
};

fn draw_text(pixels: &mut PixelBuffer<'_>) {
    use std::fmt::Write;
    let mut lines = vec![TextLine::EMPTY; 80];
    let mut screen = Box::new(TextScreen::new(&mut lines));
    screen.resize(pixels.width(), pixels.height());
    for unit in 0..60 {
        // Writing to the grid cannot fail.
        let _ = writeln!(
            screen,
            "[    0.0{unit:02}] iommu: unit {unit} at 0xfed90000 enforces, 48-bit, 3 levels"
        );
    }
    let _ = write!(screen, "ivt> attack 00:03.0 write kernel");
    screen.draw(pixels, usize::MAX);
}
