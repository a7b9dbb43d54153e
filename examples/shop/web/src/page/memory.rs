//! The page's allocator: the standard library's has six times its code.
use rlsf::{GlobalTlsf, GlobalTlsfOptions};

#[global_allocator]
static MEMORY: GlobalTlsf<Small> = GlobalTlsf::new();

/// Each growth of a list copies it.
struct Small;

impl GlobalTlsfOptions for Small {
    const ENABLE_REALLOCATION: bool = false;
}
