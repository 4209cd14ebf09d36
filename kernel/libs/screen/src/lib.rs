//! Text and the stop screen, drawn into a pixel buffer.
//!
//! Everything here is a pure function of its arguments and the buffer: nothing allocates, locks or knows
//! where the buffer comes from, so the stop path may call it in any state of the kernel, and tests look at
//! the pixels on the host. Whatever does not fit on the screen is cut off; no size is too small.
//!
//! - [`PixelBuffer`] knows the format of the memory and clips; [`Typeface`] and [`Pen`] put text into it.
//! - [`TextScreen`] is the console: a grid of characters that is written cheaply and drawn later.
//! - [`draw_stop_screen`] draws a [`StopText`] with a QR code of its report line; the text is also a plain one
//!   for a serial line.
//! - [`draw_code_page`] draws a page of a longer text as a QR code.
//! - [`draw_verdict_screen`] draws a [`VerdictText`]: one word, the checks behind it, what to change.
//!
//! # Example
//! ```
//! use core::fmt::Write;
//! use screen::{Geometry, PixelBuffer, PixelFormat, TextLine, TextScreen};
//!
//! let geometry = Geometry { width: 64, height: 32, stride: 64, bytes_per_pixel: 4, format: PixelFormat::Rgb };
//! let mut memory = vec![0; 64 * 32 * 4];
//! let mut pixels = PixelBuffer::new(&mut memory, geometry).expect("bytes and shape go together");
//! let mut lines = [TextLine::EMPTY; 10];
//! let mut screen = TextScreen::new(&mut lines);
//! screen.resize(pixels.width(), pixels.height());
//! write!(screen, "ivt")?;
//! screen.draw(&mut pixels, usize::MAX);
//! // Something stands out from the background of the last pixel.
//! let background = memory.last_chunk::<4>().copied();
//! assert!(memory.chunks_exact(4).any(|pixel| Some(pixel) != background.as_ref().map(|last| &last[..])));
//! # Ok::<(), core::fmt::Error>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod code_page;
mod colour;
mod font;
mod pen;
mod pixels;
mod qr;
mod stop;
mod stop_text;
mod text_screen;
mod verdict;

pub use code_page::{NoRoomForCode, draw_code_page};
pub use colour::Colour;
pub use font::{Font, Typeface};
pub use pen::Pen;
pub use pixels::{Geometry, PixelBuffer, PixelFormat, Rect};
pub use stop::draw_stop_screen;
pub use stop_text::{Field, Register, StopCode, StopText};
pub use text_screen::{Cursor, Emphasis, Progress, TextLine, TextScreen, draw_banner};
pub use verdict::{Line, Sign, VerdictText, draw_verdict_screen};
