//! The reports of each store that needs no server, by the suite of the shop's own port.
use crate::suite::passes;

#[tokio::test]
async fn in_memory() {
    passes("memory:").await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    passes(&format!("sqlite:{}", folder.path().display())).await;
}
