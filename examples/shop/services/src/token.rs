//! The token that gives the right to agreed prices, as a file in the data folder.
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use shop_core::Token;
use uuid::Uuid;

/// Where the token is.
pub(crate) fn path(data: &Path) -> PathBuf {
    data.join("agreed-prices.token")
}

/// The token of this file.
pub(crate) fn read(path: &Path) -> staffa::Result<Token> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| staffa::Error::from(error).context(format!("the token file {}", path.display())))?;
    match text.trim() {
        "" => Err(staffa::Error::new(format!(
            "the token file {} is empty; remove it to get a new one",
            path.display()
        ))),
        token => Ok(Token::new(token)),
    }
}

/// The token of this file, which is made when it is missing. Its owner alone may read it.
pub(crate) fn read_or_make(path: &Path) -> staffa::Result<Token> {
    match make(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(staffa::Error::from(error).context(format!("the token file {}", path.display())));
        }
    }
    read(path)
}

fn make(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Two random identifiers have 244 random bits.
    #[expect(clippy::disallowed_methods, reason = "a secret is never repeatable")]
    let token = format!("{}{}\n", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(token.as_bytes())
}
