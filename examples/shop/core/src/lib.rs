//! The shop's business core: pure, native and in the browser
