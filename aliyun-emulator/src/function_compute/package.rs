//! A function's package: a zip, unpacked within bounds and below its folder only.

use std::{
    fs,
    io::{self, Cursor, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use zip::ZipArchive;

/// The most files of a package.
const MAX_FILES: usize = 100_000;
/// The most bytes of a package, unpacked.
const MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Unpacks `bytes` into `folder`, which it makes.
///
/// # Errors
/// When it is not a zip, over a bound, or names a file outside the folder; or the disk fails.
pub(super) fn unpack(bytes: &[u8], folder: &Path) -> io::Result<()> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(io::Error::other)?;
    if archive.len() > MAX_FILES {
        return Err(io::Error::other(format!("there are more than {MAX_FILES} files")));
    }
    fs::create_dir_all(folder)?;
    let mut left = MAX_BYTES;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(io::Error::other)?;
        let name = entry
            .enclosed_name()
            .ok_or_else(|| io::Error::other(format!("file {index} is named outside the package")))?;
        let path = folder.join(name);
        if entry.is_dir() {
            fs::create_dir_all(&path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = fs::File::create(&path)?;
        let copied = io::copy(&mut entry.by_ref().take(left + 1), &mut file)?;
        left = left
            .checked_sub(copied)
            .ok_or_else(|| io::Error::other(format!("the package is over {MAX_BYTES} bytes, unpacked")))?;
        if let Some(mode) = entry.unix_mode() {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o777))?;
        }
    }
    Ok(())
}
