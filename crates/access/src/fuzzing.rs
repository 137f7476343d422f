//! What the fuzz targets call.

use crate::format;

/// Reads a key file; gives the number of its keys, or the line of the first misfit.
///
/// # Errors
///
/// Fails with the line of what is not as it must be.
pub fn keys(text: &str) -> Result<usize, usize> {
    format::read(text).map(|keys| keys.len()).map_err(|misfit| misfit.line)
}
