//! Which crate may use which driver: the table `wrappers` of `deny.toml`, checked without cargo-deny.

use crate::command::{self, Result};
use crate::tally::Tally;
use crate::workspace::Workspace;

pub(crate) fn check(workspace: &Workspace, tally: &mut Tally) {
    tally.check("only their adapters use the drivers", || {
        let deny = command::read(&workspace.root.join("deny.toml"))?;
        let mut rules = deny.lines().filter_map(rule).peekable();
        rules.peek().ok_or("deny.toml has no wrappers")?;
        rules.try_for_each(|(driver, wrappers)| only_wrapped(workspace, driver, &wrappers))
    });
}

/// The names in `{ crate = "rusqlite", wrappers = ["staffa-storage-sqlite"] },`, a rule a line.
fn rule(line: &str) -> Option<(&str, Vec<&str>)> {
    if !line.contains("wrappers") {
        return None;
    }
    let mut names = line.trim_start().strip_prefix("{ crate = ")?.split('"').skip(1).step_by(2);
    Some((names.next()?, names.collect()))
}

fn only_wrapped(workspace: &Workspace, driver: &str, wrappers: &[&str]) -> Result<()> {
    let words = [
        "tree",
        "--workspace",
        "--target=all",
        "--depth=1",
        "--prefix=none",
        "--format={p}",
        "--invert",
        driver,
    ];
    let tree = command::output(&mut workspace.cargo(words))?;
    let mut users = tree.lines().skip(1).filter_map(|line| line.split(' ').next());
    match users.find(|user| !wrappers.contains(user)) {
        Some(user) => {
            Err(format!("{user} uses {driver}; deny.toml leaves that to {}", wrappers.join(", ")).into())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_line() {
        let line = r#"    { crate = "axum", wrappers = ["staffa", "staffa-transport"] },"#;
        assert_eq!(rule(line), Some(("axum", vec!["staffa", "staffa-transport"])));
        assert_eq!(rule("wildcards = \"deny\""), None);
        assert_eq!(rule("# the wrappers"), None);
    }
}
