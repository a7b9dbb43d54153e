#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use proptest::prelude::*;
use rusqlite::params_from_iter;
use serde_json::json;
use staffa_context::Context;
use staffa_storage::{Bound, IndexSchema, Schema};

use super::*;

/// A kind with an index of two optional parts.
fn table() -> Table {
    let schema = Schema {
        kind: "thing",
        shape: 1,
        id: PartType::Int,
        indexes: vec![IndexSchema {
            name: "name_rank",
            unique: false,
            parts: vec![PartType::Text, PartType::Int],
        }],
        keys: |_, _| Ok(vec![]),
    };
    Table::new(&schema, crate::table::Layout::default())
}

/// What is in a table: keys and ids, sorted by the port's order.
type Content = Vec<(Vec<Part>, Part)>;

fn filled(table: &Table, content: &Content) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&table.create_sql()).unwrap();
    for index in &table.indexes {
        connection.execute_batch(&index.create_sql(table)).unwrap();
    }
    for (key, id) in content {
        let mut statement = connection.prepare_cached(&table.put_sql).unwrap();
        statement.raw_bind_parameter(1, Column(id)).unwrap();
        statement.raw_bind_parameter(2, 1).unwrap();
        statement.raw_bind_parameter(3, 1).unwrap();
        statement.raw_bind_parameter(4, "").unwrap();
        statement.raw_bind_parameter(5, json!({}).to_string()).unwrap();
        for (place, part) in key.iter().enumerate() {
            statement.raw_bind_parameter(6 + place, Column(part)).unwrap();
        }
        statement.raw_execute().unwrap();
    }
    connection
}

/// The rule, said without SQL.
fn expected(content: &Content, scan: &Scan) -> Content {
    let covered = |key: &Vec<Part>, id: &Part| {
        let whole: Vec<&Part> = match scan.by {
            By::Id => vec![id],
            By::Index(_) => key.iter().chain([id]).collect(),
        };
        let leads = whole.iter().zip(&scan.equal).all(|(part, equal)| *part == equal);
        let part = whole[scan.equal.len()];
        leads
            && match &scan.bound {
                Bound::All => true,
                Bound::Range { from, to } => {
                    from.as_ref().is_none_or(|from| part >= from) && to.as_ref().is_none_or(|to| part < to)
                }
                Bound::Prefix(prefix) => {
                    matches!(part, Part::Text(text) if text.starts_with(prefix.as_str()))
                }
            }
    };
    let mut rows: Content = content.iter().filter(|(key, id)| covered(key, id)).cloned().collect();
    match scan.by {
        By::Id => rows.sort_by(|a, b| a.1.cmp(&b.1)),
        By::Index(_) => rows.sort(),
    }
    if scan.descending {
        rows.reverse();
    }
    rows
}

/// All pages, one after the other.
fn paged(connection: &Connection, table: &Table, scan: &Scan) -> Content {
    let call = Call::new(Context::background());
    let mut scan = scan.clone();
    let mut all = Content::new();
    loop {
        let page = page(connection, table, &scan, &call).unwrap();
        let Some(last) = page.last() else { return all };
        scan.after = Some((last.key.clone(), last.row.id.clone()));
        all.extend(page.into_iter().map(|found| (found.key, found.row.id)));
    }
}

fn name() -> impl Strategy<Value = Part> {
    let text = prop::sample::select(vec![
        "",
        "a",
        "ab",
        "a\u{10FFFF}",
        "a\u{10FFFF}b",
        "b",
        "B",
        "ä",
        "\u{D7FF}",
        "\u{D7FF}x",
        "\u{E000}",
        "\u{FFFF}",
        "\u{1F600}",
        "\u{10FFFF}",
    ]);
    prop_oneof![1 => Just(Part::None), 4 => text.prop_map(|text| Part::Text(text.into()))]
}

fn rank() -> impl Strategy<Value = Part> {
    let number = prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX]);
    prop_oneof![1 => Just(Part::None), 3 => number.prop_map(Part::Int)]
}

fn content() -> impl Strategy<Value = Content> {
    prop::collection::btree_map(-20_i64..20, (name(), rank()), 0..30).prop_map(|rows| {
        rows.into_iter().map(|(id, (name, rank))| (vec![name, rank], Part::Int(id))).collect()
    })
}

fn range(part: BoxedStrategy<Part>) -> impl Strategy<Value = Bound> {
    (prop::option::of(part.clone()), prop::option::of(part)).prop_map(|(from, to)| Bound::Range { from, to })
}

fn prefix() -> impl Strategy<Value = Bound> {
    name().prop_map(|part| Bound::Prefix(part.to_string()))
}

fn scan() -> impl Strategy<Value = Scan> {
    let what = prop_oneof![
        (Just(By::Id), Just(vec![]), range((-20_i64..20).prop_map(Part::Int).boxed())),
        (Just(By::Index(0)), Just(vec![]), range(name().boxed())),
        (Just(By::Index(0)), Just(vec![]), prefix()),
        (Just(By::Index(0)), name().prop_map(|part| vec![part]), range(rank().boxed())),
        (Just(By::Index(0)), (name(), rank()).prop_map(|(a, b)| vec![a, b]), Just(Bound::All)),
    ];
    (what, any::<bool>(), 1_usize..4).prop_map(|((by, equal, bound), descending, limit)| Scan {
        kind: "thing",
        by,
        equal,
        bound,
        descending,
        after: None,
        limit,
    })
}

proptest! {
    #[test]
    fn pages_give_every_row_once_in_the_ports_order(content in content(), scan in scan()) {
        let table = table();
        let connection = filled(&table, &content);
        let mut expected = expected(&content, &scan);
        if scan.by == By::Id {
            expected.iter_mut().for_each(|(key, _)| key.clear());
        }
        prop_assert_eq!(paged(&connection, &table, &scan), expected);
    }

    #[test]
    fn every_segment_seeks_in_an_index_and_never_sorts(
        scan in scan(),
        after in prop::option::of((name(), rank(), -20_i64..20)),
    ) {
        let table = table();
        let connection = filled(&table, &vec![]);
        let mut scan = scan;
        scan.after = after.map(|(name, rank, id)| match scan.by {
            By::Id => (vec![], Part::Int(id)),
            By::Index(_) => (vec![name, rank], Part::Int(id)),
        });
        let order = Order::of(&table, &scan).unwrap();
        for segment in order.segments(&scan).unwrap() {
            let (sql, parts) = order.sql(&segment, &scan, 10);
            let plan = plan(&connection, &sql, &parts);
            let free = segment.equal.is_empty() && segment.range == Range::All;
            let (way, by) = match scan.by {
                By::Id => ("PRIMARY KEY", "INTEGER PRIMARY KEY"),
                By::Index(_) => ("INDEX", "USING INDEX thing.name_rank"),
            };
            prop_assert!(plan.len() == 1, "{:?}: {}", plan, sql);
            if free {
                prop_assert!(plan[0].starts_with("SCAN") , "{:?}: {}", plan, sql);
                prop_assert!(way == "PRIMARY KEY" || plan[0].contains(by), "{:?}: {}", plan, sql);
            } else {
                let columns = segment.equal.len() + usize::from(segment.range != Range::All);
                prop_assert!(plan[0].starts_with("SEARCH") && plan[0].contains(by), "{:?}: {}", plan, sql);
                prop_assert!(plan[0].matches('?').count() >= columns, "{:?}: {}", plan, sql);
            }
        }
    }
}

fn plan(connection: &Connection, sql: &str, parts: &[Part]) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let rows = statement.query_map(params_from_iter(parts.iter().map(Column)), |row| row.get(3)).unwrap();
    rows.collect::<rusqlite::Result<Vec<String>>>().unwrap()
}
