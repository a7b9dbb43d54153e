//! What the page costs a visitor, and the limit.
#![expect(clippy::print_stdout, reason = "the table is for a person")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Bytes of the whole page after gzip, each file by itself.
const GZIP_MAX: usize = 150_000;

/// Prints each file's size and the sum.
///
/// # Errors
/// When the sum is above the limit.
pub(crate) fn report(page: &Path) -> Result<()> {
    let mut files = Vec::new();
    list(page, &mut files)?;
    files.sort();
    let (mut raw_sum, mut gzip_sum) = (0, 0);
    println!("{:>10} {:>10}  page", "bytes", "gzip");
    for file in files {
        let content = fs::read(&file)?;
        let gzip = gzip_len(&content)?;
        println!("{:>10} {gzip:>10}  {}", content.len(), file.strip_prefix(page)?.display());
        raw_sum += content.len();
        gzip_sum += gzip;
    }
    println!("{raw_sum:>10} {gzip_sum:>10}  in all, of {GZIP_MAX} after gzip");
    if gzip_sum > GZIP_MAX {
        bail!("the page is {gzip_sum} bytes after gzip, and may be {GZIP_MAX}");
    }
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn gzip_len(content: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?.len())
}
