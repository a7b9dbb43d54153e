//! System tests: the shop as its users meet it. They are in `tests/system`; this crate itself is empty.
