//! Logs, traces and metrics in one call, and their capture in tests
