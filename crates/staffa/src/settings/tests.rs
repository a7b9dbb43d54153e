#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// What the tests set.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
struct Orders {
    /// How many lines an order has at most.
    lines_max: u16,
    /// How long a quote holds.
    quote_age: Period,
    /// Where orders go to.
    countries: Vec<String>,
    /// The share of orders that is looked at.
    share: f64,
    /// Whether orders are taken.
    open: bool,
    /// Who is told of an order.
    notify: Option<String>,
    /// What the bank wants to see.
    password: Secret,
    /// How an order is packed.
    packing: Packing,
    /// The printer of labels.
    printer: Printer,
}

/// How an order is packed.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Packing {
    /// In the fewest boxes.
    Tight,
    /// One box for each line.
    ByLine,
}

/// The printer of labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
struct Printer {
    /// Its name in the network.
    host: String,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            lines_max: 1_000,
            quote_age: Period::secs(900),
            countries: vec!["United Kingdom".to_owned(), "EIRE".to_owned()],
            share: 0.25,
            open: true,
            notify: None,
            password: Secret::default(),
            packing: Packing::Tight,
            printer: Printer::default(),
        }
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let unique =
            format!("staffa-settings-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Default)]
struct Sources<'a> {
    file: Option<&'a Path>,
    environment: &'a [(&'a str, &'a str)],
    flags: Flags,
}

impl Sources<'_> {
    fn read(&self) -> Result<(Common, Orders), Vec<String>> {
        let environment =
            self.environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let loaded = Loaded::read(vec![Section::of::<Orders>("orders")], self.file, &self.flags, environment)
            .map_err(|problems| problems.0)?;
        Ok((loaded.common(), read(loaded.section("orders")).unwrap()))
    }
}

/// Reads a file of this text; problems name it `shop.toml`.
fn file(text: &str) -> Result<(Common, Orders), Vec<String>> {
    let folder = Folder::new();
    let path = folder.write("shop.toml", text);
    let plain = |problem: String| problem.replace(&format!("{}/", folder.0.display()), "");
    Sources { file: Some(&path), ..Sources::default() }
        .read()
        .map_err(|problems| problems.into_iter().map(plain).collect())
}

fn set(flags: &[&str]) -> Flags {
    Flags { set: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..Flags::default() }
}

#[test]
fn without_any_source_the_defaults_hold() {
    assert_eq!(Sources::default().read(), Ok((Common::default(), Orders::default())));
}

#[test]
fn each_source_wins_over_the_one_before() {
    let folder = Folder::new();
    let path = folder.write("shop.toml", "[orders]\nlines_max = 1\nshare = 0.5\nopen = false\n");
    let (_, orders) = Sources {
        file: Some(&path),
        environment: &[("STAFFA__ORDERS__LINES_MAX", "2"), ("STAFFA__ORDERS__SHARE", "0.75")],
        flags: set(&["orders.lines_max=3"]),
    }
    .read()
    .unwrap();
    assert_eq!((orders.lines_max, orders.share, orders.open), (3, 0.75, false));
}

#[test]
fn a_text_of_the_environment_becomes_what_the_field_is() {
    let (common, orders) = Sources {
        environment: &[
            ("STAFFA__ORDERS__QUOTE_AGE", "90s"),
            ("STAFFA__ORDERS__COUNTRIES", "France, Spain"),
            ("STAFFA__ORDERS__OPEN", "false"),
            ("STAFFA__ORDERS__NOTIFY", "12345"),
            ("STAFFA__ORDERS__PACKING", "by_line"),
            ("STAFFA__ORDERS__PRINTER__HOST", "printer"),
            ("STAFFA__SERVICES__CATALOG", "http://catalog:8080"),
            ("STAFFA__HTTP__BIND", "[::1]:80"),
            ("HOME", "/root"),
        ],
        ..Sources::default()
    }
    .read()
    .unwrap();
    assert_eq!(orders.quote_age, Period::secs(90));
    assert_eq!(orders.countries, ["France", "Spain"]);
    assert!(!orders.open);
    assert_eq!(orders.notify.as_deref(), Some("12345"));
    assert_eq!(orders.packing, Packing::ByLine);
    assert_eq!(orders.printer.host, "printer");
    assert_eq!(common.services["catalog"], "http://catalog:8080");
    assert_eq!(common.http.bind.to_string(), "[::1]:80");
}

#[test]
fn a_list_may_be_written_as_in_a_file_and_may_be_empty() {
    for (text, list) in [(r#"["a, b", "c"]"#, vec!["a, b", "c"]), ("", vec![]), ("a", vec!["a"])] {
        let flags = set(&[&format!("orders.countries={text}")]);
        let (_, orders) = Sources { flags, ..Sources::default() }.read().unwrap();
        assert_eq!(orders.countries, list, "{text}");
    }
}

#[test]
fn short_flags_set_what_they_say() {
    let flags = Flags {
        port: Some(1),
        admin_port: Some(2),
        store: Some("memory:".to_owned()),
        ..set(&["http.bind=0.0.0.0:7"])
    };
    let (common, _) = Sources { flags, ..Sources::default() }.read().unwrap();
    assert_eq!(common.http.bind.to_string(), "0.0.0.0:7");
    assert_eq!(common.admin.bind.to_string(), "127.0.0.1:2");
    assert_eq!(&*common.store.url, "memory:");
    let flags = Flags { port: Some(1), ..Flags::default() };
    let environment: &[_] = &[("STAFFA__HTTP__BIND", "0.0.0.0:8080")];
    let (common, _) = Sources { environment, flags, ..Sources::default() }.read().unwrap();
    assert_eq!(common.http.bind.to_string(), "0.0.0.0:1");
}

#[test]
fn a_file_is_refused_with_the_line_and_what_is_meant() {
    for (text, problem) in [
        (
            "[orders]\nline_max = 1",
            "shop.toml:2: unknown setting `orders.line_max`; did you mean `orders.lines_max`?",
        ),
        ("[order]\nlines_max = 1", "shop.toml:1: unknown setting `order`; did you mean `orders`?"),
        ("\n[orders]\nbind = 1", "shop.toml:3: unknown setting `orders.bind`; did you mean `http.bind`?"),
        (
            "[stop]\ncolour = 1",
            "shop.toml:2: unknown setting `stop.colour`; known here are window, drain, grace",
        ),
        (
            "[orders]\nlines_max = \"many\"",
            "shop.toml:2: `orders.lines_max` takes a whole number, not this text",
        ),
        ("[orders]\nopen = 1", "shop.toml:2: `orders.open` takes true or false, not the whole number 1"),
        ("[orders]\nshare = nan", "shop.toml:2: `orders.share` takes a number, not the number nan"),
        (
            "[orders]\ncountries = [1]",
            "shop.toml:2: `orders.countries` takes a list, each item text in quotes, not this list",
        ),
        (
            "[orders]\npacking = \"loose\"",
            "shop.toml:2: `orders.packing` takes one of \"tight\", \"by_line\", not this text",
        ),
        (
            "[orders]\nlines_max = 70000",
            "shop.toml:2: `orders.lines_max`: invalid value: integer `70000`, expected u16; it is otherwise 1000",
        ),
        (
            "[orders]\nquote_age = \"2 parsecs\"",
            "shop.toml:2: `orders.quote_age`: `2 parsecs` is no length of time: write `150ms`, `2s`, `5m`, `1h` or `7d`; it is otherwise \"15m\"",
        ),
        (
            "[http]\nbind = \"localhost\"",
            "shop.toml:2: `http.bind`: invalid socket address syntax; it is otherwise \"127.0.0.1:8080\"",
        ),
        (
            "[http]\nconcurrency = 0",
            "shop.toml:2: `http.concurrency`: it must be more than 0; it is otherwise 512",
        ),
        (
            "[http]\ntimeout = \"0s\"",
            "shop.toml:2: `http.timeout`: it must be more than 0; it is otherwise \"30s\"",
        ),
        ("[trace]\nsample = 2.0", "shop.toml:2: `trace.sample`: 2 is not from 0 to 1; it is otherwise 1.0"),
        ("orders = 1", "shop.toml:1: `orders` takes a section, not the whole number 1"),
        ("[orders]\nprinter = 1", "shop.toml:2: `orders.printer` takes a section, not the whole number 1"),
        ("[orders]\nopen = tru", "shop.toml:2: invalid boolean, expected `true`"),
        (
            "[orders]\nprinter_file = \"x\"",
            "shop.toml:2: unknown setting `orders.printer_file`; known here are lines_max, quote_age, countries, share, open, notify, password, packing, printer",
        ),
    ] {
        assert_eq!(file(text), Err(vec![problem.to_owned()]), "{text}");
    }
}

#[test]
fn the_environment_and_flags_are_refused_by_their_names() {
    let refused = Sources {
        environment: &[
            ("STAFFA__ORDERS__LINES", "1"),
            ("STAFFA__ORDERS__OPEN", "yes"),
            ("STAFFA__HTTP", "x"),
        ],
        flags: set(&["orders.share=much", "orders.lines_mx=1", "open"]),
        ..Sources::default()
    }
    .read();
    let problems = [
        "STAFFA__HTTP: `http` takes a section, not `x`",
        "STAFFA__ORDERS__LINES: unknown setting `orders.lines`; known here are lines_max, quote_age, countries, share, open, notify, password, packing, printer",
        "STAFFA__ORDERS__OPEN: `orders.open` takes true or false, not `yes`",
        "--set orders.share: `orders.share` takes a number, not `much`",
        "--set orders.lines_mx: unknown setting `orders.lines_mx`; did you mean `orders.lines_max`?",
        "--set open: unknown setting `open`; did you mean `orders.open`?",
    ];
    assert_eq!(refused, Err(problems.map(str::to_owned).to_vec()));
}

#[test]
fn every_problem_is_told_at_once() {
    let problems = file("[orders]\nopen = 1\nlines_max = -1\nnothing = 1\n[htp]\nbind = 1").unwrap_err();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    let told = Problems(problems).to_string();
    assert!(told.starts_with("the settings are wrong in 4 places:\n  shop.toml:2: "), "{told}");
}

#[test]
fn any_field_can_come_from_a_file() {
    let folder = Folder::new();
    let password = folder.write("password", "hunter2\n");
    let age = folder.write("age", "5m");
    let settings = folder.write("shop.toml", "[orders]\npassword_file = \"password\"\n");
    let environment: &[_] = &[("STAFFA__ORDERS__QUOTE_AGE_FILE", age.to_str().unwrap())];
    let (_, orders) = Sources { file: Some(&settings), environment, ..Sources::default() }.read().unwrap();
    assert_eq!(orders.password.expose(), "hunter2");
    assert_eq!(orders.quote_age, Period::secs(300));

    let flags = set(&[&format!("orders.password_file={}", password.display())]);
    let (_, orders) = Sources { flags, ..Sources::default() }.read().unwrap();
    assert_eq!(orders.password.expose(), "hunter2");
}

#[test]
fn a_settings_file_that_cannot_be_read_is_refused() {
    let folder = Folder::new();
    let gone = folder.0.join("gone.toml");
    let problems = Sources { file: Some(&gone), ..Sources::default() }.read().unwrap_err();
    assert_eq!(problems, [format!("{}: No such file or directory (os error 2)", gone.display())]);
    let latin = folder.0.join("latin.toml");
    std::fs::write(&latin, b"[orders]\nnotify = \"caf\xe9\"").unwrap();
    let problems = Sources { file: Some(&latin), ..Sources::default() }.read().unwrap_err();
    assert!(problems[0].contains("UTF-8"), "{problems:?}");
}

#[test]
fn a_file_that_is_not_there_or_beside_its_value_is_refused() {
    let problems = file("[orders]\npassword_file = \"gone\"").unwrap_err();
    assert!(problems[0].starts_with("shop.toml:2: `orders.password` is to come from gone: "), "{problems:?}");
    assert_eq!(
        file("[orders]\npassword = \"a\"\npassword_file = \"b\""),
        Err(vec!["shop.toml:3: `orders.password` is given twice, here and as `password`".to_owned()])
    );
}

#[test]
fn a_secret_is_never_shown() {
    let folder = Folder::new();
    let path = folder.write("shop.toml", "[orders]\npassword = \"hunter2\"\n");
    let loaded =
        Loaded::read(vec![Section::of::<Orders>("orders")], Some(&path), &Flags::default(), []).unwrap();
    let orders: Orders = read(loaded.section("orders")).unwrap();
    assert!(!loaded.print().contains("hunter2"));
    assert!(!format!("{orders:?}").contains("hunter2"));
    assert!(!serde_json::to_string(&orders).unwrap().contains("hunter2"));
    let wrong = folder.write(
        "wrong.toml",
        "[orders]\npassword = [\"hunter2\"]\nnotify_file = \"shop.toml\"\nopen_file = \"shop.toml\"",
    );
    let problems = Loaded::read(vec![Section::of::<Orders>("orders")], Some(&wrong), &Flags::default(), []);
    let told = problems.err().unwrap().to_string();
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn what_is_printed_is_documented_and_accepted_and_says_the_same() {
    let loaded = Loaded::read(vec![Section::of::<Orders>("orders")], None, &Flags::default(), []).unwrap();
    let printed = loaded.print();
    for line in [
        "# How many lines an order has at most.\nlines_max = 1000\n",
        "# How long a quote holds.\nquote_age = \"15m\"\n",
        "# Who is told of an order.\n# notify is not set\n",
        "# What the bank wants to see.\n# password_file = \"path\"\n",
        "# How an order is packed.\n# One of: tight, by_line.\npacking = \"tight\"\n",
        "# The printer of labels.\n[orders.printer]\n# Its name in the network.\nhost = \"\"\n",
        "[http]\n# IP address and port. Port 0 takes any free one.\nbind = \"127.0.0.1:8080\"\n",
    ] {
        assert!(printed.contains(line), "{line}\nis not in\n{printed}");
    }
    assert_eq!(file(&printed), Ok((Common::default(), Orders::default())));
}

#[test]
fn what_was_set_is_printed_and_read_again() {
    let flags =
        set(&["orders.open=false", "services.a b=http://x", "orders.notify=\"q\"\n", "trace.otlp=http://y"]);
    let loaded = Loaded::read(vec![Section::of::<Orders>("orders")], None, &flags, []).unwrap();
    let (common, orders) = file(&loaded.print()).unwrap();
    assert_eq!(common, loaded.common());
    assert_eq!(orders, read::<Orders>(loaded.section("orders")).unwrap());
}

#[test]
fn periods_are_written_with_the_largest_whole_unit() {
    for (text, milliseconds, written) in [
        ("0s", 0, "0s"),
        ("150ms", 150, "150ms"),
        ("2 s", 2_000, "2s"),
        ("120s", 120_000, "2m"),
        ("90m", 5_400_000, "90m"),
        ("24h", 86_400_000, "1d"),
        ("7d", 604_800_000, "7d"),
    ] {
        let period: Period = text.parse().unwrap();
        assert_eq!((period.as_millis(), period.to_string().as_str()), (milliseconds, written), "{text}");
    }
    for text in ["", "2", "s", "1.5s", "-1s", "2 weeks", "99999999999999999999d", "18446744073709551615d"] {
        assert!(text.parse::<Period>().is_err(), "{text}");
    }
}
