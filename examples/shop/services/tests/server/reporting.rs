//! The reports of each store that is a server, by the suite of the shop's own port.
use crate::server;
use crate::suite::passes;

#[tokio::test]
async fn on_postgresql() {
    passes(&server("STAFFA_TEST_POSTGRES")).await;
}

#[tokio::test]
async fn on_mongodb() {
    passes(&server("STAFFA_TEST_MONGODB")).await;
}
