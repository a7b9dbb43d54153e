//! Whether the disk has room for a whole run of the tests.

use std::path::Path;
use std::process::Command;

use crate::command;

/// What a run from nothing fills, with what the servers and the linker need meanwhile.
const NEEDED_KIB: u64 = 6 * 1024 * 1024;

/// Says so when the disk has less room than a run from nothing takes. It is no error: most of it may be there
/// from the last run.
pub(crate) fn tell_when_scarce(target: &Path) {
    let folder = target.ancestors().find(|folder| folder.exists()).unwrap_or(target);
    let told = command::output(Command::new("df").arg("-Pk").arg(folder));
    let Some(free) = told.ok().as_deref().and_then(free_kib) else { return };
    if free < NEEDED_KIB {
        eprintln!(
            "the disk of {} has {:.1} GB free; a run from nothing needs {:.0} GB: if it fails for want of room, \
             `cargo clean` or set CARGO_TARGET_DIR to another disk",
            folder.display(),
            gigabytes(free),
            gigabytes(NEEDED_KIB)
        );
    }
}

/// The fourth field of the second line: `Filesystem 1024-blocks Used Available Capacity Mounted on`.
fn free_kib(told: &str) -> Option<u64> {
    told.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for a person")]
fn gigabytes(kib: u64) -> f64 {
    kib as f64 / (1024.0 * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::free_kib;

    #[test]
    fn the_free_room_is_the_fourth_field() {
        let told = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n\
                    /dev/vda         263112772 30968768  64718720      33% /\n";
        assert_eq!(free_kib(told), Some(64_718_720));
        assert_eq!(free_kib(""), None);
    }
}
