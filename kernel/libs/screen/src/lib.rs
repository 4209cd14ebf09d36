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
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod colour;
mod font;
mod pen;
mod pixels;
mod qr;
mod stop;
mod stop_text;
mod text_screen;

pub use colour::Colour;
pub use font::{Font, Typeface};
pub use pen::Pen;
pub use pixels::{Geometry, PixelBuffer, PixelFormat, Rect};
pub use stop::draw_stop_screen;
pub use stop_text::{Field, Register, StopCode, StopText};
pub use text_screen::{Progress, TextScreen, draw_banner};
