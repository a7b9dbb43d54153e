//! System tests: the shop as its users meet it. They are in `tests/system`, those with a browser in
//! `tests/browser`; this crate itself is empty.
