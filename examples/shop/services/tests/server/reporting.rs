//! The reports of each store that is a server, by the suite of the shop's own port.
use crate::suite::passes;

/// The server's URL.
fn server(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: this is run by `cargo xtask test`"))
}

#[tokio::test]
async fn on_postgresql() {
    passes(&server("STAFFA_TEST_POSTGRES")).await;
}

#[tokio::test]
async fn on_mongodb() {
    passes(&server("STAFFA_TEST_MONGODB")).await;
}
