//! The adapter that keeps everything in memory, by the same rules as every other.
