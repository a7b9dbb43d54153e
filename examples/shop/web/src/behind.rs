//! What was behind a click: the page's own spans and the server's, as a waterfall.
use shop_contract::Passage;

use crate::html::Html;
use crate::text;

/// The operations of one trace in the order in which they are drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waterfall {
    /// The operations, each under the one that it is a part of.
    pub rows: Vec<Row>,
    /// From the first start to the last end, in microseconds.
    pub micros: u64,
    /// How far the server's times were moved to lie within the request, in microseconds; clocks differ.
    pub moved: i64,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// How deep it lies.
    pub depth: usize,
    /// When it started, in microseconds after the first.
    pub start: u64,
    /// The operation.
    pub passage: Passage,
}

/// Joins both sides of a trace.
pub fn waterfall(page: &[Passage], server: &[Passage]) -> Waterfall {
    let moved = offset(page, server);
    let server = server.iter().cloned().map(|mut passage| {
        passage.start_micros = passage.start_micros.saturating_add(moved);
        passage
    });
    let mut all: Vec<Passage> = Vec::with_capacity(page.len() + server.len());
    for passage in page.iter().cloned().chain(server) {
        let place = all.partition_point(|other| other.start_micros <= passage.start_micros);
        all.insert(place, passage);
    }
    let first = all.first().map_or(0, |passage| passage.start_micros);
    let end = all.iter().map(|passage| after(first, passage.start_micros) + passage.micros).max();
    Waterfall { rows: rows(&all, first), micros: end.unwrap_or(0), moved }
}

fn after(first: i64, micros: i64) -> u64 {
    u64::try_from(micros.saturating_sub(first)).unwrap_or(0)
}

/// How far the server's clock is to be moved so that its part lies within the request that asked for it.
fn offset(page: &[Passage], server: &[Passage]) -> i64 {
    let pairs = server.iter().filter_map(|handled| {
        let parent = handled.parent.as_ref()?;
        Some((page.iter().find(|asked| asked.span == *parent)?, handled))
    });
    let Some((asked, handled)) = pairs.min_by_key(|(asked, _)| asked.start_micros) else { return 0 };
    let signed = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
    let slack = signed(asked.micros).saturating_sub(signed(handled.micros));
    let late = handled.start_micros.saturating_sub(asked.start_micros);
    // Work that outlived its request, such as one that was cancelled, has no slack to lie in.
    if (0..=slack.max(0)).contains(&late) || (slack < 0 && (0..signed(asked.micros)).contains(&late)) {
        return 0;
    }
    slack.max(0) / 2 - late
}

/// Each operation under its parent, siblings by their start; those whose parent is not known come at the top.
fn rows(all: &[Passage], first: i64) -> Vec<Row> {
    let is_known = |span: &str| all.iter().any(|passage| passage.span == span);
    let is_top = |passage: &&Passage| !passage.parent.as_deref().is_some_and(is_known);
    let mut rows = Vec::with_capacity(all.len());
    let mut open: Vec<(usize, &Passage)> = all.iter().filter(is_top).rev().map(|top| (0, top)).collect();
    while let Some((depth, passage)) = open.pop() {
        let parts = all.iter().filter(|part| part.parent.as_deref() == Some(&passage.span));
        open.extend(parts.rev().map(|part| (depth + 1, part)));
        let start = after(first, passage.start_micros);
        rows.push(Row { depth, start, passage: passage.clone() });
        // A trace that names itself its own parent must not turn for ever.
        if rows.len() >= all.len() {
            break;
        }
    }
    rows
}

impl Waterfall {
    /// One line about the whole: `browse · 12.3 ms · 9 operations`, and why it stopped if it did.
    pub fn summary(&self) -> String {
        let Some(top) = self.rows.first() else { return "Nothing yet.".to_owned() };
        let count =
            text::count(u64::try_from(self.rows.len()).unwrap_or(u64::MAX), "operation", "operations");
        let took = text::micros(top.passage.micros);
        match &top.passage.failure {
            None => [&top.passage.name, " · ", &took, " · ", &count].concat(),
            Some(failure) => [&top.passage.name, " · ", &took, " · ", &count, " · ", failure].concat(),
        }
    }

    /// The rows as the body of a table.
    pub fn html(&self) -> String {
        let mut html = Html::new();
        self.rows.iter().for_each(|row| self.row_html(&mut html, row));
        html.take()
    }

    fn row_html(&self, html: &mut Html, row: &Row) {
        let passage = &row.passage;
        html.put("<tr data-testid=behind-row data-service=\"").text(&passage.service).put("\" data-name=\"");
        html.text(&passage.name).put("\" class=\"").put(if passage.failure.is_some() {
            "failed"
        } else {
            ""
        });
        html.put("\"><th scope=row><span class=\"d").number(row.depth.min(9)).put("\">").text(&passage.name);
        html.put("</span></th><td class=service><span class=\"pill s-").text(&passage.service).put("\">");
        html.text(&passage.service).put("</span></td><td class=bar>");
        self.bar(html, row);
        if let Some(failure) = &passage.failure {
            html.put("<span class=reason data-testid=behind-reason>").text(failure).put("</span>");
        }
        notes(html, passage);
        html.put("</td><td class=took>").text(&text::micros(passage.micros)).put("</td><td class=left>");
        if let Some(budget) = passage.budget_micros {
            html.text(&text::micros(budget));
        }
        html.put("</td></tr>");
    }

    /// A thousand units are the whole; a bar is at least four of them wide, so that it is seen.
    fn bar(&self, html: &mut Html, row: &Row) {
        let part =
            |micros: u64| micros.saturating_mul(1_000).checked_div(self.micros).unwrap_or(0).min(1_000);
        let wide = part(row.passage.micros).max(4);
        html.put("<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=none aria-hidden=true><rect class=\"s-");
        html.text(&row.passage.service)
            .put("\" x=")
            .number(part(row.start).min(1_000 - wide))
            .put(" width=")
            .number(wide);
        html.put(" height=10 /></svg>");
    }
}

/// What an operation noted and its name does not tell: at most six, so that a row stays a row.
fn notes(html: &mut Html, passage: &Passage) {
    const SHOWN_MAX: usize = 6;
    let is_untold = |value: &str| passage.name.split(' ').all(|word| word != value);
    html.put("<span class=notes>");
    for (name, value) in passage.notes.iter().filter(|(_, value)| is_untold(value)).take(SHOWN_MAX) {
        html.put("<span>").text(name).put(" <b>").text(value).put("</b></span>");
    }
    html.put("</span>");
}

#[cfg(test)]
mod tests {
    use shop_contract::Passage;

    use super::waterfall;

    fn passage(span: &str, parent: &str, start_micros: i64, micros: u64) -> Passage {
        Passage {
            span: span.into(),
            parent: (!parent.is_empty()).then(|| parent.into()),
            service: if span.starts_with('p') { "page".into() } else { "catalog".into() },
            name: span.into(),
            start_micros,
            micros,
            budget_micros: Some(2_000_000),
            failure: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn rows_lie_under_what_they_are_a_part_of() {
        let page = [passage("p2", "p1", 110, 800), passage("p1", "", 100, 1_000)];
        let server =
            [passage("s3", "s1", 500, 10), passage("s1", "p2", 200, 500), passage("s2", "s1", 300, 100)];
        let drawn = waterfall(&page, &server);
        let seen: Vec<(usize, &str, u64)> =
            drawn.rows.iter().map(|row| (row.depth, row.passage.span.as_str(), row.start)).collect();
        assert_eq!(seen, [(0, "p1", 0), (1, "p2", 10), (2, "s1", 100), (3, "s2", 200), (3, "s3", 400)]);
        assert_eq!((drawn.micros, drawn.moved), (1_000, 0));
    }

    #[test]
    fn a_server_with_another_clock_is_moved_into_the_request() {
        let page = [passage("p1", "", 1_000, 100)];
        for other_clock in [-5_000_000, 5_000_000, 950, 1_090] {
            let drawn = waterfall(&page, &[passage("s1", "p1", other_clock, 20)]);
            assert_eq!(drawn.rows[1].start, 40, "{other_clock}");
        }
        assert_eq!(waterfall(&page, &[passage("s1", "p1", 1_030, 20)]).rows[1].start, 30);
    }

    #[test]
    fn work_that_outlives_its_request_keeps_its_start() {
        let page = [passage("p1", "", 1_000, 100)];
        let drawn = waterfall(&page, &[passage("s1", "p1", 1_020, 300)]);
        assert_eq!((drawn.rows[1].start, drawn.micros, drawn.moved), (20, 320, 0));
    }

    #[test]
    fn a_trace_without_a_top_or_in_a_ring_is_drawn_all_the_same() {
        let drawn = waterfall(&[], &[passage("s1", "gone", 5, 1), passage("s2", "s2", 6, 1)]);
        assert_eq!(drawn.rows.len(), 1);
        assert_eq!(waterfall(&[], &[]).summary(), "Nothing yet.");
    }

    #[test]
    fn what_a_name_tells_is_not_noted_again() {
        let mut read = passage("s1", "", 0, 10);
        read.name = "sqlite get product".into();
        read.notes =
            [("kind", "product"), ("run_us", "58")].map(|(name, value)| (name.into(), value.into())).into();
        let drawn = waterfall(&[], &[read]).html();
        assert!(drawn.contains("run_us <b>58</b>") && !drawn.contains("kind"), "{drawn}");
    }

    #[test]
    fn a_failure_is_shown_where_it_happened() {
        let mut failed = passage("s1", "", 0, 10);
        failed.failure = Some("client_gone <b>".into());
        let drawn = waterfall(&[], &[failed]);
        assert!(drawn.html().contains("data-testid=behind-reason>client_gone &lt;b&gt;"));
        assert!(drawn.summary().ends_with("client_gone <b>"));
    }
}
