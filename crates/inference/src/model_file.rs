//! A model file, taken apart and checked: bytes in, manifest and layers out.

use std::collections::BTreeSet;

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::dense::{Activation, Dense};
use crate::network::Network;
use crate::{Error, Manifest};

/// The largest file that is looked at.
pub(crate) const MAX_FILE_BYTES: usize = 32 << 20;

/// How many bytes say, at the start of a SafeTensors file, how long its header is.
const N_LENGTH_BYTES: usize = size_of::<u64>();

/// The key of the manifest in the `__metadata__` of the header.
const MANIFEST_KEY: &str = "manifest";

/// The manifest and the network in `bytes`, a whole SafeTensors file.
///
/// # Errors
///
/// Fails with the first thing that does not fit. No bytes whatever make it panic.
pub(crate) fn read(bytes: &[u8]) -> Result<(Manifest, Network), Error> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Error::TooLarge);
    }
    let (metadata, data) =
        split(bytes).map_err(|source| Error::NotSafetensors(Box::new(source)))?;
    let manifest = metadata.metadata().as_ref().and_then(|entries| entries.get(MANIFEST_KEY));
    let manifest: Manifest =
        serde_json::from_str(manifest.ok_or(Error::NoManifest)?).map_err(Error::Manifest)?;
    manifest.check()?;
    let layers = Tensors { metadata: &metadata, data }.layers(&manifest.layers)?;
    Ok((manifest, Network::new(layers)?))
}

/// The header and the data of a SafeTensors file; offsets in the header lie within the data.
fn split(bytes: &[u8]) -> Result<(Metadata, &[u8]), SafeTensorError> {
    refuse_oversized(bytes)?;
    let (header_length, metadata) = SafeTensors::read_metadata(bytes)?;
    let data = bytes.get(N_LENGTH_BYTES + header_length..).unwrap_or_default();
    Ok((metadata, data))
}

/// Refuses a header whose tensors claim more bytes than the file has.
///
/// `SafeTensors::read_metadata` does so as well, but adds up sizes that a header of eight tensors of 2⁶¹
/// bytes makes overflow, and where overflow is checked, that is a panic.
fn refuse_oversized(bytes: &[u8]) -> Result<(), SafeTensorError> {
    let Some((length, rest)) = bytes.split_first_chunk::<N_LENGTH_BYTES>() else { return Ok(()) };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let header = rest.get(..length).map(serde_json::from_slice::<Metadata>);
    match header {
        Some(Ok(metadata)) if metadata.data_len() > rest.len() => {
            Err(SafeTensorError::MetadataIncompleteBuffer)
        }
        _ => Ok(()), // What is wrong otherwise, `read_metadata` says better.
    }
}

/// The tensors of a file.
struct Tensors<'a> {
    metadata: &'a Metadata,
    data: &'a [u8],
}

impl Tensors<'_> {
    /// The layers between units of these numbers; exactly their tensors have to be there.
    ///
    /// | tensor            | shape           | dtype |
    /// |-------------------|-----------------|-------|
    /// | `layers.0.weight` | `(n_out, n_in)` | f32   |
    /// | `layers.0.bias`   | `(n_out,)`      | f32   |
    /// | `layers.1.weight` | …               |       |
    fn layers(&self, units: &[usize]) -> Result<Vec<Dense>, Error> {
        let mut layers = Vec::new();
        let mut expected = BTreeSet::new();
        for (i, sizes) in units.windows(2).enumerate() {
            let &[n_in, n_out] = sizes else { continue };
            let (weight, bias) = (format!("layers.{i}.weight"), format!("layers.{i}.bias"));
            let is_last = i + 2 == units.len();
            layers.push(Dense::new(
                &self.values(&weight, &[n_out, n_in])?,
                &self.values(&bias, &[n_out])?,
                if is_last { Activation::Identity } else { Activation::Relu },
            )?);
            expected.extend([weight, bias]);
        }
        match self.metadata.offset_keys().into_iter().find(|name| !expected.contains(name)) {
            Some(name) => Err(Error::UnexpectedTensor { name }),
            None => Ok(layers),
        }
    }

    /// The elements of a tensor of this name and shape, row by row.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let name = || name.to_owned();
        let Some(TensorInfo { dtype, shape: found, data_offsets: (start, end) }) =
            self.metadata.info(&name())
        else {
            return Err(Error::MissingTensor { name: name() });
        };
        if found != shape {
            let (expected, found) = (shape.to_vec(), found.clone());
            return Err(Error::Shape { name: name(), expected, found });
        }
        if *dtype != Dtype::F32 {
            return Err(Error::Dtype { name: name(), found: dtype.to_string() });
        }
        let bytes = self.data.get(*start..*end).unwrap_or_default();
        let values: Vec<f32> =
            bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if values.iter().all(|value| value.is_finite()) {
            Ok(values)
        } else {
            Err(Error::Weight { name: name() })
        }
    }
}
