//! The shop's endpoints as values, and typed clients as ports
