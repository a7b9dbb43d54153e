//! A disk without space: a write is refused in clear words, and what was acknowledged stays.
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::data::{real_file, stocked};
use crate::http::Answer;
use crate::orders::{CODE, basket, id};
use crate::program::{is_root, run};
use crate::shop::{Shop, binary, serve, shop};

/// More orders than the space has room for.
const MANY: usize = 3_000;

/// A file system of a few megabytes in memory, unmounted when dropped.
#[derive(Debug)]
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where mounting is not allowed.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=12m", "shop-test"]).arg(folder.path());
        let mounted = is_root() && mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes what is left of it.
    fn fill(&self) {
        let mut file = File::create(self.path().join("ballast")).unwrap();
        while file.write_all(&[0; 4_096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Nothing can be done about one that stays.
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

/// A big order, so that space is soon used up.
fn order(shop: &Shop) -> Value {
    let lines = vec![json!({ "code": CODE, "quantity": 1 }); 200];
    let basket = json!({ "lines": lines, "country": "United Kingdom" });
    json!({ "basket": basket, "quoted": shop.quoted(&basket) })
}

/// Places orders until one is refused: the keys that were acknowledged, with their answers, and the refusal.
fn place_until_full(shop: &Shop, order: &Value) -> (Vec<(String, Value)>, Answer) {
    let mut placed = Vec::new();
    for at in 0..MANY {
        let key = format!("full-{at}");
        let answer = shop.place(&key, order);
        if answer.status != 200 {
            return (placed, answer);
        }
        placed.push((key, answer.json()));
    }
    panic!("{MANY} orders found room");
}

/// The client hears that it may try again, and the log says to the operator what to do.
#[track_caller]
fn is_full(shop: &Shop, refused: &Answer) {
    refused.problem(503, "unavailable", "the data cannot be reached for the moment; try again shortly");
    assert_eq!(refused.header("retry-after"), Some("1"), "{refused:?}");
    let record = shop.logged("the request failed").to_string();
    assert!(record.contains("the disk or the store's limit is full: free or allow more space"), "{record}");
}

/// Everything that was acknowledged is there, and new orders are taken.
#[track_caller]
fn has_all(shop: &Shop, placed: &[(String, Value)], order: &Value) {
    let orders = shop.orders();
    assert_eq!(orders.len(), placed.len(), "no more and no fewer than were acknowledged");
    for (key, answer) in placed {
        let found = shop.get(&format!("/orders/{}", id(answer))).good();
        assert_eq!(found["value"]["lines"], answer["value"]["lines"], "{key}");
        let again = shop.place(key, order);
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{key}: {again:?}");
        assert_eq!(again.good(), *answer, "{key}");
    }
    let one = shop.order("room", &basket(CODE, 1));
    shop.becomes(id(&one), "reserved");
}

#[test]
fn a_full_disk_refuses_orders_and_loses_none() {
    let Some(disk) = SmallDisk::mount() else {
        // Where mounting is not allowed, a limit on the size of files stands for the disk.
        return a_file_that_may_not_grow_refuses_orders_and_loses_none();
    };
    let original = stocked();
    for entry in fs::read_dir(original.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), disk.path().join(entry.file_name())).unwrap();
    }
    let shop = Shop::start(disk.path());
    let order = order(&shop);
    let mut placed = vec![("first".to_owned(), shop.place("first", &order).good())];
    disk.fill();
    let (more, refused) = place_until_full(&shop, &order);
    placed.extend(more);
    is_full(&shop, &refused);
    // Reading goes on.
    assert_eq!(shop.orders().len(), placed.len());
    assert_eq!(shop.get("/products?limit=1000").status, 200);

    shop.kill();
    disk.free();
    let shop = Shop::start(disk.path());
    has_all(&shop, &placed, &order);
    shop.stop();
}

#[test]
fn a_disk_that_has_space_again_takes_orders_again() {
    let data = stocked();
    let Some(disk) = SmallDisk::mount() else {
        return a_file_that_may_not_grow_refuses_orders_and_loses_none();
    };
    for entry in fs::read_dir(data.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), disk.path().join(entry.file_name())).unwrap();
    }
    let shop = Shop::start(disk.path());
    let order = order(&shop);
    disk.fill();
    let (placed, refused) = place_until_full(&shop, &order);
    is_full(&shop, &refused);
    disk.free();
    has_all(&shop, &placed, &order);
    shop.stop();
}

#[test]
fn a_file_that_may_not_grow_refuses_orders_and_loses_none() {
    let data = stocked();
    // The shell's unit is 512 bytes; without the trap the system would kill who writes beyond the limit.
    let script = r#"trap '' XFSZ; ulimit -f 6000; exec "$0" "$@""#;
    let mut limited = Command::new("sh");
    let serve = serve(data.path(), &[]);
    limited.arg("-c").arg(script).arg(binary()).args(serve.get_args()).env_clear().current_dir("/");
    let shop = Shop::run(&mut limited);
    let order = order(&shop);
    let (mut placed, refused) = place_until_full(&shop, &order);
    // The system said no in the middle of a commit: whether it counts is seen only afterwards, and a repeat is safe.
    refused.problem(500, "unknown_outcome", "repeat it with the same idempotency key");
    let record = shop.logged("the request failed").to_string();
    assert!(record.contains("the disk gave an error"), "{record}");

    shop.kill();
    let shop = Shop::start(data.path());
    let key = format!("full-{}", placed.len());
    let repeated = shop.place(&key, &order).good();
    placed.push((key, repeated));
    has_all(&shop, &placed, &order);
    shop.stop();
}

#[test]
fn a_start_and_an_import_that_find_no_space_say_so_in_one_line() {
    // Where mounting is not allowed, the words alone are tested, beside the store's lock.
    let Some(disk) = SmallDisk::mount() else { return };
    disk.fill();
    let ended = Shop::refused(disk.path(), &[]);
    ended.refused(&["catalog: ", "the disk is full", "free space"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let mut import = shop(&["import", "--data"]);
    let ended = run(import.arg(disk.path()).arg(real_file()));
    ended.refused(&["import: ", "the disk is full", "free space"]);
    disk.free();
    Shop::start(disk.path()).stop();
}
