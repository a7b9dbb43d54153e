//! A small table of figures beside a rival's.

/// One line: a shape, our nanoseconds, the rival's, and what we aim at.
pub(crate) struct Row {
    pub(crate) shape: &'static str,
    pub(crate) ours: f64,
    pub(crate) rival: Option<f64>,
    pub(crate) aim: Option<f64>,
}

/// Prints the rows, with the ratio of the rival's time to ours.
pub(crate) fn print(rival: &str, rows: &[Row]) {
    println!("{:<34}{:>12}{:>12}{:>10}{:>12}", "ns, median", "staffa", rival, "ratio", "aim");
    for row in rows {
        let theirs = row.rival.map_or("–".to_owned(), |nanos| format!("{nanos:.1}"));
        let ratio = row.rival.map_or("–".to_owned(), |nanos| format!("{:.1}×", nanos / row.ours));
        let aim = row.aim.map_or("–".to_owned(), |nanos| format!("< {nanos:.0}"));
        println!("{:<34}{:>12.1}{:>12}{:>10}{:>12}", row.shape, row.ours, theirs, ratio, aim);
    }
}
