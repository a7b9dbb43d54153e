//! System tests: the shop as its users meet it
