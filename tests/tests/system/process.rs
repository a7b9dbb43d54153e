//! Starts that cannot be: one line that says what to do, an exit code, and nothing touched.
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::json;

use crate::data::stocked;
use crate::http;
use crate::orders::{CODE, basket, id};
use crate::program::{is_root, run};
use crate::shop::{Shop, binary, serve, shop};

#[test]
fn a_data_folder_with_a_file_in_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    for data in [file.clone(), file.join("data")] {
        let ended = Shop::refused(&data, &[]);
        ended.refused(&["catalog: ", &file.display().to_string(), "choose another place"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}

#[test]
fn a_data_folder_where_none_can_be_made() {
    Shop::refused("/proc/shop".as_ref(), &[]).refused(&["catalog: ", "/proc/shop"]);
}

#[test]
fn a_data_folder_that_is_not_writable() {
    let data = stocked();
    let folder = tempfile::tempdir().unwrap();
    // Permissions do not bind root, so it starts the shop as somebody else, from a place that they may read.
    let program = folder.path().join("shop");
    fs::copy(binary(), &program).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for entry in fs::read_dir(data.path()).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = Command::new(&program);
    command.args(["serve", "--port", "0", "--admin-port", "0", "--data"]).arg(data.path());
    command.env_clear().current_dir("/");
    if is_root() {
        command.uid(65_534).gid(65_534);
    }
    let ended = run(&mut command);
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
    ended.refused(&["catalog", "writable"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[test]
fn data_that_another_shop_holds() {
    let data = stocked();
    let first = Shop::start(data.path());
    let ended = Shop::refused(data.path(), &[]);
    ended.refused(&["catalog", "in use by another process (process ", "stop that one"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let order = first.order("still", &basket(CODE, 1));
    first.becomes(id(&order), "reserved");
    first.stop();
}

#[test]
fn a_data_file_that_is_something_else() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("catalog.sqlite"), "a letter, and no database at all").unwrap();
    let ended = Shop::refused(data.path(), &[]);
    ended.refused(&["catalog.sqlite", "is not an SQLite database", "choose another"]);
    let kept = fs::read_to_string(data.path().join("catalog.sqlite")).unwrap();
    assert_eq!(kept, "a letter, and no database at all");
}

#[test]
fn a_port_in_use() {
    let data = stocked();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (flag, setting) in [("--port", "http.bind"), ("--admin-port", "admin.bind")] {
        let other = if flag == "--port" { "--admin-port" } else { "--port" };
        let mut command = shop(&["serve", flag, &port, other, "0", "--set", "log.format=json"]);
        let ended = run(command.arg("--data").arg(data.path()));
        ended.refused(&[setting, &port, "in use", flag]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
    }
}

#[test]
fn settings_with_a_typo() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("shop.toml");
    let refused = |text: &str, words: &[&str]| {
        fs::write(&file, text).unwrap();
        let ended = Shop::refused(&data, &["--config", file.to_str().unwrap()]);
        ended.refused(words);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(!data.exists(), "nothing was touched");
    };
    refused("[http]\nbnd = \"127.0.0.1:0\"\n", &["`http.bnd`", "did you mean `http.bind`?"]);
    refused("[catalogue]\nslow = true\n", &["catalogue", "did you mean `catalog`?"]);
    refused("[catalog]\nslow = \"perhaps\"\n", &["catalog.slow"]);
    refused("[http]\nconcurrency = -1\n", &["http.concurrency"]);
    refused("[http\n", &["shop.toml"]);
    let flags = Shop::refused(&data, &["--set", "stop.windw=1s"]);
    flags.refused(&["stop.windw", "did you mean `stop.window`?"]);
    let missing = Shop::refused(&data, &["--config", "/nowhere/shop.toml"]);
    missing.refused(&["/nowhere/shop.toml"]);
    let variable = run(serve(&data, &[]).env("STAFFA__STOP__WINDWO", "1s"));
    variable.refused(&["STAFFA__STOP__WINDWO"]);
}

#[test]
fn a_settings_file_is_heeded_and_flags_go_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.toml");
    let kept = folder.path().join("kept");
    let text = format!(
        "[store]\nurl = \"sqlite:{0}\"\n[orders]\ndata = \"{0}\"\n[log]\nformat = \"json\"\n",
        kept.display()
    );
    fs::write(&file, text).unwrap();
    let original = stocked();
    fs::rename(original.path(), &kept).unwrap();
    let mut command = shop(&["serve", "--port", "0", "--admin-port", "0", "--config"]);
    let shop = Shop::run(command.arg(&file));
    assert_eq!(shop.get("/products?limit=1").status, 200);
    shop.stop();
    assert!(kept.join("agreed-prices.token").is_file());
    let printed = run(crate::shop::shop(&["serve", "--print-settings", "--config"]).arg(&file));
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(printed.out.contains(&format!("url = \"sqlite:{}\"", kept.display())), "{printed:?}");
}

#[test]
fn services_that_are_not_there_or_not_apart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let unknown = Shop::refused(&data, &["--service", "catalogue"]);
    unknown.refused(&["there is no service `catalogue`", "catalog, quote, orders, inventory"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    for (alone, other) in [("orders", "inventory"), ("inventory", "orders")] {
        let ended = Shop::refused(&data, &["--service", alone]);
        let why = format!("{alone} and {other} are joined by events");
        ended.refused(&[&why, "--bus nats://", &format!("--service {alone},{other}")]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
    }
    let lost = Shop::refused(&data, &["--service", "quote"]);
    lost.refused(&["`catalog` is not hosted by this process", "services.catalog = \"http://HOST:PORT\""]);
    assert!(!data.join("orders.sqlite").exists(), "nothing was touched");
}

#[test]
fn stores_that_are_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for url in ["mysql://root:hunter2@db", "sqlite:", "data", "memory:more"] {
        let ended = Shop::refused(&data, &["--store", url]);
        ended.refused(&["catalog", "no store is known for", "use `sqlite:FOLDER`", "`memory:`"]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(!ended.err.contains("hunter2"), "{ended:?}");
    }
}

#[test]
fn the_catalogue_alone_and_the_rest_in_another_process() {
    let data = stocked();
    let catalog = Shop::start_with(data.path(), &["--service", "catalog"]);
    assert_eq!(catalog.get("/orders").status, 404);
    let at = format!("services.catalog={}", catalog.url());
    let rest = Shop::start_with(data.path(), &["--service", "quote,orders,inventory", "--set", &at]);
    assert_eq!(rest.get("/products").status, 404);
    let order = rest.order("apart", &basket(CODE, 2));
    rest.becomes(id(&order), "reserved");

    // Without the catalogue an order waits for nothing: it is told so, and nothing is half done.
    let basket = basket(CODE, 1);
    let quoted = rest.quoted(&basket);
    catalog.stop();
    let place = json!({ "basket": basket, "quoted": quoted });
    rest.place("lonely", &place).problem(503, "unavailable", "");
    assert_eq!(http::get(rest.admin, "/readyz").status, 200, "its own store is there");
    assert_eq!(rest.orders().len(), 1);
    rest.stop();
}

#[test]
fn everything_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::start_with(folder.path(), &["--store", "memory:"]);
    let order = shop.order("memory", &basket(CODE, 2));
    shop.becomes(id(&order), "reserved");
    shop.stop();
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["agreed-prices.token"]);
}

#[test]
fn a_command_line_that_is_wrong() {
    for words in [&["serve", "--prot", "1"][..], &["serve", "--port", "70000"], &["sell"], &[]] {
        let ended = run(&mut shop(words));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains("--help") || ended.err.contains("Usage"), "{ended:?}");
    }
    let ended = run(&mut shop(&["replay", "x", "--concurrency", "0"]));
    assert_eq!(ended.code, Some(2), "{ended:?}");
}
