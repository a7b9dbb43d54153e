use std::path::{Path, PathBuf};

/// A store's URL without what may be secret in it: its user, password and options.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    if scheme == "sqlite" {
        return url.to_owned();
    }
    let (place, _) = rest.split_once('?').unwrap_or((rest, ""));
    // A password may have any sign, `@` and `/` among them: what stands before the last `@` is not shown.
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    format!("{scheme}://{place}")
}

/// Whether two URLs name the same place, as far as they tell: two names of one server are not seen through.
pub fn is_same(one: &str, other: &str) -> bool {
    match (file_of(one), file_of(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => plain(one) == plain(other),
        _ => false,
    }
}

fn plain(url: &str) -> String {
    let shown = shown(url).replacen("postgresql://", "postgres://", 1);
    shown.trim_end_matches('/').to_lowercase()
}

/// Where a `sqlite:` URL points, through links and `..` as far as it exists.
fn file_of(url: &str) -> Option<PathBuf> {
    let path = path(url.strip_prefix("sqlite:")?);
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let exists = whole.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let Some((above, canonical)) = exists else { return Some(whole) };
    let below = whole.strip_prefix(above).unwrap_or(Path::new(""));
    Some(canonical.join(below))
}

fn path(place: &str) -> &Path {
    Path::new(place.strip_prefix("//").unwrap_or(place))
}

/// `sqlite:FOLDER` gives each service a file named after it; a path that ends in `.sqlite` or `.db` is one service's file.
#[cfg(feature = "sqlite")]
pub(super) fn file(place: &str, service: &str) -> PathBuf {
    let path = path(place);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("sqlite" | "db") => path.to_owned(),
        _ => path.join(format!("{service}.sqlite")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_folder_holds_a_file_for_each_service() {
        for (place, path) in [
            ("data", "data/orders.sqlite"),
            ("/var/lib/shop", "/var/lib/shop/orders.sqlite"),
            ("///var/lib/shop", "/var/lib/shop/orders.sqlite"),
            ("data/mine.sqlite", "data/mine.sqlite"),
            ("data/mine.db", "data/mine.db"),
            ("data.d", "data.d/orders.sqlite"),
        ] {
            assert_eq!(file(place, "orders"), Path::new(path), "{place}");
        }
    }

    #[test]
    fn a_url_is_shown_without_what_is_secret() {
        for (url, told) in [
            ("postgres://shop:hunter2@db:5432/shop?sslmode=require&password=x", "postgres://db:5432/shop"),
            ("postgres://shop:p@ss/w@db/shop", "postgres://db/shop"),
            ("mongodb+srv://u:p@cluster.example/shop", "mongodb+srv://cluster.example/shop"),
            ("mongodb://a,b,c/shop", "mongodb://a,b,c/shop"),
            ("sqlite:/var/a@b", "sqlite:/var/a@b"),
            ("memory:", "memory:"),
        ] {
            assert_eq!(shown(url), told);
        }
    }

    #[test]
    fn one_place_has_many_names() {
        let here = std::env::current_dir().unwrap_or_default();
        let check = |one: &str, other: &str, same: bool| {
            assert_eq!(is_same(one, other), same, "{one} and {other}");
        };
        check("sqlite:data", "sqlite:./data/", true);
        check("sqlite:data", &format!("sqlite:{}/src/../data", here.display()), true);
        check("sqlite:data", "sqlite:date", false);
        check("sqlite:data", "postgres://data", false);
        check("postgres://a:b@db/shop", "postgresql://c:d@DB/shop/?sslmode=require", true);
        check("postgres://db/shop", "postgres://db/stop", false);
        check("mongodb://db/shop", "postgres://db/shop", false);
    }
}
