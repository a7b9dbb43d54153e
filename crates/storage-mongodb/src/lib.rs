//! The MongoDB adapter of the storage port.
