//! The three services as a client of their wire formats sees them, and the emulator around them.

mod client;
mod credentials;
mod processes;
