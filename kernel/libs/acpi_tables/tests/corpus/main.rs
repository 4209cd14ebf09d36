//! The corpus of real tables: each decodes as an independent decoder decodes it, and raises no false alarm.

mod decode;
mod findings;
mod oracle;
mod random;
