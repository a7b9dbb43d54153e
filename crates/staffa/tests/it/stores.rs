use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use staffa::settings::Flags;
use staffa::{Host, Outcome, test};

use crate::orders::{FIND, PLACE, Place, compose};

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let unique = format!("staffa-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(unique))
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.0.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn what_was_placed_is_found_on_memory_and_after_a_restart_on_sqlite() {
    let service = test::start(compose, ()).await;
    let placed = service.call(PLACE, Place { units: 2 }).await.unwrap();
    assert_eq!(service.call(FIND, placed.number.clone()).await.unwrap(), placed);
    service.stop().await;

    let folder = Folder::new();
    let service = test::start_on(&folder.url(), compose, ()).await;
    let placed = service.call(PLACE, Place { units: 2 }).await.unwrap();
    service.stop().await;
    assert!(folder.0.join("test.sqlite").exists());
    let service = test::start_on(&folder.url(), compose, ()).await;
    assert_eq!(service.call(FIND, placed.number.clone()).await.unwrap(), placed);
    service.stop().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_had_is_told_with_its_service() {
    for (url, outcome, words) in [
        (
            "mysql://root:hunter2@db",
            Outcome::SettingsWrong,
            "no store is known for `mysql:`; use `sqlite:FOLDER`",
        ),
        ("data", Outcome::SettingsWrong, "use `sqlite:FOLDER`"),
        ("sqlite:", Outcome::SettingsWrong, "use `sqlite:FOLDER`"),
        ("sqlite:/dev/null/x", Outcome::StartFailed, "/dev/null/x"),
    ] {
        let host = Host::new("shop").service("orders", compose);
        let flags = Flags { store: Some(url.to_owned()), ..Flags::default() };
        let error = test::try_start_host(host, flags).await.unwrap_err();
        assert_eq!(error.outcome(), outcome, "{url}: {error}");
        let told = error.to_string();
        assert!(told.starts_with("orders: ") && told.contains(words) && !told.contains("hunter2"), "{told}");
    }
}
