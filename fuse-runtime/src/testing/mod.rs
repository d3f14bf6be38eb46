//! Tools for the tests of embedders and of backends: [`MemoryBackend`] runs a runtime without a disk,
//! and [`backend_laws`] checks any [`Backend`](crate::backend::Backend).

pub mod backend_laws;
mod memory;

pub use memory::MemoryBackend;
