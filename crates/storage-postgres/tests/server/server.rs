//! The server that the tests are given.

use std::env;

/// The URL of a server on which the tests may make schemas.
pub(crate) fn url() -> String {
    env::var("STAFFA_TEST_POSTGRES")
        .expect("STAFFA_TEST_POSTGRES names the server of these tests: they are run by `cargo xtask test`")
}
