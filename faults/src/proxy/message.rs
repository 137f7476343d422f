//! The messages of PostgreSQL's protocol: a byte for the kind, four for the length of the rest, themselves included.

/// The length of the message that starts here, if it is all there.
pub(super) fn message(data: &[u8]) -> Option<usize> {
    let length = data.get(1..5)?.try_into().ok().map(u32::from_be_bytes)?;
    let length = 1 + usize::try_from(length).ok()?;
    (data.len() >= length).then_some(length)
}

/// A message of this kind.
#[cfg(test)]
pub(super) fn message_of(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + content.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], content].concat()
}
